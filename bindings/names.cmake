# SPDX-License-Identifier: MIT
# cmake -DOUT=x.c -DFILES="a;b" -P names.cmake: every API name that a signature comment tells: a line
# `/* conn:on(event, …` in C, `-- room:send(text, …` in Lua.
set(names "")
foreach(file IN LISTS FILES)
  file(STRINGS ${file} lines REGEX "^ *(/\\*|--) [a-z_0-9]+[.:][a-z_0-9.:]+\\(")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^ *(/\\*|--) ([a-z_0-9]+[.:][a-z_0-9.:]+)\\(.*" "\\2" name "${line}")
    list(APPEND names ${name})
  endforeach()
endforeach()
list(REMOVE_DUPLICATES names)
list(SORT names)
set(body "")
foreach(name IN LISTS names)
  string(APPEND body "    \"${name}\",\n")
endforeach()
file(WRITE ${OUT} "#include \"base/embed.h\"\nconst char *const api_names[] = {\n${body}    0,\n};\n")
