/* SPDX-License-Identifier: MIT
 *
 * See recovery.h. The rule for the mark is the reference's: the last argument, if it is a string,
 * of every event that asks for no answer. So a server that sends other events with a string at the
 * end (volatile ones have no mark) spoils its own recovery; that is in the protocol.
 */
#include "client/recovery.h"

struct recovery {      /* all as raw JSON strings */
    struct ln_buf pid; /* the session, for recovery only: a secret */
    struct ln_buf offset;
    bool was_asked; /* with both of them, in the CONNECT that is not answered yet */
};

static void set(struct ln_buf *b, struct ln_str raw) {
    ln_buf_clear(b);
    ln_buf_str(b, raw);
}

/* The members of an object, without braces; empty when there are none. */
static struct ln_str members(struct ln_str object) {
    struct ln_str key, value;
    size_t pos = 0;
    if (!ln_json_each(object, &pos, &key, &value)) return (struct ln_str){0};
    const char *open = memchr(object.p, '{', object.n), *close = memrchr(object.p, '}', object.n);
    return (struct ln_str){open + 1, (size_t)(close - open) - 1};
}

void recovery_ask(struct conn *c, struct ln_str auth, struct ln_buf *out) {
    struct recovery *r = c->recovery;
    if (!r || r->pid.n == 0) {
        ln_buf_str(out, auth);
        return;
    }
    struct ln_str more = members(auth);
    r->was_asked = r->offset.n > 0;
    ln_buf_puts(out, "{\"pid\":");
    ln_buf_str(out, ln_buf_get(&r->pid));
    if (r->was_asked) {
        ln_buf_puts(out, ",\"offset\":");
        ln_buf_str(out, ln_buf_get(&r->offset));
    }
    if (more.n > 0) ln_buf_putc(out, ',');
    ln_buf_str(out, more);
    ln_buf_putc(out, '}');
}

static const char *const failures[] = {"the server does not offer recovery any more",
                                       "no event that marks the place had come before",
                                       "the server did not know the session any more"};

static const char *reason_of(const struct recovery *r, bool is_offered) {
    if (!r || r->pid.n == 0) return "the server does not offer recovery";
    return failures[!is_offered ? 0 : !r->was_asked ? 1 : 2];
}

void recovery_answer(struct conn *c, struct ln_str reply) {
    struct ln_str pid = ln_json_get(reply, "pid");
    struct recovery *r = c->recovery;
    bool is_offered = ln_json_peek(pid) == LN_JSON_STRING;
    if (c->step >= STEP_HANDLERS) return; /* a late answer to an earlier CONNECT of ours */
    c->recovered = is_offered && r && r->was_asked && ln_str_eq(ln_buf_get(&r->pid), pid);
    if (!c->recovered && !c->gap) c->gap = reason_of(r, is_offered);
    if (is_offered && !r) r = c->recovery = ln_new(struct recovery);
    if (!r) return;
    set(&r->pid, is_offered ? pid : (struct ln_str){0});
    if (!c->recovered) ln_buf_clear(&r->offset); /* of another session */
    r->was_asked = false;
}

/* A string at the very end of a list of JSON values, with its quotes. */
static struct ln_str last_string(struct ln_str args) {
    while (args.n > 0 && memchr(" \t\r\n", args.p[args.n - 1], 4))
        args.n--;
    if (args.n < 2 || args.p[args.n - 1] != '"') return (struct ln_str){0};
    for (size_t i = args.n - 1; i-- > 0;) {
        size_t slashes = 0;
        if (args.p[i] != '"') continue;
        while (slashes < i && args.p[i - 1 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0) return (struct ln_str){args.p + i, args.n - i};
        i -= slashes;
    }
    return (struct ln_str){0};
}

void recovery_note(struct conn *c, const struct conn_in *in) {
    struct recovery *r = c->recovery;
    if (r->pid.n == 0 || in->ack >= 0) return;
    struct ln_str offset = last_string(in->args);
    if (offset.n > 0) set(&r->offset, offset);
}

void recovery_forget(struct conn *c, const char *why) {
    c->gap = why;
    recovery_free(c);
}

/* Recovery was possible, and failed: worth a warning. */
static bool is_failure(const char *why) {
    for (size_t i = 0; i < LN_COUNT(failures); i++)
        if (why == failures[i]) return true;
    return false;
}

void recovery_tell(struct conn *c, bool first) {
    const char *why = c->gap ? c->gap : "the protocol has no recovery";
    struct ln_buf args = {0};
    c->gap = NULL;
    if (first) return;
    if (c->recovered) {
        ln_log(LN_INFO, c->tag, "the session was recovered: nothing was missed");
        return;
    }
    ln_log(is_failure(why) ? LN_WARN : LN_DEBUG, c->tag, "events may have been missed: %s", why);
    ln_buf_puts(&args, "{\"reason\":");
    ln_json_quote(&args, ln_str(why));
    ln_buf_putc(&args, '}');
    conn_tell(c, "gap", &args);
}

void recovery_free(struct conn *c) {
    struct recovery *r = c->recovery;
    if (!r) return;
    c->recovery = NULL;
    ln_buf_free(&r->pid);
    ln_buf_free(&r->offset);
    ln_free(r);
}
