/* SPDX-License-Identifier: MIT
 *
 * Pusher's HTTP API, for the servers of an app: events, who is where, ending a user's connections.
 * Every request is signed with the app's secret. A request is checked whole before anything of it
 * is sent.
 */
#include "base/clock.h"
#include "base/crypt.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "hub/hub_http.h"
#include "hub/hub_pusher.h"

#define MAX_SKEW_S 600
#define MAX_CHANNELS 100
#define MAX_BATCH 10

struct call { /* a request under way */
    struct hub *h;
    struct pusher_app *app;
    const struct server_request *r;
    struct ln_buf *out;
    struct ln_str parts[4]; /* of the path, behind /apps/ID/ */
    size_t count;
    int status;
};

static bool fail(struct call *k, int status, const char *words) {
    k->status = status;
    hub_json_error(k->out, words);
    return false;
}

/* --- who asks --- */

static bool check_time(struct call *k) {
    int64_t at, now = ln_wall_ms() / 1000;
    if (!ln_json_int(hub_query_get(k->r->query, "auth_timestamp"), &at))
        return fail(k, 401, "auth_timestamp is missing, or no number");
    if (at < now - MAX_SKEW_S || at > now + MAX_SKEW_S)
        return fail(k, 401, "auth_timestamp is more than 600 seconds from this machine's clock");
    return true;
}

static bool check_body(struct call *k) {
    unsigned char digest[16];
    struct ln_buf hex = {0};
    struct ln_str sent = hub_query_get(k->r->query, "body_md5");
    if (k->r->body.n == 0 && !sent.p) return true;
    if (!ln_md5(k->r->body.p, k->r->body.n, digest))
        return fail(k, 500, "this machine's rules forbid MD5, which the API needs");
    ln_hex(&hex, digest, sizeof digest);
    bool same = ln_equal_secret(sent, ln_buf_get(&hex));
    ln_buf_free(&hex);
    return same || fail(k, 401, "body_md5 is not that of the body");
}

static bool check_signature(struct call *k) {
    char want[65];
    const struct server_request *r = k->r;
    if (!ln_str_is(hub_query_get(r->query, "auth_key"), k->app->key))
        return fail(k, 401, "auth_key is not that of the app");
    if (!ln_str_is(hub_query_get(r->query, "auth_version"), "1.0"))
        return fail(k, 401, "auth_version must be 1.0");
    /* Signed are decoded values: with this in one of them it could be read as two parameters. */
    if (r->query.n > 0 && memmem(r->query.p, r->query.n, "%26", 3))
        return fail(k, 401, "no parameter may hold an '&'");
    if (!check_time(k) || !check_body(k)) return false;
    pusher_api_sign(ln_str(k->app->secret), r->method, r->path, r->query, want);
    if (ln_equal_secret(hub_query_get(r->query, "auth_signature"), ln_str(want))) return true;
    return fail(k, 401, "auth_signature is not right: is the secret that of the app?");
}

/* --- arguments --- */

static bool info_wants(struct ln_str info, const char *what) {
    while (info.n > 0) {
        const char *comma = memchr(info.p, ',', info.n);
        size_t n = comma ? (size_t)(comma - info.p) : info.n;
        if (ln_str_is((struct ln_str){info.p, n}, what)) return true;
        n += comma != NULL;
        info = (struct ln_str){info.p + n, info.n - n};
    }
    return false;
}

/* A parameter of the query, decoded; empty when it is not there. */
static void get_param(const struct call *k, const char *name, struct ln_buf *out) {
    struct ln_str raw = hub_query_get(k->r->query, name);
    if (raw.p && !ln_percent_decode(out, raw)) ln_buf_str(out, raw);
}

static bool channel_ok(struct ln_str channel) {
    return pusher_channel_ok(channel) ||
           (ln_str_starts(channel, "#server-to-user-") && channel.n <= PUSHER_MAX_CHANNEL);
}

/* --- channels --- */

struct counts {
    size_t users, subscriptions;
    bool is_presence;
};

