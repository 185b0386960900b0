/* SPDX-License-Identifier: MIT
 *
 * The command line's parser: verbs, options in all their forms, and what is refused.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/cli.h"
#include "test.h"

static struct cli cli;
static char said[1000]; /* on standard error */

/* "run|-v|bot.lua": the arguments behind the program's name. */
static int parse(const char *line) {
    static char text[2000];
    static char *argv[200];
    int argc = 1, kept = dup(STDERR_FILENO);
    FILE *err = tmpfile();
    argv[0] = "linnet";
    snprintf(text, sizeof text, "%s", line);
    for (char *p = *line ? text : NULL; p; argc++) {
        argv[argc] = p;
        p = strchr(p, '|');
        if (p) *p++ = 0;
    }
    argv[argc] = NULL;
    cli = (struct cli){0};
    fflush(stderr);
    dup2(fileno(err), STDERR_FILENO);
    int status = cli_parse(&cli, argc, argv);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(err);
    said[fread(said, 1, sizeof said - 1, err)] = 0;
    fclose(err);
    return status;
}
static void check_verb(const char *line, const char *verb, int words) {
    CHECK_INT(parse(line), EXIT_OK);
    CHECK_STR(ln_str(cli.verb->name), verb);
    CHECK_INT(cli.word_count, words);
    CHECK_STR(ln_str(said), "");
}

TEST(verbs) {
    check_verb("", "help", 0);
    check_verb("help", "help", 0);
    check_verb("--help", "help", 0);
    check_verb("hub", "hub", 0);
    check_verb("bot.lua", "run", 1);
    check_verb("run|bot.lua|more.lua", "run", 2);
    check_verb("-", "run", 1);
    check_verb("-e|x = 1", "run", 0);
    check_verb("emit|hub|x|1|2", "emit", 4);
    check_verb("call|hub|x|-", "call", 3);
    check_verb("run|x|--help", "run", 1);
    check_verb("listen|--help", "listen", 0); /* help needs no words */
}

/* What every verb takes may stand before the verb as well. */
TEST(options_before_the_verb) {
    check_verb("-q|hub", "hub", 0);
    CHECK(cli_value(&cli, "quiet") != NULL);
    check_verb("-v|dev", "dev", 0);
    check_verb("-vv|--config|x.lua|--set|a.b=1|run|a.lua", "run", 1);
    CHECK_STR(ln_str(cli_value(&cli, "config")), "x.lua");
    CHECK(cli_value_at(&cli, "verbose", 1) != NULL);
    check_verb("--color=never|listen|hub|-n2", "listen", 1);
    CHECK_STR(ln_str(cli_value(&cli, "color")), "never");
    CHECK_STR(ln_str(cli_value(&cli, "count")), "2");
    check_verb("-c|hub|hub", "hub", 0); /* the first is the value */
    check_verb("-q|-e|x = 1", "run", 0);
    CHECK(!cli.names_verb);
    CHECK_STR(ln_str(cli_value(&cli, "execute")), "x = 1");
    check_verb("-q|-e|x = 1|hub", "run", 1);
    check_verb("-q|bot.lua|hub", "run", 2);
    check_verb("-q|-", "run", 1);
    check_verb("-q|--|hub", "run", 0);
    check_verb("-q|--watch|bot.lua", "run", 1);
    check_verb("--help|dev", "dev", 0);
    CHECK(cli.names_verb);
    check_verb("-v|--help", "help", 0);
    check_verb("-v|--version", "run", 0);
    check_verb("-v|help|dev", "help", 1);
}

