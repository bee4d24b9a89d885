/* Work beside a loop: its order, its threads, and what is not done any more. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/aside.h"

#define MANY 200

struct piece {
        struct pgw_aside_work work;
        int number;
        bool is_wanted;
        bool begun, has_run, ended;
        pthread_t ran_on;
        struct piece *next;
};

static struct {
        struct pgw_loop *loop;
        struct pgw_aside *aside;
        struct piece pieces[MANY];
        int began, ended;
        int taken_along; /* begun and not ended */
        bool may_be_left_out;
} s;

static struct piece *piece_of(struct pgw_aside_work *work)
{
        return PGW_CONTAINER(work, struct piece, work);
}

static const struct pgw_aside_kind how;

static bool begin(struct pgw_aside_work *work)
{
        struct piece *p = piece_of(work);

        assert_int_equal(p->number, s.began++);
        assert_in_range(s.taken_along, 0, 1);
        p->begun = p->is_wanted;
        s.taken_along += p->begun;
        return p->is_wanted;
}

static void run(struct pgw_aside_work *work)
{
        struct piece *p = piece_of(work);

        p->ran_on = pthread_self();
        __atomic_store_n(&p->has_run, true, __ATOMIC_RELEASE);
}

static void end(struct pgw_aside_work *work)
{
        struct piece *p = piece_of(work);

        assert_false(p->ended);
        if (!s.may_be_left_out)
                assert_int_equal(p->has_run, p->is_wanted);
        if (p->has_run)
                assert_false(pthread_equal(p->ran_on, pthread_self()));
        p->ended = true;
        s.ended++;
        s.taken_along -= p->begun;
        if (p->next)
                pgw_aside_add(s.aside, &p->next->work, &how, 0);
}

static const struct pgw_aside_kind how = {begin, run, end};

static int set_up(void **state)
{
        (void)state;
        s.loop = pgw_loop_new();
        s.aside = pgw_aside_new(s.loop);
        s.began = s.ended = s.taken_along = 0;
        s.may_be_left_out = false;
        for (int i = 0; i < MANY; i++)
                s.pieces[i] = (struct piece){.number = i, .is_wanted = true};
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_aside_free(s.aside);
        pgw_loop_free(s.loop);
        return 0;
}

static void turn_until(int ended)
{
        const uint64_t end_ms = pgw_mono_ms() + 10000;

        while (s.ended < ended && pgw_mono_ms() < end_ms)
                pgw_loop_turn(s.loop, 100);
        assert_int_equal(s.ended, ended);
}

static void begins_in_the_order_of_coming(void **state)
{
        (void)state;
        for (int i = 0; i < MANY; i++)
                pgw_aside_add(s.aside, &s.pieces[i].work, &how, 0);
        assert_int_equal(s.ended, 0);
        turn_until(MANY);
}

static void what_is_not_wanted_any_more_ends_without_a_run(void **state)
{
        (void)state;
        for (int i = 0; i < MANY; i++) {
                s.pieces[i].is_wanted = i % 3 == 1;
                pgw_aside_add(s.aside, &s.pieces[i].work, &how, 0);
        }
        turn_until(MANY);
        for (int i = 0; i < MANY; i++)
                assert_int_equal(s.pieces[i].has_run, i % 3 == 1);
}

static void what_ends_may_add_more(void **state)
{
        (void)state;
        for (int i = 0; i + 1 < MANY; i++) {
                s.pieces[i].is_wanted = i % 2;
                s.pieces[i].next = &s.pieces[i + 1];
        }
        pgw_aside_add(s.aside, &s.pieces[0].work, &how, 0);
        turn_until(MANY);
}

static void ends_what_there_is_when_it_is_stopped(void **state)
{
        (void)state;
        s.may_be_left_out = true;
        for (int i = 0; i < MANY - 1; i++)
                pgw_aside_add(s.aside, &s.pieces[i].work, &how, 0);
        pgw_loop_turn(s.loop, 0);
        pgw_aside_stop(s.aside);
        pgw_aside_stop(s.aside);
        assert_true(pgw_aside_is_stopped(s.aside));
        assert_int_equal(s.ended, MANY - 1);
        pgw_aside_add(s.aside, &s.pieces[MANY - 1].work, &how, 0);
        turn_until(MANY);
        assert_false(s.pieces[MANY - 1].has_run);
        pgw_loop_turn(s.loop, 0);
}

#define SPRAYS   64
#define SPRAY_TO 512 /* bytes */

/* What is freed is another's at once, as in a busy process. */
static void take_what_was_freed(void)
{
        static void *sprays[SPRAYS];

        for (size_t i = 0; i < SPRAYS; i++) {
                sprays[i] = malloc((i + 1) * SPRAY_TO / SPRAYS);
                memset(sprays[i], 0xee, (i + 1) * SPRAY_TO / SPRAYS);
        }
        for (size_t i = 0; i < SPRAYS; i++)
                free(sprays[i]);
}