static struct counts count(const struct hub_room *r, unsigned face) {
    struct counts n = {.is_presence = face == PUSHER_PRESENCE_FACE};
    if (!r) return n;
    LN_LIST_EACH (&r->members, it, tmp) {
        const struct hub_member *m = LN_CONTAINER(it, struct hub_member, of_room);
        bool is_plain = m->client->line->proto != HUB_PUSHER && !m->is_occupant;
        n.subscriptions += hub_member_has(m, face) || (is_plain && !n.is_presence);
    }
    if (n.is_presence) n.users = r->occupants.count;
    return n;
}

static struct hub_room *room_of(const struct call *k, struct ln_str channel) {
    struct ln_str nsp = ln_str(k->app->nsp);
    return hub_room_get(k->h, nsp, hub_channel_room(k->h, nsp, channel, NULL));
}

/* The counts that info asks for, each with a comma in front. */
static void add_counts(struct ln_buf *out, struct ln_str info, const struct counts *n) {
    if (n->is_presence && info_wants(info, "user_count"))
        ln_buf_fmt(out, ",\"user_count\":%zu", n->users);
    if (info_wants(info, "subscription_count"))
        ln_buf_fmt(out, ",\"subscription_count\":%zu", n->subscriptions);
}

/* "channel":{counts} */
static void add_channel(struct ln_buf *out, struct ln_str channel, struct ln_str info,
                        const struct counts *n) {
    struct ln_buf counts = {0};
    ln_json_quote(out, channel);
    add_counts(&counts, info, n);
    if (counts.n > 0) *counts.p = '{';
    ln_buf_fmt(out, ":%.*s}", LN_FMT(counts.n > 0 ? ln_buf_get(&counts) : LN_STR("{")));
    ln_buf_free(&counts);
}

static void add_room_channels(struct call *k, const struct hub_room *r, struct ln_str prefix,
                              struct ln_str info) {
    for (unsigned face = PUSHER_CHANNEL; face <= PUSHER_PRESENCE_FACE; face <<= 1) {
        struct ln_buf name = {0};
        struct counts n = count(r, face);
        if ((n.users > 0 || n.subscriptions > 0) &&
            hub_channel_name(k->h, ln_str(r->nsp), ln_str(r->name), face, &name) &&
            channel_ok(ln_buf_get(&name)) && name.n >= prefix.n &&
            memcmp(name.p, prefix.n ? prefix.p : "", prefix.n) == 0) {
            if (k->out->p[k->out->n - 1] != '{') ln_buf_putc(k->out, ',');
            add_channel(k->out, ln_buf_get(&name), info, &n);
        }
        ln_buf_free(&name);
    }
}

static bool do_channels(struct call *k) {
    struct ln_buf prefix = {0}, info = {0};
    void *value;
    size_t i = 0;
    get_param(k, "filter_by_prefix", &prefix);
    get_param(k, "info", &info);
    ln_buf_puts(k->out, "{\"channels\":{");
    while (ln_map_next(&k->h->rooms, &i, NULL, &value)) {
        const struct hub_room *r = value;
        if (strcmp(r->nsp, k->app->nsp) == 0)
            add_room_channels(k, r, ln_buf_get(&prefix), ln_buf_get(&info));
    }
    ln_buf_puts(k->out, "}}");
    ln_buf_free(&prefix);
    ln_buf_free(&info);
    return true;
}

static bool do_channel(struct call *k, struct ln_str channel) {
    struct ln_buf info = {0};
    if (!channel_ok(channel)) return fail(k, 400, "that is no channel's name");
    struct counts n = count(room_of(k, channel), hub_channel_face(channel));
    get_param(k, "info", &info);
    ln_buf_fmt(k->out, "{\"occupied\":%s", n.users > 0 || n.subscriptions > 0 ? "true" : "false");
    add_counts(k->out, ln_buf_get(&info), &n);
    ln_buf_putc(k->out, '}');
    ln_buf_free(&info);
    return true;
}

