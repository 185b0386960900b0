/* SPDX-License-Identifier: MIT
 *
 * Where a secret is looked for, in which order, and that one which cannot be read whole is an
 * error and not an empty or half one.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "host/secret.h"
#include "test.h"

static char dir[64], path[4][128];
static struct ln_buf value;
static struct ln_err err;

static char *write_file(int k, const char *name, const char *text, size_t n, mode_t mode) {
    snprintf(path[k], sizeof path[k], "%s/%s", dir, name);
    FILE *f = fopen(path[k], "w");
    if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0 || chmod(path[k], mode) != 0) abort();
    return path[k];
}
static void begin(void) {
    strcpy(dir, "/tmp/linnet-secret-XXXXXX");
    if (!mkdtemp(dir)) abort();
    unsetenv("T");
    unsetenv("T_FILE");
    unsetenv("CREDENTIALS_DIRECTORY");
    setenv("XDG_CONFIG_HOME", dir, 1);
    setenv("HOME", dir, 1);
    err = (struct ln_err){0};
}
static void end(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (system(command) != 0) abort();
    ln_buf_free(&value);
    ln_log_close();
}
/* The value; "(none)" with err. */
static struct ln_str find(const char *name) {
    ln_buf_clear(&value);
    return secret_find(name, &value, &err) ? ln_buf_get(&value) : LN_STR("(none)");
}

TEST(places_in_their_order) {
    char linnet[100];
    begin();
    CHECK_STR(find("T"), "(none)");
    CHECK_INT(err.code, LN_NOT_FOUND);
    CHECK_HAS(err.text, "no secret T: set the variable T, or T_FILE");
    snprintf(linnet, sizeof linnet, "%s/linnet", dir);
    mkdir(linnet, 0700);
    static const char lines[] = "TT=other\nT =x\n#T=no\nT=from=file\r\nU=\n";
    write_file(0, "linnet/secrets", lines, strlen(lines), 0600);
    CHECK_STR(find("T"), "from=file");
    CHECK_STR(find("U"), "");
    CHECK_STR(find("V"), "(none)");
    write_file(1, "T", "of systemd\n\n", 12, 0600);
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    CHECK_STR(find("T"), "of systemd");
    setenv("T_FILE", write_file(2, "docker", "of docker\r\n", 11, 0644), 1);
    CHECK_STR(find("T"), "of docker");
    setenv("T", "of the environment", 1);
    CHECK_STR(find("T"), "of the environment");
    setenv("T", "", 1); /* given, and empty: so be it */
    CHECK_STR(find("T"), "");
    end();
}

TEST(a_file_that_others_can_read_is_refused) {
    char linnet[100];
    begin();
    snprintf(linnet, sizeof linnet, "%s/linnet", dir);
    mkdir(linnet, 0700);
    write_file(0, "linnet/secrets", "T=x\n", 4, 0640);
    CHECK_STR(find("T"), "(none)");
    CHECK_INT(err.code, LN_DENIED);
    CHECK_HAS(err.text, "/linnet/secrets can be read by others: chmod 600 it");
    end();
}

TEST(what_cannot_be_read_whole_is_an_error) {
    begin();
    setenv("T_FILE", "/nonexistent/x", 1);
    CHECK_STR(find("T"), "(none)");
    CHECK_STR(ln_str(err.text),
              "T_FILE names a file that cannot be read (or has over 64 KiB): /nonexistent/x");
    setenv("T_FILE", dir, 1); /* a folder */
    CHECK_STR(find("T"), "(none)");
    setenv("T_FILE", "", 1);
    CHECK_STR(find("T"), "(none)");
    char *big = ln_alloc(70000);
    memset(big, 'x', 70000);
    setenv("T_FILE", write_file(0, "big", big, 65536, 0600), 1);
    CHECK_INT(find("T").n, 65536);
    setenv("T_FILE", write_file(0, "big", big, 65537, 0600), 1);
    CHECK_STR(find("T"), "(none)");
    CHECK_HAS(err.text, "T_FILE names a file that cannot be read");
    ln_free(big);
    end();
}

TEST(names_that_are_none) {
    begin();
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    CHECK_STR(find(""), "(none)");
    CHECK_STR(find("../etc/passwd"), "(none)");
    CHECK_HAS(err.text, "is no name of a secret");
    CHECK_STR(find(".."), "(none)");
    char name[400];
    memset(name, 'N', sizeof name - 1);
    name[sizeof name - 1] = 0;
    CHECK_STR(find(name), "(none)");
    end();
}

static char logged[200];
static void sink(void *ud, enum ln_log_level level, const char *tag, struct ln_str msg,
                 const struct ln_log_field *fields, size_t n) {
    (void)ud, (void)level, (void)tag, (void)fields, (void)n;
    snprintf(logged, sizeof logged, "%.*s", LN_FMT(msg));
}

TEST(a_secret_that_was_found_is_hidden_in_the_log) {
    begin();
    setenv("T", "correct horse", 1);
    ln_log_to(sink, NULL);
    ln_buf_puts(&value, "before");
    CHECK(secret_find("T", &value, &err));
    CHECK_STR(ln_buf_get(&value), "beforecorrect horse"); /* added */
    ln_log(LN_WARN, "x", "the word is correct horse, before or behind");
    CHECK_STR(ln_str(logged), "the word is ***, before or behind");
    ln_log_to(NULL, NULL);
    end();
}

TEST_MAIN(T(places_in_their_order), T(a_file_that_others_can_read_is_refused),
          T(what_cannot_be_read_whole_is_an_error), T(names_that_are_none),
          T(a_secret_that_was_found_is_hidden_in_the_log))
