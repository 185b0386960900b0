/* SPDX-License-Identifier: MIT
 *
 * Digests against published vectors, and the two sources of randomness.
 */
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"

static void check_hex(const unsigned char *p, size_t n, const char *want) {
    struct ln_buf hex = {0};
    ln_hex(&hex, p, n);
    CHECK_STR(ln_buf_get(&hex), want);
    ln_buf_free(&hex);
}

TEST(sha1) {
    unsigned char out[20];
    ln_sha1("abc", 3, out); /* FIPS 180-4 */
    check_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    ln_sha1(NULL, 0, out);
    check_hex(out, 20, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    /* RFC 6455 1.3 */
    struct ln_str key = LN_STR("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    struct ln_buf b = {0};
    ln_sha1(key.p, key.n, out);
    ln_base64_encode(&b, out, 20);
    CHECK_STR(ln_buf_get(&b), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ln_buf_free(&b);
}

TEST(md5) {
    unsigned char out[16];
    CHECK(ln_md5("abc", 3, out)); /* RFC 1321 A.5 */
    check_hex(out, 16, "900150983cd24fb0d6963f7d28e17f72");
    CHECK(ln_md5(NULL, 0, out));
    check_hex(out, 16, "d41d8cd98f00b204e9800998ecf8427e");
    ln_fault_set("crypt.md5");
    CHECK(!ln_md5("abc", 3, out)); /* forbidden by the system's rules */
    ln_fault_set(NULL);
}

TEST(sha256) {
    unsigned char out[32];
    ln_sha256("abc", 3, out);
    check_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ln_sha256(NULL, 0, out);
    check_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(hmac_sha256) {
    unsigned char out[32];
    /* RFC 4231, cases 2 and 6 */
    ln_hmac_sha256(LN_STR("Jefe"), LN_STR("what do ya want for nothing?"), out);
    check_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    char key[131];
    memset(key, 0xaa, sizeof key);
    ln_hmac_sha256((struct ln_str){key, sizeof key},
                   LN_STR("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    check_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    ln_hmac_sha256((struct ln_str){NULL, 0}, (struct ln_str){NULL, 0}, out);
    check_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(equal_secret) {
    CHECK(ln_equal_secret(LN_STR("token"), LN_STR("token")));
    CHECK(!ln_equal_secret(LN_STR("token"), LN_STR("tokem")));
    CHECK(!ln_equal_secret(LN_STR("token"), LN_STR("toke")));
    CHECK(ln_equal_secret((struct ln_str){NULL, 0}, LN_STR("")));
}

TEST(real_random) {
    unsigned char a[64] = {0}, b[64] = {0};
    ln_random(a, sizeof a);
    ln_random(b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    ln_random(NULL, 0);
    /* More than the pool holds, so that it is filled again: ones and zeroes in balance. */
    int ones = 0;
    for (int i = 0; i < 5000; i++)
        ones += __builtin_popcount(ln_random_u32());
    CHECK(ones > 78000 && ones < 82000);
    for (int i = 0; i < 5000; i++) {
        double u = ln_random_unit();
        CHECK(u >= 0 && u < 1);
    }
}

TEST(fake_random_repeats) {
    unsigned char a[37], b[37];
    char id_a[9], id_b[9], uuid_a[37], uuid_b[37];
    uint32_t u[2];
    double d[2];
    ln_random_fake(42);
    ln_random(a, sizeof a);
    ln_random_id(id_a, 8);
    ln_uuid(uuid_a);
    u[0] = ln_random_u32();
    d[0] = ln_random_unit();
    ln_random_fake(42);
    ln_random(b, sizeof b);
    ln_random_id(id_b, 8);
    ln_uuid(uuid_b);
    u[1] = ln_random_u32();
    d[1] = ln_random_unit();
    CHECK(memcmp(a, b, sizeof a) == 0);
    CHECK_STR(ln_str(id_a), id_b);
    CHECK_STR(ln_str(uuid_a), uuid_b);
    CHECK_INT(u[0], u[1]);
    CHECK(d[0] <= d[1] && d[0] >= d[1]);
    ln_random_fake(43);
    ln_random(b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    ln_random_fake(42);
    ln_random_real(b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    ln_random_fake(0);
    ln_random(b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
}

TEST(ids) {
    char id[33];
    memset(id, '!', sizeof id);
    ln_random_id(id, 32);
    CHECK_INT(strlen(id), 32);
    CHECK_INT(strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 32);
    ln_random_id(id, 0);
    CHECK_STR(ln_str(id), "");
    char uuid[37], other[37];
    for (int i = 0; i < 50; i++) {
        ln_uuid(uuid);
        CHECK_INT(strlen(uuid), 36);
        CHECK(uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-' && uuid[23] == '-');
        CHECK(uuid[14] == '4');
        CHECK(strchr("89ab", uuid[19]) != NULL);
        CHECK_INT(strspn(uuid, "0123456789abcdef-"), 36);
    }
    ln_uuid(other);
    CHECK(strcmp(uuid, other) != 0);
}

/* fn in a process of its own, under a fault: it must end there, with these words. */
static void check_ends(void (*fn)(void), const char *fault, const char *words) {
    int fds[2], status = 0;
    char text[4096];
    CHECK_INT(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        ln_fault_set(fault);
        fn();
        _exit(0);
    }
    close(fds[1]);
    ssize_t n = read(fds[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    close(fds[0]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_HAS(text, words);
}

static void draw(void) {
    char id[9];
    ln_random_id(id, 8);
}

static void authenticate(void) {
    unsigned char out[32];
    ln_hmac_sha256(LN_STR("key"), LN_STR("data"), out);
}

TEST(without_libcrypto_nothing_goes_on) {
    check_ends(draw, "crypt.random", "gives no random bytes");
    check_ends(authenticate, "crypt.hmac", "gives no HMAC-SHA-256");
}

TEST_MAIN(T(sha1), T(md5), T(sha256), T(hmac_sha256), T(equal_secret), T(real_random),
          T(fake_random_repeats), T(ids), T(without_libcrypto_nothing_goes_on))
