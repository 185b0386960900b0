/* SPDX-License-Identifier: MIT
 *
 * What an HTTP answer means that is no upgrade: who spoke (the headers Server and Via), what that
 * one did not understand, and which line of its settings mends it.
 */
#include <stdio.h>

#include "base/text.h"
#include "host/doctor_inside.h"
#include "wire/http.h"

struct maker {
    const char *word;  /* in Server or Via, in any case */
    const char *name;  /* NULL: it is no proxy that drops upgrades by itself */
    const char *lines; /* PATH stands for the upgrade's */
};

static const struct maker makers[] = {
    {"nginx", "nginx",
     "nginx needs, in that location:\n"
     "  proxy_http_version 1.1;\n"
     "  proxy_set_header Upgrade $http_upgrade;\n"
     "  proxy_set_header Connection \"upgrade\";"},
    {"openresty", "nginx", NULL}, /* the lines of the one before */
    {"caddy", "Caddy",
     "Caddy passes upgrades on by itself: the path must end at a reverse_proxy (not at a "
     "file_server), and nothing may take the header off (header_up -Upgrade, -Connection):\n"
     "  reverse_proxy PATH* localhost:3000"},
    {"apache", "Apache",
     "Apache (2.4.47 and up) needs, with mod_proxy and mod_proxy_http:\n"
     "  ProxyPass PATH http://localhost:3000PATH upgrade=websocket"},
};

static bool has_word(const char *text, const char *word) {
    return text && strcasestr(text, word);
}

static const struct maker *maker_of(const struct doctor_answer *a) {
    for (size_t i = 0; i < LN_COUNT(makers); i++)
        if (has_word(a->server, makers[i].word) || has_word(a->via, makers[i].word))
            return makers[i].lines ? &makers[i] : &makers[i - 1];
    return NULL;
}

/* --- answers --- */

static char *header(const struct http_head *h, const char *name) {
    struct ln_str value = http_header_get(h, name);
    struct ln_buf text = {0};
    if (!value.p) return NULL;
    ln_printable(&text, value, 200);
    ln_buf_cstr(&text);
    return ln_buf_take(&text, NULL);
}

struct doctor_answer *doctor_answer_new(const struct http_head *h) {
    struct doctor_answer *a = ln_new(struct doctor_answer);
    char *type = header(h, "Content-Type");
    a->status = h->status;
    a->server = header(h, "Server");
    a->via = header(h, "Via");
    a->location = header(h, "Location");
    a->has_upgrade = http_header_get(h, "Upgrade").p != NULL;
    a->has_connection = http_header_has_token(http_header_get(h, "Connection"), "upgrade");
    a->is_html = has_word(type, "text/html");
    ln_free(type);
    return a;
}

void doctor_answer_free(struct doctor_answer *a) {
    if (!a) return;
    ln_free(a->server);
    ln_free(a->via);
    ln_free(a->location);
    ln_free(a);
}

void doctor_answer_text(const struct doctor_answer *a, struct ln_buf *out) {
    ln_buf_fmt(out, "HTTP %d", a->status);
    if (a->server) ln_buf_fmt(out, " from %s", a->server);
    if (a->via) ln_buf_fmt(out, " via %s", a->via);
}

/* The path that the proxy must pass on: the upgrade's, up to its last folder. */
static struct ln_str folder_of(const struct doctor *d) {
    struct ln_str path = {d->plan.target.p, strcspn(d->plan.target.p, "?")};
    while (path.n > 1 && path.p[path.n - 1] != '/')
        path.n--;
    return path;
}

static void add_lines(struct doctor *d, const char *lines) {
    struct ln_str path = folder_of(d);
    doctor_advise(d, "\n");
    for (const char *at; (at = strstr(lines, "PATH")); lines = at + 4)
        doctor_advise(d, "%.*s%.*s", (int)(at - lines), lines, LN_FMT(path));
    doctor_advise(d, "%s", lines);
}

