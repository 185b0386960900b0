/* SPDX-License-Identifier: MIT
 *
 * Text for people: durations, points in time and sizes, the nearest known name, and bytes made fit
 * for a terminal.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"

#define TEN_YEARS_MS (3653ll * 86400 * 1000)

bool ln_duration_parse(struct ln_str in, int64_t *ms) {
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    double number = 0, place = 1;
    size_t i = 0, digits = 0;
    bool has_point = false;
    for (; i < in.n; i++) {
        char c = in.p[i];
        if (c >= '0' && c <= '9') {
            if (++digits > 18) return false;
            number = number * 10 + (c - '0');
            if (has_point) place *= 10;
        } else if (c == '.' && !has_point && digits > 0) {
            has_point = true;
        } else {
            break;
        }
    }
    if (digits == 0 || in.p[i - 1] == '.') return false;
    struct ln_str unit = {in.p + i, in.n - i};
    for (size_t u = 0; u < LN_COUNT(units); u++) {
        if (!ln_str_is(unit, units[u].name)) continue;
        double value = round(number / place * (double)units[u].ms);
        if (value > (double)TEN_YEARS_MS) return false;
        *ms = (int64_t)value;
        return true;
    }
    return false;
}

/* n digits from in[at] on; -1: others. */
static int number_at(struct ln_str in, size_t at, size_t n) {
    int value = 0;
    if (at + n > in.n) return -1;
    for (size_t i = at; i < at + n; i++) {
        if (in.p[i] < '0' || in.p[i] > '9') return -1;
        value = value * 10 + (in.p[i] - '0');
    }
    return value;
}

/* "Z", "+02:00" from in[at] to the end, as minutes east of UTC. */
static bool zone_at(struct ln_str in, size_t at, int *minutes) {
    *minutes = 0;
    if (at + 1 == in.n) return in.p[at] == 'Z' || in.p[at] == 'z';
    if (at + 6 != in.n || (in.p[at] != '+' && in.p[at] != '-') || in.p[at + 3] != ':') return false;
    int h = number_at(in, at + 1, 2), m = number_at(in, at + 4, 2);
    *minutes = (in.p[at] == '-' ? -1 : 1) * (h * 60 + m);
    return h >= 0 && h <= 23 && m >= 0 && m <= 59;
}

bool ln_time_parse(struct ln_str in, int64_t *wall_ms) {
    static const char form[] = "0000-00-00T00:00:00";
    int part[6], zone;
    size_t at = 0;
    if (in.n < sizeof form) return false;
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] != '0' && form[i] != 'T' && in.p[i] != form[i]) return false;
    if (!strchr("Tt ", in.p[10])) return false;
    for (size_t i = 0; i < LN_COUNT(part); i++) {
        size_t digits = i == 0 ? 4 : 2;
        part[i] = number_at(in, at, digits);
        if (part[i] < 0) return false;
        at += digits + 1;
    }
    int64_t ms = 0, place = 100;
    at--;
    if (in.p[at] == '.')
        for (at++; at < in.n && number_at(in, at, 1) >= 0; at++, place /= 10)
            ms += place * number_at(in, at, 1);
    if (at >= in.n || !zone_at(in, at, &zone)) return false;
    if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 || part[3] > 23 ||
        part[4] > 59 || part[5] > 60)
        return false;
    struct tm tm = {.tm_year = part[0] - 1900,
                    .tm_mon = part[1] - 1,
                    .tm_mday = part[2],
                    .tm_hour = part[3],
                    .tm_min = part[4],
                    .tm_sec = part[5]};
    *wall_ms = ((int64_t)timegm(&tm) - zone * 60) * 1000 + ms;
    return true;
}

const char *ln_duration_text(int64_t ms, char *buf, size_t n) {
    const char *sign = ms < 0 ? "-" : "";
    uint64_t t = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    uint64_t s = t / 1000, m = s / 60, h = m / 60, d = h / 24;
    unsigned long long big, small;
    const char *unit, *part;
    if (t < 1000) {
        snprintf(buf, n, "%s%llu ms", sign, (unsigned long long)t);
        return buf;
    }
    if (s < 60) {
        big = s, small = t % 1000 / 100;
        snprintf(buf, n, small ? "%s%llu.%llu s" : "%s%llu s", sign, big, small);
        return buf;
    }
    if (m < 60) {
        big = m, unit = "m", small = s % 60, part = "s";
    } else if (h < 24) {
        big = h, unit = "h", small = m % 60, part = "m";
    } else {
        big = d, unit = "d", small = h % 24, part = "h";
    }
    if (small) {
        snprintf(buf, n, "%s%llu %s %llu %s", sign, big, unit, small, part);
    } else {
        snprintf(buf, n, "%s%llu %s", sign, big, unit);
    }
    return buf;
}

