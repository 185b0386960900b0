/* SPDX-License-Identifier: MIT
 *
 * Text tools: UTF-8, base64, percent coding, durations, and the nearest known name for error texts.
 */
#ifndef LN_TEXT_H
#define LN_TEXT_H

#include "base/buf.h"

bool ln_utf8_valid(const char *p, size_t n); /* RFC 3629: no surrogates, no overlong forms */
/* Incremental: *state begins as 0; false as soon as the bytes cannot be UTF-8. At the end of the
 * text *state must be 0 again (RFC 6455 5.6 and 8.1: a fragment may end inside a character). */
bool ln_utf8_feed(uint32_t *state, const char *p, size_t n);
/* Bytes of the character at the front (1 to 4); 0 when it is bad or cut short, or n is 0. */
size_t ln_utf8_char(const char *p, size_t n);
/* Behind the valid characters from p on that are not ASCII; p itself when none is there. */
const char *ln_utf8_skip(const char *p, const char *end);

void ln_base64_encode(struct ln_buf *out, const void *p, size_t n); /* standard, padded */
/* Accepts both alphabets, with or without padding; false and out untouched when malformed. */
bool ln_base64_decode(struct ln_buf *out, struct ln_str in);
void ln_hex(struct ln_buf *out, const void *p, size_t n); /* lower case */

int ln_hex_digit(char c); /* its value; -1: none */

void ln_percent_encode(struct ln_buf *out, struct ln_str in); /* as encodeURIComponent */
bool ln_percent_decode(struct ln_buf *out, struct ln_str in); /* false when malformed */

/* Words of HTTP and URLs: letters (ASCII) in either case. */
bool ln_word_is(struct ln_str s, const char *word);
/* Without the blanks and tabs at both ends. */
struct ln_str ln_trim(struct ln_str s);

/* "250ms" "10s" "1.5h" "5m" "2h" "1d", or a bare number of seconds ("0.5"); rounded to whole ms, at
 * most 10 years. */
bool ln_duration_parse(struct ln_str in, int64_t *ms);
/* "2025-06-01T10:00:00Z", "2025-06-01 12:00:00.5+02:00" (RFC 3339) in ms since 1970. */
bool ln_time_parse(struct ln_str in, int64_t *wall_ms);
/* "3 ms", "1.2 s", "4 m 10 s", for people. buf holds at least 32 bytes; returned. */
const char *ln_duration_text(int64_t ms, char *buf, size_t n);
/* "812 B", "1.2 kB", "3.4 MB". */
const char *ln_bytes_text(uint64_t bytes, char *buf, size_t n);

/* The nearest of a NULL-terminated list of names by edit distance (transposition counts one), or
 * NULL when none is near (more than a third of the length away, at least 1). */
const char *ln_nearest(struct ln_str name, const char *const *names);
/* For the end of an error's text: " (did you mean 'NEAR'?)", or "" for NULL. buf holds LN_MEANT
 * bytes; returned. */
enum { LN_MEANT = 96 };
const char *ln_meant(const char *near, char *buf);

/* Copies s to out for a person or a terminal: control bytes and bad UTF-8 as \xNN, at most max
 * bytes with "…" behind. What comes from the wire never reaches a terminal raw. */
void ln_printable(struct ln_buf *out, struct ln_str s, size_t max);

#endif
