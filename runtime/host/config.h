/* SPDX-License-Identifier: MIT
 *
 * Settings as the host sees them: JSON values by dotted path, each with where it came from. The
 * file linnet.cfg.lua is read by bindings/lua_config (data in Lua syntax), which fills this.
 * Precedence: flag > environment > project file > user file > /etc > default.
 */
#ifndef LN_CONFIG_H
#define LN_CONFIG_H

#include "base/buf.h"
#include "client/conn.h"

enum config_level {
    CONFIG_DEFAULT,
    CONFIG_ETC,
    CONFIG_USER,
    CONFIG_PROJECT,
    CONFIG_ENV,
    CONFIG_FLAG
};

struct config;
struct config *config_new(void);
void config_free(struct config *c);
/* json: a raw value. origin: "linnet.cfg.lua:12", "--port", "LINNET_HUB_PORT". A lower level never
 * hides a higher one. */
void config_set(struct config *c, const char *path, struct ln_str json, enum config_level level,
                const char *origin);
/* A whole settings file as one JSON object; `source` is its text, in which the line of each option
 * is looked up, so that origins read "linnet.cfg.lua:12". */
void config_set_file(struct config *c, struct ln_str json, const char *file, struct ln_str source,
                     enum config_level level);
/* The settings were read from this file; and whether some were, by its resolved path. */
void config_add_file(struct config *c, const char *path);
bool config_has_file(const struct config *c, const char *real_path);
/* Raw JSON of the value, or {NULL,0}. path: "hub.port". */
struct ln_str config_get(const struct config *c, const char *path);
const char *config_origin(const struct config *c, const char *path); /* "default" when unset */
bool config_each(const struct config *c, const char *prefix, size_t *i, const char **path,
                 struct ln_str *json, const char **origin); /* *i begins at 0 */
/* From a flag or the environment: text as a person types it ("10s", "true", "a,b" for lists).
 * False with err when there is no such option. */
bool config_set_text(struct config *c, const char *path, struct ln_str text,
                     enum config_level level, const char *origin, struct ln_err *err);
int64_t config_int(const struct config *c, const char *path, int64_t otherwise);
bool config_bool(const struct config *c, const char *path, bool otherwise);
int64_t config_ms(const struct config *c, const char *path, int64_t otherwise);
char *config_text(const struct config *c, const char *path);  /* ln_free it; NULL when unset */
char **config_list(const struct config *c, const char *path); /* NULL-terminated; NULL when unset */
void config_list_free(char **list);
bool json_duration(struct ln_str json, int64_t *ms); /* 10, "10s" */
/* Checks every key against the known ones: false with err "linnet.cfg.lua:4: unknown option
 * 'hub.prot' (did you mean 'hub.port'?)". */
bool config_check(const struct config *c, struct ln_err *err);
/* One value of the same check (not a connection's options). */
bool config_accepts(const char *path, struct ln_str json, const char *origin, struct ln_err *err);
/* What begins with prefix ("hub.") is in c as it is in `from`: settings that were read anew, and
 * what cannot change while it runs. */
void config_keep(struct config *c, const struct config *from, const char *prefix);
/* LINNET_HUB_PORT=… for each known option. */
bool config_from_env(struct config *c, char **environ_, struct ln_err *err);
/* The connection `name` of the file as options; false with err when wrong; *found false when there
 * is none of that name. */
bool config_connection(const struct config *c, const char *name, struct conn_opts *o, bool *found,
                       struct ln_err *err);
/* Options of linnet.connect and of the file, as one JSON object, into o; err names the option and
 * the nearest known one. Used for both, so that they cannot differ. */
bool conn_opts_from_json(struct conn_opts *o, struct ln_str json, struct ln_err *err);

#endif
