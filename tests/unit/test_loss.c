/* Lanes that somebody deleted, told from lanes that are worked on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/loss.h"

#define LOOK(waiting, running, given) ((struct pgw_lane_look){true, waiting, running, given})

static struct pgw_loss loss;

static bool is_lost(struct pgw_lane_look before, struct pgw_lane_look now)
{
        loss = (struct pgw_loss){.count = 0};
        return pgw_loss_note(&loss, PGW_LANE_NORMAL, &before, &now);
}

static void work_is_no_loss(void **state)
{
        (void)state;
        assert_false(is_lost(LOOK(5, 0, 0), LOOK(3, 2, 2)));
        assert_false(is_lost(LOOK(5, 2, 100), LOOK(0, 0, 105)));
        assert_false(is_lost(LOOK(5, 2, 100), LOOK(500, 2, 100)));
        assert_false(is_lost(LOOK(5, 2, 100), LOOK(5, 2, 100)));
        /* The first worker makes the group. */
        assert_false(is_lost(LOOK(5, 0, PGW_GIVEN_NO_GROUP), LOOK(5, 0, 0)));
        assert_false(is_lost(LOOK(5, 0, PGW_GIVEN_NO_GROUP), LOOK(0, 5, 5)));
        /* A server that has lost count says nothing. */
        assert_false(is_lost(LOOK(5, 2, 100), LOOK(1, 0, PGW_GIVEN_UNKNOWN)));
        assert_false(is_lost(LOOK(5, 2, PGW_GIVEN_UNKNOWN), LOOK(1, 0, 3)));
        assert_int_equal(loss.count, 0);
}

static void nothing_to_lose_is_no_loss(void **state)
{
        const struct pgw_lane_look never = {.is_known = false, .waiting = 5, .given = 5};

        (void)state;
        assert_false(is_lost(never, LOOK(0, 0, PGW_GIVEN_NO_GROUP)));
        assert_false(is_lost(LOOK(0, 0, 100), LOOK(0, 0, PGW_GIVEN_NO_GROUP)));
        assert_false(is_lost(LOOK(0, 0, 100), LOOK(3, 0, 0)));
}

static void a_deleted_stream_is_a_loss(void **state)
{
        (void)state;
        assert_true(is_lost(LOOK(5, 2, 100), LOOK(0, 0, PGW_GIVEN_NO_GROUP)));
        assert_int_equal(loss.count, 1);
        assert_int_equal(loss.lane, PGW_LANE_NORMAL);
        assert_int_equal(loss.waiting, 5);
        assert_int_equal(loss.running, 2);
        assert_false(loss.is_group_only);
        assert_true(is_lost(LOOK(5, 0, PGW_GIVEN_NO_GROUP), LOOK(0, 0, PGW_GIVEN_NO_GROUP)));
        assert_true(is_lost(LOOK(5, 0, PGW_GIVEN_UNKNOWN), LOOK(0, 0, PGW_GIVEN_NO_GROUP)));
        /* Made again before anybody looked. */
        assert_true(is_lost(LOOK(5, 2, 100), LOOK(1, 0, 0)));
        assert_true(is_lost(LOOK(5, 0, 0), LOOK(1, 0, 0)));
        assert_true(is_lost(LOOK(1, 1, 100), LOOK(0, 1, 2)));
        assert_false(loss.is_group_only);
}

static void a_deleted_group_is_handed_out_again(void **state)
{
        (void)state;
        assert_true(is_lost(LOOK(5, 2, 100), LOOK(7, 0, PGW_GIVEN_NO_GROUP)));
        assert_true(loss.is_group_only);
        assert_true(is_lost(LOOK(5, 2, 100), LOOK(9, 0, 0)));
        assert_true(loss.is_group_only);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(work_is_no_loss),
            cmocka_unit_test(nothing_to_lose_is_no_loss),
            cmocka_unit_test(a_deleted_stream_is_a_loss),
            cmocka_unit_test(a_deleted_group_is_handed_out_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
