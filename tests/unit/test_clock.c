/* The clocks, and wall time as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

static void monotonic_time_goes_on(void **state)
{
        const struct timespec pause = {0, 20000000};
        const uint64_t before_us = pgw_mono_us(), before_ms = pgw_mono_ms();

        (void)state;
        nanosleep(&pause, NULL);
        const uint64_t after_us = pgw_mono_us(), after_ms = pgw_mono_ms();
        assert_in_range(after_us - before_us, 20000, 5000000);
        assert_in_range(after_ms - before_ms, 19, 5000);
        assert_in_range(after_us / 1000 - after_ms + 1, 0, 10);
}

static void wall_time_is_the_systems(void **state)
{
        const uint64_t before_ms = (uint64_t)time(NULL) * 1000;

        (void)state;
        assert_in_range(pgw_wall_ms() + 1000, before_ms, before_ms + 60000);
}

static void writes_rfc3339(void **state)
{
        static const struct {
                uint64_t ms;
                const char *text;
        } cases[] = {
            {0, "1970-01-01T00:00:00.000Z"},
            {1, "1970-01-01T00:00:00.001Z"},
            {999, "1970-01-01T00:00:00.999Z"},
            {86399999, "1970-01-01T23:59:59.999Z"},
            {951782400000, "2000-02-29T00:00:00.000Z"},
            {2147483648000, "2038-01-19T03:14:08.000Z"},
            {4107542399120, "2100-02-28T23:59:59.120Z"},
            {4107542400000, "2100-03-01T00:00:00.000Z"},
            {253402300799999, "9999-12-31T23:59:59.999Z"},
            {253402300800000, "9999-12-31T23:59:59.999Z"},
            {UINT64_MAX, "9999-12-31T23:59:59.999Z"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[PGW_RFC3339_SIZE];
                memset(text, '#', sizeof text);
                pgw_rfc3339(cases[i].ms, text);
                assert_int_equal(text[PGW_RFC3339_SIZE - 1], '\0');
                assert_string_equal(text, cases[i].text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(monotonic_time_goes_on),
            cmocka_unit_test(wall_time_is_the_systems),
            cmocka_unit_test(writes_rfc3339),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
