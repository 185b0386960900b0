/* SPDX-License-Identifier: MIT
 *
 * Lines: who rides on which, attempts, heartbeat, reconnection. Every end of a transport goes
 * through on_closed, which comes by itself at the end of a turn; so nothing here is freed or told
 * while somebody further up the stack still works with it. How an attempt is dialled is
 * line_dial.c.
 */
#include "client/line.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/text.h"
#include "client/cookies.h"
#include "client/poll.h"
#include "client/token.h"

#define SHARE_LOOK 16 /* lines with equal options that are looked at for a free namespace */

/* --- which line --- */

static void key_text(struct ln_buf *b, const char *s) {
    ln_buf_puts(b, s ? s : "");
    ln_buf_putc(b, '\0');
}

static void key_of(const struct conn *c, unsigned char key[LINE_KEY]) {
    const struct conn_opts *o = c->opts;
    struct url u;
    struct ln_buf b = {0};
    unsigned char hash[32];
    conn_opts_url(c, &u);
    const char *const texts[] = {
        c->proto->name, u.host,     u.user,     u.password,         u.query,
        o->path,        o->query,   o->headers, o->tls.ca,          o->tls.cert,
        o->tls.key,     o->tls.pin, o->proxy,   o->tls.server_name, o->tls.passphrase,
        u.unix_path,
    };
    for (size_t i = 0; i < LN_COUNT(texts); i++)
        key_text(&b, texts[i]);
    ln_buf_fmt(&b, "%d %d %d %zu %d %d %lld %lld %lld %lld %lld %lld %a %d %d %d %d", u.tls, u.port,
               o->tls.insecure, o->max_message, o->max_attachments, o->reconnection,
               (long long)o->reconnection_attempts, (long long)o->timeout_ms,
               (long long)o->backoff.min_ms, (long long)o->backoff.max_ms,
               (long long)o->backoff.late_max_ms, (long long)o->backoff.stable_ms,
               o->backoff.factor, o->compress, o->transports[0], o->transports[1], o->upgrade);
    /* What functions give for requests is this connection's alone. */
    if (o->headers_asked || o->query_asked) ln_buf_fmt(&b, " %llu", (unsigned long long)c->handle);
    ln_sha256(b.p, b.n, hash);
    memcpy(key, hash, LINE_KEY);
    ln_buf_free(&b);
    url_free(&u);
}

struct conn *line_conn(const struct line *ln, struct ln_str nsp) {
    if (nsp.n == 1) return ln->root;
    return ln->by_nsp ? ln_map_get(ln->by_nsp, nsp) : NULL;
}

bool line_owes(const struct line *ln, struct ln_str nsp) {
    return LN_UNLIKELY(ln->owed != NULL) && ln_map_get(ln->owed, nsp);
}

bool line_owed_came(struct line *ln, struct ln_str nsp) {
    return LN_UNLIKELY(ln->owed != NULL) && ln_map_remove(ln->owed, nsp);
}

static void owe(struct line *ln, struct ln_str nsp) {
    if (!ln->owed) ln->owed = ln_new(struct ln_map);
    ln_map_set(ln->owed, nsp, ln);
}

static void owe_nothing(struct line *ln) {
    if (ln->owed) ln_map_free(ln->owed);
    ln_free(ln->owed);
    ln->owed = NULL;
}

static struct ln_str key_str(const struct line *ln) {
    return (struct ln_str){(const char *)ln->key, sizeof ln->key};
}

void line_unlist(struct line *ln) {
    if (!ln->is_listed) return;
    ln->is_listed = false;
    struct ln_map *lines = &ln->clients->lines;
    struct line *newest = ln_map_get(lines, key_str(ln));
    if (newest == ln) {
        if (ln->older)
            ln_map_set(lines, key_str(ln->older), ln->older);
        else
            ln_map_remove(lines, key_str(ln));
        return;
    }
    while (newest->older != ln)
        newest = newest->older;
    newest->older = ln->older;
}

static struct line *line_new(struct conn *c, const unsigned char key[LINE_KEY]) {
    struct line *ln = ln_alloc(sizeof *ln + c->proto->line_size);
    ln->clients = c->clients;
    ln->proto = c->proto;
    ln->priv = ln + 1;
    memcpy(ln->key, key, sizeof ln->key);
    ln_list_init(&ln->conns);
    ln_list_init(&ln->node);
    ln_list_push(&ln->clients->all_lines, &ln->node);
    ln->older = ln_map_set(&ln->clients->lines, key_str(ln), ln);
    ln->is_listed = true;
    clients_hold(ln->clients);
    return ln;
}

