/* SPDX-License-Identifier: MIT
 *
 * Addresses: what is accepted can be put into a request, and the parts put together again parse to
 * the same parts; and where such a redirect leads is an address, too.
 */
#include <stdlib.h>

#include "wire/url.h"
#include "wire/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) abort();
}

static void request(const struct url *u, const char *host) {
    struct ln_buf target = {0}, out = {0};
    struct ln_err err = {0};
    ln_buf_fmt(&target, "%s%s%s", u->path[0] ? u->path : "/", u->query ? "?" : "",
               u->query ? u->query : "");
    require(ws_write_request(&out, host, ln_buf_cstr(&target), "key", NULL, NULL, NULL, 0, &err));
    struct http_head head;
    size_t used;
    require(http_parse_head(&head, false, ln_buf_get(&out), &used) == HTTP_OK);
    require(used == out.n && head.count == 5);
    ln_buf_free(&target);
    ln_buf_free(&out);
}

static void redirect(struct ln_str ref) {
    struct url base, to;
    struct ln_err err = {0};
    require(url_parse(&base, LN_STR("wss://u:pw@[::1]:8443/a/b?q"), &err));
    if (url_join(&to, &base, ref, &err)) {
        require(to.host[0] && to.port && !to.user && !to.password && !to.unix_path);
        request(&to, to.host);
        url_free(&to);
    } else {
        require(err.text[0] != 0);
    }
    url_free(&base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct url u, again;
    struct ln_err err = {0};
    redirect((struct ln_str){(const char *)data, size});
    if (url_parse(&u, (struct ln_str){(const char *)data, size}, &err)) {
        struct ln_buf host = {0}, text = {0};
        require(!u.unix_path || (u.unix_path[0] == '/' && !strcmp(u.host, "localhost")));
        ln_buf_fmt(&host, u.is_ipv6 ? "[%s]:%u" : "%s:%u", u.host, u.port);
        request(&u, ln_buf_cstr(&host));
        ln_buf_fmt(&text, "%s://", u.scheme);
        for (const char *c = u.unix_path; c && *c; c++)
            ln_buf_fmt(&text, *c == '/' ? "/" : "%%%02X", (unsigned char)*c);
        if (u.unix_path)
            ln_buf_putc(&text, ':');
        else
            ln_buf_str(&text, ln_buf_get(&host));
        ln_buf_fmt(&text, "%s%s%s", u.path, u.query ? "?" : "", u.query ? u.query : "");
        bool ok = url_parse(&again, ln_buf_get(&text), &err);
        require(ok || text.n > 8000);
        if (ok) {
            require(!strcmp(u.host, again.host) && !strcmp(u.path, again.path));
            require(u.port == again.port && u.tls == again.tls && u.has_port == again.has_port);
            require(!u.query == !again.query && (!u.query || !strcmp(u.query, again.query)));
            url_free(&again);
        }
        ln_buf_free(&host);
        ln_buf_free(&text);
        url_free(&u);
    } else {
        require(err.text[0] != 0);
    }
    return 0;
}
