/* SPDX-License-Identifier: MIT
 *
 * The log: level, message and fields, as text for people or NDJSON for machines, to stderr or a
 * sink. Fields are key/value pairs so that both forms come from one call. Secrets must not be
 * handed in; values registered with ln_log_hide, and whatever looks like a JSON Web Token, are
 * replaced by *** all the same.
 */
#ifndef LN_LOG_H
#define LN_LOG_H

#include "base/ln.h"

struct ln_buf;

enum ln_log_level { LN_TRACE, LN_DEBUG, LN_INFO, LN_WARN, LN_ERROR, LN_OFF };
enum ln_log_format { LN_LOG_AUTO, LN_LOG_TEXT, LN_LOG_JSON, LN_LOG_JOURNAL };

struct ln_log_field {
    const char *key;
    struct ln_str text; /* shown as text … */
    bool is_json;       /* … or, when set, `text` is a JSON value, printed as it is */
};

/* Called for every record that passes the level, instead of writing to stderr. */
typedef void (*ln_log_sink)(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                            const struct ln_log_field *fields, size_t n);

void ln_log_setup(enum ln_log_level level, enum ln_log_format format, bool color);
/* "conn:chat=trace,script:bot=debug"; false with err when malformed. */
bool ln_log_levels(const char *spec, struct ln_err *err);
void ln_log_to(ln_log_sink sink, void *ud); /* NULL restores stderr */
void ln_log_hide(struct ln_str secret);     /* copied; short ones (< 4 bytes) are ignored */
/* The same for tokens, which soon mean nothing: the last 32 of at least 8 bytes are hidden. */
void ln_log_hide_recent(struct ln_str secret);
/* Adds s to out with what is hidden as ***: for whatever else is shown, as the Events tab. */
void ln_log_redact(struct ln_buf *out, struct ln_str s);
void ln_log_close(void); /* frees hidden secrets and levels */
bool ln_log_level_parse(struct ln_str s, enum ln_log_level *out);
const char *ln_log_level_name(enum ln_log_level level);

/* tag: "conn:chat", "script:bot", "hub", "linnet". */
bool ln_log_on(enum ln_log_level level, const char *tag);
void ln_log(enum ln_log_level level, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ln_log_fields(enum ln_log_level level, const char *tag, struct ln_str msg,
                   const struct ln_log_field *fields, size_t n);

#endif
