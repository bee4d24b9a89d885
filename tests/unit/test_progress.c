/* How far a sweep has come: its share of the circle, and what is read back of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/progress.h"

#define QUARTER (UINT64_C(1) << 62)

static void tells_its_share_of_the_circle(void **state)
{
        static const struct {
                uint64_t start, at;
                bool wrapped;
                unsigned percent;
        } cases[] = {
            {0, 0, false, 0},
            {0, QUARTER, false, 25},
            {0, UINT64_MAX, false, 99},
            {0, 0, true, 100},
            {QUARTER, QUARTER, false, 0},
            {QUARTER, 2 * QUARTER, false, 25},
            {QUARTER, 0, true, 75},
            {QUARTER, QUARTER - 1, true, 99},
            {QUARTER, QUARTER, true, 100},
            {QUARTER, 2 * QUARTER, true, 100},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                const struct pgw_progress p = {
                    .start = cases[i].start, .at = cases[i].at, .wrapped = cases[i].wrapped};
                assert_in_range(pgw_progress_percent(&p),
                                cases[i].percent ? cases[i].percent - 1 : 0, cases[i].percent);
        }
}

static const struct pgw_reply *parse(struct pgw_wire *wire, const char *text)
{
        const struct pgw_reply *reply;
        size_t used;

        assert_int_equal(pgw_wire_read(wire, pgw_str_z(text), &reply, &used), PGW_OK);
        assert_non_null(reply);
        return reply;
}

static void reads_what_was_written_and_nothing_else(void **state)
{
        static const struct pgw_wire_limits limits = {100, 1000};
        static const struct {
                const char *reply;
                enum pgw_err err;
        } bad[] = {
            {"*11\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
             "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n",
             PGW_E_NO_JOB},
            {"*11\r\n$0\r\n\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"
             "$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n",
             PGW_E_CODEC},
            {"*11\r\n$1\r\na\r\n$2\r\n-1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"
             "$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n",
             PGW_E_CODEC},
            {"*11\r\n$1\r\na\r\n$-1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"
             "$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n",
             PGW_E_CODEC},
            {"*10\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"
             "$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n",
             PGW_E_CODEC},
            {"*11\r\n$41\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n$1\r\n1\r\n$1\r\n1\r\n"
             "$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"
             "$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n",
             PGW_E_CODEC},
            {":1\r\n", PGW_E_CODEC},
        };
        struct pgw_wire *wire = pgw_wire_new(&limits);
        struct pgw_progress p;

        (void)state;
        assert_int_equal(pgw_progress_read(
                             parse(wire, "*11\r\n$3\r\nabc\r\n$20\r\n18446744073709551615\r\n"
                                         "$1\r\n5\r\n$1\r\n1\r\n$1\r\n7\r\n$1\r\n6\r\n"
                                         "$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n$1\r\n2\r\n"),
                             &p),
                         PGW_OK);
        assert_string_equal(p.node, "abc");
        assert_true(p.start == UINT64_MAX && p.at == 5 && p.wrapped);
        assert_int_equal(p.matched, 7);
        assert_int_equal(p.removed, 6);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_progress_read(parse(wire, bad[i].reply), &p), bad[i].err);
        assert_int_equal(pgw_progress_read(NULL, &p), PGW_E_CODEC);
        assert_int_equal(p.matched, 7);
        pgw_wire_free(wire);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(tells_its_share_of_the_circle),
            cmocka_unit_test(reads_what_was_written_and_nothing_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
