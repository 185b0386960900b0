/* SPDX-License-Identifier: MIT
 *
 * The one-shot verbs: listen, emit and call. They use a connection as a script does, with listeners
 * on its bus, but from C.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/cli.h"
#include "host/cli_print.h"

struct tool {
    struct cli *cli;
    struct app *app;
    struct conn *conn;
    struct seat *seat;
    struct listener any;    /* the peer's events */
    struct listener own[4]; /* the connection's: see own_names */
    bool json, no_retry, wants_answer, is_listen, was_up;
    int64_t left; /* events still to show; -1: no end */
    int joining;  /* channels whose answer is awaited */
};

/* --- running --- */

static void finish(struct tool *t, int code) {
    app_exit(t->app, code);
}

/* Nobody takes the output: a pipe whose reader has gone is a quiet end (`linnet listen … | head`).
 */
static void output_failed(struct tool *t) {
    if (t->app->stopping) return;
    if (errno != EPIPE) fprintf(stderr, "linnet: standard output: %s\n", strerror(errno));
    finish(t, errno == EPIPE ? EXIT_OK : EXIT_FAILED);
}

/* A word of the command line as JSON: valid JSON as it is, anything else is a string. */
static void add_word(struct ln_buf *args, const char *word) {
    if (args->n) ln_buf_putc(args, ',');
    if (ln_json_valid(ln_str(word), NULL))
        ln_buf_puts(args, word);
    else
        ln_json_quote(args, ln_str(word));
}

static void emit_text(struct tool *t, struct ln_str name, struct ln_str args) {
    struct conn_emit e = {.name = name, .args = args, .flags = CONN_EMIT_NOW, .retries = -1};
    struct ln_err err;
    if (conn_has_rooms(t->conn)) e.room = ln_str(cli_value_at(t->cli, "join", 0));
    if (conn_emit(t->conn, &e, NULL, &err) == LN_OK) return;
    fprintf(stderr, "linnet: %s\n", err.text);
    finish(t, EXIT_FAILED);
}

static void answered(void *ud, struct ln_str args, const struct ln_str *bin, size_t bin_count,
                     const struct ln_err *err) {
    struct tool *t = ud;
    (void)bin;
    (void)bin_count;
    if (t->app->stopping) return; /* the reason was told */
    if (err) {
        fprintf(stderr, "linnet: %s\n", err->text);
        finish(t, err->code == LN_TIMEOUT ? EXIT_TIMED_OUT : EXIT_GAVE_UP);
        return;
    }
    if (!print_answer(args, t->cli->out_is_terminal)) output_failed(t);
    finish(t, EXIT_OK);
}

static void send_words(struct tool *t) {
    struct ln_buf args = {0};
    for (int i = 2; i < t->cli->word_count; i++)
        add_word(&args, t->cli->words[i]);
    struct ln_str name = ln_str(t->cli->words[1]);
    if (t->wants_answer) {
        struct conn_emit e = {.name = name,
                              .args = ln_buf_get(&args),
                              .flags = CONN_EMIT_NOW,
                              .reply = answered,
                              .ud = t,
                              .retries = -1};
        struct ln_err err;
        if (conn_emit(t->conn, &e, NULL, &err) != LN_OK) {
            fprintf(stderr, "linnet: %s\n", err.text);
            finish(t, EXIT_FAILED);
        }
    } else {
        emit_text(t, name, ln_buf_get(&args));
        finish(t, EXIT_OK);
    }
    ln_buf_free(&args);
}

static void join_rooms(struct tool *t) {
    const char *dialect = cli_value(t->cli, "dialect");
    bool rooms = dialect && strcmp(dialect, "rooms") == 0;
    for (int i = 0; cli_value_at(t->cli, "join", i); i++) {
        struct ln_buf args = {0};
        ln_buf_puts(&args, rooms ? "{\"room_id\":" : "{\"room\":");
        ln_json_quote(&args, ln_str(cli_value_at(t->cli, "join", i)));
        ln_buf_putc(&args, '}');
        emit_text(t, rooms ? LN_STR("join_room") : LN_STR("join"), ln_buf_get(&args));
        ln_buf_free(&args);
    }
}

static void emit_given(struct tool *t) {
    for (int i = 0; cli_value_at(t->cli, "emit", i); i++) {
        const char *text = cli_value_at(t->cli, "emit", i);
        size_t n = strcspn(text, "=");
        struct ln_buf args = {0};
        if (text[n]) add_word(&args, text + n + 1);
        emit_text(t, (struct ln_str){text, n}, ln_buf_get(&args));
        ln_buf_free(&args);
    }
}

