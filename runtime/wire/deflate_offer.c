/* SPDX-License-Identifier: MIT
 *
 * What is agreed about permessage-deflate (RFC 7692 section 7.1), both roles, strictly: a parameter
 * that is unknown, twice there or of a wrong form makes an offer nothing and an answer an error.
 */
#include "base/text.h"
#include "wire/deflate.h"

enum { MIN_BITS = 8, MAX_BITS = 15, DEFLATE_MIN_BITS = 9 /* zlib cannot write for 8 */ };

struct params { /* of one offer, or of the answer */
    bool server_forgets, client_forgets, has_server_bits, has_client_bits;
    int server_bits, client_bits; /* 0: without a value */
};

static void skip_blanks(struct ln_str *s) {
    while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t'))
        *s = (struct ln_str){s->p + 1, s->n - 1};
}

static bool take_char(struct ln_str *s, char c) {
    skip_blanks(s);
    if (s->n == 0 || s->p[0] != c) return false;
    *s = (struct ln_str){s->p + 1, s->n - 1};
    return true;
}

static struct ln_str take_token(struct ln_str *s) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "!#$%&'*+-.^_`|~";
    skip_blanks(s);
    size_t n = 0;
    while (n < s->n && s->p[n] && strchr(allowed, s->p[n]))
        n++;
    struct ln_str token = {s->p, n};
    *s = (struct ln_str){s->p + n, s->n - n};
    return token;
}

/* "10" or its quoted form; false when it is no number from 8 to 15 in its shortest form (7.1.2). */
static bool take_bits(struct ln_str *s, int *bits) {
    bool quoted = take_char(s, '"');
    struct ln_str t = take_token(s);
    if (quoted && !take_char(s, '"')) return false;
    if (t.n == 1)
        *bits = t.p[0] - '0';
    else if (t.n == 2 && t.p[0] == '1' && t.p[1] >= '0' && t.p[1] <= '9')
        *bits = 10 + t.p[1] - '0';
    else
        return false;
    return *bits >= MIN_BITS && *bits <= MAX_BITS;
}

/* Sets a flag that must not be set yet. */
static bool set_once(bool *flag) {
    bool was = *flag;
    *flag = true;
    return !was;
}

static bool take_param(struct ln_str *s, struct params *p) {
    struct ln_str name = take_token(s);
    bool has_value = take_char(s, '=');
    if (ln_str_is(name, "server_no_context_takeover"))
        return !has_value && set_once(&p->server_forgets);
    if (ln_str_is(name, "client_no_context_takeover"))
        return !has_value && set_once(&p->client_forgets);
    if (ln_str_is(name, "server_max_window_bits"))
        return has_value && take_bits(s, &p->server_bits) && set_once(&p->has_server_bits);
    if (ln_str_is(name, "client_max_window_bits"))
        return (!has_value || take_bits(s, &p->client_bits)) && set_once(&p->has_client_bits);
    return false;
}

/* Behind the comma that ends this extension, or at the end. */
static void skip_extension(struct ln_str *s) {
    bool quoted = false;
    size_t n = 0;
    for (; n < s->n && (quoted || s->p[n] != ','); n++)
        if (s->p[n] == '"') quoted = !quoted;
    if (n < s->n) n++;
    *s = (struct ln_str){s->p + n, s->n - n};
}

/* One extension of a list; true when it is ours and well-formed. Takes it off in any case. */
static bool take_extension(struct ln_str *s, struct params *p) {
    *p = (struct params){0};
    bool ok = ln_str_is(take_token(s), "permessage-deflate");
    while (ok && take_char(s, ';'))
        ok = take_param(s, p);
    skip_blanks(s);
    ok = ok && (s->n == 0 || s->p[0] == ',');
    skip_extension(s);
    return ok;
}

bool ws_deflate_choose(struct ln_str offers, struct ws_deflate *d, struct ln_buf *answer) {
    struct params p;
    *d = (struct ws_deflate){0};
    while (offers.n > 0) {
        if (!take_extension(&offers, &p)) continue;
        if (p.has_server_bits && p.server_bits < DEFLATE_MIN_BITS) continue;
        *d = (struct ws_deflate){.on = true, .bits = MAX_BITS};
        ln_buf_puts(answer,
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
        if (p.has_server_bits) {
            d->bits = (uint8_t)p.server_bits;
            ln_buf_fmt(answer, "; server_max_window_bits=%d", p.server_bits);
        }
        return true;
    }
    return false;
}

bool ws_deflate_agreed(struct ln_str answer, struct ws_deflate *d, struct ln_err *err) {
    struct params p;
    struct ln_str rest = answer;
    *d = (struct ws_deflate){0};
    bool ok = take_extension(&rest, &p);
    skip_blanks(&rest);
    if (ok && rest.n == 0 && !p.has_client_bits) {
        *d = (struct ws_deflate){.on = true, .keeps = !p.server_forgets, .bits = MAX_BITS};
        return true;
    }
    struct ln_buf shown = {0};
    ln_printable(&shown, answer, 200);
    ln_fail(err, LN_PROTOCOL,
            "the server answered the offer of permessage-deflate with \"%s\", which was not "
            "offered (RFC 7692 7.1)",
            ln_buf_cstr(&shown));
    ln_buf_free(&shown);
    return false;
}
