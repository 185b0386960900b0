/* SPDX-License-Identifier: MIT
 *
 * A folder that is watched by its path: it may be another one tomorrow (a checkout deletes and
 * makes it anew), and is looked for while there is none.
 */
#ifndef LN_FOLDER_H
#define LN_FOLDER_H

#include "io/loop.h"

struct folder;

/* name: of what changed in it; "": whatever is in it may have. Not to be closed from inside. */
typedef void (*folder_fn)(void *ud, const char *name);

/* Never NULL; err->code: LN_OK, or it is not there yet. */
struct folder *folder_watch(struct loop *l, const char *path, folder_fn fn, void *ud,
                            struct ln_err *err);
void folder_unwatch(struct folder *f); /* NULL: nothing */

#endif
