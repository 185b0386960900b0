/* SPDX-License-Identifier: MIT
 *
 * The doctor's TLS: the certificate that the server shows, what is wrong with it, and which option
 * helps.
 */
#include "host/doctor_inside.h"

enum { FIRST_WORD_MS = 1000, SOON_DAYS = 14 };

static void say_tls(struct doctor *d, const struct tls_info *i) {
    const char *who = i->subject[0] ? i->subject : d->plan.url.host;
    if (i->version[0]) ln_buf_fmt(&d->text, "%s, ", i->version);
    ln_buf_fmt(&d->text, "%s", who);
    if (!i->pin[0]) return; /* no certificate came */
    if (i->days_left >= 0) ln_buf_fmt(&d->text, ", %d days left", i->days_left);
    ln_buf_fmt(&d->text, ", by %s", i->issuer);
    ln_buf_fmt(&d->more, "its key, for tls.pin: %s", i->pin);
    doctor_detail(d, "version", ln_str(i->version));
    doctor_detail(d, "cipher", ln_str(i->cipher));
    doctor_detail(d, "subject", ln_str(i->subject));
    doctor_detail(d, "issuer", ln_str(i->issuer));
    doctor_detail(d, "names", ln_str(i->names));
    doctor_detail(d, "pin", ln_str(i->pin));
    doctor_detail_int(d, "not_after", i->not_after);
    doctor_detail_int(d, "days_left", i->days_left);
    if (i->days_left >= 0 && i->days_left < SOON_DAYS)
        ln_buf_fmt(&d->note, "the certificate ends in %d days: it should have been renewed by now",
                   i->days_left);
}

static void tls_good(void *ud) {
    struct doctor *d = ud;
    doctor_drop_probe(d);
    doctor_ok(d);
}

/* A server that wants a certificate says so only after the handshake (RFC 8446 4.6.2), with its
 * first answer: so it is asked for something. */
static void on_tls_open(void *ud) {
    struct doctor_probe *p = ud;
    struct doctor *d = p->d;
    struct tls_info info;
    if (!d) return;
    d->took_ms = (int64_t)(loop_now_ms(d->loop) - d->since);
    if (stream_tls_info(p->stream, &info)) say_tls(d, &info);
    ln_buf_fmt(stream_out(p->stream), "HEAD / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
               d->plan.host.p);
    stream_send(p->stream);
    loop_timer_cancel(d->loop, d->timer);
    d->timer = loop_timer(d->loop, FIRST_WORD_MS, tls_good, d);
}

static void on_tls_data(void *ud, char *bytes, size_t n) {
    struct doctor_probe *p = ud;
    (void)bytes, (void)n;
    if (p->d) tls_good(p->d);
}

/* What each defect asks for; the words are those of io/tls. */
static void advise_tls(struct doctor *d, const char *text) {
    static const struct {
        const char *word, *advice;
    } table[] = {
        {"pin", "The server's key is not the one that tls.pin names: a new certificate (then "
                "write its pin into the settings), or somebody in between."},
        {"client certificate", "The server wants to see a certificate of ours: set tls.cert and "
                               "tls.key."},
        {"does not speak TLS", "There is no TLS on this port: use ws:// or http:// for it, or the "
                               "port on which the server speaks TLS."},
        {"expired", "The server's certificate has ended and must be renewed there. Until then, for "
                    "a test only: --insecure."},
        {"not yet valid", "The certificate is not good yet: the clock of this machine, or of the "
                          "one that made it, is wrong."},
        {"is not for", "The server shows the certificate of another name. Connect by a name that "
                       "it is for, or set tls.server_name to one."},
        {"self", "The certificate is signed by nobody but itself. If it is yours, trust it: "
                 "tls.ca = its PEM file (--ca FILE)."},
        {"is unknown here", "The authority that signed the certificate is not among those that "
                            "this machine trusts. If it is yours: tls.ca = its PEM file (--ca "
                            "FILE); else the server leaves out its intermediate certificates."},
        {"timed out",
         "The server takes the connection and does not answer TLS. Is this the port on "
         "which it speaks TLS? Without TLS: ws://, http:// or pusher://."},
    };
    for (size_t i = 0; i < LN_COUNT(table); i++) {
        if (!strstr(text, table[i].word)) continue;
        doctor_advise(d, "%s", table[i].advice);
        return;
    }
    doctor_advise(d, "TLS does not come up: %s.", text);
}

static void on_tls_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct doctor_probe *p = ud;
    struct tls_info info;
    bool has_info = stream_tls_info(p->stream, &info);
    struct doctor *d = doctor_probe_closed(p);
    if (!d) return;
    if (phase == PHASE_OPEN) { /* it does not like the question: TLS itself is good */
        doctor_ok(d);
        return;
    }
    const char *text = err->text;
    if (strncmp(text, "TLS: ", 5) == 0) text += 5;
    if (has_info && d->text.n == 0) say_tls(d, &info);
    advise_tls(d, text);
    /* Files of ours that cannot be read are found before anything is sent. */
    bool is_ours = err->code == LN_NOT_FOUND || err->code == LN_INVALID;
    doctor_fail(d, is_ours ? EXIT_CONFIG : EXIT_NO_CONNECTION, "%s", text);
}

void doctor_tls(struct doctor *d) {
    static const struct stream_cbs cbs = {on_tls_open, on_tls_data, on_tls_closed, NULL};
    struct stream_opts o;
    if (!d->plan.url.tls) {
        ln_buf_puts(&d->text, "none: the address says so");
        doctor_skip(d);
        return;
    }
    doctor_where(d, &o);
    doctor_open_probe(d, &o, &cbs);
}

/* --- is it TLS after all? --- */

static void on_try_open(void *ud) {
    struct doctor *d = ((struct doctor_probe *)ud)->d;
    if (!d) return;
    doctor_drop_probe(d);
    d->tls_tried(d, true);
}

static void on_try_closed(void *ud, enum stream_phase phase, const struct ln_err *err) {
    struct doctor *d = doctor_probe_closed(ud);
    (void)phase, (void)err;
    if (d) d->tls_tried(d, false);
}

void doctor_try_tls(struct doctor *d, void (*fn)(struct doctor *d, bool works)) {
    static const struct stream_cbs cbs = {on_try_open, doctor_no_data, on_try_closed, NULL};
    struct stream_opts o;
    doctor_where(d, &o);
    o.tls = true;
    o.tls_opts = (struct tls_opts){.insecure = true}; /* nothing is said on it */
    d->tls_tried = fn;
    doctor_open_probe(d, &o, &cbs);
}
