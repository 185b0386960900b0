/* SPDX-License-Identifier: MIT
 *
 * What every file of linnet may use: slices, status codes, an error with words, and the few
 * macros. Nothing here allocates.
 */
#ifndef LN_H
#define LN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LN_VERSION "0.1.0"
#define LN_API 1 /* what a script asks with linnet.api; grows when a name changes its meaning */

/* A borrowed piece of bytes, not terminated. {NULL, 0} is the empty slice. */
struct ln_str {
    const char *p;
    size_t n;
};
#define LN_STR(literal) ((struct ln_str){"" literal, sizeof(literal) - 1})
#define LN_FMT(s) (int)(s).n, (s).p ? (s).p : "" /* for "%.*s" */

static inline struct ln_str ln_str(const char *cstr) {
    return (struct ln_str){cstr, cstr ? strlen(cstr) : 0};
}
static inline bool ln_str_eq(struct ln_str a, struct ln_str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool ln_str_is(struct ln_str a, const char *cstr) {
    return ln_str_eq(a, ln_str(cstr));
}
static inline bool ln_str_starts(struct ln_str a, const char *prefix) {
    size_t n = strlen(prefix);
    return a.n >= n && memcmp(a.p, prefix, n) == 0;
}

/* What went wrong, as a script sees it in err.code (docs: API 0, rule 3). */
typedef enum ln_status {
    LN_OK = 0,
    LN_TIMEOUT,
    LN_DISCONNECTED,
    LN_UNAUTHORIZED,
    LN_FORBIDDEN,
    LN_REFUSED,
    LN_NOT_FOUND,
    LN_INVALID,
    LN_DROPPED,
    LN_CANCELLED,
    LN_RELOADED,
    LN_FULL,
    LN_BUDGET,
    LN_DENIED,
    LN_PROTOCOL,
    LN_STATUS_COUNT
} ln_status;

/* "timeout", "disconnected" ...; never NULL. */
const char *ln_status_name(ln_status s);

/* An error that a person will read. Lives on the caller's stack. `text` says what failed and, where
 * there is one, the option that mends it. Never holds a secret. */
struct ln_err {
    ln_status code;
    char text[400];
};

/* Fills err (which may be NULL) and returns code, so that `return ln_fail(err, ...)` reads well. */
ln_status ln_fail(struct ln_err *err, ln_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define LN_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define LN_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LN_MAX(a, b) ((a) > (b) ? (a) : (b))
#define LN_LIKELY(x) __builtin_expect(!!(x), 1)
#define LN_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
