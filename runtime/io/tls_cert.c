/* SPDX-License-Identifier: MIT
 *
 * What is to be said of a certificate: whose it is, what verification has against it, and its key's
 * digest. All text in it is the server's, so none of it is passed on raw.
 */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/text.h"
#include "io/tls_inside.h"

enum { DIGEST = 32, NAMES_SHOWN = 120 };
#define PIN_PREFIX "sha256//"
#define FOR_A_TEST "tls.verify = false for a test"

/* --- names and dates --- */

static void add_name(struct ln_buf *out, struct ln_str name, size_t max) {
    if (out->n > max) return;
    if (out->n > 0) ln_buf_puts(out, ", ");
    ln_printable(out, name, 100);
}

/* The names that the certificate is for: its alternative names, or else its common name. */
static void names_of(X509 *cert, struct ln_buf *out, size_t max) {
    struct ln_buf list = {0};
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
        char ip[INET6_ADDRSTRLEN];
        if (type != GEN_DNS && type != GEN_IPADD) continue;
        const char *p = (const char *)ASN1_STRING_get0_data(value);
        int n = ASN1_STRING_length(value);
        if (type == GEN_DNS)
            add_name(&list, (struct ln_str){p, (size_t)n}, max);
        else if ((n == 4 || n == 16) && inet_ntop(n == 4 ? AF_INET : AF_INET6, p, ip, sizeof ip))
            add_name(&list, ln_str(ip), max);
    }
    GENERAL_NAMES_free(names);
    char cn[64] = "";
    X509_NAME *subject = X509_get_subject_name(cert);
    if (list.n == 0 && X509_NAME_get_text_by_NID(subject, NID_commonName, cn, sizeof cn) > 0)
        add_name(&list, ln_str(cn), max);
    ln_buf_str(out, ln_buf_get(&list));
    ln_buf_free(&list);
}

/* Common name, or else the organization. */
static void title_of(X509_NAME *name, struct ln_buf *out) {
    char text[64] = "";
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof text) <= 0)
        X509_NAME_get_text_by_NID(name, NID_organizationName, text, sizeof text);
    ln_printable(out, ln_str(text), 60);
}

static void date_of(const ASN1_TIME *when, struct ln_buf *out) {
    struct tm tm;
    char text[32] = "an unknown date";
    if (ASN1_TIME_to_tm(when, &tm)) strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm);
    ln_buf_puts(out, text);
}

/* --- defects --- */

/* Authorities that everybody trusts sign with an intermediate certificate, and say in each one
 * where that is to be had; one's own authority does neither. */
static bool tells_its_issuer(X509 *cert) {
    AUTHORITY_INFO_ACCESS *info = X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);
    bool found = false;
    for (int i = 0; info && i < sk_ACCESS_DESCRIPTION_num(info); i++)
        found |= OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(info, i)->method) == NID_ad_ca_issuers;
    AUTHORITY_INFO_ACCESS_free(info);
    return found;
}

static void unknown_issuer(struct ln_buf *out, X509 *cert, int sent) {
    ln_buf_puts(out, ": the authority \"");
    title_of(X509_get_issuer_name(cert), out);
    if (sent == 1 && tells_its_issuer(cert))
        ln_buf_puts(out, "\" is unknown here, and the server sends no certificate of it: the chain "
                         "is incomplete (the server needs fullchain.pem or the like; until then "
                         "set tls.ca to that certificate)");
    else
        ln_buf_puts(out, "\" is unknown here (set tls.ca to its PEM file, or " FOR_A_TEST ")");
}