static bool do_users(struct call *k, struct ln_str channel) {
    if (!channel_ok(channel) || pusher_kind(channel) != PUSHER_PRESENCE)
        return fail(k, 400, "only presence channels have users");
    const struct hub_room *r = room_of(k, channel);
    void *value;
    size_t i = 0;
    ln_buf_puts(k->out, "{\"users\":[");
    while (r && ln_map_next(&r->occupants, &i, NULL, &value)) {
        if (k->out->p[k->out->n - 1] != '[') ln_buf_putc(k->out, ',');
        ln_buf_puts(k->out, "{\"id\":");
        hub_user_id_json(k->out, ((struct hub_occupant *)value)->user);
        ln_buf_putc(k->out, '}');
    }
    ln_buf_puts(k->out, "]}");
    return true;
}

/* --- events --- */

struct event { /* slices of the body, raw; name is decoded */
    struct ln_buf name, info;
    struct ln_str data, channels;
    ln_id except;
};

static void event_free(struct event *e) {
    ln_buf_free(&e->name);
    ln_buf_free(&e->info);
}

/* One name as text; a list of them is walked by ln_json_each. */
static bool read_channel(struct call *k, struct ln_str raw, struct ln_buf *channel) {
    ln_buf_clear(channel);
    if (ln_json_text(raw, channel) && channel_ok(ln_buf_get(channel))) return true;
    return fail(k, 400, "a channel's name has 1 to 200 letters, digits and _-=@,.;");
}

static bool check_channels(struct call *k, struct event *e, struct ln_str doc) {
    struct ln_buf channel = {0};
    struct ln_str raw;
    size_t at = 0, n = 0;
    bool good = true;
    e->channels = ln_json_get(doc, "channel");
    if (!e->channels.p) e->channels = ln_json_get(doc, "channels");
    if (!e->channels.p) return fail(k, 400, "\"channels\" is missing");
    if (ln_json_peek(e->channels) != LN_JSON_ARRAY) {
        good = read_channel(k, e->channels, &channel);
    } else {
        while (good && ln_json_each(e->channels, &at, NULL, &raw) && ++n <= MAX_CHANNELS)
            good = read_channel(k, raw, &channel);
        if (good && (n == 0 || n > MAX_CHANNELS))
            good = fail(k, 400, "an event goes to 1 to 100 channels");
    }
    ln_buf_free(&channel);
    return good;
}

static bool check_data(struct call *k, struct event *e, struct ln_str doc) {
    struct ln_buf plain = {0};
    e->data = ln_json_get(doc, "data");
    if (!e->data.p) return fail(k, 400, "\"data\" is missing");
    bool is_text = ln_json_peek(e->data) == LN_JSON_STRING && ln_json_text(e->data, &plain);
    size_t n = is_text ? plain.n : e->data.n;
    ln_buf_free(&plain);
    return n <= PUSHER_MAX_DATA || fail(k, 413, "\"data\" has more than 10240 bytes");
}

static bool check_except(struct call *k, struct event *e, struct ln_str doc) {
    struct ln_buf id = {0};
    struct ln_str raw = ln_json_get(doc, "socket_id");
    bool good = true;
    if (!raw.p || ln_json_peek(raw) == LN_JSON_NULL) return true;
    if (ln_json_text(raw, &id) && hub_socket_id_ok(ln_buf_get(&id))) {
        const struct hub_client *c = ln_map_get(&k->h->sids, ln_buf_get(&id));
        if (c) e->except = c->id;
    } else {
        good = fail(k, 400, "\"socket_id\" must look like 123.456");
    }
    ln_buf_free(&id);
    return good;
}

