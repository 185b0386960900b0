/* SPDX-License-Identifier: MIT
 *
 * See resolve.h. A question belongs to its loop until it is answered; its job belongs to a thread.
 * The one lock guards the queue of jobs, the number of threads, and each job's way back to its
 * loop, which is cut when the loop goes first.
 */
#include "io/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/mem.h"

enum { MAX_THREADS = 8, STACK_SIZE = 512 * 1024 };

struct question { /* on the loop's thread only */
    struct ln_list node, waiting;
    struct job *job;
};

struct lookup {
    struct ln_list node; /* in question.waiting */
    resolve_fn fn;
    void *ud;
};

struct job {
    struct ln_list node; /* in the queue, until a thread takes it */
    struct loop *loop;   /* NULL: nobody wants the answer any more */
    struct question *question;
    char *host;
    struct addrinfo *list;
    const char *why;
};

struct questions { /* of one loop */
    struct ln_list list;
};
static const char questions_key;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ln_list queue = {&queue, &queue};
static int threads;

/* --- threads --- */

static void job_free(struct job *j) {
    if (j->list) freeaddrinfo(j->list);
    ln_free(j->host);
    ln_free(j);
}

static const char *words(int status) {
    switch (status) {
    case EAI_NONAME:
        return "unknown node or service";
    case EAI_NODATA:
        return "the name has no address";
    case EAI_AGAIN:
        return "temporary failure (is there a network?)";
    case EAI_SYSTEM:
        return strerrordesc_np(errno);
    default:
        return gai_strerror(status);
    }
}

static void ask(struct job *j) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    for (const char *p = j->host; *p; p++)
        if (*p & 0x80) hints.ai_flags = AI_IDN;
    int status = getaddrinfo(j->host, NULL, &hints, &j->list);
    if (status != 0) {
        j->list = NULL;
        j->why = words(status);
    }
}

static void on_answer(void *ud);

static void *work(void *ud) {
    (void)ud;
    pthread_mutex_lock(&lock);
    while (!ln_list_empty(&queue)) {
        struct job *j = LN_CONTAINER(queue.next, struct job, node);
        ln_list_remove(&j->node);
        pthread_mutex_unlock(&lock);
        ask(j);
        pthread_mutex_lock(&lock);
        if (j->loop)
            loop_post(j->loop, on_answer, j); /* inside the lock: so the loop is still there */
        else
            job_free(j);
    }
    threads--;
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Under the lock. Signals are for the main thread. */
static void start_thread(void) {
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&thread, &attr, work, NULL) == 0) threads++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
}

static void job_start(struct job *j) {
    pthread_mutex_lock(&lock);
    ln_list_push(&queue, &j->node);
    if (threads < MAX_THREADS) start_thread();
    pthread_mutex_unlock(&lock);
}

/* Nobody wants it any more. */
static void job_drop(struct job *j) {
    pthread_mutex_lock(&lock);
    bool is_queued = !ln_list_empty(&j->node);
    ln_list_remove(&j->node);
    j->loop = NULL;
    pthread_mutex_unlock(&lock);
    if (is_queued) job_free(j);
}

/* --- questions --- */

static void question_end(struct loop *l, struct question *q) {
    ln_list_remove(&q->node);
    q->job->question = NULL;
    ln_free(q);
    loop_busy(l, -1);
}

static void on_answer(void *ud) {
    struct job *j = ud;
    struct question *q = j->question;
    /* One after the other, each out of the list first: a callback may cancel any of the rest. */
    while (q && !ln_list_empty(&q->waiting)) {
        struct lookup *look = LN_CONTAINER(q->waiting.next, struct lookup, node);
        resolve_fn fn = look->fn;
        void *fn_ud = look->ud;
        ln_list_remove(&look->node);
        ln_free(look);
        fn(fn_ud, j->list, j->why);
    }
    if (q) question_end(j->loop, q);
    job_free(j);
}

static void release(void *data) {
    struct questions *all = data;
    if (!all->list.next) return;
    LN_LIST_EACH (&all->list, it, tmp) {
        struct question *q = LN_CONTAINER(it, struct question, node);
        struct job *j = q->job;
        question_end(j->loop, q);
        job_drop(j);
    }
}

struct lookup *resolve(struct loop *l, const char *host, resolve_fn fn, void *ud) {
    struct questions *all = loop_shared(l, &questions_key, sizeof *all, release);
    struct lookup *look = ln_new(struct lookup);
    struct question *q = NULL;
    if (!all->list.next) ln_list_init(&all->list);
    LN_LIST_EACH (&all->list, it, tmp) {
        struct question *other = LN_CONTAINER(it, struct question, node);
        if (strcmp(other->job->host, host) == 0) q = other;
    }
    look->fn = fn;
    look->ud = ud;
    ln_list_init(&look->node);
    if (q) {
        ln_list_push(&q->waiting, &look->node);
        return look;
    }
    struct job *j = ln_new(struct job);
    q = ln_new(struct question);
    j->loop = l;
    j->question = q;
    j->host = ln_strdup(host);
    ln_list_init(&j->node);
    q->job = j;
    ln_list_init(&q->waiting);
    ln_list_init(&q->node);
    ln_list_push(&q->waiting, &look->node);
    ln_list_push(&all->list, &q->node);
    loop_busy(l, 1);
    job_start(j);
    return look;
}

void resolve_cancel(struct lookup *look) {
    if (!look) return;
    ln_list_remove(&look->node);
    ln_free(look);
}
