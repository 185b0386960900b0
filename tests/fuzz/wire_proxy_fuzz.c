/* SPDX-License-Identifier: MIT
 *
 * Proxies. The first byte says what the rest is: an address, a NO_PROXY list, or a proxy's answers,
 * which must end in the same way whole and byte by byte, with the same bytes left for the target.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "wire/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

static void address(struct ln_str text) {
    struct proxy p, again;
    struct ln_err err = {0};
    if (!proxy_parse(&p, text, &err)) {
        require(err.text[0] != 0);
        return;
    }
    require(proxy_parse(&again, ln_str(p.name), &err));
    require(p.port && p.port == again.port && !strcmp(p.host, again.host));
    require(p.is_socks == again.is_socks && p.resolves == again.resolves);
    proxy_free(&p);
    proxy_free(&again);
}

static enum proxy_result talk(const char *url, struct ln_str in, size_t step, size_t *taken) {
    struct proxy p;
    struct proxy_talk t;
    struct ln_buf out = {0};
    struct ln_err err = {0};
    enum proxy_result r = PROXY_MORE;
    size_t used;
    require(proxy_parse(&p, ln_str(url), &err));
    require(proxy_talk_begin(&t, &p, "chat.example", 443, &out, &err));
    for (*taken = 0; *taken < in.n && r == PROXY_MORE; *taken += used) {
        size_t n = LN_MIN(step, in.n - *taken);
        r = proxy_talk_feed(&t, (struct ln_str){in.p + *taken, n}, &used, &out, &err);
        require(used <= n && (r != PROXY_MORE || used == n) && t.in.n <= 17000);
        require(r != PROXY_REFUSED || err.text[0]);
    }
    proxy_talk_free(&t);
    proxy_free(&p);
    ln_buf_free(&out);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const urls[] = {"http://p", "http://u:p@p", "socks5h://p", "socks5://u:p@p"};
    if (size == 0) return 0;
    struct ln_str in = {(const char *)data + 1, size - 1};
    if (data[0] == 'a') {
        address(in);
    } else if (data[0] == 'n') {
        char *list = ln_str_dup(in);
        static const char *const hosts[] = {"chat.example", "10.0.0.1", "2001:db8::1"};
        for (size_t i = 0; i < LN_COUNT(hosts); i++)
            proxy_exempt(list, hosts[i], 443);
        proxy_exempt("10.0.0.0/8,[::1]:80,.example", list, 443);
        ln_free(list);
    } else {
        size_t whole, pieces;
        enum proxy_result r = talk(urls[data[0] & 3], in, in.n, &whole);
        enum proxy_result again = talk(urls[data[0] & 3], in, 1, &pieces);
        /* Only what comes with the answer shows that it is a page. */
        bool is_page = r == PROXY_REFUSED && again == PROXY_OPEN && in.p[pieces] == '<';
        require(r == again || is_page);
        require(r != PROXY_OPEN || whole == pieces);
    }
    return 0;
}