struct line *line_attach(struct conn *c) {
    unsigned char key[LINE_KEY];
    key_of(c, key);
    struct line *ln = ln_map_get(&c->clients->lines, (struct ln_str){(char *)key, sizeof key});
    for (int i = 0; ln && (ln->is_lost || line_conn(ln, ln_str(c->nsp))); i++)
        ln = i < SHARE_LOOK ? ln->older : NULL;
    if (!ln) ln = line_new(c, key);
    c->line = ln;
    ln_list_push(&ln->conns, &c->line_node);
    if (!c->nsp[1]) {
        ln->root = c;
        return ln;
    }
    if (!ln->by_nsp) {
        ln->by_nsp = ln_new(struct ln_map);
        ln->by_nsp->lent = true;
    }
    ln_map_set(ln->by_nsp, ln_str(c->nsp), c);
    return ln;
}

static void free_line(void *line) {
    struct line *ln = line;
    struct clients *cs = ln->clients;
    ln_list_remove(&ln->node);
    if (ln->by_nsp) ln_map_free(ln->by_nsp);
    ln_free(ln->by_nsp);
    owe_nothing(ln);
    cookies_free(ln->cookies);
    ln_free(ln->loss);
    ln_free(ln);
    clients_check_quiet(cs);
    clients_release(cs);
}

static void stop_timers(struct line *ln) {
    loop_timer_cancel(ln->clients->loop, ln->timer);
    loop_timer_cancel(ln->clients->loop, ln->heartbeat);
}

void line_abort(struct line *ln) {
    line_road_abort(ln);
}

/* Nobody rides any more. */
static void line_end(struct line *ln) {
    line_unlist(ln);
    stop_timers(ln);
    ln->state = LINE_ENDING;
    if (!line_has_road(ln))
        loop_defer(ln->clients->loop, free_line, ln);
    else if (ln->is_lost)
        line_road_abort(ln);
    else
        line_road_close(ln);
}

void line_detach(struct conn *c) {
    struct line *ln = c->line;
    if (!ln) return;
    c->line = NULL;
    if (c->step == STEP_ASKED && line_has_road(ln)) owe(ln, ln_str(c->nsp));
    ln_list_remove(&c->line_node);
    if (c->nsp[1])
        ln_map_remove(ln->by_nsp, ln_str(c->nsp));
    else
        ln->root = NULL;
    if (ln_list_empty(&ln->conns))
        line_end(ln);
    else
        line_asked(ln);
}

struct conn *line_lead(const struct line *ln) {
    return LN_CONTAINER(ln->conns.next, struct conn, line_node);
}

const struct conn_opts *line_opts(const struct line *ln) {
    return line_lead(ln)->opts;
}

/* Calls fn for each connection that is on the line now, and still is when its turn comes: those who
 * hear of it may connect, disconnect and close whatever they like. */
static void each_conn(struct line *ln, void (*fn)(struct conn *c, void *ud), void *ud) {
    struct clients *cs = ln->clients;
    size_t n = 0, cap = 0;
    ln_id one, *ids = &one, *many = NULL;
    LN_LIST_EACH (&ln->conns, it, tmp) {
        if (n == LN_MAX(cap, 1)) {
            cap = n * 2 + 8;
            many = ln_realloc(many, cap * sizeof *many);
            if (ids == &one) many[0] = one;
            ids = many;
        }
        ids[n++] = LN_CONTAINER(it, struct conn, line_node)->handle;
    }
    for (size_t i = 0; i < n; i++) {
        struct conn *c = conn_of_handle(cs, ids[i]);
        if (c && c->line == ln) fn(c, ud);
    }
    ln_free(many);
}

/* --- asking --- */

void line_asked(struct line *ln) {
    if (ln->state != LINE_ASKING || ln->is_asking) return;
    LN_LIST_EACH (&ln->conns, it, tmp)
        if (LN_CONTAINER(it, struct conn, line_node)->ticket) return;
    line_dial(ln);
}

void line_came(struct line *ln, struct conn *c) {
    if (ln->state == LINE_ASKING || ln->state == LINE_OPENING) {
        token_ask(c);
        line_asked(ln);
    } else if (ln->state == LINE_UP && !ln->is_lost && c->step == STEP_OFF) {
        conn_enter(c);
    }
}

