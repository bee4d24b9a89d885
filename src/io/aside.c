/* Two helpers. The calm one has a processor only while nobody else wants one, so whoever waits for
 * an answer does not wait for a scheduler's slice of it, which is milliseconds: being nice is not
 * enough, since a slice that has begun is kept. But on a machine that is never idle the calm one
 * stands still, for as long as it pleases the others, and what it has begun stays with it. So it is
 * asked first whether it comes at all, unless it has just shown that; when it does not, work goes
 * for a while to the firm one, which is nice and takes a small share. So does what takes very long,
 * because the machine may lose its idle time meanwhile. */
#include "io/aside.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "io/timer.h"

#define PGW_ASIDE_NICE        10
#define PGW_ASIDE_PROMPT_MS   3    /* in which the calm one says that it is there */
#define PGW_ASIDE_CALM_MS     100  /* in which it is believed to be there still */
#define PGW_ASIDE_PATIENCE_MS 50   /* with what it has begun */
#define PGW_ASIDE_FIRM_MS     1000 /* without it, since it was too slow */

enum { CALM, FIRM, HELPERS };

struct helper {
        /* of the loop's thread */
        struct pgw_aside *aside;
        pthread_t thread;
        struct pgw_aside_work *current;
        uint64_t given_ms;
        /* of both: handed over by the semaphore, and back by the posted call */
        sem_t is_given;
        struct pgw_aside_work *given; /* NULL: only say that you are there */
        bool ending;                  /* there will be no more */
        struct pgw_posted ended;
};

struct pgw_aside {
        struct pgw_loop *loop;
        struct helper helpers[HELPERS];
        struct pgw_list waiting;
        struct pgw_deferred start;
        struct pgw_timer patience;
        bool is_asked; /* the calm one, whether it is there */
        uint64_t calm_until_ms, firm_until_ms;
        bool stopped;
};

/* False when there is nothing more to come. */
static bool wait_for_work(struct helper *h)
{
        while (sem_wait(&h->is_given))
                PGW_ASSERT(errno == EINTR);
        return !__atomic_load_n(&h->ending, __ATOMIC_ACQUIRE);
}

/* Without the right to do so it is as it was. */
static void give_way(bool is_calm)
{
        const struct sched_param none = {.sched_priority = 0};

        if (!is_calm || pthread_setschedparam(pthread_self(), SCHED_IDLE, &none))
                (void)setpriority(PRIO_PROCESS, (id_t)gettid(), PGW_ASIDE_NICE);
}

static void *thread_main(void *ctx)
{
        struct helper *h = ctx;

        give_way(h == &h->aside->helpers[CALM]);
        while (wait_for_work(h)) {
                if (h->given)
                        h->given->_kind->run(h->given);
                pgw_loop_post(h->aside->loop, &h->ended);
        }
        return NULL;
}

static void give(struct helper *h, struct pgw_aside_work *work)
{
        h->current = work;
        h->given_ms = pgw_loop_now_ms(h->aside->loop);
        h->given = work;
        PGW_ASSERT(sem_post(&h->is_given) == 0);
}

static void ask_calm(struct pgw_aside *a)
{
        a->is_asked = true;
        give(&a->helpers[CALM], NULL);
}

/* Until when the calm one is waited for that has something in hand. */
static uint64_t patience_end_ms(const struct pgw_aside *a)
{
        return a->helpers[CALM].given_ms +
               (a->is_asked ? PGW_ASIDE_PROMPT_MS : PGW_ASIDE_PATIENCE_MS);
}

static void note_end_of_calm(struct pgw_aside *a)
{
        const uint64_t now_ms = pgw_loop_now_ms(a->loop);

        if (now_ms < patience_end_ms(a))
                a->calm_until_ms = now_ms + PGW_ASIDE_CALM_MS;
        else
                a->firm_until_ms = now_ms + PGW_ASIDE_FIRM_MS;
        a->is_asked = false;
}

/* Who takes what is next; NULL: nobody yet. */
static struct helper *whose_turn(struct pgw_aside *a, const struct pgw_aside_work *work)
{
        struct helper *calm = &a->helpers[CALM], *firm = &a->helpers[FIRM];
        const uint64_t now_ms = pgw_loop_now_ms(a->loop);
        const bool is_busy = calm->current || a->is_asked;

