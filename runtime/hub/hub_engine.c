/* SPDX-License-Identifier: MIT
 *
 * Engine.IO's requests: the handshake, GET and POST of polling sessions, and who may upgrade. What
 * is wrong is told by the rows of the protocol's error table.
 */
#include "hub/hub_poll.h"

#include "wire/engineio.h"

enum row {
    ROW_TRANSPORT,
    ROW_SESSION,
    ROW_METHOD,
    ROW_REQUEST,
    ROW_FORBIDDEN,
    ROW_VERSION,
    ROW_GOOD
};

static const struct {
    const char *words, *json;
} rows[] = {
    {"Transport unknown", "{\"code\":0,\"message\":\"Transport unknown\"}"},
    {"Session ID unknown", "{\"code\":1,\"message\":\"Session ID unknown\"}"},
    {"Bad handshake method", "{\"code\":2,\"message\":\"Bad handshake method\"}"},
    {"Bad request", "{\"code\":3,\"message\":\"Bad request\"}"},
    {"Forbidden", "{\"code\":4,\"message\":\"Forbidden\"}"},
    {"Unsupported protocol version", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
};

/* In the reference's order. *s: the session that is named, or NULL. */
static enum row judge(const struct hub *h, const struct server_request *r, bool is_upgrade,
                      struct hub_poll **s) {
    struct ln_str transport = hub_query_get(r->query, "transport");
    struct ln_str version = hub_query_get(r->query, "EIO"), sid = hub_query_get(r->query, "sid");
    bool is_ws = ln_str_is(transport, "websocket");
    *s = NULL;
    if (!is_ws && !ln_str_is(transport, "polling")) return ROW_TRANSPORT;
    if (!(h->opts.transports & (is_ws ? HUB_WEBSOCKET : HUB_POLLING))) return ROW_TRANSPORT;
    if (sid.p) {
        *s = hub_poll_find(h, sid);
        if (!*s) return ROW_SESSION;
        if (version.p && !ln_str_is(version, "4")) return ROW_REQUEST;
        if (is_ws != is_upgrade) return ROW_REQUEST;
        return !is_ws && (*s)->state == POLL_UPGRADED ? ROW_REQUEST : ROW_GOOD;
    }
    if (!ln_str_is(r->method, "GET")) return ROW_METHOD;
    if (is_ws != is_upgrade) return ROW_REQUEST;
    return ln_str_is(version, "4") ? ROW_GOOD : ROW_VERSION;
}

static void refuse(struct server_reply *reply, enum row row) {
    reply->status = 400;
    reply->type = "application/json";
    reply->body = ln_str(rows[row].json);
}

bool hub_poll_is(const struct hub *h, struct ln_str path) {
    struct ln_str ours = ln_str(h->opts.path);
    if (path.n + 1 == ours.n) return memcmp(path.p, ours.p, path.n) == 0; /* addTrailingSlash */
    return ln_str_starts(path, ours.p);
}

/* The client's files, which are not served here: no handshake that went wrong. */
static bool is_file(const struct server_request *r) {
    static const char *const endings[] = {".js", ".map"};
    for (size_t i = 0; i < LN_COUNT(endings); i++) {
        size_t n = strlen(endings[i]);
        if (r->path.n > n && memcmp(r->path.p + r->path.n - n, endings[i], n) == 0)
            return !hub_query_get(r->query, "transport").p;
    }
    return false;
}

/* --- GET and POST --- */

static void handshake(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    if (hub_http_full(h)) {
        reply->status = 503;
        reply->body = LN_STR("too many clients\n");
        return;
    }
    struct hub_line *line = hub_http_line(h, NULL, HUB_SIO, r);
    struct hub_poll *s = hub_poll_new(h, line);
    hub_line_start(line);
    hub_poll_get(s, r, reply);
}

/* What no client does that means well: the session ends with an empty 400. */
static void violated(struct hub_poll *s, struct server_reply *reply) {
    reply->status = 400;
    reply->body = LN_STR("");
    if (s->line) hub_line_drop(s->line, HUB_LEAVE_ERROR, 1005, "");
}

static bool is_second(const struct hub_poll *s, ln_id first, ln_id now) {
    return first && first != now && server_waits(s->hub->server, first);
}

static void on_get(struct hub_poll *s, const struct server_request *r, struct server_reply *reply) {
    if (is_second(s, s->get, r->id)) {
        violated(s, reply);
    } else if (s->line && (s->line->is_ended || hub_line_is_late(s->line))) {
        refuse(reply, ROW_SESSION); /* it ends with this turn */
    } else {
        hub_poll_get(s, r, reply);
    }
}

static void on_post(struct hub_poll *s, const struct server_request *r,
                    struct server_reply *reply) {
    struct hub_line *line = s->line;
    struct ln_str packet;
    size_t pos = 0;
    if (is_second(s, s->post, r->id)) {
        violated(s, reply);
        return;
    }
    s->post = 0;
    if (!line || line->is_ended) {
        refuse(reply, ROW_SESSION);
        return;
    }
    while (!line->is_ended && eio_payload_each(r->body, &pos, &packet))
        hub_line_input(line, false, (char *)packet.p, packet.n); /* the body is the server's own */
    if (line->is_ended && line->why == HUB_LEAVE_ERROR) {
        violated(s, reply);
        return;
    }
    reply->status = 200;
    reply->type = "text/html";
    reply->body = LN_STR("ok");
}

bool hub_poll_request(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    struct hub_poll *s;
    if (is_file(r)) return false;
    enum row row = judge(h, r, false, &s);
    hub_header(h, "Cache-Control", LN_STR("no-store"));
    if (row != ROW_GOOD) {
        refuse(reply, row);
    } else if (!s) {
        handshake(h, r, reply);
    } else if (ln_str_is(r->method, "GET")) {
        on_get(s, r, reply);
    } else if (ln_str_is(r->method, "POST")) {
        on_post(s, r, reply);
    } else {
        reply->status = 400;
        reply->body = LN_STR("");
    }
    return true;
}

bool hub_poll_begin(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    struct ln_str type = r->header(r, "content-type");
    struct hub_poll *s;
    enum row row = judge(h, r, false, &s);
    hub_header(h, "Cache-Control", LN_STR("no-store"));
    if (row == ROW_GOOD && !s) row = ROW_REQUEST; /* a handshake has no body */
    if (row != ROW_GOOD) {
        refuse(reply, row);
        return false;
    }
    if (!ln_str_is(r->method, "POST")) return true;
    if (is_second(s, s->post, r->id) || ln_str_starts(type, "application/octet-stream")) {
        violated(s, reply);
        return false;
    }
    s->post = r->id;
    return true;
}

/* --- WebSocket --- */

bool hub_poll_accept(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    struct hub_poll *s;
    enum row row = judge(h, r, true, &s);
    reply->status = 400;
    if (row == ROW_GOOD && s && !s->line) row = ROW_SESSION;
    if (row != ROW_GOOD) {
        reply->body = ln_str(rows[row].words);
        return false;
    }
    if (s || !hub_http_full(h)) return true;
    reply->status = 503;
    reply->body = LN_STR("too many clients\n");
    return false;
}

struct hub_line *hub_poll_open(struct hub *h, struct server_peer *p,
                               const struct server_request *r) {
    struct hub_poll *s = NULL;
    judge(h, r, true, &s);
    if (s) return hub_upgrade_open(s, p, r);
    struct hub_line *line = hub_http_line(h, p, HUB_SIO, r);
    hub_line_start(line);
    return line;
}
