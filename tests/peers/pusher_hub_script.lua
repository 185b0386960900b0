-- pusher_hub_script.lua: an app of Pusher's protocol on the hub, and who may have its channels;
-- pusher_hub_test.mjs talks to it.
local linnet = require "linnet"
local hub = linnet.hub {
  port = 0,
  apps = { {
    key = "app-key", secret = "app-secret", id = "app-id",
    encryption_master_key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
  } },
}

-- A user is who the bearer token or the parameter `token` says: "7:Kari".
hub:on_auth(function(request)
  local token = request.params.token or (request.headers.authorization or ""):match "^Bearer (.+)"
  local id, name = (token or ""):match "^(%w+):(%w+)$"
  if not id then return nil, "who are you?" end
  linnet.sleep("10ms")
  local watched = request.params.watch
  return { user_id = math.tointeger(id) or id, user_info = { name = name }, watchlist = watched and { watched } }
end)

hub:on("client-ping", function(client, data, info)
  hub:to(info.channel):emit("pong", { n = data.n + 1, from = client.user.name, over = client.protocol })
end)

hub:on("client-seal", function(_, data) hub:to("private-encrypted-vault"):emit("sealed", data) end)

print("listening on http://127.0.0.1:" .. hub.port)
