/* SPDX-License-Identifier: MIT
 *
 * Encrypted channels: NaCl secretbox under a key that comes with the signature and that the server
 * never sees. A key may be changed while we are subscribed: an event that does not open asks for
 * the key once more, and those behind it wait for it; what does not open then is dropped, with a
 * log line. The next event tries again.
 */
#include "base/crypt_box.h"
#include "base/text.h"
#include "client/pusher_parts.h"

enum { HELD_MAX = 100, HELD_BYTES = 1 << 20 };

struct box {
    unsigned char key[LN_BOX_KEY];
    struct msgs *held; /* while the key is asked for again; NULL: it is not */
};

bool box_open(struct channel *ch, struct ln_str shared_secret_raw, struct ln_err *err) {
    struct ln_buf text = {0}, key = {0};
    bool ok = false;
    if (!shared_secret_raw.p)
        ln_fail(err, LN_PROTOCOL, "the answer has no shared_secret, which encrypted channels need");
    else if (!ln_json_text(shared_secret_raw, &text) ||
             !ln_base64_decode(&key, ln_buf_get(&text)) || key.n != LN_BOX_KEY)
        ln_fail(err, LN_PROTOCOL, "the answer's shared_secret is not base64 of 32 bytes");
    else
        ok = true;
    if (ok) {
        if (!ch->box) ch->box = ln_new(struct box);
        memcpy(ch->box->key, key.p, LN_BOX_KEY);
    }
    if (text.p) ln_wipe(text.p, text.n);
    if (key.p) ln_wipe(key.p, key.n);
    ln_buf_free(&text);
    ln_buf_free(&key);
    return ok;
}

void box_free(struct channel *ch) {
    if (!ch->box) return;
    msgs_free(&ch->box->held);
    ln_wipe(ch->box->key, sizeof ch->box->key);
    ln_free(ch->box);
    ch->box = NULL;
}

static bool decoded(struct ln_str data, const char *key, struct ln_buf *out) {
    struct ln_buf text = {0};
    bool ok =
        ln_json_text(ln_json_get(data, key), &text) && ln_base64_decode(out, ln_buf_get(&text));
    ln_buf_free(&text);
    return ok;
}

enum opened { OPENED, NOT_OURS, NO_BOX };

/* data: {"nonce":BASE64,"ciphertext":BASE64}; the plain text is added to out. */
static enum opened open_data(const struct box *b, struct ln_str data, struct ln_buf *out) {
    struct ln_buf nonce = {0}, sealed = {0};
    enum opened how = NO_BOX;
    if (decoded(data, "nonce", &nonce) && decoded(data, "ciphertext", &sealed) &&
        nonce.n == LN_BOX_NONCE && sealed.n >= LN_BOX_OVERHEAD)
        how = ln_box_open(b->key, (const unsigned char *)nonce.p, ln_buf_get(&sealed), out)
                  ? OPENED
                  : NOT_OURS;
    ln_buf_free(&nonce);
    ln_buf_free(&sealed);
    return how;
}

static void drop(struct channel *ch, struct ln_str event, const char *why) {
    struct conn *c = ch->line->root;
    conn_more(c)->dropped++;
    ln_log(LN_WARN, c->tag, "event '%.*s' of '%s' is dropped: %s", LN_FMT(event), ch->name, why);
}

/* The plain text is JSON, or a text. */
static void tell(struct channel *ch, struct ln_str event, struct ln_str plain) {
    struct ln_buf quoted = {0};
    ln_json_quote(&quoted, plain);
    pusher_tell(ch->line, event, (struct ln_str){ch->name, ch->n}, (struct ln_str){0},
                ln_buf_get(&quoted));
    ln_buf_free(&quoted);
}

static void hold(struct channel *ch, struct ln_str event, struct ln_str data) {
    struct msgs *held = ch->box->held;
    if (held->count >= HELD_MAX || held->bytes + data.n > HELD_BYTES)
        drop(ch, event, "too many wait for the channel's new key");
    else
        msgs_push(held, msg_new(event, data, NULL, 0));
}

void box_event(struct channel *ch, const struct pusher_msg *m) {
    struct line *ln = ch->line;
    struct ln_buf plain = {0};
    struct ln_str data = pusher_data(m->data, &ln->clients->in[1]);
    if (ch->box->held) {
        hold(ch, m->event, data);
        return;
    }
    enum opened how = open_data(ch->box, data, &plain);
    if (how == OPENED) {
        tell(ch, m->event, ln_buf_get(&plain));
    } else if (how == NO_BOX) {
        drop(ch, m->event, "no nonce of 24 bytes, or no ciphertext, in base64");
    } else {
        ch->box->held = ln_new(struct msgs);
        hold(ch, m->event, data);
        pusher_ask(ln, ASK_KEY, (struct ln_str){ch->name, ch->n});
    }
    ln_buf_free(&plain);
}

void box_key(struct line *ln, struct ln_str name, struct ln_str json, const struct ln_err *err) {
    struct channel *ch = channel_find(ln->priv, name);
    struct ln_err why = {0};
    struct msg *m;
    if (!ch || !ch->box || !ch->box->held) return;
    struct msgs *held = ch->box->held;
    ch->box->held = NULL;
    if (err)
        why = *err;
    else
        box_open(ch, ln_json_get(json, "shared_secret"), &why);
    while ((m = msgs_take(held))) {
        struct ln_buf plain = {0};
        ch = ln->root ? channel_find(ln->priv, name) : NULL; /* who heard the last may have left */
        if (ch && ch->box && open_data(ch->box, m->args, &plain) == OPENED)
            tell(ch, m->name, ln_buf_get(&plain));
        else if (ch && ch->box)
            drop(ch, m->name, why.text[0] ? why.text : "it does not open with the channel's key");
        ln_buf_free(&plain);
        ln_free(m);
    }
    msgs_free(&held);
}
