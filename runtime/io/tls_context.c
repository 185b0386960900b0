/* SPDX-License-Identifier: MIT
 *
 * One SSL_CTX for each distinct set of options and state of their files, kept by the loop: reading
 * the system's store takes 16 ms. A file that does not serve is named with the option that it was
 * given by.
 */
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/mem.h"
#include "io/tls_inside.h"

enum { MAX_CONTEXTS = 8, READ_AHEAD = 64 * 1024, MAX_CA_FILES = 4096 };

struct context {
    char *key;
    SSL_CTX *ctx;
};
struct contexts { /* of one loop, the latest first */
    struct context v[MAX_CONTEXTS];
    size_t n;
};
static const char contexts_key;

static void context_free(struct context *c) {
    SSL_CTX_free(c->ctx);
    ln_free(c->key);
}

static void release_contexts(void *data) {
    struct contexts *all = data;
    while (all->n > 0)
        context_free(&all->v[--all->n]);
}

/* Options and the state of their files: a renewed certificate makes a new context. */
static char *context_key(const struct tls_opts *o) {
    const char *files[] = {o->ca ? o->ca : getenv("SSL_CERT_FILE"), o->cert, o->key};
    struct ln_buf b = {0};
    ln_buf_fmt(&b, "%d|%s", o->insecure, o->passphrase ? o->passphrase : "");
    for (size_t i = 0; i < LN_COUNT(files); i++) {
        struct stat st = {0};
        if (!files[i] || stat(files[i], &st) != 0) st = (struct stat){0};
        ln_buf_fmt(&b, "|%s|%lld.%ld|%lld", files[i] ? files[i] : "", (long long)st.st_mtim.tv_sec,
                   st.st_mtim.tv_nsec, (long long)st.st_ino);
    }
    return ln_buf_take(&b, NULL);
}

/* --- authorities --- */

static bool is_readable(const char *option, const char *file, struct ln_err *err) {
    FILE *f = fopen(file, "rb");
    if (!f || fgetc(f) == EOF) {
        int error = f && !ferror(f) ? 0 : errno;
        ln_fail(err, error == ENOENT ? LN_NOT_FOUND : LN_INVALID, "TLS: cannot read %s, %s: %s",
                option, file, error ? uv_strerror(-error) : "the file is empty");
        if (f) fclose(f);
        return false;
    }
    fclose(f);
    return true;
}

/* Every file of the folder that holds certificates, whatever its name: OpenSSL itself would look
 * only at names that are hashes. */
static bool load_ca_folder(SSL_CTX *ctx, const char *folder, struct ln_err *err) {
    DIR *dir = opendir(folder);
    int found = 0, looked = 0;
    if (!dir) {
        ln_fail(err, LN_INVALID, "TLS: cannot read tls.ca, %s: %s", folder, uv_strerror(-errno));
        return false;
    }
    for (struct dirent *e; (e = readdir(dir)) && looked < MAX_CA_FILES; looked++) {
        struct ln_buf path = {0};
        struct stat st;
        ln_buf_fmt(&path, "%s/%s", folder, e->d_name);
        if (stat(ln_buf_cstr(&path), &st) == 0 && S_ISREG(st.st_mode))
            found += SSL_CTX_load_verify_file(ctx, path.p);
        ln_buf_free(&path);
    }
    closedir(dir);
    ERR_clear_error();
    if (found > 0) return true;
    ln_fail(err, LN_INVALID, "TLS: tls.ca, %s: no file in it holds a certificate (PEM)", folder);
    return false;
}