        if (is_busy && now_ms >= patience_end_ms(a))
                a->firm_until_ms = now_ms + PGW_ASIDE_FIRM_MS;
        if (now_ms < a->firm_until_ms || work->_bytes >= PGW_ASIDE_LONG)
                return firm->current ? NULL : firm;
        if (!is_busy && now_ms < a->calm_until_ms)
                return calm;
        if (!is_busy)
                ask_calm(a);
        pgw_timer_arm(a->loop, &a->patience, patience_end_ms(a));
        return NULL;
}

static void start(struct pgw_deferred *d)
{
        struct pgw_aside *a = PGW_CONTAINER(d, struct pgw_aside, start);
        struct pgw_link *link;

        while ((link = pgw_list_first(&a->waiting))) {
                struct pgw_aside_work *work = PGW_CONTAINER(link, struct pgw_aside_work, _link);
                struct helper *h = a->stopped ? NULL : whose_turn(a, work);
                if (!h && !a->stopped)
                        return;
                pgw_list_remove(&a->waiting, link);
                if (h && work->_kind->begin(work))
                        give(h, work);
                else
                        work->_kind->end(work);
        }
}

static void on_patience_end(struct pgw_timer *timer)
{
        struct pgw_aside *a = PGW_CONTAINER(timer, struct pgw_aside, patience);

        pgw_loop_defer(a->loop, &a->start);
}

static void on_ended(struct pgw_posted *posted)
{
        struct helper *h = PGW_CONTAINER(posted, struct helper, ended);
        struct pgw_aside *a = h->aside;
        struct pgw_aside_work *work = h->current;

        if (h == &a->helpers[CALM])
                note_end_of_calm(a);
        h->current = NULL;
        if (work)
                work->_kind->end(work);
        if (a->waiting.count)
                pgw_loop_defer(a->loop, &a->start);
}

void pgw_aside_add(struct pgw_aside *a, struct pgw_aside_work *work,
                   const struct pgw_aside_kind *kind, uint64_t bytes)
{
        *work = (struct pgw_aside_work){._kind = kind, ._bytes = bytes};
        pgw_list_append(&a->waiting, &work->_link);
        pgw_loop_defer(a->loop, &a->start);
}

static void begin_helper(struct pgw_aside *a, struct helper *h)
{
        h->aside = a;
        pgw_posted_init(&h->ended, on_ended);
        PGW_ASSERT(sem_init(&h->is_given, 0, 0) == 0);
        if (pthread_create(&h->thread, NULL, thread_main, h))
                pgw_panic("cannot start a thread");
}

struct pgw_aside *pgw_aside_new(struct pgw_loop *loop)
{
        struct pgw_aside *a = pgw_alloc(sizeof *a);

        a->loop = loop;
        pgw_list_init(&a->waiting);
        pgw_deferred_init(&a->start, start);
        pgw_timer_init(&a->patience, on_patience_end);
        for (int i = 0; i < HELPERS; i++)
                begin_helper(a, &a->helpers[i]);
        return a;
}

static void end_helper(struct helper *h)
{
        struct pgw_aside_work *work = h->current;

        pthread_join(h->thread, NULL);
        pgw_loop_unpost(h->aside->loop, &h->ended);
        h->current = NULL;
        if (work)
                work->_kind->end(work);
}

void pgw_aside_stop(struct pgw_aside *a)
{
        struct pgw_link *link;

        if (a->stopped)
                return;
        a->stopped = true;
        pgw_timer_disarm(a->loop, &a->patience);
        for (int i = 0; i < HELPERS; i++) {
                __atomic_store_n(&a->helpers[i].ending, true, __ATOMIC_RELEASE);
                PGW_ASSERT(sem_post(&a->helpers[i].is_given) == 0);
        }
        for (int i = 0; i < HELPERS; i++)
                end_helper(&a->helpers[i]);
        while ((link = pgw_list_first(&a->waiting))) {
                struct pgw_aside_work *work = PGW_CONTAINER(link, struct pgw_aside_work, _link);
                pgw_list_remove(&a->waiting, link);
                work->_kind->end(work);
        }
}

bool pgw_aside_is_stopped(const struct pgw_aside *a)
{
        return a->stopped;
}

void pgw_aside_free(struct pgw_aside *a)
{
        if (!a)
                return;
        for (int i = 0; i < HELPERS; i++)
                PGW_ASSERT(!a->helpers[i].current);
        PGW_ASSERT(a->waiting.count == 0);
        pgw_aside_stop(a);
        pgw_loop_undefer(a->loop, &a->start);
        for (int i = 0; i < HELPERS; i++)
                sem_destroy(&a->helpers[i].is_given);
        pgw_free(a);
}