static void ask(struct conn *c, void *ud) {
    (void)ud;
    token_ask(c);
}

/* --- up --- */

static void tell_up(struct conn *c, void *ud) {
    struct line *ln = ud;
    if (ln->state == LINE_UP && !ln->is_lost && c->step == STEP_OFF) conn_enter(c);
}

static void on_silence(void *ud) {
    struct line *ln = ud;
    char text[32];
    line_fail(ln, "ping timeout", LN_TIMEOUT, "no ping from the server for %s",
              ln_duration_text(ln->dead_after_ms, text, sizeof text));
}

void line_up(struct line *ln, int64_t dead_after_ms, int64_t max_payload) {
    struct loop *l = ln->clients->loop;
    loop_timer_cancel(l, ln->timer);
    ln->state = LINE_UP;
    line_road_up(ln);
    ln->max_payload = (uint32_t)LN_MIN(max_payload, UINT32_MAX);
    ln->dead_after_ms = dead_after_ms;
    ln->dead_wall_ms = dead_after_ms ? ln_wall_ms() + dead_after_ms : INT64_MAX;
    if (dead_after_ms) ln->heartbeat = loop_timer(l, dead_after_ms, on_silence, ln);
    each_conn(ln, tell_up, ln);
}

void line_alive(struct line *ln) {
    if (ln->state != LINE_UP) return;
    ln->dead_wall_ms = ln_wall_ms() + ln->dead_after_ms;
    loop_timer_again(ln->clients->loop, ln->heartbeat, ln->dead_after_ms);
}

bool line_check(struct line *ln) {
    uint64_t now = loop_now_ms(ln->clients->loop);
    if (now == ln->checked_ms) return true;
    ln->checked_ms = now;
    if (ln_wall_ms() <= ln->dead_wall_ms) return true;
    line_fail(ln, "ping timeout", LN_TIMEOUT,
              "the clock went on without us (a sleep?), past the time of the server's next ping");
    return false;
}

size_t line_send(struct line *ln, bool binary, const struct ln_str *pieces, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += pieces[i].n;
    if (LN_LIKELY(ln->ws != NULL))
        ws_send(ln->ws, binary ? WS_BINARY : WS_TEXT, pieces, count);
    else if (ln->poll)
        poll_send(ln->poll, binary, pieces, count);
    else
        return bytes;
    if (LN_UNLIKELY(line_queued(ln) > UNSENT_BYTES))
        line_fail(ln, "transport error", LN_FULL,
                  "the server takes what is sent too slowly: more than %d MiB wait",
                  UNSENT_BYTES >> 20);
    return bytes;
}

/* --- lost --- */

void line_fail(struct line *ln, const char *reason, ln_status code, const char *fmt, ...) {
    if (ln->is_lost || ln->state == LINE_ENDING || !line_has_road(ln)) return;
    va_list ap;
    va_start(ap, fmt);
    char text[sizeof ln->loss->err.text];
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ln->is_lost = true;
    bool is_up = ln->state == LINE_UP;
    struct line_loss *w = ln_new(struct line_loss);
    w->reason = reason;
    w->detail = is_up ? "open" : "handshake";
    ln_fail(&w->err, code, "%s%s", is_up ? "" : "handshake: ", text);
    line_set_loss(ln, w);
    line_road_abort(ln);
}

void line_next(struct line *ln, enum line_next next) {
    if (ln->loss) ln->loss->next = next;
}

/* What the end of the transport means when we did not end it ourselves. */
static void explain(struct line *ln, enum stream_phase phase, int status, int code,
                    struct ln_str reason, const struct ln_err *err) {
    struct line_loss *w = ln_new(struct line_loss);
    bool is_up = ln->state == LINE_UP, was_open = phase == PHASE_OPEN;
    w->detail = stream_phase_name(phase);
    ln_status is = err ? err->code : LN_DISCONNECTED;
    if (status == 401) is = LN_UNAUTHORIZED;
    if (status == 403) is = LN_FORBIDDEN;
    w->is_refused = status == 401 || status == 403;
    bool polls = strcmp(line_road_name(ln), "polling") == 0;
    w->reason = is == LN_DISCONNECTED && !polls ? "transport close" : "transport error";
    if (polls && phase == PHASE_HTTP) w->detail = "polling";
    if (was_open && !is_up) w->detail = "handshake";
    if (was_open && code != WS_ABNORMAL && code != WS_NO_STATUS) w->code = code;
    w->said = reason;
    const char *before = was_open && !is_up ? "handshake: " : "";
    if (err) {
        ln_fail(&w->err, is, "%s%s", before, err->text);
        line_set_loss(ln, w);
        return;
    }
    struct ln_buf why = {0};
    ln_printable(&why, reason, 120);
    ln_fail(&w->err, is, "%sclosed by the server (%d)%s%s", before, code, why.n ? ": " : "",
            ln_buf_cstr(&why));
    ln_buf_free(&why);
    line_set_loss(ln, w);
}