void doctor_proxy_lines(struct doctor *d, const struct doctor_answer *a) {
    const struct maker *m = maker_of(a);
    for (size_t i = 0; i < LN_COUNT(makers); i++)
        if (makers[i].lines && (!m || m == &makers[i])) add_lines(d, makers[i].lines);
}

/* --- what it means --- */

static void blame_path(struct doctor *d) {
    const struct url *u = &d->plan.url;
    if (d->proto == DOCTOR_SOCKETIO)
        doctor_advise(d,
                      "No Socket.IO server answers at the path %s. If it lies elsewhere on that "
                      "server, set the option 'path' (--path /chat/socket.io/); a proxy in front "
                      "must pass that path on. (The path of the URL is the namespace.)",
                      d->o.conn->path ? d->o.conn->path : "/socket.io/");
    else if (d->proto == DOCTOR_PUSHER)
        doctor_advise(d, "No Pusher server answers at that path. Is it the right port, and does "
                         "it lie behind a prefix (the option 'path')?");
    else
        doctor_advise(d, "There is no WebSocket at the path %s of %s.", u->path[0] ? u->path : "/",
                      u->host);
}

static void blame_auth(struct doctor *d, const struct doctor_answer *a) {
    struct ln_buf words = {0};
    doctor_advise(d, "The server %s (HTTP %d). ",
                  doctor_sends_auth(d) ? "does not take the credentials that were sent"
                                       : "wants credentials, and none were sent",
                  a->status);
    if (doctor_token_words(d, &words)) {
        ln_buf_str(&d->advice, ln_buf_get(&words));
    } else {
        doctor_advise(d, "They go into the option 'headers' (--header 'Authorization: Bearer …') "
                         "or 'query', because it is the HTTP request that is refused.");
    }
    ln_buf_free(&words);
}

static void blame_gateway(struct doctor *d, const struct doctor_answer *a) {
    const struct maker *m = maker_of(a);
    doctor_advise(d,
                  "The proxy in front (%s) is there, but the server behind it is not: it says "
                  "HTTP %d. Is that server running, on the address and port that the proxy's "
                  "settings name?",
                  m           ? m->name
                  : a->server ? a->server
                              : "which does not say its name",
                  a->status);
}

void doctor_blame(struct doctor *d, const struct doctor_answer *a, struct ln_str body) {
    struct ln_buf said = {0};
    int code = EXIT_NO_CONNECTION, status = a->status;
    bool is_page = a->is_html || http_is_page(body);
    if (status == 401 || status == 403) {
        blame_auth(d, a);
        code = EXIT_REFUSED;
    } else if (status >= 300 && status < 400) {
        doctor_advise(d, "The server sends elsewhere: %s. Write that address into the settings.",
                      a->location ? a->location : "it does not say where");
    } else if (status == 404 || status == 410) {
        blame_path(d);
    } else if (status == 502 || status == 503 || status == 504) {
        blame_gateway(d, a);
    } else if (status == 429) {
        doctor_advise(d, "The server has had too many requests from here: wait, then try again.");
    } else if (status < 300 && is_page) {
        doctor_advise(d, "A web page came instead. Either a captive portal answers (open any "
                         "page in a browser on this network and log in), or this host serves a "
                         "website and the server is on another port or path.");
    } else {
        doctor_advise(d, "That is not what a WebSocket server answers. Are host, port and path "
                         "those of the server, and does a proxy in front pass the upgrade on?");
        doctor_proxy_lines(d, a);
    }
    doctor_answer_text(a, &said);
    if (is_page)
        ln_buf_puts(&said, ": a web page");
    else if (body.n) {
        ln_buf_puts(&said, ": ");
        ln_printable(&said, body, 200);
    }
    doctor_fail(d, code, "%.*s", LN_FMT(ln_buf_get(&said)));
    ln_buf_free(&said);
}
