/* SPDX-License-Identifier: MIT
 *
 * Allocation that cannot fail, and the registry of named faults. A fault is a place in the code
 * that asks ln_fault("name") before it does the real thing; tests switch it on.
 */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void out_of_memory(size_t n, const char *file, int line) {
    fprintf(stderr, "%s:%d: out of memory (%zu bytes)\n", file, line, n);
    abort();
}

void *ln_mem_alloc(size_t n, const char *file, int line) {
    void *p = calloc(1, n ? n : 1);
    if (!p) out_of_memory(n, file, line);
    return p;
}

void *ln_mem_realloc(void *p, size_t n, const char *file, int line) {
    p = realloc(p, n ? n : 1);
    if (!p) out_of_memory(n, file, line);
    return p;
}

char *ln_mem_dup(const char *p, size_t n, const char *file, int line) {
    char *copy = n < SIZE_MAX ? malloc(n + 1) : NULL;
    if (!copy) out_of_memory(n, file, line);
    if (n) memcpy(copy, p, n);
    copy[n] = 0;
    return copy;
}

void ln_free(void *p) {
    free(p);
}

struct fault {
    char *name;
    unsigned nth; /* 0: every time */
    unsigned asked;
};

static struct fault *faults;
static size_t fault_count;

static void fault_add(const char *part, size_t n) {
    const char *colon = memchr(part, ':', n);
    size_t name_n = colon ? (size_t)(colon - part) : n;
    unsigned nth = 0;
    if (colon) {
        for (const char *p = colon + 1; p < part + n; p++) {
            if (*p < '0' || *p > '9' || nth > 100000000) {
                nth = 0;
                break;
            }
            nth = nth * 10 + (unsigned)(*p - '0');
        }
    }
    if (name_n == 0 || (colon && nth == 0)) {
        /* Silence would make a test pass that tests nothing. */
        fprintf(stderr, "fault \"%.*s\" ignored: wanted name or name:number\n", (int)n, part);
        return;
    }
    faults = ln_realloc(faults, (fault_count + 1) * sizeof *faults);
    faults[fault_count++] = (struct fault){ln_dup(part, name_n), nth, 0};
}

void ln_fault_set(const char *spec) {
    for (size_t i = 0; i < fault_count; i++)
        ln_free(faults[i].name);
    ln_free(faults);
    faults = NULL;
    fault_count = 0;
    while (spec && *spec) {
        size_t n = strcspn(spec, ",");
        if (n) fault_add(spec, n);
        spec += n + (spec[n] == ',');
    }
}

bool ln_fault(const char *name) {
    bool hit = false;
    /* A name may be given twice ("a:1,a:3"): each entry counts on its own. */
    for (size_t i = 0; LN_UNLIKELY(i < fault_count); i++) {
        struct fault *f = &faults[i];
        if (strcmp(f->name, name) != 0) continue;
        f->asked++;
        if (f->nth == 0 || f->asked == f->nth) hit = true;
    }
    return hit;
}
