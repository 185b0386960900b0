/* SPDX-License-Identifier: MIT
 *
 * Files that are part of the program: the hub's page and the Lua half. Made by the build
 * (runtime/embed.cmake); a table ends with a NULL name.
 */
#ifndef LN_EMBED_H
#define LN_EMBED_H

#include <stddef.h>

struct ln_embedded {
    const char *name; /* "page.js" */
    const char *p;    /* 0-terminated */
    size_t n;
};

extern const struct ln_embedded hub_page_files[];
extern const struct ln_embedded lua_half_files[];
extern const struct ln_embedded new_files[]; /* what `linnet new` writes */

/* Names of the Lua API, "conn:on" and "linnet.after", NULL-terminated: collected by the build from
 * the signature comments of bindings/ (bindings/names.cmake). */
extern const char *const api_names[];

#endif
