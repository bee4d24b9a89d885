/* The loop wraps libh2o's. Three things are ours: deadlines live in one heap on
 * monotonic time, completions are deferred so that no callback runs inside the call
 * that started it, and an interrupted wait (any signal) is not the end of the loop.
 *
 * Deferred calls and due timers must run inside h2o_evloop_run(): a socket written to
 * after it returned is not in a state h2o expects. They hang on an h2o timeout of zero
 * delay, which h2o runs last in a turn, when every readable socket has been served:
 * that is what lets a whole turn's commands leave in one write. h2o stamps that
 * timeout with the wall clock, so after a turn whose clock stepped back it is linked
 * again with the new time.
 */
#include "io/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <h2o.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/panic.h"
#include "io/timer.h"

#define PGW_LOOP_DEFERRED_PER_TURN 65536
#define PGW_LOOP_TIMERS_PER_TURN   65536
#define PGW_LOOP_WAIT_MAX_MS       1000

struct pgw_loop {
        h2o_loop_t *h2o;
        struct pgw_heap timers;
        struct pgw_list deferred;
        h2o_timeout_t at_end;
        h2o_timeout_entry_t at_end_entry;
        uint64_t turns;
        bool is_ending; /* the turn: deferred calls are being made */
        bool stopping;
        h2o_socket_t *wake_socket;
        int wake_fd;
        pgw_loop_hook_f *on_wake;
        void *on_wake_ctx;
        pgw_loop_hook_f *before_wait;
        void *before_wait_ctx;
        struct pgw_posted *posted; /* the last one first; by any thread */
};

/* What was posted, the first one first. */
static struct pgw_posted *take_posted(struct pgw_loop *loop)
{
        struct pgw_posted *last = __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
        struct pgw_posted *first = NULL;

        while (last) {
                struct pgw_posted *before = last->_next;
                last->_next = first;
                first = last;
                last = before;
        }
        return first;
}

static void on_wake_readable(h2o_socket_t *sock, const char *err)
{
        struct pgw_loop *loop = sock->data;
        uint64_t count;

        /* How often it was woken says nothing more than that it was. */
        (void)!read(loop->wake_fd, &count, sizeof count);
        if (!err && loop->on_wake)
                loop->on_wake(loop->on_wake_ctx);
        struct pgw_posted *posted = take_posted(loop), *next;
        for (; posted; posted = next) {
                next = posted->_next;
                posted->_call(posted);
        }
}

static uint64_t first_deadline_ms(const struct pgw_loop *loop)
{
        struct pgw_heap_item *first = pgw_heap_first(&loop->timers);

        return first ? pgw_heap_key(first) : UINT64_MAX;
}

static bool has_end_work(const struct pgw_loop *loop)
{
        return loop->deferred.count > 0 || first_deadline_ms(loop) <= pgw_mono_ms();
}

static void link_end_work(struct pgw_loop *loop)
{
        if (!h2o_timeout_is_linked(&loop->at_end_entry))
                h2o_timeout_link(loop->h2o, &loop->at_end, &loop->at_end_entry);
}

static void fire_timers(struct pgw_loop *loop)
{
        const uint64_t now_ms = pgw_mono_ms();

        for (int i = 0; i < PGW_LOOP_TIMERS_PER_TURN && first_deadline_ms(loop) <= now_ms; i++) {
                struct pgw_heap_item *item = pgw_heap_first(&loop->timers);
                struct pgw_timer *timer = PGW_CONTAINER(item, struct pgw_timer, _item);
                pgw_heap_remove(&loop->timers, item);
                timer->_fire(timer);
        }
}

static void on_end_of_turn(h2o_timeout_entry_t *entry)
{
        struct pgw_loop *loop = H2O_STRUCT_FROM_MEMBER(struct pgw_loop, at_end_entry, entry);

        loop->is_ending = true;
        fire_timers(loop);
        for (int i = 0; i < PGW_LOOP_DEFERRED_PER_TURN && loop->deferred.count > 0; i++) {
                struct pgw_link *link = pgw_list_first(&loop->deferred);
                struct pgw_deferred *d = PGW_CONTAINER(link, struct pgw_deferred, _link);
                pgw_list_remove(&loop->deferred, link);
                d->_call(d);
        }
        loop->is_ending = false;
}

/* Large buffers stay in memory, where the limits count them; h2o would put them into files. */
static void keep_buffers_in_memory(void)
{
        h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
}

struct pgw_loop *pgw_loop_new(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct pgw_loop *loop = pgw_alloc(sizeof *loop);

        pthread_once(&once, keep_buffers_in_memory);
        loop->h2o = h2o_evloop_create();
        pgw_heap_init(&loop->timers);
        pgw_list_init(&loop->deferred);
        h2o_timeout_init(loop->h2o, &loop->at_end, 0);
        loop->at_end_entry.cb = on_end_of_turn;
        loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        PGW_ASSERT(loop->wake_fd >= 0);
        /* A loop is made and freed by another thread than turns it, while h2o keeps the buffers
         * that it reads into per thread. So this socket must never read into one. */
        loop->wake_socket =
            h2o_evloop_socket_create(loop->h2o, loop->wake_fd, H2O_SOCKET_FLAG_DONT_READ);
        loop->wake_socket->data = loop;
        h2o_socket_read_start(loop->wake_socket, on_wake_readable);
        return loop;
}

