/* SPDX-License-Identifier: MIT
 *
 * Messages of several of Pusher's clients into the hub, without sockets. The input is lines: "0" to
 * "2" and a message of a client, "x" to "z" its end, "s" a Socket.IO client's packet, "+" a second.
 * In a message every "SIGN" is replaced by the signature that its channel, channel_data or
 * user_data needs. Whatever comes in, what goes out is JSON, and nothing is left when all have
 * gone.
 */
#include "base/json.h"
#include "hub/hub_pusher.h"
#include "hub_rig.h"

#define LINES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hub_line *lines[LINES]; /* the last one is of Socket.IO */

static void sink(const struct hub_line *line, bool binary, struct ln_str data) {
    struct ln_buf scratch = {0};
    struct pusher_msg m;
    if (line->proto == HUB_PUSHER)
        require(!binary && pusher_parse(data, &m, &scratch, NULL) && ln_json_valid(data, NULL));
    ln_buf_free(&scratch);
}

static void on_event(void *ud, const struct hub_event *ev) {
    (void)ud;
    struct hub_target t = {.room = LN_STR("private-encrypted-cache-x"), .except = ev->client};
    hub_emit(hub, &t, ev->name, LN_STR("[1]"), NULL, 0);
    t.room = LN_STR("presence-r");
    hub_emit(hub, &t, ev->name, LN_STR("1"), NULL, 0);
    if (ev->name.n == 9) hub_disconnect(hub, ev->client, true);
}

static void on_admit(void *ud, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                     struct ln_str headers) {
    (void)ud;
    (void)nsp;
    require(ln_json_valid(headers, NULL));
    if (auth.n % 5 != 3) hub_admit(hub, ticket, auth.n % 5 != 4, "no", NONE);
}

static void open_hub(void) {
    static const struct hub_hooks hooks = {.admit = on_admit, .event = on_event};
    static const struct hub_app app = {.key = "key",
                                       .secret = "secret",
                                       .id = "1",
                                       .whispers = HUB_WHISPERS_ALL,
                                       .master_key =
                                           "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="};
    struct hub_opts o = rig_opts();
    o.max_rooms = 8;
    o.apps = &app;
    o.app_count = 1;
    rig_open(&o, &hooks);
}

static struct hub_line *get_line(int i) {
    bool is_sio = i == LINES - 1;
    if (lines[i]) return lines[i];
    lines[i] = hub_line_new(hub, NULL, is_sio ? HUB_SIO : HUB_PUSHER);
    lines[i]->sink = sink;
    if (is_sio)
        hub_line_start(lines[i]);
    else
        hub_pusher_start(lines[i], LN_STR("/app/key"), LN_STR("protocol=7"), true);
    return lines[i];
}

static void end_line(int i) {
    if (lines[i]) hub_line_free(lines[i]);
    lines[i] = NULL;
}

/* The signature for what the message asks. */
static void sign(const struct hub_line *line, struct ln_str text, struct ln_buf *out) {
    struct ln_str data = ln_json_get(text, "data"), user = ln_json_get(data, "user_data");
    struct ln_buf channel = {0}, more = {0};
    const struct hub_client *c = hub_line_client(line, LN_STR("/"));
    if (!c) return;
    if (!ln_json_text(ln_json_get(data, "channel"), &channel)) ln_buf_clear(&channel);
    if (!ln_json_text(user.p ? user : ln_json_get(data, "channel_data"), &more))
        ln_buf_clear(&more);
    struct ln_str m = ln_buf_get(&more), none = LN_STR("");
    struct ln_str of_user[] = {ln_str(c->sid), none, LN_STR("user"), none, m};
    struct ln_str of_channel[] = {ln_str(c->sid), ln_buf_get(&channel), m};
    pusher_sign(out, LN_STR("key"), LN_STR("secret"), user.p ? of_user : of_channel,
                user.p     ? 5
                : m.n == 0 ? 2
                           : 3);
    ln_buf_free(&channel);
    ln_buf_free(&more);
}

static void speak(struct hub_line *line, struct ln_str text) {
    struct ln_buf out = {0};
    const char *at;
    while ((at = memmem(text.p, text.n, "SIGN", 4))) {
        size_t n = (size_t)(at - text.p);
        ln_buf_add(&out, text.p, n);
        sign(line, text, &out);
        text = (struct ln_str){at + 4, text.n - n - 4};
    }
    ln_buf_str(&out, text);
    char *copy = malloc(out.n ? out.n : 1); /* exactly as long: a read behind it is seen */
    require(copy != NULL);
    if (out.n) memcpy(copy, out.p, out.n);
    hub_line_input(line, false, copy, out.n);
    free(copy);
    ln_buf_free(&out);
}

static void play(const char *p, size_t n) {
    char who = *p;
    struct ln_str text = {p + 1, n - 1};
    if (who == '+') {
        loop_advance(loop, 1000);
    } else if (who >= 'x' && who <= 'z') {
        end_line(who - 'x');
    } else if (who == 's') {
        speak(get_line(LINES - 1), text);
    } else if (who >= '0' && who <= '2') {
        speak(get_line(who - '0'), text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!hub) open_hub();
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t n = end ? (size_t)(end - data) - at : size - at;
        if (n > 0) play((const char *)data + at, n);
        at += n + 1;
    }
    for (int i = 0; i < LINES; i++)
        end_line(i);
    loop_settle(loop, 0);
    require(hub_client_count(hub) == 0 && hub->pusher->users.count == 0);
    require(ln_list_empty(&hub->lines) && hub->pusher->apps[0].connections == 0);
    return 0;
}
