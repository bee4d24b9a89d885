/* Pacing: a burst at once, from there on no more than the rate, and all of that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/pace.h"

#define RATE  UINT64_C(1000000)
#define BURST UINT64_C(50000)

static void a_burst_comes_at_once(void **state)
{
        struct pgw_pace p = {0};

        (void)state;
        assert_int_equal(pgw_pace_take(&p, BURST, RATE, BURST, 7000), 0);
        assert_int_equal(pgw_pace_take(&p, 1, RATE, BURST, 7000), 1);
        assert_int_equal(pgw_pace_take(&p, 9999, RATE, BURST, 7000), 10);
        assert_int_equal(pgw_pace_take(&p, 0, RATE, BURST, 7009), 1);
        assert_int_equal(pgw_pace_take(&p, 0, RATE, BURST, 7010), 0);
}

/* Whoever waits as told brings the rate, whatever the pieces are. */
static void who_always_has_more_brings_the_rate(void **state)
{
        static const uint64_t pieces[] = {1, 999, 1000, 4096, 65536, 1000000};

        (void)state;
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
                struct pgw_pace p = {0};
                uint64_t now_ms = 100000, brought = 0;
                while (now_ms < 160000) {
                        brought += pieces[i];
                        now_ms += pgw_pace_take(&p, pieces[i], RATE, BURST, now_ms);
                }
                const uint64_t allowed = (now_ms - 100000) * RATE / 1000 + BURST;
                assert_true(brought <= allowed);
                assert_true(brought >= allowed - RATE / 1000 - pieces[i]);
        }
}

static void long_ago_is_paid(void **state)
{
        const uint64_t slow = 1, fast = UINT64_C(1) << 34;
        struct pgw_pace p = {0};

        (void)state;
        assert_true(pgw_pace_take(&p, UINT64_MAX / 4, slow, BURST, 1) > 1000000);
        assert_int_equal(pgw_pace_take(&p, BURST, slow, BURST, UINT64_C(1) << 60), 0);
        p = (struct pgw_pace){0};
        assert_int_equal(pgw_pace_take(&p, BURST, fast, BURST, UINT64_MAX - 5), 0);
        assert_int_equal(pgw_pace_take(&p, fast, fast, BURST, UINT64_MAX - 5), 1000);
        assert_in_range(pgw_pace_take(&p, 0, fast, BURST, UINT64_MAX), 995, 996);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_burst_comes_at_once),
            cmocka_unit_test(who_always_has_more_brings_the_rate),
            cmocka_unit_test(long_ago_is_paid),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
