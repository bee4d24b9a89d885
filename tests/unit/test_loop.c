/* The loop: timers, deferred calls, wakes from elsewhere. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/loop.h"
#include "io/timer.h"

#define MANY 50

/* What happened, in its order. */
static struct {
        struct pgw_loop *loop;
        size_t count;
        int what[1000];
} seen;

static void note(int what)
{
        assert_true(seen.count < sizeof seen.what / sizeof seen.what[0]);
        seen.what[seen.count++] = what;
}

struct marked {
        struct pgw_timer timer;
        struct pgw_deferred deferred;
        int mark;
};

static void on_timer(struct pgw_timer *timer)
{
        note(PGW_CONTAINER(timer, struct marked, timer)->mark);
}

static void on_deferred(struct pgw_deferred *d)
{
        note(PGW_CONTAINER(d, struct marked, deferred)->mark);
}

static void mark(struct marked *m, int what)
{
        pgw_timer_init(&m->timer, on_timer);
        pgw_deferred_init(&m->deferred, on_deferred);
        m->mark = what;
}

static int set_up(void **state)
{
        (void)state;
        memset(&seen, 0, sizeof seen);
        seen.loop = pgw_loop_new();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_loop_free(seen.loop);
        return 0;
}

static void turn_until(size_t count)
{
        const uint64_t end_ms = pgw_mono_ms() + 10000;

        while (seen.count < count && pgw_mono_ms() < end_ms)
                pgw_loop_turn(seen.loop, 100);
        assert_int_equal(seen.count, count);
}

static void fires_timers_in_the_order_of_their_deadlines(void **state)
{
        struct marked m[MANY];
        const uint64_t now_ms = pgw_loop_now_ms(seen.loop);

        (void)state;
        for (int i = 0; i < MANY; i++) {
                mark(&m[i], i);
                assert_false(pgw_timer_is_armed(&m[i].timer));
                /* 7 and 50 have no common divisor, so every deadline occurs once. */
                pgw_timer_arm(seen.loop, &m[i].timer, now_ms + 10 + (uint64_t)(i * 7 % MANY));
                assert_true(pgw_timer_is_armed(&m[i].timer));
        }
        assert_int_equal(seen.count, 0);
        turn_until(MANY);
        assert_in_range(pgw_mono_ms(), now_ms + 10 + MANY - 1, now_ms + 5000);
        for (int i = 0; i < MANY; i++) {
                assert_int_equal(seen.what[i] * 7 % MANY, i);
                assert_false(pgw_timer_is_armed(&m[i].timer));
        }
}

static void fires_no_timer_before_its_time(void **state)
{
        struct marked m;
        const uint64_t begun_ms = pgw_mono_ms();

        (void)state;
        mark(&m, 1);
        pgw_timer_arm(seen.loop, &m.timer, begun_ms + 60);
        turn_until(1);
        assert_in_range(pgw_mono_ms() - begun_ms, 60, 1000);
        pgw_loop_turn(seen.loop, 0);
        assert_int_equal(seen.count, 1);
}

static void fires_a_past_deadline_at_once(void **state)
{
        struct marked m;
        const uint64_t begun_ms = pgw_mono_ms();

        (void)state;
        mark(&m, 1);
        pgw_timer_arm(seen.loop, &m.timer, 0);
        assert_int_equal(seen.count, 0);
        pgw_loop_turn(seen.loop, 5000);
        assert_int_equal(seen.count, 1);
        assert_in_range(pgw_mono_ms() - begun_ms, 0, 2000);
}

static void moves_and_disarms_timers(void **state)
{
        struct marked a, b;
        const uint64_t now_ms = pgw_mono_ms();

        (void)state;
        mark(&a, 1);
        mark(&b, 2);
        pgw_timer_disarm(seen.loop, &a.timer);
        pgw_timer_arm(seen.loop, &a.timer, now_ms + 5);
        pgw_timer_arm(seen.loop, &b.timer, now_ms + 10);
        pgw_timer_arm(seen.loop, &a.timer, now_ms + 20);
        turn_until(2);
        assert_int_equal(seen.what[0], 2);
        assert_int_equal(seen.what[1], 1);

        pgw_timer_arm(seen.loop, &a.timer, 0);
        pgw_timer_disarm(seen.loop, &a.timer);
        assert_false(pgw_timer_is_armed(&a.timer));
        pgw_loop_turn(seen.loop, 0);
        assert_int_equal(seen.count, 2);
}

static void on_timer_again(struct pgw_timer *timer)
{
        assert_false(pgw_timer_is_armed(timer));
        note(1);
        if (seen.count < 5)
                pgw_timer_arm(seen.loop, timer, pgw_mono_ms() + 1);
}

static void lets_a_timer_arm_itself(void **state)
{
        struct pgw_timer timer;

        (void)state;
        pgw_timer_init(&timer, on_timer_again);
        pgw_timer_arm(seen.loop, &timer, 0);
        turn_until(5);
        assert_false(pgw_timer_is_armed(&timer));
}