static bool load_ca(SSL_CTX *ctx, const struct tls_opts *o, struct ln_err *err) {
    const char *env = getenv("SSL_CERT_FILE");
    struct stat st;
    if (o->ca && stat(o->ca, &st) == 0 && S_ISDIR(st.st_mode))
        return load_ca_folder(ctx, o->ca, err);
    if (o->ca) {
        if (!is_readable("tls.ca", o->ca, err)) return false;
        if (SSL_CTX_load_verify_file(ctx, o->ca)) return true;
        ln_fail(err, LN_INVALID, "TLS: tls.ca, %s: no certificate in it (the format is PEM)",
                o->ca);
        return false;
    }
    /* OpenSSL would go on silently without the file, and no certificate would be good. */
    if (env && *env && !is_readable("the file that SSL_CERT_FILE names", env, err)) return false;
    SSL_CTX_set_default_verify_paths(ctx);
    return true;
}

/* --- our own certificate --- */

struct passphrase {
    const char *text; /* NULL: none was given, and a daemon must not stop at a terminal's prompt */
    bool was_wanted;
};

static int give_passphrase(char *buf, int size, int rw, void *ud) {
    struct passphrase *p = ud;
    (void)rw;
    p->was_wanted = true;
    size_t n = p->text ? strlen(p->text) : 0;
    if (n > (size_t)size) return 0;
    memcpy(buf, p->text ? p->text : "", n);
    return (int)n;
}

static void key_failed(const struct passphrase *p, const char *key, struct ln_err *err) {
    bool other = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    if (other)
        ln_fail(err, LN_INVALID, "TLS: tls.key, %s, is not the key of the certificate tls.cert",
                key);
    else if (p->was_wanted)
        ln_fail(err, LN_INVALID,
                p->text ? "TLS: tls.passphrase does not open the key tls.key, %s"
                        : "TLS: the key tls.key, %s, is encrypted: tls.passphrase opens it",
                key);
    else
        ln_fail(err, LN_INVALID, "TLS: tls.key, %s: no private key in it that can be read (PEM)",
                key);
}

static bool load_cert(SSL_CTX *ctx, const struct tls_opts *o, struct ln_err *err) {
    const char *key = o->key ? o->key : o->cert;
    struct passphrase passphrase = {.text = o->passphrase};
    if (!o->cert && o->key) {
        ln_fail(err, LN_INVALID, "TLS: tls.key is given without tls.cert");
        return false;
    }
    if (!o->cert) return true;
    if (!is_readable("tls.cert", o->cert, err) || !is_readable("tls.key", key, err)) return false;
    SSL_CTX_set_default_passwd_cb(ctx, give_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1) {
        ln_fail(err, LN_INVALID, "TLS: tls.cert, %s: no certificate in it (the format is PEM)",
                o->cert);
        return false;
    }
    bool ok = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1;
    if (!ok) key_failed(&passphrase, key, err);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, NULL);
    return ok;
}

/* --- the context --- */

static SSL_CTX *context_new(const struct tls_opts *o, struct ln_err *err) {
    static const unsigned char alpn[] = "\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx) {
        ln_fail(err, LN_INVALID, "TLS: OpenSSL does not start: %s",
                ERR_reason_error_string(ERR_peek_last_error()));
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1);
    /* An end without close_notify is an end like another: frames tell whether it was too early. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    if ((o->insecure && !o->ca) || load_ca(ctx, o, err))
        if (load_cert(ctx, o, err)) return ctx;
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return NULL;
}

SSL_CTX *tls_context(struct loop *l, const struct tls_opts *o, struct ln_err *err) {
    struct contexts *all = loop_shared(l, &contexts_key, sizeof *all, release_contexts);
    char *key = context_key(o);
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->v[i].key, key) != 0) continue;
        ln_free(key);
        return all->v[i].ctx;
    }
    SSL_CTX *ctx = context_new(o, err);
    if (!ctx) {
        ln_free(key);
        return NULL;
    }
    if (all->n == MAX_CONTEXTS) context_free(&all->v[--all->n]); /* lines in use hold their own */
    memmove(all->v + 1, all->v, all->n * sizeof *all->v);
    all->v[0] = (struct context){key, ctx};
    all->n++;
    return ctx;
}
