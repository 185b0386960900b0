/* SPDX-License-Identifier: MIT
 *
 * All connections of one program: opening, finding, closing; handles; the fields that scripts read.
 * What is closed is out of every table at once, and its memory goes at the end of the turn, so that
 * a connection may be closed inside any callback.
 */
#include <stdio.h>

#include "base/text.h"
#include "client/line.h"
#include "client/recovery.h"
#include "client/token.h"

enum { QUIET_LOOKS = 15 }; /* that a slow peer is given at the end */

struct clients *clients_new(struct loop *l, const struct conn_sink *sink, void *ud) {
    struct clients *cs = ln_new(struct clients);
    cs->loop = l;
    cs->sink = sink;
    cs->ud = ud;
    ln_list_init(&cs->all_lines);
    cs->names.lent = cs->lines.lent = true;
    return cs;
}

static void free_if_over(struct clients *cs) {
    if (!cs->closing || cs->alive > 0) return;
    ln_slots_free(&cs->slots);
    ln_map_free(&cs->names);
    ln_map_free(&cs->lines);
    ln_buf_free(&cs->scratch);
    ln_buf_free(&cs->in[0]);
    ln_buf_free(&cs->in[1]);
    ln_free(cs);
}

void clients_hold(struct clients *cs) {
    cs->alive++;
}

void clients_release(struct clients *cs) {
    cs->alive--;
    free_if_over(cs);
}

static void tell_quiet(void *ud) {
    struct clients *cs = ud;
    loop_fn fn = cs->quiet;
    cs->quiet = NULL;
    loop_timer_cancel(cs->loop, cs->quiet_timer);
    if (fn) fn(cs->quiet_ud);
}

/* A line has gone. */
void clients_check_quiet(struct clients *cs) {
    if (cs->quiet && ln_list_empty(&cs->all_lines)) tell_quiet(cs);
}

static size_t unsent_of_all(const struct clients *cs) {
    size_t sum = 0;
    LN_LIST_EACH (&cs->all_lines, it, tmp) {
        const struct line *ln = LN_CONTAINER(it, struct line, node);
        if (ln->ws || ln->poll) sum += line_queued(ln);
    }
    return sum;
}

/* Who takes what waits is given time, though not for ever; who does not holds nobody. */
static void on_quiet_look(void *ud) {
    struct clients *cs = ud;
    size_t unsent = unsent_of_all(cs);
    if (unsent >= cs->unsent || --cs->quiet_looks == 0) {
        tell_quiet(cs);
        return;
    }
    cs->unsent = unsent;
    cs->quiet_timer = loop_timer(cs->loop, cs->quiet_ms, on_quiet_look, cs);
}

void clients_quiet(struct clients *cs, int64_t ms, loop_fn fn, void *ud) {
    loop_timer_cancel(cs->loop, cs->quiet_timer);
    cs->quiet = fn;
    cs->quiet_ud = ud;
    cs->quiet_ms = ms;
    cs->quiet_looks = QUIET_LOOKS;
    cs->unsent = unsent_of_all(cs);
    bool is_now = ln_list_empty(&cs->all_lines);
    cs->quiet_timer =
        loop_timer(cs->loop, is_now ? 0 : ms, is_now ? tell_quiet : on_quiet_look, cs);
}

void clients_free(struct clients *cs) {
    if (!cs || cs->closing) return;
    cs->quiet = NULL;
    loop_timer_cancel(cs->loop, cs->quiet_timer);
    size_t i = 0;
    struct conn *c;
    while (clients_each(cs, &i, &c))
        conn_close(c);
    LN_LIST_EACH (&cs->all_lines, it, tmp)
        line_abort(LN_CONTAINER(it, struct line, node)); /* the close frames are on their way */
    cs->closing = true;
    free_if_over(cs);
}

bool clients_each(struct clients *cs, size_t *i, struct conn **c) {
    struct ln_str name;
    void *value;
    if (!ln_map_next(&cs->names, i, &name, &value)) return false;
    *c = value;
    return true;
}

