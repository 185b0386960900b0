/* SPDX-License-Identifier: MIT
 *
 * The chat page's files and /healthz.
 */
#include "hub/hub_http.h"

#include "base/embed.h"

static const char *type_of(const char *name) {
    static const struct {
        const char *ending, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".json", "application/json"},
                 {".svg", "image/svg+xml"},
                 {".png", "image/png"},
                 {".ico", "image/x-icon"},
                 {".woff2", "font/woff2"},
                 {".webmanifest", "application/manifest+json"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < LN_COUNT(types); i++)
        if (strcmp(dot, types[i].ending) == 0) return types[i].type;
    return "text/plain; charset=utf-8";
}

static void serve_file(struct hub *h, const struct server_request *r, struct server_reply *reply,
                       const struct ln_embedded *file) {
    struct ln_buf policy = {0};
    /* 'self' alone does not cover ws: in older browsers. */
    ln_buf_fmt(&policy,
               "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' "
               "ws://%.*s wss://%.*s; img-src 'self' data:; base-uri 'none'; frame-ancestors "
               "'none'; form-action 'none'",
               LN_FMT(r->host), LN_FMT(r->host));
    hub_header(h, "Content-Security-Policy", ln_buf_get(&policy));
    hub_header(h, "X-Content-Type-Options", LN_STR("nosniff"));
    hub_header(h, "Referrer-Policy", LN_STR("no-referrer"));
    hub_header(h, "Cache-Control", LN_STR("no-cache"));
    hub_header(h, "Cross-Origin-Opener-Policy", LN_STR("same-origin"));
    hub_header(h, "X-Frame-Options", LN_STR("DENY"));
    ln_buf_free(&policy);
    reply->status = 200;
    reply->type = type_of(file->name);
    reply->body = (struct ln_str){file->p, file->n};
}

bool hub_page(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    struct ln_str name = {r->path.p + 1, r->path.n - 1};
    if (!h->opts.page) return false;
    if (name.n == 0) name = LN_STR("index.html");
    for (const struct ln_embedded *f = hub_page_files; f->name; f++) {
        if (!ln_str_is(name, f->name)) continue;
        serve_file(h, r, reply, f);
        return true;
    }
    return false;
}

bool hub_health(struct hub *h, const struct server_request *r, struct server_reply *reply) {
    (void)r;
    ln_buf_clear(&h->text);
    ln_buf_fmt(&h->text,
               "{\"ok\":true,\"version\":\"" LN_VERSION "\",\"clients\":%zu,\"rooms\":%u,"
               "\"uptime\":%llu}\n",
               h->client_count, h->rooms.count,
               (unsigned long long)((loop_now_ms(h->loop) - h->opened_ms) / 1000));
    hub_header(h, "Cache-Control", LN_STR("no-store"));
    reply->status = 200;
    reply->type = "application/json";
    reply->body = ln_buf_get(&h->text);
    return true;
}
