/* SPDX-License-Identifier: MIT
 *
 * The names of the status codes and the one way to fill an error.
 */
#include "base/ln.h"

#include <stdarg.h>
#include <stdio.h>

const char *ln_status_name(ln_status s) {
    static const char *const names[LN_STATUS_COUNT] = {
        [LN_OK] = "ok",
        [LN_TIMEOUT] = "timeout",
        [LN_DISCONNECTED] = "disconnected",
        [LN_UNAUTHORIZED] = "unauthorized",
        [LN_FORBIDDEN] = "forbidden",
        [LN_REFUSED] = "refused",
        [LN_NOT_FOUND] = "not_found",
        [LN_INVALID] = "invalid",
        [LN_DROPPED] = "dropped",
        [LN_CANCELLED] = "cancelled",
        [LN_RELOADED] = "reloaded",
        [LN_FULL] = "full",
        [LN_BUDGET] = "budget",
        [LN_DENIED] = "denied",
        [LN_PROTOCOL] = "protocol",
    };
    return (unsigned)s < LN_STATUS_COUNT ? names[s] : "unknown";
}

ln_status ln_fail(struct ln_err *err, ln_status code, const char *fmt, ...) {
    if (!err) return code;
    /* Into a copy first: callers wrap an error as ln_fail(err, ..., "dial: %s", err->text). */
    char text[sizeof err->text];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0) n = 0;
    err->code = code;
    size_t len = LN_MIN((size_t)n, sizeof text - 1);
    /* A text cut short must not end inside a UTF-8 character. */
    if ((size_t)n > len) {
        while (len > 0 && ((unsigned char)text[len - 1] & 0xC0) == 0x80)
            len--;
        if (len > 0 && (unsigned char)text[len - 1] >= 0xC0) len--;
    }
    memcpy(err->text, text, len);
    err->text[len] = 0;
    return code;
}
