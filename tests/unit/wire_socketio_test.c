/* SPDX-License-Identifier: MIT
 *
 * Socket.IO packets: the reference's own vectors both ways, the table of malformed input, and where
 * linnet differs from the reference on purpose.
 */
#include "wire/socketio.h"

#include "vectors.h"

static bool parse(const char *text, struct sio_packet *p, struct ln_err *err) {
    return sio_parse(ln_str(text), SIO_MAX_ATTACHMENTS, p, err);
}

/* Copies without the 0 byte, each in its own block: a byte read too far is found. */
static struct ln_str exact(const char *text) {
    struct ln_str copy = {malloc(strlen(text) + !*text), strlen(text)};
    memcpy((char *)(uintptr_t)copy.p, text, copy.n);
    return copy;
}

static void drop(struct ln_str copy) {
    free((char *)(uintptr_t)copy.p);
}

/* The reference names binary types as their plain ones once all frames are there. */
static int plain_type(enum sio_type type) {
    return type == SIO_BINARY_EVENT ? SIO_EVENT : type == SIO_BINARY_ACK ? SIO_ACK : (int)type;
}

static int64_t number_of(struct ln_str object, const char *key, int64_t missing) {
    int64_t n = missing;
    ln_json_int(ln_json_get(object, key), &n);
    return n;
}

static size_t count_args(struct ln_str args) {
    struct ln_str value;
    size_t pos = 0, n = 0;
    while (sio_args_each(args, &pos, &value))
        n++;
    CHECK_INT(pos, args.n);
    return n;
}

static size_t count_items(struct ln_str list) {
    struct ln_str value;
    size_t pos = 0, n = 0;
    while (ln_json_each(list, &pos, NULL, &value))
        n++;
    return n;
}

/* packet: the reference's {type, nsp, id?, data?}. */
static void check_packet(const struct sio_packet *p, struct ln_str packet, struct ln_buf *name) {
    struct ln_buf nsp = {0}, want = {0};
    CHECK_INT(plain_type(p->type), number_of(packet, "type", -1));
    CHECK(vector_text(packet, "nsp", &nsp));
    CHECK(ln_str_eq(p->nsp, ln_buf_get(&nsp)));
    CHECK_INT(p->ack, number_of(packet, "id", SIO_NO_ACK));
    struct ln_str data = ln_json_get(packet, "data");
    ln_buf_clear(name);
    if (plain_type(p->type) == SIO_EVENT) {
        struct ln_str first = ln_json_at(data, 0);
        if (p->name_is_number)
            CHECK(ln_str_eq(p->name, first));
        else
            CHECK(ln_json_unescape(p->name, name) && ln_json_text(first, &want) &&
                  ln_str_eq(ln_buf_get(name), ln_buf_get(&want)));
        CHECK_INT(count_args(p->args), count_items(data) - 1);
    } else if (p->attachments == 0) {
        CHECK(ln_str_eq(p->data, data));
    }
    ln_buf_free(&nsp);
    ln_buf_free(&want);
}

TEST(writes_as_the_reference) {
    struct ln_str item;
    struct ln_buf text = {0}, name = {0}, out = {0};
    size_t pos = 0, cases = 0;
    while (ln_json_each(vectors("sio_encode"), &pos, NULL, &item)) {
        struct ln_str frames = ln_json_get(item, "frames");
        struct sio_packet p;
        CHECK(vector_text(ln_json_at(frames, 0), "text", &text));
        CHECK(sio_parse(ln_buf_get(&text), SIO_MAX_ATTACHMENTS, &p, NULL));
        check_packet(&p, ln_json_get(item, "packet"), &name);
        CHECK_INT(p.attachments, count_items(frames) - 1);
        ln_buf_clear(&out);
        if (plain_type(p.type) == SIO_EVENT) {
            sio_write_event(&out, p.nsp, p.ack, p.attachments, ln_buf_get(&name), p.args);
        } else {
            sio_write_head(&out, (enum sio_type)plain_type(p.type), p.nsp, p.ack, p.attachments);
            ln_buf_str(&out, p.data);
        }
        CHECK(out.n == text.n + 1 && out.p[0] == '4' && memcmp(out.p + 1, text.p, text.n) == 0);
        cases++;
    }
    CHECK_INT(cases, 12);
    ln_buf_free(&text);
    ln_buf_free(&name);
    ln_buf_free(&out);
}

