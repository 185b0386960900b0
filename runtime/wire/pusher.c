/* SPDX-License-Identifier: MIT
 *
 * Pusher protocol 7 without sockets. Called for every message by client/conn_pusher and
 * hub/hub_pusher: the envelope is read in one walk, and `data` stays as it stands until somebody
 * asks for it.
 */
#include "wire/pusher.h"

#include <stdlib.h>

#include "base/crypt.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

/* --- channels --- */

enum pusher_kind pusher_kind(struct ln_str channel) {
    if (ln_str_starts(channel, "private-encrypted-")) return PUSHER_ENCRYPTED;
    if (ln_str_starts(channel, "private-")) return PUSHER_PRIVATE;
    if (ln_str_starts(channel, "presence-")) return PUSHER_PRESENCE;
    if (ln_str_starts(channel, "#")) return PUSHER_USER;
    return PUSHER_PUBLIC;
}

bool pusher_is_cache(struct ln_str channel) {
    static const char *const prefixes[] = {"cache-", "private-cache-", "private-encrypted-cache-",
                                           "presence-cache-"};
    for (size_t i = 0; i < LN_COUNT(prefixes); i++)
        if (ln_str_starts(channel, prefixes[i])) return true;
    return false;
}

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool pusher_channel_ok(struct ln_str channel) {
    size_t i = ln_str_starts(channel, "#");
    if (channel.n == i || channel.n > 200) return false;
    for (; i < channel.n; i++)
        if (!is_alnum(channel.p[i]) && !memchr("_-=@,.;", channel.p[i], 7)) return false;
    return true;
}

/* --- reading --- */

/* A member that is kept as text: where it lies until all of scratch is written. */
struct part {
    struct ln_str raw; /* a string's inside, or a number */
    bool is_escaped;
    size_t at, n; /* in scratch, when escaped */
};

static void unescape(struct part *part, struct ln_buf *scratch) {
    if (!part->is_escaped) return;
    part->at = scratch->n;
    (void)ln_json_unescape(part->raw, scratch); /* the tokenizer has seen every escape */
    part->n = scratch->n - part->at;
}

static struct ln_str part_get(const struct part *part, const struct ln_buf *scratch) {
    if (!part->is_escaped) return part->raw;
    return part->n ? (struct ln_str){scratch->p + part->at, part->n} : LN_STR("");
}

static void take(struct part *part, const struct ln_json *j, enum ln_json_type type,
                 bool number_too) {
    bool is_text = type == LN_JSON_STRING, is_number = number_too && type == LN_JSON_NUMBER;
    *part = (struct part){.raw = {NULL, 0}};
    if (!is_text && !is_number) return;
    part->raw = j->raw;
    part->is_escaped = is_text && j->escaped;
}

enum { EVENT, CHANNEL, USER_ID, PARTS };

/* Which part a key names; PARTS: `data`; -1: none. Nobody escapes these keys. */
static int key_part(struct ln_str key) {
    switch (key.n) {
    case 4:
        return ln_str_is(key, "data") ? PARTS : -1;
    case 5:
        return ln_str_is(key, "event") ? EVENT : -1;
    case 7:
        return ln_str_is(key, "channel") ? CHANNEL : ln_str_is(key, "user_id") ? USER_ID : -1;
    default:
        return -1;
    }
}

static bool not_json(const struct ln_json *j, struct ln_err *err) {
    struct ln_err why = {0};
    ln_json_error(j, &why);
    ln_fail(err, LN_PROTOCOL, "the message is no JSON: %.200s", why.text);
    return false;
}

/* Behind the key `data`: takes a string as it stands, so that the walk goes on behind it; false: it
 * is none, or has no end. */
static bool skim_string(struct ln_json *j, struct ln_str text, struct ln_str *data) {
    const char *p = j->p, *end = text.p + text.n;
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    const char *close = p < end && *p == '"' ? ln_json_string_end(p + 1, end) : NULL;
    if (!close) return false;
    *data = (struct ln_str){p, (size_t)(close + 1 - p)};
    ln_json_init(j, text, 0);
    ln_json_resume(j, (size_t)(close + 1 - text.p), true);
    return true;
}

/* The object's members; false: no JSON. */
static bool members(struct ln_json *j, struct ln_str text, bool skims, struct part *parts,
                    struct ln_str *data) {
    enum ln_json_type type;
    while ((type = ln_json_next(j)) == LN_JSON_KEY) {
        int which = key_part(j->raw);
        if (skims && which == PARTS && skim_string(j, text, data)) continue;
        enum ln_json_type first = ln_json_next(j);
        const char *begin = first == LN_JSON_STRING ? j->raw.p - 1 : j->raw.p;
        if (which >= 0 && which < PARTS) take(&parts[which], j, first, which == USER_ID);
        if (!ln_json_skip(j, first)) return false;
        if (which == PARTS) *data = (struct ln_str){begin, (size_t)(j->p - begin)};
    }
    return type == LN_JSON_OBJECT_END && ln_json_next(j) == LN_JSON_END;
}