static void arm_soon(void *ctx)
{
        struct marked *m = ctx;

        pgw_timer_arm(seen.loop, &m->timer, pgw_mono_ms() + 1);
        pgw_loop_before_wait(seen.loop, NULL, NULL);
}

static void waits_no_longer_than_for_a_timer_armed_before_the_wait(void **state)
{
        const int longest_ms = 5000;
        const uint64_t begin_ms = pgw_mono_ms();
        struct marked m = {.mark = 1};

        (void)state;
        mark(&m, 1);
        pgw_loop_before_wait(seen.loop, arm_soon, &m);
        pgw_loop_turn(seen.loop, longest_ms);
        assert_true(pgw_mono_ms() - begin_ms < (uint64_t)longest_ms);
        turn_until(1);
        assert_int_equal(seen.count, 1);
}

static void calls_deferred_once_and_later(void **state)
{
        struct marked a, b;

        (void)state;
        mark(&a, 1);
        mark(&b, 2);
        pgw_loop_defer(seen.loop, &a.deferred);
        pgw_loop_defer(seen.loop, &b.deferred);
        pgw_loop_defer(seen.loop, &a.deferred);
        assert_int_equal(seen.count, 0);
        const uint64_t begun_ms = pgw_mono_ms();
        pgw_loop_turn(seen.loop, 5000);
        assert_in_range(pgw_mono_ms() - begun_ms, 0, 2000);
        assert_int_equal(seen.count, 2);
        assert_int_equal(seen.what[0], 1);
        assert_int_equal(seen.what[1], 2);
        pgw_loop_turn(seen.loop, 0);
        assert_int_equal(seen.count, 2);

        pgw_loop_defer(seen.loop, &a.deferred);
        pgw_loop_undefer(seen.loop, &a.deferred);
        pgw_loop_undefer(seen.loop, &a.deferred);
        pgw_loop_turn(seen.loop, 0);
        assert_int_equal(seen.count, 2);
}

static void on_deferred_again(struct pgw_deferred *d)
{
        note(1);
        if (seen.count < 3)
                pgw_loop_defer(seen.loop, d);
}

static void lets_a_deferred_call_defer_itself(void **state)
{
        struct pgw_deferred d;

        (void)state;
        pgw_deferred_init(&d, on_deferred_again);
        pgw_loop_defer(seen.loop, &d);
        turn_until(3);
}

struct letter {
        struct pgw_posted posted;
        int mark;
};

static void on_posted(struct pgw_posted *posted)
{
        note(PGW_CONTAINER(posted, struct letter, posted)->mark);
}

#define CALLS_MAX 10000000

struct patient {
        struct pgw_deferred deferred;
        struct letter letter;
        size_t calls;
};

static void on_deferred_until_posted(struct pgw_deferred *d)
{
        struct patient *p = PGW_CONTAINER(d, struct patient, deferred);

        if (seen.count == 0 && ++p->calls < CALLS_MAX)
                pgw_loop_defer(seen.loop, d);
}

/* What it waits for may come by a socket, which must be looked at meanwhile. */
static void looks_at_sockets_beside_a_call_that_defers_itself(void **state)
{
        struct patient p = {.calls = 0};

        (void)state;
        pgw_deferred_init(&p.deferred, on_deferred_until_posted);
        pgw_posted_init(&p.letter.posted, on_posted);
        pgw_loop_defer(seen.loop, &p.deferred);
        pgw_loop_turn(seen.loop, 0);
        pgw_loop_post(seen.loop, &p.letter.posted);
        turn_until(1);
        pgw_loop_turn(seen.loop, 0);
        assert_in_range(p.calls, 1, CALLS_MAX - 1);
}

static void on_timer_defers(struct pgw_timer *timer)
{
        struct marked *m = PGW_CONTAINER(timer, struct marked, timer);

        note(1);
        pgw_loop_defer(seen.loop, &m->deferred);
}

static void runs_deferred_calls_behind_the_timers_of_a_turn(void **state)
{
        struct marked m;

        (void)state;
        mark(&m, 2);
        pgw_timer_init(&m.timer, on_timer_defers);
        pgw_timer_arm(seen.loop, &m.timer, 0);
        pgw_loop_turn(seen.loop, 0);
        assert_int_equal(seen.count, 2);
        assert_int_equal(seen.what[0], 1);
        assert_int_equal(seen.what[1], 2);
}

static void on_wake(void *ctx)
{
        note(*(int *)ctx);
}

static void *wake_and_stop(void *ctx)
{
        struct pgw_loop *loop = ctx;

        for (int i = 0; i < 1000; i++)
                pgw_loop_wake(loop);
        usleep(50000);
        pgw_loop_wake(loop);
        usleep(50000);
        pgw_loop_stop(loop);
        return NULL;
}

