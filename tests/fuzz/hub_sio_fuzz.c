/* SPDX-License-Identifier: MIT
 *
 * Packets of several clients into the hub, without sockets. The input is lines: "0" to "2" and a
 * packet of a Socket.IO client, "a" to "c" and a binary one, "p" and "q" a frame of plain JSON, "x"
 * to "z" the end of a client, "+" a second of time. Whatever comes in, what goes out can be read,
 * and nothing is left when all have gone.
 */
#include "base/json.h"
#include "hub_rig.h"

#define LINES 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hub_line *lines[LINES];

static void sink(const struct hub_line *line, bool binary, struct ln_str data) {
    struct sio_packet p;
    if (binary) return;
    if (line->proto == HUB_RAW) {
        require(ln_json_valid(data, NULL));
    } else if (data.n > 1) {
        struct ln_str rest = {data.p + 1, data.n - 1};
        require(*data.p == '0' || sio_parse(rest, SIO_MAX_ATTACHMENTS, &p, NULL));
        require(*data.p == '4' ? !p.data.n || ln_json_valid(p.data, NULL)
                               : ln_json_valid(rest, NULL));
    }
}

static void on_event(void *ud, const struct hub_event *ev) {
    (void)ud;
    struct hub_target t = {.room = LN_STR("r"), .except = ev->client};
    hub_emit(hub, &t, ev->name, LN_STR("1"), ev->bin, ev->bin_count);
    if (ev->name.n == 3) hub_disconnect(hub, ev->client, ev->args.n == 0);
    hub_ack(hub, ev->client, ev->ack, LN_STR("true"), NULL, 0);
}

static void on_admit(void *ud, ln_id ticket, struct ln_str nsp, struct ln_str auth,
                     struct ln_str headers) {
    (void)ud;
    (void)nsp;
    (void)headers;
    if (auth.n % 5 != 3) hub_admit(hub, ticket, auth.n % 5 != 4, "no", LN_STR("[]"));
}

static void open_hub(void) {
    static const char *const namespaces[] = {"/n", NULL};
    static const struct hub_hooks hooks = {.admit = on_admit, .event = on_event};
    struct hub_opts o = rig_opts();
    o.namespaces = namespaces;
    o.max_rooms = 8;
    o.history = 3;
    o.max_message = 2000;
    o.trace = true;
    rig_open(&o, &hooks);
}

static struct hub_line *get_line(int i) {
    if (lines[i]) return lines[i];
    lines[i] = hub_line_new(hub, NULL, i < 3 ? HUB_SIO : HUB_RAW);
    lines[i]->sink = sink;
    lines[i]->is_local = true;
    hub_query_json(&lines[i]->auth, LN_STR("id=u&name=n"));
    hub_line_start(lines[i]);
    return lines[i];
}

static void end_line(int i) {
    if (lines[i]) hub_line_free(lines[i]);
    lines[i] = NULL;
}

static void play(char *p, size_t n) {
    char who = *p;
    if (who == '+') {
        loop_advance(loop, 1000);
    } else if (who >= 'x' && who <= 'z') {
        end_line(who - 'x');
    } else if (who >= 'a' && who <= 'c') {
        hub_line_input(get_line(who - 'a'), true, p + 1, n - 1);
    } else if (who == 'p' || who == 'q') {
        hub_line_input(get_line(3 + who - 'p'), false, p + 1, n - 1);
    } else if (who >= '0' && who <= '2') {
        hub_line_input(get_line(who - '0'), false, p + 1, n - 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!hub) open_hub();
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t n = end ? (size_t)(end - data) - at : size - at;
        char *copy = malloc(n ? n : 1); /* exactly as long: a read behind it is seen */
        require(copy != NULL);
        memcpy(copy, data + at, n);
        if (n > 0) play(copy, n);
        free(copy);
        at += n + 1;
    }
    for (int i = 0; i < LINES; i++)
        end_line(i);
    loop_settle(loop, 0);
    require(hub_client_count(hub) == 0 && !hub_traced(hub));
    require(ln_list_empty(&hub->lines) && ln_list_empty(&hub->clients));
    return 0;
}
