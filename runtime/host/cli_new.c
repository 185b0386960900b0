/* SPDX-License-Identifier: MIT
 *
 * `linnet new NAME`: a folder with a bot that talks at once, and its settings. Never writes over a
 * file. Also `version` and `check`, which are as short.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/embed.h"
#include "base/mem.h"
#include "host/cli.h"

static bool name_is_fine(const char *name) {
    if (name[0] == '.' || name[0] == '-' || !name[0]) return false;
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || strchr("\"'\\:*?<>|", *p)) return false;
    return true;
}

/* `text` with every @NAME@ replaced. */
static bool write_file(const char *dir, const char *file, const char *text, const char *name) {
    struct ln_buf path = {0}, out = {0};
    ln_buf_fmt(&path, "%s/%s", dir, file);
    for (const char *p = text; *p;) {
        const char *mark = strstr(p, "@NAME@");
        size_t n = mark ? (size_t)(mark - p) : strlen(p);
        ln_buf_add(&out, p, n);
        if (mark) ln_buf_puts(&out, name);
        p += n + (mark ? strlen("@NAME@") : 0);
    }
    FILE *f = fopen(ln_buf_cstr(&path), "wx"); /* nothing is written over */
    bool ok = f && fwrite(out.p, 1, out.n, f) == out.n;
    if (f && fclose(f) != 0) ok = false;
    if (!ok) fprintf(stderr, "linnet: %s: %s\n", ln_buf_cstr(&path), strerror(errno));
    ln_buf_free(&path);
    ln_buf_free(&out);
    return ok;
}

int verb_new(struct cli *cli, struct app *a) {
    const char *dir = cli->words[0], *slash = strrchr(dir, '/'), *name = slash ? slash + 1 : dir;
    (void)a;
    if (!name_is_fine(name)) {
        fprintf(stderr, "linnet: '%s' is no name for a folder\n", name);
        return EXIT_USAGE;
    }
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "linnet: %s: %s\n", dir, strerror(errno));
        return EXIT_FAILED;
    }
    for (const struct ln_embedded *f = new_files; f->name; f++)
        if (!write_file(dir, f->name, f->p, name)) return EXIT_FAILED;
    printf("  wrote");
    for (const struct ln_embedded *f = new_files; f->name; f++)
        printf(" %s", f->name);
    const char *quote = strpbrk(dir, " $&;()") ? "'" : "";
    printf("\n  next   cd %s%s%s && linnet dev\n", quote, dir, quote);
    return EXIT_OK;
}

int verb_version(struct cli *cli, struct app *a) {
    (void)cli;
    (void)a;
    printf("linnet %s\n", LN_VERSION);
    return EXIT_OK;
}

int verb_check(struct cli *cli, struct app *a) {
    char *here[CLI_MAX];
    int problems = 0, found = 0;
    (void)a; /* the settings were checked before: an app exists only when they are right */
    if (!cli->word_count) found = cli_scripts_here(here, CLI_MAX);
    for (int i = 0; i < cli->word_count; i++)
        problems += cli->lua->check(cli->words[i]);
    for (int i = 0; i < found; i++) {
        problems += cli->lua->check(here[i]);
        ln_free(here[i]);
    }
    int files = cli->word_count + found;
    if (!problems) printf("%d file%s, no problems\n", files, files == 1 ? "" : "s");
    return problems ? EXIT_FAILED : EXIT_OK;
}
