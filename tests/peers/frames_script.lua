-- frames_script.lua URL: says the size of every frame that came, and then that it is done.
local linnet = require "linnet"
local chat = linnet.connect(linnet.args[1])
chat:on("size", function(text) chat:emit("got", #text) end)
chat:on("fragment", function(text)
  chat:emit("got", text)
  chat:emit("end")
end)
chat:on("disconnect", function() linnet.exit(0) end)
