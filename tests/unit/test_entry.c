/* Stream entries as Redis sends them, and as anybody may have written them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/entry.h"

#define NONCE     "$1\r\nn\r\n$16\r\n0123456789abcdef\r\n"
#define VERSION   "$1\r\nv\r\n$1\r\n1\r\n"
#define VERSION_2 "$1\r\nv\r\n$1\r\n2\r\n"
#define PATTERNS  "$1\r\np\r\n$4\r\n\003us*\r\n"
#define KEYS      "$1\r\nk\r\n$4\r\n\001a\001b\r\n"
#define ID        "$3\r\n5-7\r\n"

static struct pgw_wire *wire;

static const struct pgw_reply *parse(struct pgw_str text)
{
        const struct pgw_reply *reply = NULL;
        size_t used;

        assert_int_equal(pgw_wire_read(wire, text, &reply, &used), PGW_OK);
        assert_non_null(reply);
        assert_int_equal(used, text.n);
        return reply;
}

static int set_up(void **state)
{
        static const struct pgw_wire_limits limits = {100, 1000};

        (void)state;
        wire = pgw_wire_new(&limits);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_wire_free(wire);
        return 0;
}

static void reads_a_whole_entry(void **state)
{
        struct pgw_entry e;
        bool has_nonce = false;

        (void)state;
        const struct pgw_reply *reply =
            parse(PGW_STR("*2\r\n" ID "*14\r\n" VERSION NONCE KEYS
                          "$1\r\nr\r\n$3\r\nwhy\r\n$1\r\nq\r\n$2\r\nid\r\n$1\r\nt\r\n$2\r\ntp\r\n"
                          "$1\r\nz\r\n$2\r\nxx\r\n"));
        assert_int_equal(pgw_entry_read(reply, PGW_LANE_LOW, &e, &has_nonce), PGW_OK);
        assert_true(has_nonce);
        assert_int_equal(e.id.lane, PGW_LANE_LOW);
        assert_int_equal(e.id.partition, 0);
        assert_int_equal(e.id.entry.ms, 5);
        assert_int_equal(e.id.entry.seq, 7);
        assert_true(e.id.nonce == 0x0123456789abcdef);
        assert_true(pgw_str_eq_z(e.keys, "\001a\001b"));
        assert_int_equal(e.key_count, 2);
        assert_true(pgw_str_eq_z(e.reason, "why"));
        assert_true(pgw_str_eq_z(e.request_id, "id"));
        assert_true(pgw_str_eq_z(e.traceparent, "tp"));

        reply = parse(PGW_STR("*2\r\n" ID "*6\r\n" KEYS NONCE VERSION));
        assert_int_equal(pgw_entry_read(reply, PGW_LANE_HIGH, &e, &has_nonce), PGW_OK);
        assert_int_equal(e.reason.n, 0);
        assert_int_equal(e.request_id.n, 0);
}

static void ignores_fields_it_does_not_know(void **state)
{
        struct pgw_entry e;
        bool has_nonce;

        (void)state;
        /* Names that only begin like ours, a value that is an array, a name that is one, and
         * a name without its value. */
        const struct pgw_reply *reply =
            parse(PGW_STR("*2\r\n" ID "*13\r\n$2\r\nkk\r\n$1\r\nx\r\n*1\r\n$1\r\nk\r\n$1\r\ny\r\n"
                          "$1\r\nz\r\n*2\r\n:1\r\n*0\r\n" VERSION NONCE KEYS "$1\r\nk\r\n"));
        assert_int_equal(pgw_entry_read(reply, PGW_LANE_HIGH, &e, &has_nonce), PGW_OK);
        assert_int_equal(e.key_count, 2);
}

