/* SPDX-License-Identifier: MIT
 *
 * The forms of a log record as pure text; used by log.c only.
 */
#ifndef LN_LOG_FORM_H
#define LN_LOG_FORM_H

#include "base/buf.h"
#include "base/log.h"

struct log_record {
    enum ln_log_level level;
    const char *tag;
    struct ln_str msg;
    const struct ln_log_field *fields;
    size_t n;
    int64_t wall_ms;
};

/* Adds the record with its newline; form is not AUTO; color matters to the text form only. */
void log_form(struct ln_buf *out, const struct log_record *r, enum ln_log_format form, bool color);

#endif
