/* SPDX-License-Identifier: MIT
 *
 * See plan.h. The protocol is asked through a line that exists for this question only.
 */
#include "client/plan.h"

#include "client/line.h"

void conn_plan(struct conn *c, struct conn_plan *p) {
    struct line *ln = ln_alloc(sizeof *ln + c->proto->line_size);
    struct line_headers headers = {0};
    *p = (struct conn_plan){0};
    ln->clients = c->clients;
    ln->proto = c->proto;
    ln->priv = ln + 1;
    ln_list_init(&ln->conns);
    ln_list_push(&ln->conns, &c->line_node);
    conn_opts_url(c, &p->url);
    line_headers(ln, &p->url, &headers);
    c->proto->target(ln, &p->url, &p->target);
    ln_list_remove(&c->line_node);
    ln_free(ln);
    p->headers = headers.v;
    p->header_count = headers.n;
    ln_buf_fmt(&p->host, p->url.is_ipv6 ? "[%s]" : "%s", p->url.host);
    if (p->url.has_port) ln_buf_fmt(&p->host, ":%d", p->url.port);
    ln_buf_cstr(&p->host);
    ln_buf_cstr(&p->target);
}

void conn_plan_free(struct conn_plan *p) {
    struct line_headers headers = {p->headers, p->header_count};
    line_headers_free(&headers);
    ln_buf_free(&p->host);
    ln_buf_free(&p->target);
    url_free(&p->url);
}