static bool read_event(struct call *k, struct ln_str doc, struct event *e) {
    struct ln_str name = ln_json_get(doc, "name"), info = ln_json_get(doc, "info");
    if (ln_json_peek(doc) != LN_JSON_OBJECT) return fail(k, 400, "an event must be an object");
    if (!name.p || !ln_json_text(name, &e->name) || e->name.n == 0 || e->name.n > PUSHER_MAX_EVENT)
        return fail(k, 400, "\"name\" must be a text of 1 to 200 bytes");
    if (ln_str_starts(ln_buf_get(&e->name), "pusher:") ||
        ln_str_starts(ln_buf_get(&e->name), "pusher_internal:"))
        return fail(k, 400, "names that begin with pusher: are the protocol's own");
    if (info.p) (void)ln_json_text(info, &e->info);
    return check_data(k, e, doc) && check_channels(k, e, doc) && check_except(k, e, doc);
}

static void publish(struct call *k, const struct event *e, struct ln_str channel) {
    struct ln_buf plain = {0};
    struct hub_target t = {.nsp = ln_str(k->app->nsp), .except = e->except};
    bool is_text = ln_json_peek(e->data) == LN_JSON_STRING;
    t.room = hub_channel_room(k->h, t.nsp, channel, NULL);
    hub_emit_channel(k->h, &t, hub_channel_face(channel), ln_buf_get(&e->name),
                     pusher_data(e->data, &plain), is_text ? e->data : NONE);
    ln_buf_free(&plain);
}

/* Sends it to each of its channels; out gets their counts as "channel":{…},… when it wants them. */
static void send_event(struct call *k, const struct event *e, struct ln_buf *out) {
    bool is_list = ln_json_peek(e->channels) == LN_JSON_ARRAY;
    struct ln_str raw = e->channels;
    size_t at = 0;
    while (!is_list ? at++ == 0 : ln_json_each(e->channels, &at, NULL, &raw)) {
        struct ln_buf channel = {0};
        (void)ln_json_text(raw, &channel);
        publish(k, e, ln_buf_get(&channel));
        if (e->info.n > 0) {
            struct counts n =
                count(room_of(k, ln_buf_get(&channel)), hub_channel_face(ln_buf_get(&channel)));
            if (out->n > 0) ln_buf_putc(out, ',');
            add_channel(out, ln_buf_get(&channel), ln_buf_get(&e->info), &n);
        }
        ln_buf_free(&channel);
    }
}

static bool do_events(struct call *k) {
    struct event e = {0};
    struct ln_buf infos = {0};
    bool good = read_event(k, k->r->body, &e);
    if (good) {
        send_event(k, &e, &infos);
        if (e.info.n > 0)
            ln_buf_fmt(k->out, "{\"channels\":{%.*s}}", LN_FMT(ln_buf_get(&infos)));
        else
            ln_buf_puts(k->out, "{}");
    }
    event_free(&e);
    ln_buf_free(&infos);
    return good;
}

/* What an event of a batch asked to know: that of its one channel, without the channel's name. */
static void add_batch_info(struct call *k, const struct event *e) {
    struct ln_buf channel = {0}, counts = {0};
    (void)ln_json_text(e->channels, &channel);
    struct counts n =
        count(room_of(k, ln_buf_get(&channel)), hub_channel_face(ln_buf_get(&channel)));
    add_counts(&counts, ln_buf_get(&e->info), &n);
    if (counts.n > 0) *counts.p = '{';
    ln_buf_fmt(k->out, "%.*s}", LN_FMT(counts.n > 0 ? ln_buf_get(&counts) : LN_STR("{")));
    ln_buf_free(&channel);
    ln_buf_free(&counts);
}

static bool do_batch(struct call *k) {
    struct event events[MAX_BATCH] = {0};
    struct ln_buf ignored = {0};
    struct ln_str list = ln_json_get(k->r->body, "batch"), raw;
    size_t at = 0, n = 0;
    bool good = list.p && ln_json_peek(list) == LN_JSON_ARRAY;
    if (!good) fail(k, 400, "\"batch\" must be a list of events");
    while (good && ln_json_each(list, &at, NULL, &raw)) {
        if (n == MAX_BATCH)
            good = fail(k, 400, "a batch has at most 10 events");
        else if (ln_json_peek(ln_json_get(raw, "channel")) != LN_JSON_STRING)
            good = fail(k, 400, "each event of a batch needs its \"channel\"");
        else
            good = read_event(k, raw, &events[n++]);
    }
    if (good) ln_buf_puts(k->out, "{\"batch\":[");
    for (size_t i = 0; i < n; i++) {
        if (good) {
            if (i > 0) ln_buf_putc(k->out, ',');
            send_event(k, &events[i], &ignored);
            add_batch_info(k, &events[i]);
        }
        event_free(&events[i]);
    }
    if (good) ln_buf_puts(k->out, "]}");
    ln_buf_free(&ignored);
    return good;
}