void pgw_loop_free(struct pgw_loop *loop)
{
        if (!loop)
                return;
        PGW_ASSERT(loop->deferred.count == 0);
        h2o_socket_close(loop->wake_socket);
        pgw_heap_fini(&loop->timers);
        if (h2o_timeout_is_linked(&loop->at_end_entry))
                h2o_timeout_unlink(&loop->at_end_entry);
        h2o_timeout_dispose(loop->h2o, &loop->at_end);
        /* Whoever left a timeout behind still points into the loop (see pgw_front_stop). */
        if (h2o_linklist_is_empty(&loop->h2o->_timeouts))
                h2o_evloop_destroy(loop->h2o);
        pgw_free(loop);
}

void pgw_loop_turn(struct pgw_loop *loop, int wait_ms)
{
        __atomic_store_n(&loop->turns, loop->turns + 1, __ATOMIC_RELAXED);
        /* It may arm a timer, which the wait must not outlast. */
        if (loop->before_wait)
                loop->before_wait(loop->before_wait_ctx);
        const uint64_t now_ms = pgw_mono_ms(), due_ms = first_deadline_ms(loop);
        if (has_end_work(loop)) {
                link_end_work(loop);
                wait_ms = 0;
        } else if (due_ms != UINT64_MAX && due_ms - now_ms < (uint64_t)wait_ms) {
                wait_ms = (int)(due_ms - now_ms);
        }

        /* -1 is an interrupted wait: nothing is wrong, the next turn goes on. */
        (void)h2o_evloop_run(loop->h2o, wait_ms);

        if (h2o_timeout_is_linked(&loop->at_end_entry)) {
                h2o_timeout_unlink(&loop->at_end_entry);
                link_end_work(loop);
        }
}

void pgw_loop_run(struct pgw_loop *loop)
{
        while (!__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE))
                pgw_loop_turn(loop, PGW_LOOP_WAIT_MAX_MS);
}

void pgw_loop_wake(struct pgw_loop *loop)
{
        const uint64_t one = 1;
        ssize_t n;

        do {
                n = write(loop->wake_fd, &one, sizeof one);
        } while (n < 0 && errno == EINTR);
}

void pgw_posted_init(struct pgw_posted *posted, pgw_posted_f *call)
{
        *posted = (struct pgw_posted){._call = call};
}

void pgw_loop_post(struct pgw_loop *loop, struct pgw_posted *posted)
{
        posted->_next = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&loop->posted, &posted->_next, posted, true,
                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED))
                ;
        pgw_loop_wake(loop);
}

void pgw_loop_unpost(struct pgw_loop *loop, struct pgw_posted *gone)
{
        struct pgw_posted *posted = take_posted(loop), *next;

        for (; posted; posted = next) {
                next = posted->_next;
                if (posted != gone)
                        pgw_loop_post(loop, posted);
        }
}

void pgw_loop_stop(struct pgw_loop *loop)
{
        __atomic_store_n(&loop->stopping, true, __ATOMIC_RELEASE);
        pgw_loop_wake(loop);
}

void pgw_loop_on_wake(struct pgw_loop *loop, pgw_loop_hook_f *on_wake, void *ctx)
{
        loop->on_wake = on_wake;
        loop->on_wake_ctx = ctx;
}

void pgw_loop_before_wait(struct pgw_loop *loop, pgw_loop_hook_f *hook, void *ctx)
{
        loop->before_wait = hook;
        loop->before_wait_ctx = ctx;
}

uint64_t pgw_loop_now_ms(const struct pgw_loop *loop)
{
        (void)loop;
        return pgw_mono_ms();
}

uint64_t pgw_loop_turns(const struct pgw_loop *loop)
{
        return __atomic_load_n(&loop->turns, __ATOMIC_RELAXED);
}

void pgw_deferred_init(struct pgw_deferred *d, pgw_deferred_f *call)
{
        *d = (struct pgw_deferred){._call = call};
}

void pgw_loop_defer(struct pgw_loop *loop, struct pgw_deferred *d)
{
        if (pgw_link_is_on(&d->_link))
                return;
        pgw_list_append(&loop->deferred, &d->_link);
        /* Linked from inside, h2o would run it again at once, for as long as somebody defers
         * himself; what is left over is linked by the next turn, behind the sockets. */
        if (!loop->is_ending)
                link_end_work(loop);
}

void pgw_loop_undefer(struct pgw_loop *loop, struct pgw_deferred *d)
{
        if (pgw_link_is_on(&d->_link))
                pgw_list_remove(&loop->deferred, &d->_link);
}

struct st_h2o_evloop_t *pgw_loop_h2o(struct pgw_loop *loop)
{
        return loop->h2o;
}

void pgw_timer_init(struct pgw_timer *timer, pgw_timer_f *fire)
{
        *timer = (struct pgw_timer){._fire = fire};
}

void pgw_timer_arm(struct pgw_loop *loop, struct pgw_timer *timer, uint64_t deadline_ms)
{
        pgw_heap_put(&loop->timers, &timer->_item, deadline_ms);
}

void pgw_timer_disarm(struct pgw_loop *loop, struct pgw_timer *timer)
{
        pgw_heap_remove(&loop->timers, &timer->_item);
}

bool pgw_timer_is_armed(const struct pgw_timer *timer)
{
        return pgw_heap_has(&timer->_item);
}
