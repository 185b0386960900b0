/* SPDX-License-Identifier: MIT
 *
 * The one struct that has everything; passed down, never global.
 */
#ifndef LN_APP_H
#define LN_APP_H

#include "client/conn.h"
#include "host/config.h"
#include "host/engine.h"
#include "host/event.h"
#include "hub/hub.h"

#define HUB_PORT 4321
#define PLACE_INSIDE "(linnet)"

struct app {
    struct loop *loop;
    struct ln_slots slots; /* every handle that scripts hold */
    struct config *config;
    struct clients *clients;
    struct hub *hub;         /* NULL: none in this process */
    struct ln_map targets;   /* URL with secrets (a query, a password) -> struct bus */
    unsigned twins;          /* connections whose names would be the same without that */
    struct ln_map buses;     /* connection name -> struct bus: may outlive the connection */
    struct bus *hub_bus;     /* events of the hub's clients, for scripts */
    int64_t questions;       /* of the hub, that scripts think about (ask_admit, ask_authorize) */
    struct scripts *scripts; /* host/scripts.h: loaded scripts, reload, restart after a kill */
    bool is_dev;             /* hub in the process, watch, friendly errors */
    bool stopping, hub_closing, hub_done; /* hub_done: it is waited for no longer */
    bool sweeps, is_freed;                /* sweeps: buses are, at the end of this turn */
    int goodbyes; /* that a clean stop still waits for: the lines', the hub's */
    int exit_code;
    uint64_t serial;    /* of the last event */
    bus_trace_fn trace; /* NULL, or what sees which listener took an event (dev) */
    /* NULL, or: a script's main chunk ended after its load was over (it had waited), or failed
     * then; and: a live script has nothing left. At the end of a turn. */
    void (*on_boot)(struct app *a, struct seat *s, bool failed);
    const char *const *allow; /* values of --allow, NULL-terminated, or NULL */
    int argc;                 /* words behind `--` */
    char **argv;
    /* Asked by the host, answered by the bindings that set these (NULL: nobody is there). The first
     * is conn_sink.auth: whoever answers calls conn_answer. The second is conn_sink.rejoined.
     * The third is hub_hooks.admit: without it everybody may; else hub_admit is called. */
    void (*ask_auth)(struct app *a, struct conn *c, const struct conn_ask *ask);
    void (*told_rejoined)(struct app *a, struct conn *c, struct ln_str room, struct ln_str reply,
                          const struct ln_err *err);
    void (*ask_admit)(struct app *a, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                      struct ln_str headers_json);
    /* hub_hooks.authorize: without it nobody decides; else hub_authorize is called. */
    void (*ask_authorize)(struct app *a, ln_id ticket, struct ln_str request);
    /* "bot.lua:16": where the function of a listener stands, or PLACE_INSIDE: it is linnet's own.
     * Text valid until the next call. */
    const char *(*place_of)(struct app *a, const struct listener *l);
};

/* The hub of this process, from the settings; its hooks lead to hub_bus (host/hub_link.c). */
bool app_open_hub(struct app *a, bool trace, struct ln_err *err);
char *app_hub_url(struct app *a); /* of the open hub's page; to be freed */
/* Every event that passes goes to the page's Events tab while a page looks on. */
void app_trace_on(struct app *a);

/* Everything but the command line: loop, clients, buses, config. engine_lua is handed in by main.
 */
struct app *app_new(void);
void app_free(struct app *a);           /* unloads, closes, turns the loop until nothing is left */
void app_exit(struct app *a, int code); /* a clean stop: unload scripts, close, end the loop */

/* The open connection of that name or URL, or NULL. */
struct conn *app_find(struct app *a, const char *target);
/* The same, opened with o when new. NULL with err. A connection opened by URL is named by it,
 * without query and password: names are shown and logged. */
struct conn *app_connect(struct app *a, const char *target, const struct conn_opts *o,
                         struct ln_err *err);
/* One more to the same target, with options of its own, for a script: "hub (NAME)". */
struct conn *app_connect_beside(struct app *a, const char *target, const char *name,
                                const struct conn_opts *o, struct ln_err *err);
/* `target` resolved, without opening: a name of the config ("hub" is always one: the hub of this
 * process, or the one at its usual address) or a URL; o is filled with its options. False with err
 * ("no connection 'scool' in linnet.cfg.lua (did you mean 'school'?)"). */
bool app_target(struct app *a, const char *target, struct conn_opts *o, struct ln_err *err);
struct bus *app_bus(struct app *a, struct conn *c);
/* conn_close, and its bus goes too when nobody listens to it at the end of this turn. */
void app_close(struct app *a, struct conn *c);
uint64_t app_event_serial(struct app *a);

#endif
