#include "io/aside.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/panic.h"

#define PGW_ASIDE_NICE 10

struct pgw_aside {
        /* of the loop's thread */
        struct pgw_loop *loop;
        pthread_t thread;
        struct pgw_list waiting;
        struct pgw_aside_work *current;
        struct pgw_deferred start;
        bool stopped;
        /* of both: handed over by the semaphore, and back by the posted call */
        sem_t is_given;
        struct pgw_aside_work *given;
        bool ending; /* there will be no more */
        struct pgw_posted ended;
};

static struct pgw_aside_work *wait_for_work(struct pgw_aside *a)
{
        while (sem_wait(&a->is_given))
                PGW_ASSERT(errno == EINTR);
        return __atomic_load_n(&a->ending, __ATOMIC_ACQUIRE) ? NULL : a->given;
}

static void *thread_main(void *ctx)
{
        struct pgw_aside *a = ctx;
        struct pgw_aside_work *work;

        /* Without the right to do so it is as it was. */
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), PGW_ASIDE_NICE);
        while ((work = wait_for_work(a))) {
                work->_kind->run(work);
                pgw_loop_post(a->loop, &a->ended);
        }
        return NULL;
}

static void give(struct pgw_aside *a, struct pgw_aside_work *work)
{
        a->current = work;
        a->given = work;
        PGW_ASSERT(sem_post(&a->is_given) == 0);
}

static void start(struct pgw_deferred *d)
{
        struct pgw_aside *a = PGW_CONTAINER(d, struct pgw_aside, start);
        struct pgw_link *link;

        while (!a->current && (link = pgw_list_first(&a->waiting))) {
                struct pgw_aside_work *work = PGW_CONTAINER(link, struct pgw_aside_work, _link);
                pgw_list_remove(&a->waiting, link);
                if (!a->stopped && work->_kind->begin(work))
                        give(a, work);
                else
                        work->_kind->end(work);
        }
}

static void on_ended(struct pgw_posted *posted)
{
        struct pgw_aside *a = PGW_CONTAINER(posted, struct pgw_aside, ended);
        struct pgw_aside_work *work = a->current;

        a->current = NULL;
        work->_kind->end(work);
        if (a->waiting.count)
                pgw_loop_defer(a->loop, &a->start);
}

void pgw_aside_add(struct pgw_aside *a, struct pgw_aside_work *work,
                   const struct pgw_aside_kind *kind)
{
        *work = (struct pgw_aside_work){._kind = kind};
        pgw_list_append(&a->waiting, &work->_link);
        if (!a->current)
                pgw_loop_defer(a->loop, &a->start);
}

struct pgw_aside *pgw_aside_new(struct pgw_loop *loop)
{
        struct pgw_aside *a = pgw_alloc(sizeof *a);

        a->loop = loop;
        pgw_list_init(&a->waiting);
        pgw_deferred_init(&a->start, start);
        pgw_posted_init(&a->ended, on_ended);
        PGW_ASSERT(sem_init(&a->is_given, 0, 0) == 0);
        if (pthread_create(&a->thread, NULL, thread_main, a))
                pgw_panic("cannot start a thread");
        return a;
}

void pgw_aside_stop(struct pgw_aside *a)
{
        struct pgw_link *link;

        if (a->stopped)
                return;
        a->stopped = true;
        __atomic_store_n(&a->ending, true, __ATOMIC_RELEASE);
        PGW_ASSERT(sem_post(&a->is_given) == 0);
        pthread_join(a->thread, NULL);
        pgw_loop_unpost(a->loop, &a->ended);
        struct pgw_aside_work *work = a->current;
        a->current = NULL;
        if (work)
                work->_kind->end(work);
        while ((link = pgw_list_first(&a->waiting))) {
                work = PGW_CONTAINER(link, struct pgw_aside_work, _link);
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
        PGW_ASSERT(!a->current && a->waiting.count == 0);
        pgw_aside_stop(a);
        pgw_loop_undefer(a->loop, &a->start);
        sem_destroy(&a->is_given);
        pgw_free(a);
}
