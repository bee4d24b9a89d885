/* Markers: of the key's slot, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/hold.h"
#include "redis/slot.h"

static void markers_share_the_slot(void **state)
{
        static const char *const keys[] = {"a", "user:42", "{a}b", "x{a}y{b}", "{{a}}", "a{b}}c"};
        char marker[64];

        (void)state;
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
                const struct pgw_str key = pgw_str_z(keys[i]);
                const size_t n = pgw_hold_marker(key, marker);
                assert_true(pgw_hold_is_possible(key));
                assert_in_range(n, key.n + 14, key.n + PGW_HOLD_MARKER_MORE);
                assert_int_equal(pgw_redis_slot(pgw_str_of(marker, n)), pgw_redis_slot(key));
        }
}

static void odd_braces_have_no_marker(void **state)
{
        static const char *const keys[] = {"", "}", "a}b", "{", "a{b", "{}", "{}a{b}", "}{"};
        char marker[64];

        (void)state;
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
                assert_false(pgw_hold_is_possible(pgw_str_z(keys[i])));
                assert_int_equal(pgw_hold_marker(pgw_str_z(keys[i]), marker), 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(markers_share_the_slot),
            cmocka_unit_test(odd_braces_have_no_marker),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
