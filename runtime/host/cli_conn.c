/* SPDX-License-Identifier: MIT
 *
 * The flags that say how to connect, for every verb that does: listen, emit, call, doctor. What has
 * no flag of its own is set by --option, which takes any option of a connection.
 */
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/cli.h"

static void add_pair(struct ln_buf *json, const char *text, char between) {
    const char *sep = strchr(text, between);
    size_t n = sep ? (size_t)(sep - text) : strlen(text);
    ln_buf_puts(json, json->n ? "," : "{");
    ln_json_quote(json, (struct ln_str){text, n});
    ln_buf_putc(json, ':');
    const char *value = sep ? sep + 1 : "";
    while (between == ':' && *value == ' ')
        value++;
    ln_json_quote(json, ln_str(value));
}

static char *pairs(struct cli *cli, const char *option, char between) {
    struct ln_buf json = {0};
    for (int i = 0; cli_value_at(cli, option, i); i++)
        add_pair(&json, cli_value_at(cli, option, i), between);
    if (!json.n) return NULL;
    ln_buf_putc(&json, '}');
    ln_buf_cstr(&json);
    return ln_buf_take(&json, NULL);
}

/* "@FILE" reads the first line of the file: a token need not stand on the command line. */
static char *token_text(const char *value, struct ln_err *err) {
    if (value[0] != '@') return ln_strdup(value);
    char line[8192];
    FILE *f = fopen(value + 1, "r");
    bool ok = f && fgets(line, sizeof line, f);
    if (f) fclose(f);
    if (!ok) {
        ln_fail(err, LN_NOT_FOUND, "--token: cannot read %s", value + 1);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = 0;
    return ln_strdup(line);
}

static bool auth_options(struct cli *cli, struct conn_opts *o, struct ln_err *err) {
    const char *auth = cli_value(cli, "auth"), *token = cli_value(cli, "token"),
               *name = cli_value(cli, "name");
    if (auth) {
        if (!ln_json_valid(ln_str(auth), err) || ln_json_peek(ln_str(auth)) != LN_JSON_OBJECT) {
            ln_fail(err, LN_INVALID, "--auth wants a JSON object, as '{\"token\":\"t\"}'");
            return false;
        }
        ln_free(o->auth);
        o->auth = ln_strdup(auth);
        return true;
    }
    if (!token && !name) return true;
    struct ln_buf json = {0};
    if (token) {
        char *text = token_text(token, err);
        if (!text) return false;
        ln_log_hide(ln_str(text));
        ln_buf_puts(&json, "{\"token\":");
        ln_json_quote(&json, ln_str(text));
        ln_free(text);
    }
    if (name) {
        ln_buf_puts(&json, json.n ? ",\"name\":" : "{\"name\":");
        ln_json_quote(&json, ln_str(name));
    }
    ln_buf_putc(&json, '}');
    ln_buf_cstr(&json);
    ln_free(o->auth);
    o->auth = ln_buf_take(&json, NULL);
    return true;
}

static bool check_pairs(const struct cli *cli, const char *option, const char *form, char between,
                        struct ln_err *err) {
    for (int i = 0; cli_value_at(cli, option, i); i++) {
        const char *text = cli_value_at(cli, option, i);
        if (strchr(text, between) && text[0] != between) continue;
        ln_fail(err, LN_INVALID, "--%s wants %s, not '%s'", option, form, text);
        return false;
    }
    return true;
}

/* Any option, by its name; a value that is no JSON is a string, and a dot goes into a table. */
static bool set_option(struct conn_opts *o, const char *name, size_t n, const char *value,
                       struct ln_err *err) {
    struct ln_buf json = {0};
    const char *dot = memchr(name, '.', n);
    ln_buf_putc(&json, '{');
    ln_json_quote(&json, (struct ln_str){name, dot ? (size_t)(dot - name) : n});
    if (dot) {
        ln_buf_puts(&json, ":{");
        ln_json_quote(&json, (struct ln_str){dot + 1, (size_t)(name + n - dot - 1)});
    }
    ln_buf_putc(&json, ':');
    if (ln_json_valid(ln_str(value), NULL))
        ln_buf_puts(&json, value);
    else
        ln_json_quote(&json, ln_str(value));
    ln_buf_puts(&json, dot ? "}}" : "}");
    struct ln_err why;
    bool ok = conn_opts_from_json(o, ln_buf_get(&json), &why);
    if (!ok) ln_fail(err, LN_INVALID, "--option: %s", why.text);
    ln_buf_free(&json);
    return ok;
}

static bool given_options(struct cli *cli, struct conn_opts *o, struct ln_err *err) {
    for (int i = 0; cli_value_at(cli, "option", i); i++) {
        const char *text = cli_value_at(cli, "option", i);
        size_t n = strcspn(text, "=");
        if (!set_option(o, text, n, text + n + 1, err)) return false;
    }
    return true;
}

/* The flags that are options by another name. */
static bool short_flags(struct cli *cli, struct conn_opts *o, struct ln_err *err) {
    static const char *const names[] = {"protocol", "proxy", "path"};
    for (size_t i = 0; i < LN_COUNT(names); i++) {
        const char *value = cli_value(cli, names[i]);
        if (value && !set_option(o, names[i], strlen(names[i]), value, err)) return false;
    }
    struct ln_buf list = {0};
    for (int i = 0; cli_value_at(cli, "transport", i); i++) {
        ln_buf_puts(&list, list.n ? "," : "[");
        ln_json_quote(&list, ln_str(cli_value_at(cli, "transport", i)));
    }
    bool ok = true;
    if (list.n) {
        ln_buf_putc(&list, ']');
        ok = set_option(o, "transports", strlen("transports"), ln_buf_cstr(&list), err);
    }
    ln_buf_free(&list);
    return ok;
}

bool cli_conn_flags(struct cli *cli, struct conn_opts *o, struct ln_err *err) {
    const char *ca = cli_value(cli, "ca");
    if (!check_pairs(cli, "header", "NAME:VALUE", ':', err) ||
        !check_pairs(cli, "query", "KEY=VALUE", '=', err) ||
        !check_pairs(cli, "option", "NAME=VALUE", '=', err))
        return false;
    char *headers = pairs(cli, "header", ':'), *query = pairs(cli, "query", '=');
    if (headers) {
        ln_free(o->headers);
        o->headers = headers;
    }
    if (query) {
        ln_free(o->query);
        o->query = query;
    }
    if (ca) {
        ln_free((void *)(uintptr_t)o->tls.ca);
        o->tls.ca = ln_strdup(ca);
    }
    if (cli_value(cli, "insecure")) o->tls.insecure = true;
    return short_flags(cli, o, err) && auth_options(cli, o, err) && given_options(cli, o, err);
}
