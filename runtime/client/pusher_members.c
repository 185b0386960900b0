/* SPDX-License-Identifier: MIT
 *
 * Who is in a presence channel. User ids are compared as text, because servers write them as
 * strings and as numbers; a hash may be a JSON array, because PHP makes one of keys that count from
 * 0. Of `ids` and `hash` the hash counts.
 */
#include "client/pusher_parts.h"

#define MEMBERS_MAX 10000 /* Pusher allows 100 */

bool pusher_id_text(struct ln_str raw, struct ln_buf *out) {
    ln_buf_clear(out);
    if (ln_json_peek(raw) == LN_JSON_NUMBER) {
        ln_buf_str(out, raw);
        return true;
    }
    return raw.p && ln_json_text(raw, out) && out->n > 0;
}

static void put(struct channel *ch, struct ln_str id, struct ln_str info) {
    if (ch->members.count >= MEMBERS_MAX && !ln_map_get(&ch->members, id)) return;
    ln_free(ln_map_set(&ch->members, id, ln_str_dup(info.p ? info : LN_STR("null"))));
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
    char *info = NULL;
    if (pusher_id_text(ln_json_get(data, "user_id"), &id))
        info = ln_map_remove(&ch->members, ln_buf_get(&id));
    ln_buf_free(&id);
    ln_free(info);
    return info != NULL;
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
}
