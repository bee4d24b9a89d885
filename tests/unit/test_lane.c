/* The lanes by name, and their shares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/lane.h"

static void names_every_lane(void **state)
{
        static const char *const names[] = {"high", "normal", "low"};

        (void)state;
        assert_int_equal(PGW_LANE_COUNT, 3);
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                enum pgw_lane lane;
                assert_string_equal(pgw_lane_name((enum pgw_lane)i), names[i]);
                assert_int_equal(pgw_lane_of(pgw_str_z(names[i]), &lane), PGW_OK);
                assert_int_equal(lane, i);
        }
}

static void refuses_other_names(void **state)
{
        static const char *const bad[] = {"", "High", "hig", "highh", " low", "0"};
        enum pgw_lane lane = PGW_LANE_NORMAL;

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_lane_of(pgw_str_z(bad[i]), &lane), PGW_E_INVALID);
        assert_int_equal(pgw_lane_of(PGW_STR("low\0"), &lane), PGW_E_INVALID);
        assert_int_equal(lane, PGW_LANE_NORMAL);
}

static void gives_urgent_lanes_more_and_none_nothing(void **state)
{
        (void)state;
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                assert_true(pgw_lane_weight((enum pgw_lane)i) > 0);
        for (unsigned i = 1; i < PGW_LANE_COUNT; i++)
                assert_true(pgw_lane_weight((enum pgw_lane)i) <
                            pgw_lane_weight((enum pgw_lane)(i - 1)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(names_every_lane),
            cmocka_unit_test(refuses_other_names),
            cmocka_unit_test(gives_urgent_lanes_more_and_none_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