static void wakes_and_stops_from_another_thread(void **state)
{
        int what = 7;
        pthread_t thread;
        const uint64_t begun_ms = pgw_mono_ms();

        (void)state;
        pgw_loop_on_wake(seen.loop, on_wake, &what);
        assert_int_equal(pthread_create(&thread, NULL, wake_and_stop, seen.loop), 0);
        pgw_loop_run(seen.loop);
        assert_in_range(pgw_mono_ms() - begun_ms, 99, 5000);
        assert_int_equal(pthread_join(thread, NULL), 0);
        /* Wakes that come together are one; those that come apart are not. */
        assert_in_range(seen.count, 2, 900);
        assert_int_equal(seen.what[0], 7);
        assert_true(pgw_loop_turns(seen.loop) >= 2);
}

static void *post_all(void *ctx)
{
        struct letter *letters = ctx;

        for (int i = 0; i < MANY; i++) {
                pgw_posted_init(&letters[i].posted, on_posted);
                letters[i].mark = i;
                pgw_loop_post(seen.loop, &letters[i].posted);
        }
        return NULL;
}

static void makes_calls_for_other_threads_in_their_order(void **state)
{
        struct letter letters[MANY];
        pthread_t thread;

        (void)state;
        assert_int_equal(pthread_create(&thread, NULL, post_all, letters), 0);
        turn_until(MANY);
        assert_int_equal(pthread_join(thread, NULL), 0);
        for (int i = 0; i < MANY; i++)
                assert_int_equal(seen.what[i], i);
}

static void does_not_make_a_call_that_was_taken_back(void **state)
{
        struct letter letters[MANY], never;

        (void)state;
        post_all(letters);
        pgw_posted_init(&never.posted, on_posted);
        pgw_loop_unpost(seen.loop, &never.posted);
        pgw_loop_unpost(seen.loop, &letters[MANY / 2].posted);
        turn_until(MANY - 1);
        for (int i = 0; i < MANY - 1; i++)
                assert_int_equal(seen.what[i], i < MANY / 2 ? i : i + 1);
}

static void on_signal(int number)
{
        (void)number;
}

/* A wait that a signal interrupts ends the turn, not the loop. */
static void survives_signals(void **state)
{
        struct sigaction action = {.sa_handler = on_signal}, before;
        struct marked m;
        const uint64_t turns = pgw_loop_turns(seen.loop);

        (void)state;
        assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
        ualarm(10000, 10000);
        mark(&m, 1);
        pgw_timer_arm(seen.loop, &m.timer, pgw_mono_ms() + 100);
        turn_until(1);
        ualarm(0, 0);
        assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
        assert_in_range(pgw_loop_turns(seen.loop) - turns, 3, 1000);
}

#define THREADS 4
#define WAKES   100000

static void on_wake_count(void *ctx)
{
        __atomic_add_fetch((int *)ctx, 1, __ATOMIC_RELAXED);
}

static void *run_loop(void *loop)
{
        pgw_loop_run(loop);
        return NULL;
}

/* The libraries keep things per thread: what one thread makes and frees and another turns
 * must not lean on them. */
static void is_made_and_freed_by_another_thread(void **state)
{
        struct pgw_loop *loops[THREADS];
        pthread_t threads[THREADS];
        int wakes = 0;

        (void)state;
        for (int i = 0; i < THREADS; i++) {
                loops[i] = pgw_loop_new();
                pgw_loop_on_wake(loops[i], on_wake_count, &wakes);
        }
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, run_loop, loops[i]), 0);
        for (int n = 0; n < WAKES; n++)
                pgw_loop_wake(loops[n % THREADS]);
        for (int i = 0; i < THREADS; i++) {
                pgw_loop_stop(loops[i]);
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                pgw_loop_wake(loops[i]); /* too late to matter, and allowed */
        }
        for (int i = 0; i < THREADS; i++)
                pgw_loop_free(loops[i]);
        assert_in_range(__atomic_load_n(&wakes, __ATOMIC_RELAXED), 0, WAKES + 2 * THREADS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(fires_timers_in_the_order_of_their_deadlines, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(fires_no_timer_before_its_time, set_up, tear_down),
            cmocka_unit_test_setup_teardown(fires_a_past_deadline_at_once, set_up, tear_down),
            cmocka_unit_test_setup_teardown(moves_and_disarms_timers, set_up, tear_down),
            cmocka_unit_test_setup_teardown(lets_a_timer_arm_itself, set_up, tear_down),
            cmocka_unit_test_setup_teardown(waits_no_longer_than_for_a_timer_armed_before_the_wait,
                                            set_up, tear_down),
            cmocka_unit_test_setup_teardown(calls_deferred_once_and_later, set_up, tear_down),
            cmocka_unit_test_setup_teardown(lets_a_deferred_call_defer_itself, set_up, tear_down),
            cmocka_unit_test_setup_teardown(looks_at_sockets_beside_a_call_that_defers_itself,
                                            set_up, tear_down),
            cmocka_unit_test_setup_teardown(runs_deferred_calls_behind_the_timers_of_a_turn, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(wakes_and_stops_from_another_thread, set_up, tear_down),
            cmocka_unit_test_setup_teardown(makes_calls_for_other_threads_in_their_order, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(does_not_make_a_call_that_was_taken_back, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(survives_signals, set_up, tear_down),
            cmocka_unit_test(is_made_and_freed_by_another_thread),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
