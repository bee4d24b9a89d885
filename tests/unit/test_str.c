/* Slices and decimal numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void makes_slices(void **state)
{
        (void)state;
        assert_int_equal(pgw_str_z(NULL).n, 0);
        assert_null(pgw_str_z(NULL).p);
        assert_int_equal(pgw_str_z("abc").n, 3);
        assert_int_equal(PGW_STR("a\0b").n, 3);
        assert_int_equal(pgw_str_of("abc", 2).n, 2);
}

static void compares_bytes(void **state)
{
        const struct pgw_str none = {NULL, 0};

        (void)state;
        assert_true(pgw_str_eq(none, none));
        assert_true(pgw_str_eq(none, PGW_STR("")));
        assert_false(pgw_str_eq(none, PGW_STR("a")));
        assert_true(pgw_str_eq(PGW_STR("a\0b"), PGW_STR("a\0b")));
        assert_false(pgw_str_eq(PGW_STR("a\0b"), PGW_STR("a\0c")));
        assert_false(pgw_str_eq(PGW_STR("ab"), PGW_STR("abc")));
        assert_true(pgw_str_eq_z(PGW_STR("abc"), "abc"));
        assert_false(pgw_str_eq_z(PGW_STR("a\0b"), "a"));
        assert_true(pgw_str_eq_z(none, ""));
}

static void compares_ascii_without_case(void **state)
{
        (void)state;
        assert_true(pgw_str_eq_nocase(PGW_STR("Content-LENGTH"), PGW_STR("content-length")));
        assert_false(pgw_str_eq_nocase(PGW_STR("abc"), PGW_STR("abcd")));
        /* '[' and '{', '@' and '`' differ by the same bit as letters do. */
        assert_false(pgw_str_eq_nocase(PGW_STR("["), PGW_STR("{")));
        assert_false(pgw_str_eq_nocase(PGW_STR("@"), PGW_STR("`")));
        assert_false(pgw_str_eq_nocase(PGW_STR("\xc4"), PGW_STR("\xe4")));
        assert_true(pgw_str_eq_nocase(PGW_STR("AZ"), PGW_STR("az")));
}

static void knows_prefixes(void **state)
{
        (void)state;
        assert_true(pgw_str_starts(PGW_STR("abc"), PGW_STR("")));
        assert_true(pgw_str_starts((struct pgw_str){NULL, 0}, (struct pgw_str){NULL, 0}));
        assert_true(pgw_str_starts(PGW_STR("abc"), PGW_STR("abc")));
        assert_false(pgw_str_starts(PGW_STR("abc"), PGW_STR("abcd")));
        assert_false(pgw_str_starts(PGW_STR("abc"), PGW_STR("b")));
}

static void cuts_at_the_first(void **state)
{
        struct pgw_str head = PGW_STR("x"), tail = PGW_STR("y");

        (void)state;
        assert_false(pgw_str_cut(PGW_STR("abc"), ':', &head, &tail));
        assert_false(pgw_str_cut((struct pgw_str){NULL, 0}, ':', &head, &tail));
        assert_true(pgw_str_eq_z(head, "x"));
        assert_true(pgw_str_eq_z(tail, "y"));

        assert_true(pgw_str_cut(PGW_STR("a:b:c"), ':', &head, &tail));
        assert_true(pgw_str_eq_z(head, "a"));
        assert_true(pgw_str_eq_z(tail, "b:c"));
        assert_true(pgw_str_cut(PGW_STR(":"), ':', &head, &tail));
        assert_int_equal(head.n, 0);
        assert_int_equal(tail.n, 0);
        assert_true(pgw_str_cut(PGW_STR("a\0b"), '\0', &head, &tail));
        assert_true(pgw_str_eq_z(tail, "b"));
        /* The slice that is cut may be the one that is written. */
        struct pgw_str rest = PGW_STR("1,2,3");
        assert_true(pgw_str_cut(rest, ',', &head, &rest));
        assert_true(pgw_str_eq_z(rest, "2,3"));
}

static void trims_blanks(void **state)
{
        (void)state;
        assert_true(pgw_str_eq_z(pgw_str_trim(PGW_STR(" \t a b\t ")), "a b"));
        assert_int_equal(pgw_str_trim(PGW_STR(" \t ")).n, 0);
        assert_int_equal(pgw_str_trim((struct pgw_str){NULL, 0}).n, 0);
        assert_true(pgw_str_eq_z(pgw_str_trim(PGW_STR("\r\na\n")), "\r\na\n"));
}

static void reads_decimal_numbers(void **state)
{
        static const struct {
                const char *text;
                uint64_t max;
                uint64_t value;
        } good[] = {
            {"0", 0, 0},
            {"7", 7, 7},
            {"007", 7, 7},
            {"65535", 65535, 65535},
            {"18446744073709551615", UINT64_MAX, UINT64_MAX},
        };

        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
                uint64_t value = 99;
                assert_int_equal(pgw_str_to_u64(pgw_str_z(good[i].text), good[i].max, &value),
                                 PGW_OK);
                assert_true(value == good[i].value);
        }
}

static void refuses_other_numbers(void **state)
{
        static const char *const bad[] = {"",
                                          " 1",
                                          "1 ",
                                          "+1",
                                          "-1",
                                          "0x1",
                                          "1.0",
                                          "1e3",
                                          "/",
                                          ":",
                                          "18446744073709551616",
                                          "99999999999999999999999999"};
        uint64_t value = 99;

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_str_to_u64(pgw_str_z(bad[i]), UINT64_MAX, &value),
                                 PGW_E_INVALID);
        assert_int_equal(pgw_str_to_u64(PGW_STR("8"), 7, &value), PGW_E_INVALID);
        assert_int_equal(pgw_str_to_u64(PGW_STR("1\0"), 7, &value), PGW_E_INVALID);
        assert_true(value == 99);
}

static void writes_decimal_numbers(void **state)
{
        static const struct {
                uint64_t value;
                const char *text;
        } cases[] = {{0, "0"}, {9, "9"}, {10, "10"}, {UINT64_MAX, "18446744073709551615"}};

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[20];
                const size_t n = pgw_u64_text(cases[i].value, text);
                assert_true(pgw_str_eq_z(pgw_str_of(text, n), cases[i].text));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(makes_slices),
            cmocka_unit_test(compares_bytes),
            cmocka_unit_test(compares_ascii_without_case),
            cmocka_unit_test(knows_prefixes),
            cmocka_unit_test(cuts_at_the_first),
            cmocka_unit_test(trims_blanks),
            cmocka_unit_test(reads_decimal_numbers),
            cmocka_unit_test(refuses_other_numbers),
            cmocka_unit_test(writes_decimal_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