/* Where linnet refuses what the reference takes by an accident of JavaScript. */
static const struct {
    const char *text, *says;
} stricter[] = {
    {"2 [\"foo\"]", "invalid payload"}, /* a blank is no digit */
    {"", "empty packet"},               /* the reference's client fails on it as well */
    {"3", "invalid payload"},           /* an ACK of nothing; the reference's client crashes */
};

static const char *stricter_error(struct ln_str text) {
    for (size_t i = 0; i < LN_COUNT(stricter); i++)
        if (ln_str_is(text, stricter[i].text)) return stricter[i].says;
    return NULL;
}

/* Errors of what comes behind the first frame: the business of who collects the attachments. */
static bool is_later_error(struct ln_str error) {
    return ln_str_is(error, "illegal attachments") || ln_str_starts(error, "got ");
}

TEST(reads_as_the_reference) {
    struct ln_str item;
    struct ln_buf text = {0}, error = {0}, name = {0};
    size_t pos = 0, good = 0, bad = 0, differ = 0;
    while (ln_json_each(vectors("sio_decode"), &pos, NULL, &item)) {
        struct sio_packet p;
        struct ln_err err = {0};
        CHECK(vector_text(ln_json_at(ln_json_get(item, "frames"), 0), "text", &text));
        bool refused = vector_text(item, "error", &error) && !is_later_error(ln_buf_get(&error));
        bool ok = sio_parse(ln_buf_get(&text), SIO_MAX_ATTACHMENTS, &p, &err);
        const char *ours = stricter_error(ln_buf_get(&text));
        if (ours) {
            CHECK(!ok);
            CHECK_STR(ln_str(err.text), ours);
            differ++;
        } else if (refused) {
            CHECK(!ok);
            CHECK(ln_str_is(ln_buf_get(&error), err.text));
            CHECK_INT(err.code, LN_PROTOCOL);
            bad++;
        } else {
            CHECK(ok);
            struct ln_str packet = ln_json_at(ln_json_get(item, "packets"), 0);
            if (ok && packet.p) check_packet(&p, packet, &name);
            good++;
        }
    }
    CHECK_INT(good, 22);
    CHECK_INT(bad, 19);
    CHECK_INT(differ, 3);
    ln_buf_free(&text);
    ln_buf_free(&error);
    ln_buf_free(&name);
}