void clients_codecs(struct clients *cs, const struct conn_codecs *codecs, void *ud) {
    cs->codecs = codecs;
    cs->codecs_ud = ud;
}

void clients_dialler(struct clients *cs, int (*dial)(void *ud, struct conn *c), void *ud) {
    cs->dial = dial;
    cs->dial_ud = ud;
}

/* --- opening and closing --- */

static void nsp_free(struct conn *c) {
    if (c->nsp != conn_root) ln_free(c->nsp);
}

/* Ten thousand connections to one server differ in their URLs and logins at most: one copy of all
 * other options. */
struct kept_opts {
    struct conn_opts o; /* without url and auth */
    char *prefix;       /* of rooms, as the URL says it; NULL: nothing */
    size_t refs;
};

/* "?prefix=presence-" of a Pusher URL. */
static char *prefix_in_url(const char *url) {
    struct url u;
    struct ln_err err;
    struct ln_buf plain = {0};
    url_parse(&u, ln_str(url), &err);
    for (const char *p = u.query; p; p = strchr(p, '&')) {
        p += *p == '&';
        if (strncmp(p, "prefix=", 7) != 0) continue;
        ln_percent_decode(&plain, (struct ln_str){p + 7, strcspn(p + 7, "&")});
        ln_buf_cstr(&plain);
        break;
    }
    url_free(&u);
    return ln_buf_take(&plain, NULL);
}

const char *clients_room_prefix(const struct conn_opts *o) {
    const struct kept_opts *k = LN_CONTAINER(o, const struct kept_opts, o);
    return o->channel_prefix ? o->channel_prefix : k->prefix ? k->prefix : "";
}

static const struct conn_opts *opts_hold(struct clients *cs, const struct conn_opts *o) {
    struct conn_opts settled = *o; /* the strings stay o's */
    bool has_prefix = strstr(o->url, "prefix=") != NULL;
    conn_opts_settle(&settled);
    settled.url = settled.auth = NULL;
    struct kept_opts *k = cs->newest_opts;
    if (has_prefix || !k || !conn_opts_same(&k->o, &settled)) {
        k = ln_new(struct kept_opts);
        conn_opts_copy(&k->o, &settled);
        if (has_prefix)
            k->prefix = prefix_in_url(o->url);
        else
            cs->newest_opts = k;
    }
    k->refs++;
    return &k->o;
}

void clients_hold_opts(const struct conn_opts *o) {
    LN_CONTAINER(o, struct kept_opts, o)->refs++;
}

void clients_release_opts(struct clients *cs, const struct conn_opts *o) {
    struct kept_opts *k = LN_CONTAINER(o, struct kept_opts, o);
    if (--k->refs > 0) return;
    if (cs->newest_opts == k) cs->newest_opts = NULL;
    conn_opts_free(&k->o);
    ln_free(k->prefix);
    ln_free(k);
}

static void opts_release(struct conn *c) {
    if (c->opts) clients_release_opts(c->clients, c->opts);
    ln_free(c->url);
    token_wipe(&c->auth);
    c->opts = NULL;
}

void conn_take_opts(struct conn *c, const struct conn_opts *o, char *nsp,
                    const struct proto *proto) {
    const struct conn_opts *kept = opts_hold(c->clients, o); /* first: o may be our own */
    char *url = ln_strdup(o->url), *auth = o->auth ? ln_strdup(o->auth) : NULL;
    opts_release(c);
    c->url = url;
    c->auth = auth;
    if (c->more->shown_url) {
        ln_free(c->more->shown_url);
        c->more->shown_url = NULL;
    }
    nsp_free(c);
    c->opts = kept;
    c->proto = proto;
    c->nsp = nsp;
    c->failures = 0;
}

static void start(void *ud) {
    struct conn *c = ud;
    if (!c->starts || c->is_closed) return;
    c->starts = false;
    conn_begin(c, "first");
}

