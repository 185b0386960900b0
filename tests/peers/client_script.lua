-- client_script.lua URL: a namespace with a token, one without, acks both ways, binary, a goodbye.
local linnet = require "linnet"
local url = linnet.args[1]
local chat = linnet.connect(url)
chat:on("question", function(data, ack) ack({ answer = data.n }) end)
assert(chat:ready("60s"))

local reply = assert(chat:emit_with_ack("mixed", "text", linnet.binary("\0\255\n")))
assert(reply.got == "\0\255\n", "binary came back changed")

local refused = linnet.connect(url .. "/admin", { auth = { token = "wrong" } })
local err = refused:wait_for("connect_error", { timeout = "60s" })
assert(err.message == "not authorized" and err.data.code == "E", linnet.inspect(err))

local admin = linnet.connect(url .. "/admin?again=1", { auth = { token = "t" } })
assert(admin:wait_for("hi", { timeout = "60s" }) == "admin")

chat:emit("bye")
local reason = chat:wait_for("disconnect", { timeout = "60s" })
assert(reason == "io server disconnect", reason)
linnet.exit(0)
