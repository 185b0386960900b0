/* SPDX-License-Identifier: MIT
 *
 * Clients of Pusher's protocol on a hub with one app (key "key", secret "secret", id "1"), for the
 * tests of the hub.
 */
#ifndef LN_PUSHERCLIENT_H
#define LN_PUSHERCLIENT_H

#include "base/json.h"
#include "hubclient.h"
#include "wire/pusher.h"

#define APP "/app/key?protocol=7&client=js&version=8.6.0&flash=false"
#define ESTABLISHED                                                                                \
    "{\"event\":\"pusher:connection_established\",\"data\":\"{\\\"socket_id\\\":\\\""

struct pusher {
    struct web w;
    char sid[24];
};

static struct hub_app test_app;

/* Opens it with the app as it stands. */
static inline void pusher_start(struct hub_opts *o, const struct hub_hooks *hooks) {
    o->apps = &test_app;
    o->app_count = 1;
    hub_start(o, hooks);
}

static inline struct hub_opts pusher_opts(void) {
    test_app = (struct hub_app){.key = "key", .secret = "secret", .id = "1"};
    return test_opts();
}

static inline void pusher_open(struct pusher *p) {
    hub_line(&p->w, APP);
    struct ln_str f = web_next(&p->w);
    p->sid[0] = 0;
    if (!ln_str_starts(f, ESTABLISHED)) {
        printf("not established: %.*s\n", LN_FMT(f));
        test_failures++;
        return;
    }
    f.p += sizeof ESTABLISHED - 1;
    snprintf(p->sid, sizeof p->sid, "%.*s", (int)strcspn(f.p, "\\"), f.p);
}

static inline void pusher_sign_text(const struct pusher *p, const char *channel, const char *data,
                                    struct ln_buf *out) {
    struct ln_str parts[] = {ln_str(p->sid), ln_str(channel), ln_str(data)};
    pusher_sign(out, LN_STR("key"), LN_STR("secret"), parts, data ? 3 : 2);
}

/* Subscribes; data: the channel_data that is signed with it, or NULL. */
static inline void pusher_join(struct pusher *p, const char *channel, const char *data) {
    struct ln_buf text = {0};
    ln_buf_fmt(&text, "{\"event\":\"pusher:subscribe\",\"data\":{\"auth\":\"");
    if (strncmp(channel, "pr", 2) == 0) pusher_sign_text(p, channel, data, &text);
    ln_buf_fmt(&text, "\",\"channel\":\"%s\"", channel);
    if (data) {
        ln_buf_puts(&text, ",\"channel_data\":");
        ln_json_quote(&text, ln_str(data));
    }
    ln_buf_puts(&text, "}}");
    say(&p->w, ln_buf_cstr(&text));
    ln_buf_free(&text);
}

/* The same, and its answer is taken. */
static inline void pusher_joined(struct pusher *p, const char *channel, const char *data) {
    char want[300];
    snprintf(want, sizeof want,
             "{\"event\":\"pusher_internal:subscription_succeeded\",\"channel\":\"%s\"", channel);
    pusher_join(p, channel, data);
    check_frame(__LINE__, &p->w, want);
}

static inline void pusher_leave(struct pusher *p, const char *channel) {
    char text[300];
    snprintf(text, sizeof text, "{\"event\":\"pusher:unsubscribe\",\"data\":{\"channel\":\"%s\"}}",
             channel);
    say(&p->w, text);
}

static inline void pusher_end(struct pusher *p) {
    web_free(&p->w);
    loop_settle(loop, 0);
}

#endif