/* Up, and joined: what the command line says. */
static void go_on(struct tool *t) {
    if (t->is_listen)
        emit_given(t);
    else
        send_words(t);
}

static void on_channel(void *ud, struct ln_str reply, const struct ln_err *err) {
    struct tool *t = ud;
    (void)reply;
    if (t->app->stopping) return;
    if (err) {
        bool is_refused = err->code == LN_UNAUTHORIZED || err->code == LN_FORBIDDEN;
        fprintf(stderr, "linnet: the room is not joined: %s\n", err->text);
        finish(t, is_refused ? EXIT_REFUSED : EXIT_FAILED);
    } else if (--t->joining == 0) {
        go_on(t);
    }
}

/* Where rooms are the protocol's own (Pusher) the connection joins them, again after a loss, too.
 */
static void join_channels(struct tool *t) {
    const char *name;
    for (t->joining = 0; (name = cli_value_at(t->cli, "join", t->joining)); t->joining++) {
        if (!conn_room_wanted(t->conn, ln_str(name)))
            conn_room_want(t->conn, ln_str(name), (struct ln_str){0}, (struct ln_str){0});
        conn_room_wait(t->conn, ln_str(name), 0, on_channel, t);
    }
    if (t->joining == 0) go_on(t);
}

/* What a server says in words of its own when it lets nobody in is a refusal as well. */
static int code_of_error(struct ln_str error) {
    struct ln_str code = ln_json_get(error, "code");
    bool is_words =
        ln_str_is(code, "\"refused\"") && ln_str_is(ln_json_get(error, "detail"), "\"namespace\"");
    return is_words || ln_str_is(code, "\"unauthorized\"") || ln_str_is(code, "\"forbidden\"")
               ? EXIT_REFUSED
               : EXIT_NO_CONNECTION;
}

static void tell_no_hub(const struct tool *t, struct ln_str error) {
    if (strcmp(t->cli->words[0], "hub") != 0 || config_get(t->app->config, "connections.hub").n ||
        !ln_str_is(ln_json_get(error, "detail"), "\"tcp\""))
        return;
    fprintf(stderr, "linnet: no hub is there: 'linnet dev' or 'linnet hub' starts one; for another "
                    "port: --set hub.port=N\n");
}

static void on_lifecycle(struct tool *t, struct event *ev) {
    if (ln_str_is(ev->name, "connect")) {
        t->was_up = true;
        if (conn_has_rooms(t->conn)) {
            join_channels(t);
        } else {
            join_rooms(t);
            go_on(t);
        }
        return;
    }
    /* The server put us out, or the attempts are used up: nothing will come any more. */
    enum conn_state state = conn_state(t->conn);
    bool is_over = t->no_retry || state == CONN_IDLE || state == CONN_FAILED;
    if (!is_over) return;
    if (ln_str_is(ev->name, "connect_error") && !t->was_up) tell_no_hub(t, ev->args);
    if (ln_str_is(ev->name, "connect_error"))
        finish(t, t->was_up ? EXIT_GAVE_UP : code_of_error(ev->args));
    else if (ln_str_is(ev->name, "disconnect"))
        finish(t, EXIT_GAVE_UP);
}

static bool is_shown(struct tool *t, const struct event *ev) {
    if (!t->is_listen || ev->kind == EVENT_OUT) return false;
    if (ev->kind == EVENT_LIFECYCLE)
        return ln_str_is(ev->name, "connect") || ln_str_is(ev->name, "disconnect") ||
               ln_str_is(ev->name, "connect_error") || ln_str_is(ev->name, "gap");
    if (!cli_value(t->cli, "event")) return true;
    for (int i = 0; cli_value_at(t->cli, "event", i); i++)
        if (ln_str_is(ev->name, cli_value_at(t->cli, "event", i))) return true;
    return false;
}

static const char *const own_names[] = {"connect", "disconnect", "connect_error", "gap"};

static ln_status on_own(struct listener *l, struct event *ev) {
    struct tool *t = l->item.seat->impl;
    if (is_shown(t, ev) && t->left != 0 && !print_event(ev, t->json, t->cli->color))
        output_failed(t);
    on_lifecycle(t, ev);
    return LN_OK;
}

static ln_status on_any(struct listener *l, struct event *ev) {
    struct tool *t = l->item.seat->impl;
    struct ln_buf list = {0};
    /* NDJSON must stay JSON whatever the peer sent. */
    ln_buf_fmt(&list, "[%.*s]", LN_FMT(ev->args));
    bool valid = ln_json_valid(ln_buf_get(&list), NULL);
    if (ev->meta_at) valid = valid && ln_json_valid((struct ln_str){ev->args.p, ev->meta_at}, NULL);
    ln_buf_free(&list);
    if (!valid) return LN_PROTOCOL;
    if (is_shown(t, ev) && t->left != 0) {
        if (!print_event(ev, t->json, t->cli->color)) output_failed(t);
        if (t->left > 0 && --t->left == 0) finish(t, EXIT_OK);
    }
    return LN_OK;
}