TEST(malformed) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"2", "invalid payload"},
        {"2/admin,", "invalid payload"},
        {"2/admin[\"x\"]", "invalid payload"}, /* a namespace up to the end, and no data */
        {"2[]", "invalid payload"},
        {"2[ ]", "invalid payload"},
        {"2[", "invalid payload"},
        {"2]", "invalid payload"},
        {"2[\"]", "invalid payload"},
        {"2[ ", "invalid payload"},
        {"2[\"a\" ", "invalid payload"},
        {"2[\"a\", ", "invalid payload"},
        {"2[1", "invalid payload"},
        {"2 ", "invalid payload"},
        {"2\n", "invalid payload"},
        {"2{\"a\"]", "invalid payload"},
        {"2[\"a\"}", "invalid payload"},
        {"2[null]", "invalid payload"},
        {"2[true]", "invalid payload"},
        {"2[[\"a\"]]", "invalid payload"},
        {"2[\"a\"", "invalid payload"},
        {"2[\"a", "invalid payload"},
        {"2[\"a\\\"]", "invalid payload"},
        {"2[\"a\"]x", "invalid payload"},
        {"2[\"a\"]]", "invalid payload"},
        {"2[\"a\" 1]", "invalid payload"},
        {"2[\"a\",]", "invalid payload"},
        {"2[\"a\", ]", "invalid payload"},
        {"2[,\"a\"]", "invalid payload"},
        {"2[\"a\nb\"]", "invalid payload"},
        {"2[\"a\\x\"]", "invalid payload"},
        {"2[\"\\ud800\"]", "invalid payload"},
        {"2[01]", "invalid payload"},
        {"2[-]", "invalid payload"},
        {"2[1x]", "invalid payload"},
        {"2[1 2]", "invalid payload"},
        {"2[\"connect\"]", "invalid payload"},
        {"2[\"connect_error\"]", "invalid payload"},
        {"2[\"newListener\",1]", "invalid payload"},
        {"2[\"\\u0063onnect\"]", "invalid payload"},
        {"2-1[\"a\"]", "invalid payload"},
        {"21e3[\"a\"]", "invalid payload"},
        {"21234567890123456[\"a\"]", "invalid payload"},
        {"2\x00[\"a\"]", "invalid payload"},
        {"312", "invalid payload"},
        {"3[]", "invalid payload"},
        {"312[", "invalid payload"},
        {"312[1,]", "invalid payload"},
        {"312\"x\"", "invalid payload"},
        {"1{}", "invalid payload"},
        {"1[]", "invalid payload"},
        {"112", "invalid payload"},
        {"0\"x\"", "invalid payload"},
        {"0{", "invalid payload"},
        {"0{}x", "invalid payload"},
        {"01", "invalid payload"},
        {"05{}", "invalid payload"},
        {"4[]", "invalid payload"},
        {"4null", "invalid payload"},
        {"4\"x", "invalid payload"},
        {"47{}", "invalid payload"},
        {"7", "unknown packet type 7"},
        {"a", "unknown packet type a"},
        {"-1", "unknown packet type -"},
        {" ", "unknown packet type \\x20"},
        {"\x7f", "unknown packet type \\x7f"},
        {"\xc3\xa4", "unknown packet type \\xc3"},
        {"5-[\"a\"]", "Illegal attachments"},
        {"5a-[\"a\"]", "Illegal attachments"},
        {"50-[\"a\"]", "Illegal attachments"},
        {"500-[\"a\"]", "Illegal attachments"},
        {"50x1-[\"a\"]", "Illegal attachments"}, /* hexadecimal to the reference */
        {"5", "Illegal attachments"},
        {"51", "Illegal attachments"},
        {"5-1-[\"a\"]", "Illegal attachments"},
        {"6[]", "Illegal attachments"},
        {"61-[]", "invalid payload"},
        {"51-", "invalid payload"},
        {"511-[\"a\"]", "too many attachments"},
        {"5100-[\"a\"]", "too many attachments"},
        {"599999999999999999999999-[\"a\"]", "too many attachments"},
        /* those of the reference's own suite */
        {"442[\"some\",\"data\"", "invalid payload"},
        {"0/admin,\"invalid\"", "invalid payload"},
        {"1/admin,{}", "invalid payload"},
        {"2/admin,\"invalid", "invalid payload"},
        {"2/admin,{}", "invalid payload"},
        {"2[{\"toString\":\"foo\"}]", "invalid payload"},
        {"2[true,\"foo\"]", "invalid payload"},
        {"2[null,\"bar\"]", "invalid payload"},
        {"2[\"disconnect\",\"123\"]", "invalid payload"},
        {"5a-", "Illegal attachments"},
        {"51.23-", "Illegal attachments"},
        {"999", "unknown packet type 9"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct sio_packet p;
        struct ln_err err = {0};
        struct ln_str text = exact(cases[i].text);
        if (sio_parse(text, SIO_MAX_ATTACHMENTS, &p, &err)) {
            test_failures++;
            printf("%s: not refused\n", cases[i].text);
        }
        CHECK_STR(ln_str(err.text), cases[i].says);
        CHECK(!sio_parse(text, SIO_MAX_ATTACHMENTS, &p, NULL));
        drop(text);
    }
}

