/* Results as HMGET gives them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/job.h"

static struct pgw_wire *wire;

static const struct pgw_reply *parse(const char *text)
{
        const struct pgw_reply *reply = NULL;
        size_t used;

        assert_int_equal(pgw_wire_read(wire, pgw_str_z(text), &reply, &used), PGW_OK);
        assert_non_null(reply);
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

static void names_every_state(void **state)
{
        static const struct {
                const char *word;
                bool terminal;
        } words[] = {{"scheduled", false}, {"queued", false},   {"running", false},
                     {"retrying", false},  {"succeeded", true}, {"failed", true},
                     {"dead", true},       {"cancelled", true}};

        (void)state;
        assert_int_equal(PGW_JOB_STATE_COUNT, 8);
        for (unsigned i = 0; i < PGW_JOB_STATE_COUNT; i++) {
                enum pgw_job_state found;
                assert_string_equal(pgw_job_state_word((enum pgw_job_state)i), words[i].word);
                assert_int_equal(pgw_job_state_is_terminal((enum pgw_job_state)i),
                                 words[i].terminal);
                assert_int_equal(pgw_job_state_of(pgw_str_z(words[i].word), &found), PGW_OK);
                assert_int_equal(found, i);
        }
}

static void refuses_other_states(void **state)
{
        static const char *const bad[] = {"", "Succeeded", "succeede", "succeededd", " failed"};
        enum pgw_job_state found = PGW_JOB_DEAD;

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_job_state_of(pgw_str_z(bad[i]), &found), PGW_E_CODEC);
        assert_int_equal(found, PGW_JOB_DEAD);
}

static void reads_a_result(void **state)
{
        struct pgw_job job = {.id = {.nonce = 77}};

        (void)state;
        assert_int_equal(pgw_job_read(parse("*13\r\n$9\r\nsucceeded\r\n$1\r\n2\r\n$2\r\n10\r\n"
                                            "$2\r\n20\r\n$1\r\n5\r\n$1\r\n3\r\n$1\r\n2\r\n$-1\r\n$-"
                                            "1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
                                      &job),
                         PGW_OK);
        assert_int_equal(job.id.nonce, 77);
        assert_int_equal(job.state, PGW_JOB_SUCCEEDED);
        assert_int_equal(job.attempts, 2);
        assert_int_equal(job.started_ms, 10);
        assert_int_equal(job.finished_ms, 20);
        assert_int_equal(job.requested, 5);
        assert_int_equal(job.removed, 3);
        assert_int_equal(job.missing, 2);
        assert_int_equal(job.matched, 3); /* of keys as many as were removed */
        assert_int_equal(job.error, PGW_OK);
        assert_int_equal(pgw_job_read(parse("*13\r\n$9\r\nsucceeded\r\n$1\r\n2\r\n$2\r\n10\r\n"
                                            "$2\r\n20\r\n$1\r\n5\r\n$1\r\n3\r\n$1\r\n2\r\n$-1\r\n"
                                            "$1\r\n7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
                                      &job),
                         PGW_OK);
        assert_int_equal(job.matched, 7);
        assert_int_equal(job.rebounds.count, 0);
        assert_int_equal(pgw_job_read(parse("*13\r\n$9\r\nsucceeded\r\n$1\r\n2\r\n$2\r\n10\r\n"
                                            "$2\r\n20\r\n$1\r\n5\r\n$1\r\n3\r\n$1\r\n2\r\n$-1\r\n"
                                            "$-1\r\n$9\r\n1000,3000\r\n$-1\r\n$-1\r\n$-1\r\n"),
                                      &job),
                         PGW_OK);
        assert_int_equal(job.rebounds.count, 2);
}