TEST(options_in_every_form) {
    CHECK_INT(parse("listen|hub|-n5|--join=a|-j|b|--join|c|-vv|--json"), EXIT_OK);
    CHECK_STR(ln_str(cli_value(&cli, "count")), "5");
    CHECK_STR(ln_str(cli_value_at(&cli, "join", 0)), "a");
    CHECK_STR(ln_str(cli_value_at(&cli, "join", 1)), "b");
    CHECK_STR(ln_str(cli_value(&cli, "join")), "c"); /* the last */
    CHECK(cli_value_at(&cli, "join", 3) == NULL);
    CHECK(cli_value_at(&cli, "verbose", 1) && !cli_value_at(&cli, "verbose", 2));
    CHECK_STR(ln_str(cli_value(&cli, "json")), "");
    CHECK(cli_value(&cli, "insecure") == NULL);
    const char **all = cli_values(&cli, "join");
    CHECK(all && all[2] && !all[3]);
    ln_free((void *)all);
    CHECK(cli_values(&cli, "event") == NULL);
    CHECK_INT(parse("listen|hub|--join=|--token="), EXIT_OK);
    CHECK_STR(ln_str(cli_value(&cli, "join")), "");
    CHECK_STR(ln_str(cli_value(&cli, "token")), "");
    CHECK_INT(parse("emit|hub|x|--set=a=b=c"), EXIT_OK);
    CHECK_STR(ln_str(cli_value(&cli, "set")), "a=b=c");
    CHECK_INT(parse("run|--port|--page|x.lua"), EXIT_OK); /* a value may begin with a dash */
    CHECK_STR(ln_str(cli_value(&cli, "port")), "--page");
}

TEST(two_dashes_end_the_options) {
    CHECK_INT(parse("run|x.lua|-q|--|--port|a"), EXIT_OK);
    CHECK_INT(cli.word_count, 1);
    CHECK_INT(cli.rest_count, 2);
    CHECK_STR(ln_str(cli.rest[0]), "--port");
    CHECK(cli_value(&cli, "port") == NULL);
    CHECK_INT(parse("run|x.lua|--"), EXIT_OK);
    CHECK_INT(cli.rest_count, 0);
}

TEST(what_is_refused) {
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"lisen|hub", "'lisen' is neither a verb nor a file (did you mean 'listen'?)"},
        {"-q|lisen|hub", "'lisen' is neither a verb nor a file (did you mean 'listen'?)"},
        {"-q|hub|extra", "one word too many: 'extra'"},
        {"-q|listen", "usage: linnet listen URL|NAME"},
        {"-vq|hub", "unknown option '-vq'"},
        {"--quite|hub", "unknown option '--quite' (did you mean '--quiet'?)"},
        {"--config", "option '--config' needs a value"},
        {"hub|--prot=1", "unknown option '--prot=1' (did you mean '--port'?)"},
        {"hub|--=1", "unknown option '--=1'"},
        {"hub|-z", "unknown option '-z'"},
        {"hub|-vq", "unknown option '-vq'"},
        {"hub|--quiet=1", "option '--quiet' takes no value"},
        {"hub|--port", "option '--port' needs a value"},
        {"hub|-p", "option '--port' needs a value"},
        {"hub|extra", "one word too many: 'extra'"},
        {"listen", "usage: linnet listen URL|NAME"},
        {"emit|hub", "usage: linnet emit URL|NAME EVENT"},
        {"hub|--color=often", "--color is auto, always or never, not 'often'"},
    };
    for (size_t i = 0; i < LN_COUNT(cases); i++) {
        CHECK_INT(parse(cases[i].line), EXIT_USAGE);
        CHECK_HAS(said, cases[i].says);
    }
}

TEST(more_than_it_can_keep) {
    struct ln_buf line = {0};
    ln_buf_puts(&line, "run");
    for (int i = 0; i <= CLI_MAX; i++)
        ln_buf_fmt(&line, "|w%d", i);
    CHECK_INT(parse(ln_buf_cstr(&line)), EXIT_USAGE);
    CHECK_HAS(said, "too many words at 'w64'");
    ln_buf_clear(&line);
    ln_buf_puts(&line, "run|-");
    for (int i = 0; i <= CLI_MAX; i++)
        ln_buf_putc(&line, 'v');
    CHECK_INT(parse(ln_buf_cstr(&line)), EXIT_USAGE);
    CHECK_HAS(said, "too many options at '--verbose'");
    ln_buf_free(&line);
}

TEST_MAIN(T(verbs), T(options_before_the_verb), T(options_in_every_form),
          T(two_dashes_end_the_options), T(what_is_refused), T(more_than_it_can_keep))
