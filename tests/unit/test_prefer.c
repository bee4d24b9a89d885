/* The Prefer header: how long a caller wants to wait, in all the forms of RFC 7240. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/prefer.h"

#define UNTOUCHED 4711

/* From memory of exactly its size; UNTOUCHED when there is no such preference. */
static uint64_t wait_of(struct pgw_str header, uint64_t max_s)
{
        char *copy = malloc(header.n ? header.n : 1);
        uint64_t seconds = UNTOUCHED;

        assert_non_null(copy);
        if (header.n)
                memcpy(copy, header.p, header.n);
        const enum pgw_err err = pgw_prefer_wait(pgw_str_of(copy, header.n), max_s, &seconds);
        free(copy);
        assert_int_equal(err, seconds == UNTOUCHED ? PGW_E_INVALID : PGW_OK);
        return seconds;
}

static void reads(const char *header, uint64_t expected)
{
        const uint64_t seconds = wait_of(pgw_str_z(header), 1000);

        if (seconds != expected)
                fail_msg("%s: %llu", header, (unsigned long long)seconds);
}

static void reads_every_form(void **state)
{
        static const struct {
                const char *header;
                uint64_t seconds;
        } cases[] = {
            {"wait=10", 10},
            {"wait=0", 0},
            {"wait=007", 7},
            {"Wait=10", 10},
            {"WAIT=10", 10},
            {"wait = 10", 10},
            {" \twait\t=\t10 \t", 10},
            {"wait=\"10\"", 10},
            {"wait = \"10\" ", 10},
            {"wait=10;foo", 10},
            {"wait=10; foo=bar; baz=\"q\"", 10},
            {"wait=10 ;foo", 10},
            {"wait=\"10\";foo=3", 10},
            {"wait=10;", 10},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                reads(cases[i].header, cases[i].seconds);
}

static void finds_it_among_others(void **state)
{
        static const struct {
                const char *header;
                uint64_t seconds;
        } cases[] = {
            {"respond-async, wait=10", 10},
            {"wait=10, respond-async", 10},
            {"respond-async,wait=10,return=minimal", 10},
            {"handling=lenient; wait=3, wait=10", 10},
            {",, ,wait=10,,", 10},
            {"foo=\"bar\", wait=10", 10},
            {"foo; wait=3", UNTOUCHED},
            {"foo=1;wait=3, wait=4", 4},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                reads(cases[i].header, cases[i].seconds);
}

static void takes_the_first_that_can_be_read(void **state)
{
        (void)state;
        reads("wait=3, wait=5", 3);
        reads("wait=5, wait=3", 5);
        reads("wait=abc, wait=5", 5);
        reads("wait, wait=5, wait=6", 5);
}

static void ignores_what_it_does_not_understand(void **state)
{
        static const char *const cases[] = {
            "",
            ",",
            ";",
            "=",
            "wait",
            "wait=",
            "wait= ",
            "wait=\"\"",
            "wait=\"",
            "wait=\"10",
            "wait=10\"",
            "wait='10'",
            "wait=-1",
            "wait=+1",
            "wait=1.5",
            "wait=1s",
            "wait=0x10",
            "wait=1 0",
            "wait==10",
            "wait=10=10",
            "waits=10",
            "await=10",
            "wait 10",
            "wait:10",
            "\"wait\"=10",
            "x-wait=10",
            "wait;=10",
            "respond-async",
            "return=minimal; wait=10",
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                reads(cases[i], UNTOUCHED);
        assert_int_equal(wait_of(PGW_STR("wait=1\0"), 1000), UNTOUCHED);
        assert_int_equal(wait_of(PGW_STR("wait\0=1"), 1000), UNTOUCHED);
}

/* RFC 7240 section 2: a value may be a quoted string, and what stands in one separates nothing. */
static void reads_no_preference_inside_a_quoted_string(void **state)
{
        (void)state;
        reads("foo=\"a, wait=5, b\"", UNTOUCHED);
        reads("foo=\"a, wait=5, b\", wait=7", 7);
        reads("foo=\"a; wait=5\"; bar=\"b, wait=5\", wait=7", 7);
        reads("foo=\"a\\\", wait=5, b\", wait=7", 7);
        reads("foo=\"a\\\\\", wait=5", 5);
}

static void caps_at_what_is_allowed(void **state)
{
        static const struct {
                struct pgw_str header;
                uint64_t max, seconds;
        } cases[] = {
            {{"wait=29", 7}, 30, 29},
            {{"wait=30", 7}, 30, 30},
            {{"wait=31", 7}, 30, 30},
            {{"wait=31", 7}, 0, 0},
            {{"wait=18446744073709551615", 25}, 30, 30},
            {{"wait=18446744073709551615", 25}, UINT64_MAX, UINT64_MAX},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_int_equal(wait_of(cases[i].header, cases[i].max), cases[i].seconds);
}

/* Beyond 64 bits it is no number that can be read. */
static void ignores_what_overflows(void **state)
{
        (void)state;
        reads("wait=18446744073709551616", UNTOUCHED);
        reads("wait=99999999999999999999999999", UNTOUCHED);
        reads("wait=18446744073709551616, wait=2", 2);
}

static void reads_an_absent_header(void **state)
{
        uint64_t seconds = UNTOUCHED;

        (void)state;
        assert_int_equal(pgw_prefer_wait((struct pgw_str){NULL, 0}, 30, &seconds), PGW_E_INVALID);
        assert_int_equal(seconds, UNTOUCHED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_every_form),
            cmocka_unit_test(finds_it_among_others),
            cmocka_unit_test(takes_the_first_that_can_be_read),
            cmocka_unit_test(ignores_what_it_does_not_understand),
            cmocka_unit_test(reads_no_preference_inside_a_quoted_string),
            cmocka_unit_test(caps_at_what_is_allowed),
            cmocka_unit_test(ignores_what_overflows),
            cmocka_unit_test(reads_an_absent_header),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
