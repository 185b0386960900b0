/* SPDX-License-Identifier: MIT
 *
 * Looking a secret up; see secret.h for the places and their order.
 */
#include "host/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"

#define SECRET_MAX 65536 /* bytes */

static bool read_all(const char *path, struct ln_buf *out) {
    FILE *f = fopen(path, "r");
    if (!f) return false;
    size_t n = fread(ln_buf_room(out, SECRET_MAX + 1), 1, SECRET_MAX + 1, f);
    bool ok = n <= SECRET_MAX && !ferror(f); /* a folder, say; half a secret is none */
    fclose(f);
    if (!ok) return false;
    out->n += n;
    /* An editor's or echo's last newline is no part of a secret. */
    while (out->n && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == '\r'))
        out->n--;
    return true;
}

/* The value of the line NAME=value. */
static bool find_line(const char *name, struct ln_str text, struct ln_buf *out) {
    size_t n = strlen(name), at = 0;
    while (at < text.n) {
        const char *line = text.p + at, *end = memchr(line, '\n', text.n - at);
        size_t len = end ? (size_t)(end - line) : text.n - at;
        at += len + 1;
        if (len <= n || memcmp(line, name, n) != 0 || line[n] != '=') continue;
        if (len > n + 1 && line[len - 1] == '\r') len--;
        ln_buf_add(out, line + n + 1, len - n - 1);
        return true;
    }
    return false;
}

static bool from_secrets_file(const char *name, struct ln_buf *out, struct ln_err *err,
                              bool *refused) {
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    struct ln_buf path = {0}, text = {0};
    struct stat st;
    bool found = false;
    if (xdg && *xdg)
        ln_buf_fmt(&path, "%s/linnet/secrets", xdg);
    else if (home)
        ln_buf_fmt(&path, "%s/.config/linnet/secrets", home);
    if (path.n && stat(ln_buf_cstr(&path), &st) == 0) {
        if (st.st_mode & 077) {
            *refused = true;
            ln_fail(err, LN_DENIED, "%s can be read by others: chmod 600 it", ln_buf_cstr(&path));
        } else if (read_all(ln_buf_cstr(&path), &text)) {
            found = find_line(name, ln_buf_get(&text), out);
        }
    }
    ln_buf_free(&path);
    ln_buf_free(&text);
    return found;
}

static bool look(const char *name, struct ln_buf *out, struct ln_err *err) {
    char file_name[300], path[600];
    const char *value = getenv(name);
    bool refused = false;
    if (value) {
        ln_buf_puts(out, value);
        return true;
    }
    snprintf(file_name, sizeof file_name, "%s_FILE", name);
    value = getenv(file_name);
    if (value) {
        if (read_all(value, out)) return true;
        ln_fail(err, LN_NOT_FOUND, "%s names a file that cannot be read (or has over 64 KiB): %s",
                file_name, value);
        return false;
    }
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    snprintf(path, sizeof path, "%s/%s", credentials ? credentials : "", name);
    if (credentials && read_all(path, out)) return true;
    if (from_secrets_file(name, out, err, &refused)) return true;
    if (!refused)
        ln_fail(err, LN_NOT_FOUND,
                "no secret %s: set the variable %s, or %s_FILE, or add it to "
                "~/.config/linnet/secrets (mode 0600)",
                name, name, name);
    return false;
}

bool secret_find(const char *name, struct ln_buf *out, struct ln_err *err) {
    size_t before = out->n;
    if (strchr(name, '/') || !*name) {
        ln_fail(err, LN_INVALID, "'%s' is no name of a secret", name);
        return false;
    }
    if (!look(name, out, err)) return false;
    ln_log_hide((struct ln_str){out->p + before, out->n - before});
    return true;
}