struct conn *conn_open(struct clients *cs, const char *name, const struct conn_opts *o,
                       struct ln_err *err) {
    char *nsp;
    const struct proto *proto;
    if (cs->closing || ln_map_get(&cs->names, ln_str(name))) {
        ln_fail(err, LN_INVALID, "there is a connection named '%s' already", name);
        return NULL;
    }
    if (!conn_opts_check(o, &nsp, &proto, err)) return NULL;
    struct conn *c = ln_alloc(sizeof *c + sizeof CONN_TAG + strlen(name));
    stpcpy(stpcpy(c->tag, CONN_TAG), name);
    c->clients = cs;
    c->auth_reason = "first";
    ln_list_init(&c->line_node);
    stats_init(c);
    emit_init(c);
    rooms_init(c);
    conn_take_opts(c, o, nsp, proto);
    c->handle = ln_slot_put(&cs->slots, c, HANDLE_CONN);
    ln_map_set(&cs->names, ln_str(conn_name(c)), c);
    clients_hold(cs);
    c->starts = o->autoconnect;
    if (c->starts) loop_defer(cs->loop, start, c);
    return c;
}

static void conn_free(void *conn) {
    struct conn *c = conn;
    struct clients *cs = c->clients;
    emit_close(c);
    rooms_free(c);
    token_free(c);
    recovery_free(c);
    stats_free(c);
    opts_release(c);
    emit_free(c);
    ln_free(c->sid);
    nsp_free(c);
    ln_free(c);
    clients_release(cs);
}

void conn_close(struct conn *c) {
    if (c->is_closed) return;
    c->is_closed = true;
    ln_map_remove(&c->clients->names, ln_str(conn_name(c)));
    ln_slot_drop(&c->clients->slots, c->handle);
    conn_leave(c);
    c->epoch++;
    c->state = CONN_CLOSED;
    loop_defer(c->clients->loop, conn_free, c);
}

/* --- finding --- */

struct conn *conn_find(struct clients *cs, struct ln_str name) {
    return ln_map_get(&cs->names, name);
}

struct conn *conn_of_handle(struct clients *cs, ln_id id) {
    return ln_slot_get(&cs->slots, id, HANDLE_CONN);
}

/* --- fields --- */

ln_id conn_handle(const struct conn *c) {
    return c->handle;
}
const char *conn_name(const struct conn *c) {
    return c->tag + strlen(CONN_TAG);
}
const char *conn_url(const struct conn *c) {
    if (!c->more->shown_url) {
        struct url u;
        struct ln_buf b = {0};
        conn_opts_url(c, &u);
        ln_buf_fmt(&b, u.is_ipv6 ? "%s://[%s]" : "%s://%s", u.scheme, u.host);
        if (u.has_port) ln_buf_fmt(&b, ":%d", u.port);
        ln_buf_puts(&b, u.path);
        /* The same connection to its users. */
        conn_more((struct conn *)c)->shown_url = ln_buf_take(&b, NULL);
        url_free(&u);
    }
    return c->more->shown_url;
}
const char *conn_protocol(const struct conn *c) {
    return c->proto->name;
}
const char *conn_id(const struct conn *c) {
    return c->sid ? c->sid : "";
}
bool conn_recovered(const struct conn *c) {
    return c->recovered;
}
enum conn_state conn_state(const struct conn *c) {
    return c->state;
}
int conn_attempt(const struct conn *c) {
    return c->state == CONN_CONNECTED ? 0 : c->attempt;
}
const struct conn_opts *conn_options(const struct conn *c) {
    struct conn_opts *whole = &c->clients->whole_opts;
    *whole = *c->opts;
    whole->url = c->url;
    whole->auth = c->auth;
    return whole;
}
uint64_t conn_epoch(const struct conn *c) {
    return c->epoch;
}
void *conn_user(const struct conn *c) {
    return c->user;
}
void conn_user_set(struct conn *c, void *user) {
    c->user = user;
}
