/* SPDX-License-Identifier: MIT
 *
 * See cookies.h. Everything that a server may get wrong in a Set-Cookie has an answer in RFC 6265
 * 5.2 and 5.3, mostly "ignore it"; so nothing here fails.
 */
#include "client/cookies.h"

#include <strings.h>
#include <time.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"

enum { MAX_COOKIES = 50, MAX_BYTES = 4096 };
#define FOR_EVER INT64_MAX /* until the line ends: a session's cookie */

struct cookie {
    struct ln_list node;
    char *name, *value, *path;
    int64_t expires_ms;
    bool secure;
};

struct cookies {
    struct ln_list all; /* in the order in which they came first */
    size_t count;
};

static void drop(struct cookies *c, struct cookie *k) {
    ln_list_remove(&k->node);
    c->count--;
    ln_free(k->name);
    ln_free(k->value);
    ln_free(k->path);
    ln_free(k);
}

/* --- reading --- */

/* What stands before the mark, trimmed; *rest: behind it, p NULL when there is no mark. */
static struct ln_str before(struct ln_str s, char mark, struct ln_str *rest) {
    const char *at = s.n ? memchr(s.p, mark, s.n) : NULL;
    size_t n = at ? (size_t)(at - s.p) : s.n;
    *rest = at ? (struct ln_str){at + 1, s.n - n - 1} : (struct ln_str){NULL, 0};
    return ln_trim((struct ln_str){s.p, n});
}

/* 5.1.3: the host itself, or a name above it; an address has nothing above it. */
static bool domain_matches(struct ln_str host, struct ln_str domain) {
    if (host.n < domain.n) return false;
    const char *tail = host.p + (host.n - domain.n);
    if (strncasecmp(tail, domain.p, domain.n) != 0) return false;
    if (host.n == domain.n) return true;
    bool is_address = memchr(host.p, ':', host.n) != NULL;
    for (size_t i = 0; i < host.n && !is_address; i++)
        if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9')) return tail[-1] == '.';
    return false;
}

/* Digits at the front, at most max of them; false when there are none. */
static bool number(struct ln_str *s, size_t max, int *v) {
    size_t i = 0;
    for (*v = 0; i < s->n && i < max && s->p[i] >= '0' && s->p[i] <= '9'; i++)
        *v = *v * 10 + (s->p[i] - '0');
    *s = (struct ln_str){s->p + i, s->n - i};
    return i > 0;
}

struct date {
    struct tm tm;
    bool has_time, has_day, has_month, has_year;
};

static bool date_time(struct date *d, struct ln_str t) {
    int h, m, s;
    if (!number(&t, 2, &h) || t.n == 0 || t.p[0] != ':') return false;
    t = (struct ln_str){t.p + 1, t.n - 1};
    if (!number(&t, 2, &m) || t.n == 0 || t.p[0] != ':') return false;
    t = (struct ln_str){t.p + 1, t.n - 1};
    if (!number(&t, 2, &s) || h > 23 || m > 59 || s > 59) return false;
    d->tm.tm_hour = h;
    d->tm.tm_min = m;
    d->tm.tm_sec = s;
    return d->has_time = true;
}

static bool date_month(struct date *d, struct ln_str t) {
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int i = 0; t.n >= 3 && i < 12; i++)
        if (strncasecmp(t.p, months + i * 3, 3) == 0) {
            d->tm.tm_mon = i;
            return d->has_month = true;
        }
    return false;
}

static void date_part(struct date *d, struct ln_str t) {
    int v;
    struct ln_str rest = t;
    if (!d->has_time && date_time(d, t)) return;
    if (!d->has_month && date_month(d, t)) return;
    if (!number(&rest, 4, &v)) return;
    size_t digits = t.n - rest.n;
    if (!d->has_day && digits <= 2) {
        d->has_day = v >= 1 && v <= 31;
        d->tm.tm_mday = v;
    } else if (!d->has_year && digits >= 2) {
        if (digits == 2) v += v < 70 ? 2000 : 1900;
        d->has_year = v >= 1601;
        d->tm.tm_year = v - 1900;
    }
}

/* 5.1.1: parts in any order, with anything between. */
static bool cookie_date(struct ln_str s, int64_t *ms) {
    struct date d = {0};
    for (size_t i = 0; i < s.n;) {
        size_t n = 0;
        while (i + n < s.n && !strchr("\t !\"#$%&'()*+,-./;<=>?@[\\]^_`{|}~", s.p[i + n]))
            n++;
        if (n > 0) date_part(&d, (struct ln_str){s.p + i, n});
        i += n + 1;
    }
    if (!d.has_time || !d.has_day || !d.has_month || !d.has_year) return false;
    *ms = (int64_t)timegm(&d.tm) * 1000;
    return true;
}

struct attributes {
    struct ln_str path, domain;
    int64_t expires_ms;
    bool secure, has_max_age;
};