TEST(attachment_limit_is_an_argument) {
    struct sio_packet p;
    CHECK(sio_parse(LN_STR("510-[\"a\"]"), 10, &p, NULL));
    CHECK_INT(p.attachments, 10);
    CHECK(sio_parse(LN_STR("5100-[\"a\"]"), 100, &p, NULL));
    CHECK_INT(p.attachments, 100);
    CHECK(!sio_parse(LN_STR("53-[\"a\"]"), 2, &p, NULL));
    CHECK(!sio_parse(LN_STR("51-[\"a\"]"), 0, &p, NULL));
    CHECK(sio_parse(LN_STR("501-[\"a\"]"), 1, &p, NULL));
}

TEST(event_slices) {
    struct sio_packet p;
    CHECK(parse("2/admin,999999999999999[\"message\",{\"a\":[1]},\"x\"]", &p, NULL));
    CHECK_INT(p.type, SIO_EVENT);
    CHECK_STR(p.nsp, "/admin");
    CHECK_INT(p.ack, 999999999999999);
    CHECK_STR(p.name, "message");
    CHECK_STR(p.args, "{\"a\":[1]},\"x\"");
    CHECK_STR(p.data, "[\"message\",{\"a\":[1]},\"x\"]");
    CHECK(!p.name_escaped && !p.name_is_number);
    CHECK(parse("2[\"a\"]", &p, NULL));
    CHECK_STR(p.nsp, "/");
    CHECK_INT(p.ack, SIO_NO_ACK);
    CHECK_INT(p.args.n, 0);
    CHECK(parse("2[\"\"]", &p, NULL));
    CHECK_INT(p.name.n, 0);
    CHECK(parse("2[\"a name\"]", &p, NULL));
    CHECK_STR(p.name, "a name");
    CHECK(parse("2[ \"a\" , 1 , 2 ] \r\n\t", &p, NULL));
    CHECK_STR(p.name, "a");
    CHECK_INT(count_args(p.args), 2);
    CHECK(parse("2[\"a\\\"]\\\\\",1]", &p, NULL));
    CHECK(p.name_escaped);
    CHECK_STR(p.name, "a\\\"]\\\\");
    CHECK_STR(p.args, "1");
    CHECK(parse("2[-1.5e3,7]", &p, NULL));
    CHECK(p.name_is_number);
    CHECK_STR(p.name, "-1.5e3");
    CHECK_STR(p.args, "7");
    CHECK(parse("2[5]", &p, NULL));
    CHECK_STR(p.name, "5");
    CHECK_INT(p.args.n, 0);
    CHECK(parse("2[\"error\"]", &p, NULL)); /* reserved elsewhere, free here */
    CHECK(parse("2[\"connected\"]", &p, NULL));
}

/* The decoder of a listener finds these, so that nobody pays who does not listen. */
TEST(arguments_are_not_read) {
    struct sio_packet p;
    CHECK(parse("2[\"a\", garbage]", &p, NULL));
    CHECK_STR(p.args, "garbage");
    CHECK(parse("2[\"a\",1]]", &p, NULL));
    CHECK_STR(p.args, "1]");
}

TEST(other_packets) {
    struct sio_packet p;
    CHECK(parse("0/admin", &p, NULL));
    CHECK_STR(p.nsp, "/admin");
    CHECK(p.data.p == NULL && p.data.n == 0);
    CHECK(parse("0/admin,{\"sid\":\"x\"}", &p, NULL));
    CHECK_STR(p.data, "{\"sid\":\"x\"}");
    CHECK(parse("1/admin,", &p, NULL));
    CHECK_INT(p.type, SIO_DISCONNECT);
    CHECK(parse("4\"text\"", &p, NULL)); /* Socket.IO 2 */
    CHECK_STR(p.data, "\"text\"");
    CHECK(parse("30[]", &p, NULL));
    CHECK_INT(p.ack, 0);
    CHECK_STR(p.data, "[]");
    CHECK(parse("62-/n,7[{\"_placeholder\":true,\"num\":1}]", &p, NULL));
    CHECK_INT(p.type, SIO_BINARY_ACK);
    CHECK_INT(p.attachments, 2);
    CHECK_INT(p.ack, 7);
    CHECK_STR(p.nsp, "/n");
}

