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
                const struct pgw_position p = {
                    .start = cases[i].start, .at = cases[i].at, .wrapped = cases[i].wrapped};
                assert_in_range(pgw_position_percent(&p),
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

#define POSITION "$3\r\na/x\r\n$24\r\n18446744073709551615 5 1\r\n"

static void reads_what_was_written_and_nothing_else(void **state)
{
        static const struct pgw_wire_limits limits = {100, 1000};
        static const struct {
                const char *reply;
                enum pgw_err err;
        } bad[] = {
            {"*0\r\n", PGW_E_NO_JOB},
            {"*2\r\n$1\r\nb\r\n$24\r\n9 1 1 1 1 1 1 1 1 0 node\r\n", PGW_E_NO_JOB},
            {"*2\r\n$1\r\na\r\n$-1\r\n", PGW_E_CODEC},
            {"*2\r\n$1\r\na\r\n$20\r\n9 1 1 1 1 1 1 1 0 no\r\n", PGW_E_CODEC},
            {"*2\r\n$1\r\na\r\n$26\r\n101 1 1 1 1 1 1 1 1 0 node\r\n", PGW_E_CODEC},
            {"*2\r\n$1\r\na\r\n$22\r\n9 1 -1 1 1 1 1 1 1 0 n\r\n", PGW_E_CODEC},
            {"*2\r\n$1\r\na\r\n$20\r\n9 1 1 1 1 1 1 1 1 0 \r\n", PGW_E_CODEC},
            {"*1\r\n$1\r\na\r\n", PGW_E_CODEC},
            {":1\r\n", PGW_E_CODEC},
        };
        struct pgw_wire *wire = pgw_wire_new(&limits);
        struct pgw_position at[4];
        struct pgw_progress p;

        (void)state;
        const struct pgw_reply *reply =
            parse(wire, "*8\r\n$1\r\na\r\n$25\r\n50 7 6 5 4 3 2 1 99 0 abc\r\n" POSITION
                        "$3\r\nb/y\r\n$5\r\n1 2 0\r\n$1\r\nb\r\n$22\r\n99 1 2 0 0 0 0 0 0 0 -\r\n");
        assert_int_equal(pgw_progress_read(reply, "a", &p), PGW_OK);
        assert_string_equal(p.tag_node, "abc");
        assert_int_equal(p.percent, 50);
        assert_int_equal(p.matched, 7);
        assert_int_equal(p.removed, 6);
        assert_int_equal(p.tag_cursor, 4);
        assert_int_equal(p.members_seen, 1);
        assert_int_equal(p.map, 99);
        assert_int_equal(pgw_progress_positions(reply, "a", at, 4), 1);
        assert_string_equal(at[0].node, "x");
        assert_true(at[0].start == UINT64_MAX && at[0].at == 5 && at[0].wrapped);
        assert_int_equal(pgw_progress_positions(reply, "a", at, 0), 0);
        assert_int_equal(pgw_progress_read(reply, "b", &p), PGW_OK);
        assert_string_equal(p.tag_node, "");
        assert_int_equal(pgw_progress_sum(reply, &p), PGW_OK);
        assert_int_equal(p.percent, 74);
        assert_int_equal(p.matched, 8);
        assert_int_equal(p.removed, 8);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_progress_read(parse(wire, bad[i].reply), "a", &p), bad[i].err);
        assert_int_equal(pgw_progress_read(NULL, "a", &p), PGW_E_CODEC);
        assert_int_equal(pgw_progress_sum(parse(wire, "*0\r\n"), &p), PGW_E_NO_JOB);
        assert_int_equal(p.matched, 8);
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