static int64_t max_age_until(struct ln_str value, int64_t now_ms) {
    int seconds;
    struct ln_str digits = value;
    if (digits.n > 0 && digits.p[0] == '-') return 0;
    number(&digits, 9, &seconds);
    return seconds == 0 ? 0 : now_ms + (int64_t)seconds * 1000;
}

static void attribute(struct attributes *a, struct ln_str name, struct ln_str value,
                      int64_t now_ms) {
    bool is_number = value.n > 0 && (value.p[0] == '-' || (value.p[0] >= '0' && value.p[0] <= '9'));
    if (ln_word_is(name, "Max-Age") && is_number) {
        a->has_max_age = true;
        a->expires_ms = max_age_until(value, now_ms);
    } else if (ln_word_is(name, "Expires") && !a->has_max_age) {
        cookie_date(value, &a->expires_ms);
    } else if (ln_word_is(name, "Secure")) {
        a->secure = true;
    } else if (ln_word_is(name, "Path")) {
        a->path = value;
    } else if (ln_word_is(name, "Domain") && value.n > 0) {
        size_t dot = value.p[0] == '.';
        a->domain = (struct ln_str){value.p + dot, value.n - dot};
    }
}

/* 5.1.4: the folder of the request. */
static struct ln_str default_path(struct ln_str path) {
    while (path.n > 1 && path.p[path.n - 1] != '/')
        path.n--;
    if (path.n > 1) path.n--;
    return path.n > 0 && path.p[0] == '/' ? path : LN_STR("/");
}

static void store(struct cookies *c, struct ln_str name, struct ln_str value,
                  const struct attributes *a, const struct cookie_place *at) {
    struct ln_str path = a->path.n > 0 && a->path.p[0] == '/' ? a->path : default_path(at->path);
    struct cookie *old = NULL;
    LN_LIST_EACH (&c->all, it, tmp) {
        struct cookie *k = LN_CONTAINER(it, struct cookie, node);
        if (ln_str_is(name, k->name) && ln_str_is(path, k->path)) old = k;
    }
    if (a->expires_ms <= at->now_ms) {
        if (old) drop(c, old);
        return;
    }
    if (!old) {
        if (c->count == MAX_COOKIES) drop(c, LN_CONTAINER(c->all.next, struct cookie, node));
        old = ln_new(struct cookie);
        old->name = ln_str_dup(name);
        old->path = ln_str_dup(path);
        ln_list_push(&c->all, &old->node);
        c->count++;
    }
    ln_free(old->value);
    old->value = ln_str_dup(value);
    old->expires_ms = a->expires_ms;
    old->secure = a->secure;
}

static void take_one(struct cookies **c, struct ln_str line, const struct cookie_place *at) {
    struct attributes a = {.expires_ms = FOR_EVER};
    struct ln_str rest, value, more;
    struct ln_str pair = before(line, ';', &rest);
    struct ln_str name = before(pair, '=', &value);
    if (!value.p || name.n == 0 || line.n > MAX_BYTES) return;
    value = ln_trim(value);
    while (rest.p) {
        struct ln_str text, item = before(rest, ';', &more);
        struct ln_str key = before(item, '=', &text);
        attribute(&a, key, ln_trim(text), at->now_ms);
        rest = more;
    }
    if (a.domain.n > 0 && !domain_matches(at->host, a.domain)) return;
    if (!*c) {
        *c = ln_new(struct cookies);
        ln_list_init(&(*c)->all);
    }
    store(*c, name, value, &a, at);
}

void cookies_take(struct cookies **c, const struct http_head *h, const struct cookie_place *at) {
    for (size_t i = 0; i < h->count; i++)
        if (ln_word_is(h->headers[i].name, "Set-Cookie")) take_one(c, h->headers[i].value, at);
}

/* --- writing --- */

static bool path_matches(struct ln_str path, const char *of) {
    size_t n = strlen(of);
    if (!ln_str_starts(path, of)) return false;
    return path.n == n || of[n - 1] == '/' || path.p[n] == '/';
}

void cookies_write(const struct cookies *c, const struct cookie_place *at, struct ln_buf *out) {
    bool any = false;
    if (!c) return;
    LN_LIST_EACH (&c->all, it, tmp) {
        const struct cookie *k = LN_CONTAINER(it, struct cookie, node);
        if (k->expires_ms <= at->now_ms || (k->secure && !at->tls)) continue;
        if (!path_matches(at->path, k->path)) continue;
        ln_buf_fmt(out, "%s%s=%s", any ? "; " : "", k->name, k->value);
        any = true;
    }
}

void cookies_free(struct cookies *c) {
    if (!c) return;
    LN_LIST_EACH (&c->all, it, tmp)
        drop(c, LN_CONTAINER(it, struct cookie, node));
    ln_free(c);
}
