/* SPDX-License-Identifier: MIT
 *
 * A request's query and headers, as its handlers and the hooks want them.
 */
#include "hub/hub_http.h"

#include "base/json.h"
#include "base/text.h"

static bool query_each(struct ln_str query, size_t *at, struct ln_str *key, struct ln_str *value) {
    if (*at >= query.n) return false;
    const char *p = query.p + *at, *end = query.p + query.n;
    const char *amp = memchr(p, '&', (size_t)(end - p));
    const char *stop = amp ? amp : end;
    const char *eq = memchr(p, '=', (size_t)(stop - p));
    *key = (struct ln_str){p, (size_t)((eq ? eq : stop) - p)};
    *value = eq ? (struct ln_str){eq + 1, (size_t)(stop - eq - 1)} : (struct ln_str){"", 0};
    *at = (size_t)(stop - query.p) + 1;
    return true;
}

struct ln_str hub_query_get(struct ln_str query, const char *name) {
    struct ln_str key, value;
    size_t at = 0;
    while (query_each(query, &at, &key, &value))
        if (ln_str_is(key, name)) return value;
    return (struct ln_str){NULL, 0};
}

static void quote_decoded(struct ln_buf *out, struct ln_str s) {
    struct ln_buf raw = {0}, plain = {0};
    ln_buf_str(&raw, s);
    for (size_t i = 0; i < raw.n; i++)
        if (raw.p[i] == '+') raw.p[i] = ' '; /* as forms and URLSearchParams write a blank */
    ln_json_quote(out, ln_percent_decode(&plain, ln_buf_get(&raw)) ? ln_buf_get(&plain) : s);
    ln_buf_free(&raw);
    ln_buf_free(&plain);
}

void hub_query_json(struct ln_buf *out, struct ln_str query) {
    struct ln_str key, value;
    size_t at = 0;
    bool first = true;
    ln_buf_putc(out, '{');
    while (query_each(query, &at, &key, &value)) {
        if (!first) ln_buf_putc(out, ',');
        first = false;
        quote_decoded(out, key);
        ln_buf_putc(out, ':');
        quote_decoded(out, value);
    }
    ln_buf_putc(out, '}');
}

/* The request's headers in small letters, and :path, :query and :ip. */
void hub_headers_json(struct ln_buf *out, const struct server_request *r) {
    struct ln_str name, value;
    size_t i = 0;
    ln_buf_puts(out, "{\":path\":");
    ln_json_quote(out, r->path);
    ln_buf_puts(out, ",\":query\":");
    ln_json_quote(out, r->query);
    ln_buf_puts(out, ",\":ip\":");
    ln_json_quote(out, r->ip);
    while (server_each_header(r, &i, &name, &value)) {
        ln_buf_puts(out, ",\"");
        for (size_t k = 0; k < name.n; k++) { /* a token: nothing in it needs an escape */
            char c = name.p[k];
            ln_buf_putc(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
        }
        ln_buf_puts(out, "\":");
        ln_json_quote(out, value);
    }
    ln_buf_putc(out, '}');
}