#define MIB ((uint64_t)1 << 20)

const char *ln_bytes_text(uint64_t bytes, char *buf, size_t n) {
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        snprintf(buf, n, "%u B", (unsigned)bytes);
        return buf;
    }
    if (bytes % MIB == 0 && bytes / MIB < 10000) { /* a limit that somebody set */
        snprintf(buf, n, "%u MiB", (unsigned)(bytes / MIB));
        return buf;
    }
    size_t u = 0;
    uint64_t unit = 1000;
    while (u + 1 < LN_COUNT(units) && bytes / unit >= 1000) {
        unit *= 1000;
        u++;
    }
    snprintf(buf, n, "%u.%u %s", (unsigned)(bytes / unit), (unsigned)(bytes % unit / (unit / 10)),
             units[u]);
    return buf;
}

#define NAME_MAX_LEN 64

/* Edits from a to b: insert, delete, change, or swap two neighbours (no piece edited twice). Both
 * are at most NAME_MAX_LEN long. A result over `limit` only means "over". */
static size_t edits(struct ln_str a, struct ln_str b, size_t limit) {
    size_t rows[3][NAME_MAX_LEN + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.n; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t best = row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            bool same = a.p[i - 1] == b.p[j - 1];
            size_t cost = LN_MIN(last[j - 1] + !same, LN_MIN(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                cost = LN_MIN(cost, before[j - 2] + 1);
            row[j] = cost;
            best = LN_MIN(best, cost);
        }
        /* A swap looks two rows back, hence the one to spare. */
        if (best > limit + 1) return best;
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b.n];
}

const char *ln_nearest(struct ln_str name, const char *const *names) {
    if (name.n == 0 || name.n > NAME_MAX_LEN) return NULL;
    size_t limit = LN_MAX(name.n / 3, 1);
    const char *nearest = NULL;
    for (; *names; names++) {
        struct ln_str other = ln_str(*names);
        size_t apart = name.n > other.n ? name.n - other.n : other.n - name.n;
        if (other.n > NAME_MAX_LEN || apart > limit) continue;
        size_t cost = edits(name, other, limit);
        /* Every letter changed is no likeness: "x" is not a slip for "y". */
        if (cost > limit || cost >= LN_MAX(name.n, other.n)) continue;
        nearest = *names;
        if (cost == 0) break;
        limit = cost - 1;
    }
    return nearest;
}

const char *ln_meant(const char *near, char *buf) {
    buf[0] = 0;
    if (near) snprintf(buf, LN_MEANT, " (did you mean '%.60s'?)", near);
    return buf;
}

/* A character that a terminal obeys instead of showing: C0, C1, and those that turn the direction
 * of the line or start a new one (U+2028-202E, U+2066-2069). */
static bool is_control(const char *p, size_t n) {
    unsigned char a = (unsigned char)p[0], b = n > 1 ? (unsigned char)p[1] : 0;
    if (n == 1) return a < 0x20 || a == 0x7f;
    if (n == 2) return a == 0xc2 && b < 0xa0;
    if (n != 3 || a != 0xe2) return false;
    unsigned char c = (unsigned char)p[2];
    return (b == 0x80 && c >= 0xa8 && c <= 0xae) || (b == 0x81 && c >= 0xa6 && c <= 0xa9);
}

void ln_printable(struct ln_buf *out, struct ln_str s, size_t max) {
    size_t written = 0;
    for (size_t i = 0; i < s.n;) {
        size_t n = ln_utf8_char(s.p + i, s.n - i);
        bool is_raw = n > 0 && !is_control(s.p + i, n);
        if (n == 0) n = 1;
        size_t cost = is_raw ? n : n * 4;
        if (cost > max - written) {
            ln_buf_puts(out, "\xe2\x80\xa6");
            return;
        }
        if (is_raw) {
            ln_buf_add(out, s.p + i, n);
        } else {
            for (size_t k = 0; k < n; k++) {
                ln_buf_puts(out, "\\x");
                ln_hex(out, s.p + i + k, 1);
            }
        }
        written += cost;
        i += n;
    }
}