static void release(struct listener *l) {
    (void)l; /* part of struct tool */
}

static const struct listener_kind any_kind = {
    {"listener", bus_listener_drop, NULL}, on_any, release};
static const struct listener_kind own_kind = {
    {"listener", bus_listener_drop, NULL}, on_own, release};

static void listen_to(struct tool *t, struct listener *l, const char *name,
                      const struct listener_kind *kind) {
    l->name = name;
    bus_on(app_bus(t->app, t->conn), t->seat, l, kind);
}

static void timed_out(void *ud) {
    struct tool *t = ud;
    fprintf(stderr, "linnet: --timeout reached\n");
    finish(t, EXIT_TIMED_OUT);
}

/* A word that was meant to be JSON and is not: sent as a string it would only seem to work. */
static bool check_word(const char *word, struct ln_err *err) {
    struct ln_err why;
    if ((*word != '{' && *word != '[') || ln_json_valid(ln_str(word), &why)) return true;
    ln_fail(err, LN_INVALID, "this is no JSON: %s: %s (a string is written '\"…\"')", word,
            why.text);
    return false;
}

static bool check_options(const struct cli *cli, int64_t *ms, struct ln_err *err) {
    const char *timeout = cli_value(cli, "timeout"), *dialect = cli_value(cli, "dialect");
    if (timeout && !ln_duration_parse(ln_str(timeout), ms)) {
        ln_fail(err, LN_INVALID, "--timeout wants a time as 5s or 2m, not '%s'", timeout);
        return false;
    }
    if (dialect && strcmp(dialect, "linnet") != 0 && strcmp(dialect, "rooms") != 0) {
        ln_fail(err, LN_INVALID, "--dialect is linnet or rooms, not '%s'; for any other: --emit",
                dialect);
        return false;
    }
    for (int i = 2; i < cli->word_count; i++)
        if (!check_word(cli->words[i], err)) return false;
    for (int i = 0; cli_value_at(cli, "emit", i); i++) {
        const char *args = strchr(cli_value_at(cli, "emit", i), '=');
        if (args && !check_word(args + 1, err)) return false;
    }
    return true;
}

static int run_tool(struct tool *t) {
    struct app *a = t->app;
    struct cli *cli = t->cli;
    struct conn_opts o;
    struct ln_err err;
    int64_t ms = t->is_listen ? 0 : 30000;
    conn_opts_init(&o);
    bool ok = check_options(cli, &ms, &err) && app_target(a, cli->words[0], &o, &err) &&
              cli_conn_flags(cli, &o, &err);
    if (t->no_retry) o.reconnection = false;
    t->conn = ok ? app_connect(a, cli->words[0], &o, &err) : NULL;
    conn_opts_free(&o);
    if (!t->conn) {
        fprintf(stderr, "linnet: %s\n", err.text);
        return EXIT_USAGE;
    }
    t->seat = seat_new(&a->slots, "listen", "listen");
    t->seat->impl = t;
    seat_go_live(t->seat);
    listen_to(t, &t->any, NULL, &any_kind);
    for (size_t i = 0; i < LN_COUNT(t->own); i++)
        listen_to(t, &t->own[i], own_names[i], &own_kind);
    cli_signals(cli, a);
    if (ms > 0) loop_timer(a->loop, ms, timed_out, t);
    loop_run(a->loop);
    seat_free(t->seat);
    return a->exit_code;
}

int verb_listen(struct cli *cli, struct app *a) {
    struct tool t = {.cli = cli, .app = a, .is_listen = true, .left = -1};
    const char *count = cli_value(cli, "count");
    if (count) {
        char *end;
        t.left = strtol(count, &end, 10);
        if (*end || t.left < 1) {
            fprintf(stderr, "linnet: --count wants a whole number from 1 on, not '%s'\n", count);
            return EXIT_USAGE;
        }
    }
    t.json = cli_value(cli, "json") || !cli->out_is_terminal;
    t.no_retry = cli_value(cli, "no-retry") != NULL;
    return run_tool(&t);
}

int verb_emit(struct cli *cli, struct app *a) {
    struct tool t = {.cli = cli, .app = a, .no_retry = true};
    return run_tool(&t);
}

int verb_call(struct cli *cli, struct app *a) {
    struct tool t = {.cli = cli, .app = a, .no_retry = true, .wants_answer = true};
    return run_tool(&t);
}
