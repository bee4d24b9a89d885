/* Lanes that somebody deleted, told from lanes that are worked on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/loss.h"

/* All that were ever added wait or were given. */
static struct pgw_lane_look look(uint64_t waiting, uint64_t running, int64_t given)
{
        const int64_t added = (int64_t)waiting + (given > 0 ? given : 0);

        return (struct pgw_lane_look){true, waiting, running, given,
                                      given == PGW_GIVEN_UNKNOWN ? PGW_GIVEN_UNKNOWN : added};
}

static struct pgw_loss loss;

static bool is_lost(struct pgw_lane_look before, struct pgw_lane_look now)
{
        loss = (struct pgw_loss){.count = 0};
        return pgw_loss_note(&loss, PGW_LANE_NORMAL, &before, &now);
}

static void work_is_no_loss(void **state)
{
        (void)state;
        assert_false(is_lost(look(5, 0, 0), look(3, 2, 2)));
        assert_false(is_lost(look(5, 2, 100), look(0, 0, 105)));
        assert_false(is_lost(look(5, 2, 100), look(500, 2, 100)));
        assert_false(is_lost(look(5, 2, 100), look(5, 2, 100)));
        /* The first worker makes the group. */
        assert_false(is_lost(look(5, 0, PGW_GIVEN_NO_GROUP), look(5, 0, 0)));
        assert_false(is_lost(look(5, 0, PGW_GIVEN_NO_GROUP), look(0, 5, 5)));
        /* A server that has lost count says nothing. */
        assert_false(is_lost(look(5, 2, 100), look(1, 0, PGW_GIVEN_UNKNOWN)));
        assert_false(is_lost(look(5, 2, PGW_GIVEN_UNKNOWN), look(1, 0, 3)));
        assert_int_equal(loss.count, 0);
}

static void what_is_cancelled_is_no_loss(void **state)
{
        struct pgw_lane_look before = look(5, 2, 100), now = look(1, 2, 100);

        (void)state;
        now.added = before.added;
        assert_false(is_lost(before, now));
}

static void nothing_to_lose_is_no_loss(void **state)
{
        const struct pgw_lane_look never = {.is_known = false, .waiting = 5, .given = 5};

        (void)state;
        assert_false(is_lost(never, look(0, 0, PGW_GIVEN_NO_GROUP)));
        assert_false(is_lost(look(0, 0, 100), look(0, 0, PGW_GIVEN_NO_GROUP)));
        assert_false(is_lost(look(0, 0, 100), look(3, 0, 0)));
}

static void a_deleted_stream_is_a_loss(void **state)
{
        (void)state;
        assert_true(is_lost(look(5, 2, 100), look(0, 0, PGW_GIVEN_NO_GROUP)));
        assert_int_equal(loss.count, 1);
        assert_int_equal(loss.lane, PGW_LANE_NORMAL);
        assert_int_equal(loss.waiting, 5);
        assert_int_equal(loss.running, 2);
        assert_false(loss.is_group_only);
        assert_true(is_lost(look(5, 0, PGW_GIVEN_NO_GROUP), look(0, 0, PGW_GIVEN_NO_GROUP)));
        assert_true(is_lost(look(5, 0, PGW_GIVEN_UNKNOWN), look(0, 0, PGW_GIVEN_NO_GROUP)));
        /* Made again before anybody looked. */
        assert_true(is_lost(look(5, 2, 100), look(1, 0, 0)));
        assert_true(is_lost(look(5, 0, 0), look(1, 0, 0)));
        assert_true(is_lost(look(1, 1, 100), look(0, 1, 2)));
        assert_false(loss.is_group_only);
}

static void a_deleted_group_is_handed_out_again(void **state)
{
        (void)state;
        assert_true(is_lost(look(5, 2, 100), look(7, 0, PGW_GIVEN_NO_GROUP)));
        assert_true(loss.is_group_only);
        assert_true(is_lost(look(5, 2, 100), look(9, 0, 0)));
        assert_true(loss.is_group_only);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(work_is_no_loss),
            cmocka_unit_test(what_is_cancelled_is_no_loss),
            cmocka_unit_test(nothing_to_lose_is_no_loss),
            cmocka_unit_test(a_deleted_stream_is_a_loss),
            cmocka_unit_test(a_deleted_group_is_handed_out_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