/* The thread says so to a loop that does not turn before it is all over. */
static void is_forgotten_by_the_loop_when_it_ended_too_late(void **state)
{
        (void)state;
        pgw_aside_add(s.aside, &s.pieces[0].work, &how, 0);
        while (!s.pieces[0].begun)
                pgw_loop_turn(s.loop, 0);
        while (!__atomic_load_n(&s.pieces[0].has_run, __ATOMIC_ACQUIRE))
                usleep(1000);
        pgw_aside_stop(s.aside);
        pgw_aside_free(s.aside);
        s.aside = NULL;
        take_what_was_freed();
        assert_int_equal(s.ended, 1);
        for (int i = 0; i < 3; i++)
                pgw_loop_turn(s.loop, 0);
}

/* A piece that is run until it is let go. */
struct stay {
        struct pgw_aside_work work;
        bool may_go;
        bool ended;
        pthread_t ran_on;
};

static struct stay *stay_of(struct pgw_aside_work *work)
{
        return PGW_CONTAINER(work, struct stay, work);
}

static bool begin_stay(struct pgw_aside_work *work)
{
        (void)work;
        return true;
}

static void run_stay(struct pgw_aside_work *work)
{
        struct stay *stay = stay_of(work);

        stay->ran_on = pthread_self();
        while (!__atomic_load_n(&stay->may_go, __ATOMIC_ACQUIRE))
                usleep(1000);
}

static void end_stay(struct pgw_aside_work *work)
{
        stay_of(work)->ended = true;
}

static void end_of(struct stay *stay)
{
        const uint64_t end_ms = pgw_mono_ms() + 10000;

        while (!stay->ended && pgw_mono_ms() < end_ms)
                pgw_loop_turn(s.loop, 100);
        assert_true(stay->ended);
}

static void turn_for(uint64_t ms)
{
        const uint64_t end_ms = pgw_mono_ms() + ms;

        while (pgw_mono_ms() < end_ms)
                pgw_loop_turn(s.loop, 10);
}

/* Whoever only has a processor that nobody else wants may stand still for as long as that. */
static void waits_for_nobody_who_stands_still(void **state)
{
        static const struct pgw_aside_kind how_to_stay = {begin_stay, run_stay, end_stay};
        struct stay slow = {.may_go = false}, next = {.may_go = true}, later = {.may_go = true};

        (void)state;
        pgw_aside_add(s.aside, &slow.work, &how_to_stay, 0);
        pgw_aside_add(s.aside, &next.work, &how_to_stay, 0);
        /* On a machine without idle time the slow one is with the other thread, and holds it. */
        turn_for(500);
        const bool was_calm = next.ended;
        assert_false(slow.ended);
        __atomic_store_n(&slow.may_go, true, __ATOMIC_RELEASE);
        end_of(&slow);
        end_of(&next);
        if (!was_calm)
                skip();
        assert_false(pthread_equal(next.ran_on, slow.ran_on));
        /* Nobody is given to it again so soon. */
        pgw_aside_add(s.aside, &later.work, &how_to_stay, 0);
        end_of(&later);
        assert_true(pthread_equal(later.ran_on, next.ran_on));
}

/* Nobody who may stand still is given what takes very long. */
static void does_what_is_long_elsewhere(void **state)
{
        static const struct pgw_aside_kind how_to_stay = {begin_stay, run_stay, end_stay};
        struct stay first = {.may_go = true}, other = {.may_go = true}, last = {.may_go = true};

        (void)state;
        pgw_aside_add(s.aside, &first.work, &how_to_stay, PGW_ASIDE_LONG);
        end_of(&first);
        pgw_aside_add(s.aside, &other.work, &how_to_stay, 0);
        end_of(&other);
        pgw_aside_add(s.aside, &last.work, &how_to_stay, PGW_ASIDE_LONG);
        end_of(&last);
        assert_true(pthread_equal(first.ran_on, last.ran_on));
}

static void ends_without_work(void **state)
{
        (void)state;
        assert_int_equal(s.ended, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(does_what_is_long_elsewhere, set_up, tear_down),
            cmocka_unit_test_setup_teardown(waits_for_nobody_who_stands_still, set_up, tear_down),
            cmocka_unit_test_setup_teardown(begins_in_the_order_of_coming, set_up, tear_down),
            cmocka_unit_test_setup_teardown(what_is_not_wanted_any_more_ends_without_a_run, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(what_ends_may_add_more, set_up, tear_down),
            cmocka_unit_test_setup_teardown(ends_what_there_is_when_it_is_stopped, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(is_forgotten_by_the_loop_when_it_ended_too_late, set_up,
                                            tear_down),
            cmocka_unit_test_setup_teardown(ends_without_work, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
