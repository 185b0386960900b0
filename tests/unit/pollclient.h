/* SPDX-License-Identifier: MIT
 *
 * A polling client for the tests of the hub: one connection for its GETs, one for its POSTs, each
 * kept. Answers are taken one by one.
 */
#ifndef LN_POLLCLIENT_H
#define LN_POLLCLIENT_H

#include "hubclient.h"

#define ENGINE "/socket.io/?EIO=4&transport=polling"

/* A plain Socket.IO hub with the namespaces / and /chat. */
static inline void hub_of_two(void) {
    static const char *const others[] = {"/chat", NULL};
    struct hub_opts o = test_opts();
    o.dialect = false;
    o.namespaces = others;
    hub_start(&o, &no_admit);
}

struct poller {
    struct web get, post;
    char sid[32];
    struct ln_buf body; /* of the answer that was taken last */
    struct ln_buf head;
};

static inline void http_write(struct web *w, const char *method, const char *target,
                              const char *headers, struct ln_str body) {
    struct ln_buf b = {0};
    ln_buf_fmt(&b, "%s %s HTTP/1.1\r\nHost: localhost:4321\r\n%s", method, target, headers);
    if (body.p) ln_buf_fmt(&b, "Content-Length: %zu\r\n", body.n);
    ln_buf_puts(&b, "\r\n");
    ln_buf_str(&b, body);
    web_write(w, b.p, b.n);
    ln_buf_free(&b);
    web_turn(w);
}

/* Takes one answer; its status, or 0 when there is no whole one. */
static inline int http_take(struct web *w, struct ln_buf *head, struct ln_buf *body) {
    const char *text = ln_buf_cstr(&w->in), *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "Content-Length: ");
    size_t n = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
    int status = web_status(w);
    ln_buf_clear(head);
    ln_buf_clear(body);
    if (!end || w->in.n < (size_t)(end - text) + 4 + n) return 0;
    ln_buf_add(head, text, (size_t)(end - text));
    ln_buf_cstr(head);
    ln_buf_add(body, end + 4, n);
    ln_buf_consume(&w->in, (size_t)(end - text) + 4 + n);
    return status;
}

static inline void poll_target(const struct poller *p, char target[200]) {
    snprintf(target, 200, ENGINE "&sid=%s", p->sid);
}

/* A connection that was not used for a while is closed: a new one, as clients do. */
static inline void poll_fresh(struct web *w) {
    web_turn(w);
    if (!w->is_eof) return;
    web_free(w);
    web_init(w, loop, hub_pair(hub));
}

/* Sends a GET; an answer may come at once or later. */
static inline void poll_ask(struct poller *p) {
    char target[200];
    poll_target(p, target);
    poll_fresh(&p->get);
    http_write(&p->get, "GET", target, "", NOTHING);
}

/* The answer to the GET: its status, and the body in p->body. */
static inline int poll_take(struct poller *p) {
    web_turn(&p->get);
    return http_take(&p->get, &p->head, &p->body);
}

static inline int poll_post(struct poller *p, const char *body) {
    char target[200];
    poll_target(p, target);
    poll_fresh(&p->post);
    http_write(&p->post, "POST", target, "Content-Type: text/plain;charset=UTF-8\r\n",
               ln_str(body));
    return http_take(&p->post, &p->head, &p->body);
}

static inline void check_poll(int line, struct poller *p, int status, const char *body) {
    int got = poll_take(p);
    if (got == status && ln_str_is(ln_buf_get(&p->body), body)) return;
    printf("line %d: the answer is %d \"%.*s\", wanted %d \"%s\"\n", line, got,
           LN_FMT(ln_buf_get(&p->body)), status, body);
    test_failures++;
}
#define CHECK_POLL(p, status, body) check_poll(__LINE__, p, status, body)
#define CHECK_HELD(p) CHECK_INT(poll_take(p), 0)

/* Handshake only. */
static inline void poll_open(struct poller *p) {
    *p = (struct poller){0};
    web_init(&p->get, loop, hub_pair(hub));
    web_init(&p->post, loop, hub_pair(hub));
    http_write(&p->get, "GET", ENGINE, "", NOTHING);
    CHECK_INT(poll_take(p), 200);
    const char *sid = strstr(ln_buf_cstr(&p->body), "\"sid\":\"");
    CHECK(sid != NULL);
    if (sid) snprintf(p->sid, sizeof p->sid, "%.20s", sid + 7);
}

/* … and in "/", with its session. */
static inline void poll_client(struct poller *p) {
    poll_open(p);
    CHECK_INT(poll_post(p, "40"), 200);
    poll_ask(p);
    CHECK_INT(poll_take(p), 200);
    CHECK(strncmp(ln_buf_cstr(&p->body), "40{\"sid\":\"", 10) == 0);
}

static inline void poll_free(struct poller *p) {
    web_free(&p->get);
    web_free(&p->post);
    ln_buf_free(&p->body);
    ln_buf_free(&p->head);
}

#endif
