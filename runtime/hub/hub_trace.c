/* SPDX-License-Identifier: MIT
 *
 * Records for the page's Events tab. Made only while somebody looks on; heartbeats never come here,
 * and what carries the records is no event itself.
 */
#include "hub/hub_int.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

#define TEXT_CHARS 200

bool hub_traced(const struct hub *h) {
    return h->tracers > 0;
}

void hub_trace(struct hub *h, struct ln_str json) {
    if (hub_traced(h)) hub_send_tracers(h, json);
}

static struct ln_str first_chars(struct ln_str s, size_t chars) {
    size_t i = 0, n;
    while (i < s.n && chars-- > 0 && (n = ln_utf8_char(s.p + i, s.n - i)) > 0)
        i += n;
    return (struct ln_str){s.p, i};
}

/* Secrets are taken out before a text is cut: half a token is a secret, too. */
static void add(struct ln_buf *out, const char *key, struct ln_str text) {
    struct ln_buf shown = {0};
    ln_log_redact(&shown, text);
    ln_buf_fmt(out, ",\"%s\":", key);
    ln_json_quote(out, first_chars(ln_buf_get(&shown), TEXT_CHARS));
    ln_buf_free(&shown);
}

void hub_trace_event(struct hub *h, const char *dir, const struct hub_client *c, struct ln_str name,
                     struct ln_str room, struct ln_str args) {
    struct ln_buf json = {0};
    if (LN_LIKELY(!hub_traced(h)) || ln_str_is(name, "trace")) return;
    ln_buf_fmt(&json, "{\"t\":%lld,\"dir\":\"%s\",\"conn\":\"hub\",\"size\":%zu",
               (long long)ln_wall_ms(), dir, args.n);
    add(&json, "name", name);
    struct ln_str said = ln_json_get(args, "room");
    if (room.n > 0) {
        add(&json, "room", room);
    } else if (said.p && ln_json_peek(said) == LN_JSON_STRING && ln_json_valid(said, NULL)) {
        ln_buf_puts(&json, ",\"room\":");
        ln_buf_str(&json, said);
    }
    if (c && c->user) add(&json, "user", ln_str(c->user->name));
    add(&json, "text", args);
    ln_buf_putc(&json, '}');
    hub_trace(h, ln_buf_get(&json));
    ln_buf_free(&json);
}
