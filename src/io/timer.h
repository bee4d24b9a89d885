/* io/timer.h - deadlines.
 *
 * A timer is a field of the object it guards; arming it allocates nothing in the
 * usual case. All timers of a loop sit in one heap on monotonic time, and the loop
 * sleeps until the first of them: libh2o's own timers are classes of constant delay
 * on the wall clock, which neither carry a deadline per command nor survive a clock
 * that jumps.
 *
 * A timer fires at most once per arming, from the loop, never from inside
 * pgw_timer_arm(). Firing disarms it first, so the callback may arm it again or
 * free its owner.
 */
#ifndef PGW_IO_TIMER_H
#define PGW_IO_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"

struct pgw_loop;
struct pgw_timer;

typedef void pgw_timer_f(struct pgw_timer *);

struct pgw_timer {
        struct pgw_heap_item _item;
        pgw_timer_f *_fire;
};

void pgw_timer_init(struct pgw_timer *, pgw_timer_f *);

/* Fire at `deadline_ms` (monotonic, as pgw_loop_now_ms). Moves an armed timer.
 * A deadline in the past fires at the end of this turn. */
void pgw_timer_arm(struct pgw_loop *, struct pgw_timer *, uint64_t deadline_ms);

/* No-op when disarmed. After it returns the callback will not come. */
void pgw_timer_disarm(struct pgw_loop *, struct pgw_timer *);

bool pgw_timer_is_armed(const struct pgw_timer *);

#endif
