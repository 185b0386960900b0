/* SPDX-License-Identifier: MIT
 *
 * The doctor's way to a byte stream: the name, the proxy, an address, TLS. The addresses are tried
 * one by one and not all at a time as a connection does, because it is to be seen which of them
 * lead nowhere.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "client/where.h"
#include "host/doctor_inside.h"
#include "io/resolve.h"
#include "wire/proxy.h"

enum {
    SHOWN_ADDRESSES = 4,
    TRIED_ADDRESSES = 8,
    ADDRESS_MS = 3000,
    FIRST_WORD_MS = 1000,
    SOON_DAYS = 14
};

/* --- probes --- */

void doctor_where(struct doctor *d, struct stream_opts *o) {
    int fd = d->o.dial ? d->o.dial(d->o.dial_ud) : 0;
    conn_where(d->o.conn, &d->plan.url, fd, o);
    if (!o->proxy) o->addresses = d->reached;
    o->timeout_ms = d->step_ms;
}

void doctor_drop_probe(struct doctor *d) {
    resolve_cancel(d->lookup);
    d->lookup = NULL;
    if (!d->probe) return;
    d->probe->d = NULL;
    stream_close(d->probe->stream);
    d->probe = NULL;
}

void doctor_no_data(void *ud, char *p, size_t n) {
    (void)ud, (void)p, (void)n; /* a server may speak first; that is for later steps */
}

void doctor_open_probe(struct doctor *d, const struct stream_opts *o,
                       const struct stream_cbs *cbs) {
    struct doctor_probe *p = d->probe = ln_new(struct doctor_probe);
    p->d = d;
    p->stream = stream_open(d->loop, o, cbs, p);
}

/* The doctor whose step this probe's end is, or NULL; the probe is gone. */
struct doctor *doctor_probe_closed(struct doctor_probe *p) {
    struct doctor *d = p->d;
    if (d) d->probe = NULL;
    ln_free(p);
    return d;
}

/* --- dns --- */

static void say_addresses(struct doctor *d, const struct addrinfo *list) {
    struct ln_buf all = {0}, json = {0};
    size_t n = 0;
    for (const struct addrinfo *a = list; a && n < TRIED_ADDRESSES; a = a->ai_next) {
        char ip[64];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, ip, sizeof ip, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        ln_buf_fmt(&all, "%s%s", n ? "," : "", ip);
        ln_buf_puts(&json, n ? "," : "[");
        ln_json_quote(&json, ln_str(ip));
        if (n < SHOWN_ADDRESSES) ln_buf_fmt(&d->text, "%s%s", n ? ", " : " → ", ip);
        n++;
    }
    if (n > SHOWN_ADDRESSES) ln_buf_fmt(&d->text, " and %zu more", n - SHOWN_ADDRESSES);
    ln_buf_puts(&json, n ? "]" : "[]");
    doctor_detail_raw(d, "addresses", ln_buf_get(&json));
    ln_buf_free(&json);
    ln_buf_cstr(&all);
    d->addresses = ln_buf_take(&all, NULL);
}

static void on_looked_up(void *ud, const struct addrinfo *list, const char *why) {
    struct doctor *d = ud;
    d->lookup = NULL;
    if (list) {
        say_addresses(d, list);
        doctor_ok(d);
        return;
    }
    doctor_advise(d,
                  "There is no address for '%s'. Is the name written correctly, and does this "
                  "machine have a working resolver (try: getent hosts %s)?",
                  d->plan.url.host, d->plan.url.host);
    doctor_fail(d, EXIT_NO_CONNECTION, "no address: %s", why);
}

static bool is_number(const char *host) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(host, NULL, &hints, &list) != 0) return false;
    freeaddrinfo(list);
    return true;
}

void doctor_dns(struct doctor *d) {
    const struct url *u = &d->plan.url;
    conn_where(d->o.conn, u, d->o.dial != NULL, &d->way); /* in a test: nobody's variables */
    if (u->unix_path) {
        ln_buf_puts(&d->text, "a Unix socket");
        doctor_skip(d);
    } else if (d->way.proxy) {
        ln_buf_fmt(&d->text, "%s is looked up on the proxy's way", u->host);
        doctor_skip(d);
    } else if (is_number(u->host)) {
        ln_buf_fmt(&d->text, "%s is an address", u->host);
        d->addresses = ln_strdup(u->host);
        doctor_ok(d);
    } else {
        ln_buf_puts(&d->text, u->host);
        if (ln_fault("stream.dns_hang")) return; /* as a resolver that never answers */
        d->lookup = resolve(d->loop, u->host, on_looked_up, d);
    }
}

/* --- proxy --- */

static void on_proxy_open(void *ud) {
    struct doctor *d = ((struct doctor_probe *)ud)->d;
    if (!d) return;
    doctor_drop_probe(d);
    doctor_ok(d);
}

static void on_proxy_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct doctor *d = doctor_probe_closed(ud);
    (void)phase;
    if (!d) return;
    bool wants_auth = err->code == LN_UNAUTHORIZED;
    if (wants_auth && strstr(err->text, "does not accept"))
        doctor_advise(d, "The proxy does not accept the user and the password that it is shown: "
                         "correct them where its address is set.");
    else if (wants_auth)
        doctor_advise(d, "The proxy wants a user and a password: proxy = "
                         "\"http://user:password@host:port\" (or in the variable that names it).");
    else
        doctor_advise(d,
                      "The proxy does not lead there: %s. Without it: proxy = \"none\" "
                      "(--proxy none), or the host in NO_PROXY.",
                      err->text);
    doctor_fail(d, wants_auth ? EXIT_REFUSED : EXIT_NO_CONNECTION, "%s", err->text);
}

