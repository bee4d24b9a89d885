/* How fast jobs end lately. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/drain.h"

static void knows_nothing_before_two_looks(void **state)
{
        struct pgw_drain d = {.has_base = false};

        (void)state;
        assert_true(pgw_drain_per_1000s(&d) == PGW_DRAIN_UNKNOWN);
        pgw_drain_note(&d, 100, 5000);
        assert_true(pgw_drain_per_1000s(&d) == PGW_DRAIN_UNKNOWN);
        pgw_drain_note(&d, 150, 5500);
        assert_int_equal(pgw_drain_per_1000s(&d), 100000);
}

static void follows_a_change_in_its_time(void **state)
{
        struct pgw_drain d = {.has_base = false};
        uint64_t ended = 0, ms = 0;

        (void)state;
        for (; ms <= 60000; ms += 250, ended += 25)
                pgw_drain_note(&d, ended, ms);
        const uint64_t steady = pgw_drain_per_1000s(&d);
        assert_in_range(steady, 99900, 100000);
        for (; ms <= 70000; ms += 250)
                pgw_drain_note(&d, ended, ms);
        assert_in_range(pgw_drain_per_1000s(&d), 25000, 50000);
        for (; ms <= 200000; ms += 250)
                pgw_drain_note(&d, ended, ms);
        assert_in_range(pgw_drain_per_1000s(&d), 0, 10);
}

static void counts_anew_when_the_number_goes_back(void **state)
{
        struct pgw_drain d = {.has_base = false};

        (void)state;
        pgw_drain_note(&d, 1000, 0);
        pgw_drain_note(&d, 1100, 1000);
        pgw_drain_note(&d, 5, 2000);
        assert_int_equal(pgw_drain_per_1000s(&d), 100000);
        pgw_drain_note(&d, 105, 3000);
        assert_int_equal(pgw_drain_per_1000s(&d), 100000);
        /* The same moment twice says nothing. */
        pgw_drain_note(&d, 900, 3000);
        assert_int_equal(pgw_drain_per_1000s(&d), 100000);
}

static void is_bounded_whatever_a_server_says(void **state)
{
        struct pgw_drain d = {.has_base = false};

        (void)state;
        pgw_drain_note(&d, 0, 0);
        pgw_drain_note(&d, UINT64_MAX, 1);
        assert_true(pgw_drain_per_1000s(&d) == (uint64_t)PGW_DRAIN_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(knows_nothing_before_two_looks),
            cmocka_unit_test(follows_a_change_in_its_time),
            cmocka_unit_test(counts_anew_when_the_number_goes_back),
            cmocka_unit_test(is_bounded_whatever_a_server_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