static bool parse(struct ln_str text, bool skims, struct pusher_msg *m, struct ln_buf *scratch,
                  struct ln_err *err) {
    struct part parts[PARTS] = {0};
    struct ln_json j;
    memset(m, 0, sizeof *m);
    ln_buf_clear(scratch);
    ln_json_init(&j, text, 0);
    enum ln_json_type type = ln_json_next(&j);
    if (type == LN_JSON_ERROR) return not_json(&j, err);
    if (type != LN_JSON_OBJECT) {
        if (!ln_json_skip(&j, type) || ln_json_next(&j) != LN_JSON_END) return not_json(&j, err);
        ln_fail(err, LN_PROTOCOL, "the message is no JSON object");
        return false;
    }
    if (!members(&j, text, skims, parts, &m->data)) return not_json(&j, err);
    if (!parts[EVENT].raw.p) {
        ln_fail(err, LN_PROTOCOL, "the message names no event");
        return false;
    }
    for (int i = 0; i < PARTS; i++)
        unescape(&parts[i], scratch);
    m->event = part_get(&parts[EVENT], scratch);
    m->channel = part_get(&parts[CHANNEL], scratch);
    m->user_id = part_get(&parts[USER_ID], scratch);
    return true;
}

bool pusher_parse(struct ln_str text, struct pusher_msg *m, struct ln_buf *scratch,
                  struct ln_err *err) {
    return parse(text, false, m, scratch, err);
}

bool pusher_skim(struct ln_str text, struct pusher_msg *m, struct ln_buf *scratch,
                 struct ln_err *err) {
    return parse(text, true, m, scratch, err);
}

/* What stands inside a string, decoded; false: it is none, or broken. */
static bool inside_of(struct ln_str data, struct ln_buf *out, struct ln_str *inside) {
    if (ln_json_peek(data) != LN_JSON_STRING) return false;
    const char *quote = memchr(data.p, '"', data.n);
    size_t front = (size_t)(quote - data.p) + 1;
    *inside = (struct ln_str){quote + 1, data.n < front + 1 ? 0 : data.n - front - 1};
    if (inside->n == 0 || !memchr(inside->p, '\\', inside->n)) return true;
    ln_buf_clear(out);
    if (!ln_json_unescape(*inside, out)) return false;
    *inside = ln_buf_get(out);
    return true;
}

struct ln_str pusher_guess(struct ln_str data, struct ln_buf *out, bool *is_sure) {
    struct ln_str inside;
    *is_sure = true;
    if (data.n == 0) return LN_STR("null");
    if (!inside_of(data, out, &inside)) return data;
    *is_sure = inside.n < 2 || (*inside.p != '{' && *inside.p != '[');
    return !*is_sure || ln_json_valid(inside, NULL) ? inside : data;
}

struct ln_str pusher_data(struct ln_str data, struct ln_buf *out) {
    bool is_sure;
    struct ln_str value = pusher_guess(data, out, &is_sure);
    return is_sure || ln_json_valid(value, NULL) ? value : data;
}

/* --- writing --- */

static void member(struct ln_buf *out, const char *key, struct ln_str text) {
    if (!text.p) return;
    ln_buf_puts(out, key);
    ln_json_quote(out, text);
}

void pusher_write(struct ln_buf *out, struct ln_str event, struct ln_str channel,
                  struct ln_str data, bool double_encoded, struct ln_str user_id) {
    ln_buf_puts(out, "{\"event\":");
    ln_json_quote(out, event);
    member(out, ",\"channel\":", channel);
    if (double_encoded) {
        member(out, ",\"data\":", data);
    } else if (data.p) {
        ln_buf_puts(out, ",\"data\":");
        ln_buf_str(out, data);
    }
    member(out, ",\"user_id\":", user_id);
    ln_buf_putc(out, '}');
}

/* --- signatures --- */

void pusher_sign(struct ln_buf *out, struct ln_str key, struct ln_str secret,
                 const struct ln_str *parts, size_t count) {
    unsigned char digest[32];
    struct ln_buf text = {0};
    for (size_t i = 0; i < count; i++) {
        if (i) ln_buf_putc(&text, ':');
        ln_buf_str(&text, parts[i]);
    }
    ln_hmac_sha256(secret, ln_buf_get(&text), digest);
    ln_buf_free(&text);
    ln_buf_str(out, key);
    ln_buf_putc(out, ':');
    ln_hex(out, digest, sizeof digest);
}

