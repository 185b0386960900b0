/* SPDX-License-Identifier: MIT
 *
 * The hub as a plain Engine.IO server that sends back what it gets, as the public suite of
 * Engine.IO wants it: on port 3000 at /engine.io/, until SIGTERM. Built and run by suites.sh.
 */
#include <signal.h>
#include <stdio.h>

#include "hub/hub_int.h"

static void echo(struct hub_line *line, bool binary, struct ln_str data) {
    struct ln_buf b = {0};
    if (!binary) ln_buf_putc(&b, '4');
    ln_buf_str(&b, data);
    hub_line_send(line, binary, ln_buf_get(&b));
    ln_buf_free(&b);
}

static void on_signal(void *ud, int signum) {
    (void)signum;
    loop_stop(ud);
}

static void on_done(void *ud) {
    loop_stop(ud);
}

int main(void) {
    static const char *const any[] = {"*", NULL};
    struct loop *loop = loop_new();
    struct hub_opts o;
    struct ln_err err;
    hub_opts_init(&o);
    o.port = 3000;
    o.path = "/engine.io/";
    o.origins = any;
    o.ping_interval_ms = 300;
    o.ping_timeout_ms = 200;
    struct hub *hub = hub_open(loop, &o, NULL, NULL, &err);
    if (!hub) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    hub->engine = echo;
    loop_signal(loop, SIGTERM, on_signal, loop);
    loop_run(loop);
    hub_close(hub, on_done, loop);
    loop_run(loop);
    loop_free(loop);
    return 0;
}
