/* SPDX-License-Identifier: MIT
 *
 * Who is in a presence channel. User ids are compared as text, because servers write them as
 * strings and as numbers; a hash may be a JSON array, because PHP makes one of keys that count from
 * 0. Of `ids` and `hash` the hash counts.
 */
#include "client/pusher_parts.h"

enum {
    MEMBERS_MAX = 10000,    /* Pusher allows 100 */
    MEMBERS_BYTES = 4 << 20 /* … with 1 KiB each */
};

bool pusher_id_text(struct ln_str raw, struct ln_buf *out) {
    ln_buf_clear(out);
    if (ln_json_peek(raw) == LN_JSON_NUMBER) {
        ln_buf_str(out, raw);
        return true;
    }
    return raw.p && ln_json_text(raw, out) && out->n > 0;
}

/* False: it was not there. */
static bool take(struct channel *ch, struct ln_str id) {
    char *info = ln_map_remove(&ch->members, id);
    if (!info) return false;
    ch->member_bytes -= id.n + strlen(info);
    ln_free(info);
    return true;
}

/* One too many, or too big, is left out: who sends so much means no good. */
static void put(struct channel *ch, struct ln_str id, struct ln_str info) {
    if (!info.p) info = LN_STR("null");
    const char *old = ln_map_get(&ch->members, id);
    size_t bytes = ch->member_bytes - (old ? id.n + strlen(old) : 0) + id.n + info.n;
    if (bytes > MEMBERS_BYTES || (!old && ch->members.count >= MEMBERS_MAX)) return;
    ch->member_bytes = bytes;
    ln_free(ln_map_set(&ch->members, id, ln_str_dup(info)));
}

void members_set(struct channel *ch, struct ln_str data) {
    struct ln_str hash = ln_json_get(ln_json_get(data, "presence"), "hash"), key, info;
    struct ln_buf id = {0};
    size_t pos = 0;
    members_free(ch);
    if (ln_json_peek(hash) == LN_JSON_ARRAY) {
        for (int64_t i = 0; ln_json_each(hash, &pos, NULL, &info); i++) {
            ln_buf_clear(&id);
            ln_buf_int(&id, i);
            put(ch, ln_buf_get(&id), info);
        }
    } else if (hash.p) {
        while (ln_json_each(hash, &pos, &key, &info)) {
            ln_buf_clear(&id);
            if (ln_json_unescape(key, &id)) put(ch, ln_buf_get(&id), info);
        }
    }
    ln_buf_free(&id);
}

bool members_add(struct channel *ch, struct ln_str data) {
    struct ln_buf id = {0};
    bool ok = pusher_id_text(ln_json_get(data, "user_id"), &id);
    if (ok) put(ch, ln_buf_get(&id), ln_json_get(data, "user_info"));
    ln_buf_free(&id);
    return ok;
}

bool members_remove(struct channel *ch, struct ln_str data) {
    struct ln_buf id = {0};
    bool ok = pusher_id_text(ln_json_get(data, "user_id"), &id) && take(ch, ln_buf_get(&id));
    ln_buf_free(&id);
    return ok;
}

void members_write(const struct channel *ch, struct ln_buf *out) {
    size_t i = 0;
    struct ln_str id;
    void *info;
    char lead = '[';
    while (ln_map_next(&ch->members, &i, &id, &info)) {
        ln_buf_putc(out, lead);
        ln_buf_puts(out, "{\"id\":");
        ln_json_quote(out, id);
        ln_buf_puts(out, ",\"info\":");
        ln_buf_puts(out, info);
        ln_buf_putc(out, '}');
        lead = ',';
    }
    if (lead == '[') ln_buf_putc(out, lead);
    ln_buf_putc(out, ']');
}

void members_free(struct channel *ch) {
    size_t i = 0;
    struct ln_str id;
    void *info;
    while (ln_map_next(&ch->members, &i, &id, &info))
        ln_free(info);
    ln_map_free(&ch->members);
    ch->member_bytes = 0;
}
