/* io/loop.h - one event loop of one thread.
 *
 * A turn: wait for sockets until the first deadline, let h2o call their callbacks,
 * then fire due timers and run deferred calls. Everything a callback
 * starts is finished by another callback in a later part of the turn or a later
 * turn, never from inside the call that started it.
 *
 * A loop belongs to the thread that runs it. The only calls allowed from other
 * threads are pgw_loop_wake(), pgw_loop_post() and pgw_loop_stop().
 *
 * The contract of every asynchronous call in Purgeway: its callback comes exactly
 * once, never before the call returned, no later than its deadline plus one turn,
 * and never after it was cancelled.
 */
#ifndef PGW_IO_LOOP_H
#define PGW_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct pgw_loop;
struct pgw_deferred;
struct pgw_posted;
struct st_h2o_evloop_t;

typedef void pgw_deferred_f(struct pgw_deferred *);

/* A call to be made later in this turn (or the next, when made while they run). A
 * field of the object that it concerns; queued at most once at a time. */
struct pgw_deferred {
        struct pgw_link _link;
        pgw_deferred_f *_call;
};

typedef void pgw_posted_f(struct pgw_posted *);

/* A call that another thread wants to be made on the loop's own. A field of the object that it
 * concerns; posted at most once at a time. */
struct pgw_posted {
        struct pgw_posted *_next;
        pgw_posted_f *_call;
};

/* Both by any thread, which need not be the one that turns the loop; freed after the last turn,
 * when all timers are disarmed and all sockets closed. */
struct pgw_loop *pgw_loop_new(void);
void pgw_loop_free(struct pgw_loop *);

/* Turn until pgw_loop_stop(). Makes this the calling thread's loop. */
void pgw_loop_run(struct pgw_loop *);

/* One turn that waits at most `wait_ms`. */
void pgw_loop_turn(struct pgw_loop *, int wait_ms);

/* End pgw_loop_run() after the turn under way. Any thread. */
void pgw_loop_stop(struct pgw_loop *);

/* Make the loop turn now and call its wake hook. Any thread, any number of times. */
void pgw_loop_wake(struct pgw_loop *);

typedef void pgw_loop_hook_f(void *ctx);

/* What a wake calls, on the loop's own thread. */
void pgw_loop_on_wake(struct pgw_loop *, pgw_loop_hook_f *, void *ctx);

/* What is called before each wait, when everything that happened before it is done; NULL: nothing.
 */
void pgw_loop_before_wait(struct pgw_loop *, pgw_loop_hook_f *, void *ctx);

void pgw_posted_init(struct pgw_posted *, pgw_posted_f *);

/* Make the call in one of the next turns, if there is one. Any thread; what it wrote before is seen
 * by the call. */
void pgw_loop_post(struct pgw_loop *, struct pgw_posted *);

/* After it returns the call will not come; no-op when it was not posted. On the loop's thread, not
 * from a posted call, and when who posted has done so. */
void pgw_loop_unpost(struct pgw_loop *, struct pgw_posted *);

/* Monotonic time. */
uint64_t pgw_loop_now_ms(const struct pgw_loop *);

/* Turns begun so far; a watchdog sees from it that the loop lives. Any thread. */
uint64_t pgw_loop_turns(const struct pgw_loop *);

void pgw_deferred_init(struct pgw_deferred *, pgw_deferred_f *);
void pgw_loop_defer(struct pgw_loop *, struct pgw_deferred *); /* no-op when queued already */
void pgw_loop_undefer(struct pgw_loop *, struct pgw_deferred *);

/* For the files that talk to h2o themselves (io/, http/). */
struct st_h2o_evloop_t *pgw_loop_h2o(struct pgw_loop *);

#endif