/* A reader of version 1 must not take the keys for all that was asked. */
static void reads_patterns_in_version_2(void **state)
{
        struct pgw_entry e;
        bool has_nonce;

        (void)state;
        const struct pgw_reply *reply =
            parse(PGW_STR("*2\r\n" ID "*8\r\n" VERSION_2 NONCE KEYS PATTERNS));
        assert_int_equal(pgw_entry_read(reply, PGW_LANE_LOW, &e, &has_nonce), PGW_OK);
        assert_int_equal(e.key_count, 2);
        assert_int_equal(e.pattern_count, 1);
        assert_true(pgw_str_eq_z(e.patterns, "\003us*"));
        assert_true(pgw_entry_takes_long(pgw_reply_at(reply, 1)));

        reply = parse(PGW_STR("*2\r\n" ID "*6\r\n" VERSION_2 NONCE PATTERNS));
        assert_int_equal(pgw_entry_read(reply, PGW_LANE_LOW, &e, &has_nonce), PGW_OK);
        assert_int_equal(e.key_count, 0);
        assert_int_equal(e.pattern_count, 1);

        reply = parse(PGW_STR("*2\r\n" ID "*8\r\n" VERSION NONCE KEYS PATTERNS));
        assert_int_equal(pgw_entry_read(reply, PGW_LANE_LOW, &e, &has_nonce), PGW_OK);
        assert_int_equal(e.pattern_count, 0);
        assert_false(pgw_entry_takes_long(parse(PGW_STR("*2\r\n" KEYS))));
        assert_false(pgw_entry_takes_long(NULL));
}

/* Unreadable, but with an id and a nonce that a result can be written for. */
static void keeps_the_name_of_what_it_cannot_read(void **state)
{
        static const char *const bodies[] = {
            "*2\r\n" ID "*2\r\n" NONCE,
            "*2\r\n" ID "*4\r\n" NONCE VERSION,
            "*2\r\n" ID "*4\r\n" NONCE KEYS,
            "*2\r\n" ID "*6\r\n" NONCE KEYS "$1\r\nv\r\n$1\r\n3\r\n",
            "*2\r\n" ID "*4\r\n" NONCE VERSION_2,
            "*2\r\n" ID "*6\r\n" NONCE VERSION PATTERNS,
            "*2\r\n" ID "*6\r\n" NONCE VERSION_2 "$1\r\np\r\n$2\r\n\002a\r\n",
            "*2\r\n" ID "*6\r\n" NONCE KEYS "$1\r\nv\r\n$2\r\n11\r\n",
            "*2\r\n" ID "*6\r\n" NONCE VERSION "$1\r\nk\r\n$2\r\n\002a\r\n",
            "*2\r\n" ID "*6\r\n" NONCE VERSION "$1\r\nk\r\n$0\r\n\r\n",
            "*2\r\n" ID "*6\r\n" NONCE VERSION "$1\r\nk\r\n$-1\r\n",
            "*2\r\n" ID "*6\r\n" NONCE VERSION "$1\r\nk\r\n:5\r\n",
            "*2\r\n" ID "*5\r\n" NONCE VERSION "$1\r\nk\r\n",
        };

        (void)state;
        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
                struct pgw_entry e;
                bool has_nonce = false;
                assert_int_equal(
                    pgw_entry_read(parse(pgw_str_z(bodies[i])), PGW_LANE_NORMAL, &e, &has_nonce),
                    PGW_E_CODEC);
                assert_true(has_nonce);
                assert_int_equal(e.id.lane, PGW_LANE_NORMAL);
                assert_int_equal(e.id.entry.ms, 5);
                assert_int_equal(e.id.entry.seq, 7);
                assert_true(e.id.nonce == 0x0123456789abcdef);
        }
}

/* It was put off before: its entry says under which name. */
static void keeps_the_job_of_a_later_version(void **state)
{
        static const char text[] = "EAAAAaICIXjoAAAAAFHkadk1M7SS";
        struct pgw_entry e;
        char name[PGW_JOB_ID_SIZE];
        bool has_nonce;

        (void)state;
        const struct pgw_reply *reply =
            parse(PGW_STR("*2\r\n" ID "*8\r\n" NONCE KEYS "$1\r\nv\r\n$1\r\n3\r\n"
                          "$1\r\nj\r\n$28\r\nEAAAAaICIXjoAAAAAFHkadk1M7SS\r\n"));
        assert_int_equal(pgw_entry_read(reply, PGW_LANE_LOW, &e, &has_nonce), PGW_E_CODEC);
        assert_true(has_nonce && e.has_job);
        pgw_job_id_text(&e.job, name);
        assert_memory_equal(name, text, sizeof name);
}

