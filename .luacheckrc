-- SPDX-License-Identifier: MIT
std = "lua54"
max_line_length = 120
files["scripts"] = { read_globals = { "linnet" } }
files["runtime/host/new"] = { read_globals = { "linnet" } }
files["tests/lua"] = { std = "lua54+busted", globals = { "rig" } }
files["plugins"] = { read_globals = { "linnet" } }
exclude_files = { "**/*.cfg.lua" }