bool pusher_verify(struct ln_str auth, struct ln_str key, struct ln_str secret,
                   const struct ln_str *parts, size_t count) {
    struct ln_buf right = {0};
    pusher_sign(&right, key, secret, parts, count);
    bool same = ln_equal_secret(auth, ln_buf_get(&right));
    ln_buf_free(&right);
    return same;
}

struct field {
    struct ln_str key, value; /* as they stand in the query */
    size_t position;          /* keeps equal keys in their order */
};

static char lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static int field_order(const void *a, const void *b) {
    const struct field *x = a, *y = b;
    size_t n = LN_MIN(x->key.n, y->key.n);
    for (size_t i = 0; i < n; i++) {
        unsigned char l = (unsigned char)lower(x->key.p[i]), r = (unsigned char)lower(y->key.p[i]);
        if (l != r) return l < r ? -1 : 1;
    }
    if (x->key.n != y->key.n) return x->key.n < y->key.n ? -1 : 1;
    return x->position < y->position ? -1 : 1;
}

/* Splits the query; returns how many fields, without the signature's. */
static size_t fields_of(struct ln_str query, struct field *fields) {
    size_t count = 0;
    const char *p = query.p, *end = query.p + query.n;
    while (query.n && p <= end) {
        const char *stop = p < end ? memchr(p, '&', (size_t)(end - p)) : NULL;
        if (!stop) stop = end;
        const char *equals = stop > p ? memchr(p, '=', (size_t)(stop - p)) : NULL;
        struct field f = {{p, (size_t)((equals ? equals : stop) - p)}, {"", 0}, count};
        if (equals) f.value = (struct ln_str){equals + 1, (size_t)(stop - equals - 1)};
        if (f.key.n && !ln_str_is(f.key, "auth_signature")) fields[count++] = f;
        p = stop + 1;
    }
    return count;
}

/* Signed is the value, not its percent form; what is malformed is taken as it stands. */
static void add_decoded(struct ln_buf *out, struct ln_str text) {
    if (!text.n) return;
    if (!memchr(text.p, '%', text.n) || !ln_percent_decode(out, text)) ln_buf_str(out, text);
}

void pusher_api_sign(struct ln_str secret, struct ln_str method, struct ln_str path,
                     struct ln_str query, char out[65]) {
    size_t most = 1;
    for (size_t i = 0; i < query.n; i++)
        most += query.p[i] == '&';
    struct field *fields = ln_alloc(most * sizeof *fields);
    size_t count = fields_of(query, fields);
    if (count) qsort(fields, count, sizeof *fields, field_order);

    struct ln_buf text = {0}, hex = {0};
    ln_buf_str(&text, method);
    ln_buf_putc(&text, '\n');
    ln_buf_str(&text, path);
    ln_buf_putc(&text, '\n');
    for (size_t i = 0; i < count; i++) {
        if (i) ln_buf_putc(&text, '&');
        for (size_t k = 0; k < fields[i].key.n; k++)
            ln_buf_putc(&text, lower(fields[i].key.p[k]));
        ln_buf_putc(&text, '=');
        add_decoded(&text, fields[i].value);
    }
    unsigned char digest[32];
    ln_hmac_sha256(secret, ln_buf_get(&text), digest);
    ln_hex(&hex, digest, sizeof digest);
    memcpy(out, ln_buf_cstr(&hex), 65);
    ln_buf_free(&text);
    ln_buf_free(&hex);
    ln_free(fields);
}

/* --- codes --- */

enum pusher_action pusher_close_action(int code) {
    if (code < 4000) return PUSHER_BACKOFF;
    if (code == 4000) return PUSHER_USE_TLS;
    if (code < 4100) return PUSHER_REFUSED;
    if (code < 4200) return PUSHER_BACKOFF;
    return code < 4300 ? PUSHER_AT_ONCE : PUSHER_REFUSED;
}

const char *pusher_code_text(int code) {
    static const struct {
        int code;
        const char *text;
    } texts[] = {
        {4000, "the application accepts TLS connections only"},
        {4001, "the app does not exist"},
        {4003, "the app is disabled"},
        {4004, "the app is over its connection quota"},
        {4005, "the path was not found"},
        {4006, "the version string is invalid"},
        {4007, "the protocol version is not supported"},
        {4008, "no protocol version was given"},
        {4009, "the connection is not authorized"},
        {4100, "the server is over its capacity"},
        {4200, "the server asks to reconnect"},
        {4201, "no pong came in time"},
        {4202, "closed after inactivity"},
        {4301, "a client event was rejected"},
        {4302, "the watchlist is too long"},
    };
    for (size_t i = 0; i < LN_COUNT(texts); i++)
        if (texts[i].code == code) return texts[i].text;
    return NULL;
}
