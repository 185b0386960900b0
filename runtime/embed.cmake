# SPDX-License-Identifier: MIT
# cmake -DOUT=x.c -DSYMBOL=name -DFILES="a;b" -P embed.cmake: the files as one table that ends with
# {NULL, NULL, 0}; see base/embed.h.
set(body "#include \"base/embed.h\"\n")
set(table "")
set(i 0)
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND body "static const unsigned char file_${i}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", (const char *)file_${i}, sizeof file_${i} - 1},\n")
  math(EXPR i "${i} + 1")
endforeach()
file(WRITE ${OUT} "${body}const struct ln_embedded ${SYMBOL}[] = {\n${table}    {0, 0, 0},\n};\n")
