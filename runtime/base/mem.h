/* SPDX-License-Identifier: MIT
 *
 * Memory for the host. These never return NULL: out of memory in C ends the process with file and
 * line (a script's memory is capped on its own and ends only the script). Also the registry of
 * named faults that tests and LINNET_FAULT switch on.
 */
#ifndef LN_MEM_H
#define LN_MEM_H

#include "base/ln.h"

void *ln_mem_alloc(size_t n, const char *file, int line); /* zeroed */
void *ln_mem_realloc(void *p, size_t n, const char *file, int line);
char *ln_mem_dup(const char *p, size_t n, const char *file, int line); /* copy + a 0 byte */

#define ln_alloc(n) ln_mem_alloc((n), __FILE__, __LINE__)
#define ln_new(type) ((type *)ln_mem_alloc(sizeof(type), __FILE__, __LINE__))
#define ln_realloc(p, n) ln_mem_realloc((p), (n), __FILE__, __LINE__)
#define ln_dup(p, n) ln_mem_dup((p), (n), __FILE__, __LINE__)
#define ln_strdup(s) ln_mem_dup((s), strlen(s), __FILE__, __LINE__)
#define ln_str_dup(s) ln_mem_dup((s).p, (s).n, __FILE__, __LINE__)
void ln_free(void *p); /* NULL is fine */

/* Fault injection. `spec` is LINNET_FAULT's form: "ws.connect:2,store.write" = fail the 2nd
 * ws.connect and every store.write. NULL clears. */
void ln_fault_set(const char *spec);
/* True when the named step must fail now. One load and a branch when no fault is set. */
bool ln_fault(const char *name);

#endif