void tls_cert_defect(struct ln_buf *out, int error, X509 *cert, const char *host, int sent) {
    ln_buf_puts(out, X509_verify_cert_error_string(error));
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        ln_buf_puts(out, " (it was good until ");
        date_of(X509_get0_notAfter(cert), out);
        ln_buf_puts(out, "; the server needs a new one; " FOR_A_TEST ")");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        ln_buf_puts(out, " (it is good from ");
        date_of(X509_get0_notBefore(cert), out);
        ln_buf_puts(out, "; is the clock of this machine right?)");
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        ln_buf_puts(out, " (set tls.ca to its PEM file, or " FOR_A_TEST ")");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        unknown_issuer(out, cert, sent);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        ln_buf_fmt(out, ": the certificate is not for %.100s but for ", host);
        size_t before = out->n;
        names_of(cert, out, NAMES_SHOWN);
        if (out->n == before) ln_buf_puts(out, "nobody");
        ln_buf_puts(out, " (tls.server_name sets the name to expect)");
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        ln_buf_puts(out, " (it is a certificate, but not one for servers; " FOR_A_TEST ")");
        break;
    default:
        ln_buf_puts(out, " (" FOR_A_TEST ")");
    }
}

/* --- what a certificate tells --- */

static void put(char *to, size_t n, struct ln_buf *text) {
    snprintf(to, n, "%s", ln_buf_cstr(text));
    ln_buf_clear(text);
}

static int64_t seconds_of(const ASN1_TIME *when) {
    struct tm tm;
    return ASN1_TIME_to_tm(when, &tm) ? (int64_t)timegm(&tm) : 0;
}

/* Of the public key with its algorithm (SubjectPublicKeyInfo), as curl has it. */
static bool key_digest(X509 *cert, unsigned char digest[DIGEST]) {
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (n <= 0) return false;
    ln_sha256(der, (size_t)n, digest);
    OPENSSL_free(der);
    return true;
}

static void pin_of(X509 *cert, struct ln_buf *out) {
    unsigned char digest[DIGEST];
    if (!key_digest(cert, digest)) return;
    ln_buf_puts(out, PIN_PREFIX);
    ln_base64_encode(out, digest, sizeof digest);
}

void tls_cert_info(X509 *cert, struct tls_info *info) {
    struct ln_buf text = {0};
    int64_t now = ln_wall_ms() / 1000, day = 24 * 60 * 60;
    title_of(X509_get_subject_name(cert), &text);
    put(info->subject, sizeof info->subject, &text);
    title_of(X509_get_issuer_name(cert), &text);
    put(info->issuer, sizeof info->issuer, &text);
    names_of(cert, &text, sizeof info->names);
    put(info->names, sizeof info->names, &text);
    pin_of(cert, &text);
    put(info->pin, sizeof info->pin, &text);
    info->not_before = seconds_of(X509_get0_notBefore(cert));
    info->not_after = seconds_of(X509_get0_notAfter(cert));
    int64_t left = info->not_after - now;
    info->days_left = (int)((left - (left < 0 ? day - 1 : 0)) / day);
    ln_buf_free(&text);
}

/* --- pins --- */

/* The next one of the list, decoded: 1, or 0 at its end, or -1 when it is malformed. */
static int next_pin(const char **at, unsigned char digest[DIGEST]) {
    *at += strspn(*at, "; ");
    struct ln_str one = {*at, strcspn(*at, "; ")};
    struct ln_buf bytes = {0};
    size_t prefix = strlen(PIN_PREFIX);
    *at += one.n;
    if (one.n == 0) return 0;
    bool ok = ln_str_starts(one, PIN_PREFIX) &&
              ln_base64_decode(&bytes, (struct ln_str){one.p + prefix, one.n - prefix}) &&
              bytes.n == DIGEST;
    if (ok) memcpy(digest, bytes.p, DIGEST);
    ln_buf_free(&bytes);
    return ok ? 1 : -1;
}

bool tls_pin_check(const char *pin, struct ln_err *err) {
    unsigned char digest[DIGEST];
    int count = 0, r;
    while ((r = next_pin(&pin, digest)) > 0)
        count++;
    if (r == 0 && count > 0) return true;
    ln_fail(err, LN_INVALID,
            "TLS: tls.pin must be \"" PIN_PREFIX "\" and the base64 of 32 bytes; several with ;");
    return false;
}

bool tls_pin_matches(X509 *cert, const char *pin) {
    unsigned char own[DIGEST], wanted[DIGEST];
    if (!key_digest(cert, own)) return false;
    while (next_pin(&pin, wanted) > 0)
        if (memcmp(own, wanted, DIGEST) == 0) return true;
    return false;
}