/* --- which one --- */

static bool do_terminate(struct call *k, struct ln_str user) {
    struct ln_buf id = {0};
    if (!ln_percent_decode(&id, user)) return fail(k, 400, "that is no user's id");
    hub_signin_terminate(k->h, k->app, ln_buf_get(&id));
    ln_buf_free(&id);
    ln_buf_puts(k->out, "{}");
    return true;
}

static bool do_connections(struct call *k) {
    ln_buf_fmt(k->out, "{\"connections\":%d}", k->app->connections);
    return true;
}

static bool is(const struct call *k, size_t i, const char *part) {
    return i < k->count && ln_str_is(k->parts[i], part);
}

static bool get(struct call *k) {
    struct ln_buf name = {0};
    bool good = false;
    if (k->count > 1 && !ln_percent_decode(&name, k->parts[1])) return fail(k, 400, "bad address");
    if (k->count == 1 && is(k, 0, "channels"))
        good = do_channels(k);
    else if (k->count == 1 && is(k, 0, "connections"))
        good = do_connections(k);
    else if (k->count == 2 && is(k, 0, "channels"))
        good = do_channel(k, ln_buf_get(&name));
    else if (k->count == 3 && is(k, 0, "channels") && is(k, 2, "users"))
        good = do_users(k, ln_buf_get(&name));
    else
        fail(k, 404, "the API has no such address");
    ln_buf_free(&name);
    return good;
}

static bool post(struct call *k) {
    bool is_end = k->count == 3 && is(k, 0, "users") && is(k, 2, "terminate_connections");
    if (is_end) return do_terminate(k, k->parts[1]);
    bool is_batch = k->count == 1 && is(k, 0, "batch_events");
    if (!is_batch && !(k->count == 1 && is(k, 0, "events")))
        return fail(k, 404, "the API has no such address");
    if (ln_json_peek(k->r->body) != LN_JSON_OBJECT || !ln_json_valid(k->r->body, NULL))
        return fail(k, 400, "the body must be a JSON object");
    return is_batch ? do_batch(k) : do_events(k);
}

/* /apps/ID/channels/NAME/users -> the id, and parts {channels, NAME, users} */
static struct ln_str split(struct call *k) {
    struct ln_str rest = {k->r->path.p + 6, k->r->path.n - 6}, id = NONE;
    for (size_t i = 0; rest.p; i++) {
        const char *slash = memchr(rest.p, '/', rest.n);
        struct ln_str part = {rest.p, slash ? (size_t)(slash - rest.p) : rest.n};
        if (i == 0)
            id = part;
        else if (k->count < LN_COUNT(k->parts))
            k->parts[k->count++] = part;
        rest = slash ? (struct ln_str){slash + 1, rest.n - part.n - 1} : NONE;
    }
    return id;
}

bool hub_api(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    struct call k = {.h = h, .r = r, .out = &h->pusher->reply, .status = 200};
    ln_buf_clear(k.out);
    struct ln_str id = split(&k);
    k.app = hub_app_by_id(h, id);
    if (!k.app)
        fail(&k, 404, "no app has that id");
    else if (check_signature(&k))
        (void)(ln_str_is(r->method, "POST") ? post(&k) : get(&k));
    hub_header(h, "Cache-Control", LN_STR("no-store"));
    *reply = (struct server_reply){
        .status = k.status, .type = "application/json", .body = ln_buf_get(k.out)};
    return true;
}