static void reads_when_it_is_tried_again(void **state)
{
        struct pgw_job job = {.id = {.nonce = 1}};

        (void)state;
        assert_int_equal(pgw_job_read(parse("*13\r\n$8\r\nretrying\r\n$1\r\n2\r\n$2\r\n10\r\n"
                                            "$-1\r\n$1\r\n5\r\n$1\r\n3\r\n$1\r\n2\r\n"
                                            "$13\r\nstore-timeout\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
                                            "$4\r\n1234\r\n"),
                                      &job),
                         PGW_OK);
        assert_int_equal(job.state, PGW_JOB_RETRYING);
        assert_int_equal(job.due_ms, 1234);
        assert_int_equal(job.error, PGW_E_REDIS_TIMEOUT);
}

static void takes_what_is_missing_for_zero(void **state)
{
        struct pgw_job job = {.attempts = 9, .error = PGW_E_CODEC};

        (void)state;
        assert_int_equal(
            pgw_job_read(parse("*13\r\n$7\r\nrunning\r\n$-1\r\n$2\r\n-5\r\n$1\r\nx\r\n"
                               "*0\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
                         &job),
            PGW_OK);
        assert_int_equal(job.state, PGW_JOB_RUNNING);
        assert_int_equal(job.attempts, 0);
        assert_int_equal(job.started_ms, 0);
        assert_int_equal(job.finished_ms, 0);
        assert_int_equal(job.requested, 0);
        assert_int_equal(job.error, PGW_OK);
}

static void reads_errors_by_their_slug(void **state)
{
        struct pgw_job job = {.id = {.nonce = 1}};

        (void)state;
        assert_int_equal(
            pgw_job_read(parse("*13\r\n$6\r\nfailed\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"
                               "$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n$14\r\nunreadable-job\r\n$-1\r\n$-"
                               "1\r\n$-1\r\n$-1\r\n$-1\r\n"),
                         &job),
            PGW_OK);
        assert_int_equal(job.state, PGW_JOB_FAILED);
        assert_int_equal(job.error, PGW_E_CODEC);
        assert_int_equal(
            pgw_job_read(parse("*13\r\n$6\r\nfailed\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n"
                               "$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n$9\r\nof-a-next\r\n$-1\r\n$-1\r\n$"
                               "-1\r\n$-1\r\n$-1\r\n"),
                         &job),
            PGW_OK);
        assert_int_equal(job.error, PGW_E_INTERNAL);
}

static void knows_when_there_is_no_result(void **state)
{
        struct pgw_job job = {.attempts = 9};

        (void)state;
        assert_int_equal(
            pgw_job_read(parse("*13\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
                               "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"),
                         &job),
            PGW_E_NO_JOB);
        assert_int_equal(job.attempts, 9);
}

static void refuses_what_is_not_ours(void **state)
{
        static const char *const bad[] = {
            ":1\r\n",
            "$-1\r\n",
            "*0\r\n",
            "*1\r\n$6\r\nfailed\r\n",
            "*7\r\n$6\r\nfailed\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
            "*14\r\n$6\r\nfailed\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n$-1\r\n$-1\r\n$-1\r\n$-"
            "1\r\n$-1\r\n$-1\r\n$-1\r\n",
            "*13\r\n$6\r\nFAILED\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n$-1\r\n$-1\r\n$-1\r\n$-"
            "1\r\n$-1\r\n$-1\r\n",
            "*13\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-"
            "1\r\n",
            "*13\r\n*0\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-"
            "1\r\n",
        };
        struct pgw_job job = {.attempts = 9};

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_job_read(parse(bad[i]), &job), PGW_E_CODEC);
        assert_int_equal(pgw_job_read(NULL, &job), PGW_E_CODEC);
        assert_int_equal(job.attempts, 9);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(names_every_state),
            cmocka_unit_test(refuses_other_states),
            cmocka_unit_test(reads_a_result),
            cmocka_unit_test(reads_when_it_is_tried_again),
            cmocka_unit_test(takes_what_is_missing_for_zero),
            cmocka_unit_test(reads_errors_by_their_slug),
            cmocka_unit_test(knows_when_there_is_no_result),
            cmocka_unit_test(refuses_what_is_not_ours),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