static void tell_trying(struct conn *c, void *ud) {
    (void)ud;
    conn_line_trying(c);
}

static void try_again(void *ud) {
    struct line *ln = ud;
    ln->state = LINE_ASKING;
    ln->begun_ms = loop_now_ms(ln->clients->loop);
    ln->is_asking = true;
    each_conn(ln, tell_trying, NULL);
    each_conn(ln, ask, NULL);
    ln->is_asking = false;
    line_asked(ln);
}

void line_try_now(struct line *ln) {
    if (ln->state == LINE_WAITING) loop_timer_again(ln->clients->loop, ln->timer, 0);
}

static void tell_lost(struct conn *c, void *ud) {
    struct line_loss *why = ud;
    conn_line_lost(c, why);
    why->is_first = false;
}

static bool asks_anybody(const struct line *ln) {
    LN_LIST_EACH (&ln->conns, it, tmp)
        if (token_asks(LN_CONTAINER(it, struct conn, line_node))) return true;
    return false;
}

/* How long until the next attempt. Who has functions gets at once another chance to give a token
 * that is good; then it goes slowly. */
static int64_t next_wait(struct line *ln, const struct line_loss *why) {
    bool at_once = why->next == NEXT_AT_ONCE && ln->failures == 0;
    int64_t ms = backoff_next(&line_opts(ln)->backoff, &ln->failures, ln_random_unit());
    if (at_once) return 0;
    if (!why->is_refused || !asks_anybody(ln)) return ms;
    LN_LIST_EACH (&ln->conns, it, tmp)
        LN_CONTAINER(it, struct conn, line_node)->auth_reason = "unauthorized";
    return ++ln->refusals == 1 ? 0 : slow_wait(ln->refusals);
}

static void line_lost(struct line *ln) {
    const struct conn_opts *o = line_opts(ln);
    struct line_loss why = *ln->loss; /* on the stack: the line may be gone before all have heard */
    uint64_t now = loop_now_ms(ln->clients->loop);
    backoff_lost(&o->backoff, &ln->failures, ln->joined_ms ? (int64_t)(now - ln->joined_ms) : 0);
    if (ln->failures == 0) ln->refusals = 0;
    why.is_first = true;
    why.will_retry = o->reconnection && why.next != NEXT_NEVER &&
                     (o->reconnection_attempts < 0 || ln->failures < o->reconnection_attempts);
    ln_free(ln->loss);
    ln->loss = NULL;
    ln->is_lost = false;
    ln->joined_ms = 0;
    ln->max_payload = 0;
    if (why.will_retry) {
        why.delay_ms = next_wait(ln, &why);
        ln->waited_ms = why.delay_ms = LN_MAX(why.delay_ms, why.min_delay_ms);
        ln->state = LINE_WAITING;
        ln->timer = loop_timer(ln->clients->loop, why.delay_ms, try_again, ln);
    } else {
        ln->state = LINE_WAITING;
        line_unlist(ln); /* each connection leaves as it hears of it; the last one ends the line */
    }
    each_conn(ln, tell_lost, &why);
}

void line_closed(struct line *ln, enum stream_phase phase, int status, int code,
                 struct ln_str reason, const struct ln_err *err) {
    line_road_gone(ln);
    ln_free(ln->subprotocol);
    ln->subprotocol = NULL;
    ln->proto->line_closed(ln);
    owe_nothing(ln);
    stop_timers(ln);
    if (ln->state == LINE_ENDING) {
        loop_defer(ln->clients->loop, free_line, ln);
        return;
    }
    if (!ln->is_lost) {
        explain(ln, phase, status, code, reason, err);
        if (line_road_other(ln, phase, status, err)) return;
        if (phase == PHASE_OPEN && ln->proto->line_ended) ln->proto->line_ended(ln, code, ln->loss);
    }
    line_lost(ln);
}
