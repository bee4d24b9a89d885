/* When jobs are repeated: what is a list of times, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/rebound.h"

static void reads_and_writes_times(void **state)
{
        static const struct {
                const char *text, *same;
                size_t count;
        } cases[] = {
            {"1000,3000,11000", "1000,3000,11000", 3},
            {"1", "1", 1},
            {" 5 , 6", "5,6", 2},
            {"1,2,3,4,3600000", "1,2,3,4,3600000", 5},
            {"3599996,3599997,3599998,3599999,3600000", "3599996,3599997,3599998,3599999,3600000",
             5},
            {"-", "-", 0},
            {"", "-", 0},
        };
        char text[PGW_REBOUNDS_TEXT_MAX];
        struct pgw_rebounds r;

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                assert_int_equal(pgw_rebounds_parse(pgw_str_z(cases[i].text), &r), PGW_OK);
                assert_int_equal(r.count, cases[i].count);
                assert_true(pgw_str_eq_z(pgw_rebounds_text(&r, text), cases[i].same));
        }
}

static void refuses_what_is_no_list_of_times(void **state)
{
        static const char *const bad[] = {
            "0",  "1,1", "2,1", "1,2,3,4,5,6", "3600001", "1,",  ",1", "x", "1;2",
            "-1", "--",  "1,-", "1000 ms",     "1,,2",    "1.5", "+1", " ", "18446744073709551617"};
        struct pgw_rebounds r = {.count = 4};

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_rebounds_parse(pgw_str_z(bad[i]), &r), PGW_E_INVALID);
        assert_int_equal(r.count, 4);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_and_writes_times),
            cmocka_unit_test(refuses_what_is_no_list_of_times),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
