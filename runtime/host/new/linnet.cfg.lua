-- Settings of @NAME@, in Lua syntax. `linnet help` and docs/config.md tell what there is.
hub = {
  port = 4321,
}

-- Names for linnet.connect("NAME"). "hub" is always there: the hub of `linnet dev`.
connections = {
  -- school = { url = "wss://chat.example", auth = { token = secret "SCHOOL_TOKEN" } },
}