TEST(reserved_names) {
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    static const char *const others[] = {"",        "Connect",     "connect ",   "error",
                                         "message", "connectXerr", "disconnec_", "removeListeneR"};
    for (size_t i = 0; i < LN_COUNT(reserved); i++)
        CHECK(sio_name_reserved(ln_str(reserved[i])));
    for (size_t i = 0; i < LN_COUNT(others); i++)
        CHECK(!sio_name_reserved(ln_str(others[i])));
}

TEST(writes_heads) {
    struct ln_buf out = {0};
    sio_write_head(&out, SIO_CONNECT, LN_STR("/"), SIO_NO_ACK, 0);
    CHECK_STR(ln_buf_get(&out), "40");
    ln_buf_clear(&out);
    sio_write_head(&out, SIO_DISCONNECT, (struct ln_str){NULL, 0}, SIO_NO_ACK, 0);
    CHECK_STR(ln_buf_get(&out), "41");
    ln_buf_clear(&out);
    sio_write_head(&out, SIO_ACK, LN_STR("/a"), 0, 3);
    CHECK_STR(ln_buf_get(&out), "463-/a,0");
    ln_buf_clear(&out);
    sio_write_event(&out, LN_STR("/"), 999999999999999, 0, LN_STR("a\"b"), LN_STR(""));
    CHECK_STR(ln_buf_get(&out), "42999999999999999[\"a\\\"b\"]");
    ln_buf_clear(&out);
    sio_write_event(&out, LN_STR("/a"), SIO_NO_ACK, 2, LN_STR("m"), LN_STR("1,{}"));
    CHECK_STR(ln_buf_get(&out), "452-/a,[\"m\",1,{}]");
    ln_buf_free(&out);
}

TEST(walks_arguments) {
    static const char *const values[] = {"1", "[2,[3]]", "{\"a\":\",]\"}", "\"\\\",\"", "null"};
    struct ln_str args = LN_STR("1 ,[2,[3]], {\"a\":\",]\"},\"\\\",\" ,null "), value;
    size_t pos = 0, n = 0;
    while (sio_args_each(args, &pos, &value)) {
        CHECK(n < LN_COUNT(values));
        CHECK_STR(value, values[n]);
        n++;
    }
    CHECK_INT(n, LN_COUNT(values));
    CHECK_INT(pos, args.n);
    struct ln_str none = exact(""), one = exact("7 ");
    pos = 0;
    CHECK(!sio_args_each(none, &pos, &value));
    CHECK_INT(pos, 0);
    CHECK(sio_args_each(one, &pos, &value));
    CHECK_STR(value, "7");
    CHECK(!sio_args_each(one, &pos, &value));
    CHECK_INT(pos, 2);
    drop(none);
    drop(one);
}

TEST(walk_stops_at_errors) {
    static const struct {
        const char *args;
        size_t good;
    } cases[] = {{"x", 0},         {"1,", 0},      {"1,,2", 1},          {"1 2", 0}, {"[1", 0},
                 {"1,[}", 1},      {"{\"a\"}", 0}, {"\"a", 0},           {" ", 0},   {"1,2]", 1},
                 {"1,\"\\x\"", 1}, {"tru", 0},     {"1,2,{\"a\":1,}", 2}};
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        struct ln_str args = exact(cases[i].args), value;
        size_t pos = 0, n = 0;
        while (sio_args_each(args, &pos, &value))
            n++;
        CHECK_INT(n, cases[i].good);
        CHECK(pos > args.n);
        CHECK(!sio_args_each(args, &pos, &value));
        drop(args);
    }
}

TEST_MAIN(T(writes_as_the_reference), T(reads_as_the_reference), T(malformed),
          T(attachment_limit_is_an_argument), T(event_slices), T(arguments_are_not_read),
          T(other_packets), T(reserved_names), T(writes_heads), T(walks_arguments),
          T(walk_stops_at_errors))