void doctor_proxy(struct doctor *d) {
    static const struct stream_cbs cbs = {on_proxy_open, doctor_no_data, on_proxy_closed, NULL};
    const char *from = d->way.proxy_from ? d->way.proxy_from : "the option 'proxy'";
    struct proxy p = {0};
    struct ln_err err;
    struct stream_opts o;
    if (!d->way.proxy) {
        ln_buf_puts(&d->text, d->o.conn->proxy ? "none: the option says so" : "none applies");
        doctor_skip(d);
    } else if (!proxy_parse(&p, ln_str(d->way.proxy), &err)) {
        ln_buf_fmt(&d->text, "from %s", from);
        doctor_fail(d, EXIT_CONFIG, "%s", err.text);
    } else {
        if (p.password) ln_log_hide(ln_str(p.password));
        ln_buf_fmt(&d->text, "%s (from %s)", p.name, from);
        doctor_detail(d, "proxy", ln_str(p.name));
        doctor_detail(d, "from", ln_str(from));
        doctor_where(d, &o);
        o.tls = false;
        doctor_open_probe(d, &o, &cbs);
    }
    proxy_free(&p);
}

/* --- tcp --- */

static void try_next(struct doctor *d);

static void on_tcp_open(void *ud) {
    struct doctor_probe *p = ud;
    struct doctor *d = p->d;
    if (!d) return;
    struct ln_str peer = stream_peer(p->stream);
    ln_buf_str(&d->text, peer);
    doctor_detail(d, "peer", peer);
    if (d->failed.n) {
        ln_buf_fmt(&d->note, "no answer from %.*s", LN_FMT(ln_buf_get(&d->failed)));
        doctor_detail(d, "failed", ln_buf_get(&d->failed));
    }
    doctor_drop_probe(d);
    doctor_ok(d);
}

static void blame_tcp(struct doctor *d, ln_status code) {
    const struct url *u = &d->plan.url;
    if (u->unix_path && code != LN_REFUSED && code != LN_NOT_FOUND)
        doctor_advise(d,
                      "%s does not let us in. May this user write to it, and pass through its "
                      "folders? (The socket of linnet's hub is for its owner alone.)",
                      u->unix_path);
    else if (u->unix_path)
        doctor_advise(d, "Nobody listens at %s. Is the server running?", u->unix_path);
    else if (code == LN_REFUSED && strcmp(d->o.target, "hub") == 0)
        doctor_advise(d, "No hub is there: 'linnet dev' or 'linnet hub' starts one; for another "
                         "port: --set hub.port=N.");
    else if (code == LN_REFUSED)
        doctor_advise(d,
                      "Nobody listens on port %d of %s. Is the server running, on this port, and "
                      "on this address (not on 127.0.0.1 only)?",
                      u->port, u->host);
    else
        doctor_advise(d,
                      "Port %d of %s does not answer. Is it the right address, and does a firewall "
                      "let it through?",
                      u->port, u->host);
    if (u->unix_path)
        ln_buf_puts(&d->text, u->unix_path);
    else
        ln_buf_fmt(&d->text, "port %d", u->port);
    doctor_fail(d, EXIT_NO_CONNECTION, "%.*s", LN_FMT(ln_buf_get(&d->failed)));
}

static void on_tcp_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct doctor *d = doctor_probe_closed(ud);
    (void)phase;
    if (!d) return;
    const char *text = err->text;
    if (strncmp(text, "TCP: ", 5) == 0) text += 5;
    ln_buf_fmt(&d->failed, "%s%s", d->failed.n ? "; " : "", text);
    ln_free(d->reached);
    d->reached = NULL;
    if (d->addresses && d->addresses[d->tried])
        try_next(d);
    else
        blame_tcp(d, err->code);
}

static void open_tcp(struct doctor *d, int64_t timeout_ms) {
    static const struct stream_cbs cbs = {on_tcp_open, doctor_no_data, on_tcp_closed, NULL};
    struct stream_opts o;
    doctor_where(d, &o);
    o.tls = false;
    o.timeout_ms = timeout_ms;
    doctor_open_probe(d, &o, &cbs);
}

/* The next one of d->addresses; d->tried is where it begins. */
static void try_next(struct doctor *d) {
    const char *at = d->addresses + d->tried;
    size_t n = strcspn(at, ","), left = 1;
    for (const char *p = at; *p; p++)
        left += *p == ',';
    d->reached = ln_dup(at, n);
    d->tried += n + (at[n] == ',');
    /* Each its share, so that the last one has its turn as well. */
    open_tcp(d, LN_MIN(d->step_ms / (int64_t)left, (int64_t)ADDRESS_MS));
}

void doctor_tcp(struct doctor *d) {
    if (d->way.proxy) {
        ln_buf_fmt(&d->text, "%s:%d, by the proxy", d->plan.url.host, d->plan.url.port);
        doctor_ok(d);
    } else if (d->addresses) {
        try_next(d);
    } else {
        open_tcp(d, d->step_ms); /* a Unix socket */
    }
}