static void reads_spans_of_up_to_a_hundred_years(void **state)
{
        static const struct {
                const char *body;
                enum pgw_err err;
        } cases[] = {
            {"*2\r\n" ID "*8\r\n" NONCE VERSION KEYS "$1\r\ns\r\n$13\r\n3162240000000\r\n", PGW_OK},
            {"*2\r\n" ID "*8\r\n" NONCE VERSION KEYS "$1\r\nh\r\n$13\r\n3162240000000\r\n", PGW_OK},
            {"*2\r\n" ID "*8\r\n" NONCE VERSION KEYS "$1\r\ns\r\n$13\r\n3162240000001\r\n",
             PGW_E_CODEC},
            {"*2\r\n" ID "*8\r\n" NONCE VERSION KEYS "$1\r\nh\r\n$16\r\n9007199254740991\r\n",
             PGW_E_CODEC},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct pgw_entry e;
                bool has_nonce;
                assert_int_equal(pgw_entry_read(parse(pgw_str_z(cases[i].body)), PGW_LANE_NORMAL,
                                                &e, &has_nonce),
                                 cases[i].err);
        }
}

static void says_when_there_is_no_nonce(void **state)
{
        static const char *const bodies[] = {
            "*2\r\n" ID "*0\r\n",
            "*2\r\n" ID "*-1\r\n",
            "*2\r\n" ID "$-1\r\n",
            "*2\r\n" ID "$1\r\nn\r\n",
            "*1\r\n" ID,
            "*2\r\n" ID "*4\r\n" VERSION KEYS,
            "*2\r\n" ID "*6\r\n" VERSION KEYS "$1\r\nn\r\n$16\r\n0123456789abcdeX\r\n",
            "*2\r\n" ID "*6\r\n" VERSION KEYS "$1\r\nn\r\n$-1\r\n",
        };

        (void)state;
        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
                struct pgw_entry e;
                bool has_nonce = true;
                assert_int_equal(
                    pgw_entry_read(parse(pgw_str_z(bodies[i])), PGW_LANE_HIGH, &e, &has_nonce),
                    PGW_E_CODEC);
                assert_false(has_nonce);
                assert_int_equal(e.id.entry.ms, 5);
        }
}

static void refuses_what_is_no_entry(void **state)
{
        static const char *const replies[] = {":1\r\n",
                                              "$-1\r\n",
                                              "*-1\r\n",
                                              "*0\r\n",
                                              "+OK\r\n",
                                              "*2\r\n$1\r\nx\r\n*6\r\n" VERSION NONCE KEYS,
                                              "*2\r\n:5\r\n*6\r\n" VERSION NONCE KEYS};

        (void)state;
        for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
                struct pgw_entry e;
                bool has_nonce = true;
                assert_int_equal(
                    pgw_entry_read(parse(pgw_str_z(replies[i])), PGW_LANE_HIGH, &e, &has_nonce),
                    PGW_E_CODEC);
                assert_false(has_nonce);
        }
}

static void finds_the_nonce_alone(void **state)
{
        static const char *const bad[] = {"*0\r\n",         "*-1\r\n",
                                          ":1\r\n",         "*1\r\n$1\r\nn\r\n",
                                          "*2\r\n" VERSION, "*2\r\n$1\r\nn\r\n$1\r\n0\r\n"};
        uint64_t nonce = 0;

        (void)state;
        assert_int_equal(pgw_entry_nonce(parse(PGW_STR("*4\r\n" KEYS NONCE)), &nonce), PGW_OK);
        assert_true(nonce == 0x0123456789abcdef);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_entry_nonce(parse(pgw_str_z(bad[i])), &nonce), PGW_E_CODEC);
        assert_int_equal(pgw_entry_nonce(NULL, &nonce), PGW_E_CODEC);
        assert_true(nonce == 0x0123456789abcdef);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_a_whole_entry),
            cmocka_unit_test(ignores_fields_it_does_not_know),
            cmocka_unit_test(reads_patterns_in_version_2),
            cmocka_unit_test(keeps_the_name_of_what_it_cannot_read),
            cmocka_unit_test(keeps_the_job_of_a_later_version),
            cmocka_unit_test(reads_spans_of_up_to_a_hundred_years),
            cmocka_unit_test(says_when_there_is_no_nonce),
            cmocka_unit_test(refuses_what_is_no_entry),
            cmocka_unit_test(finds_the_nonce_alone),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
