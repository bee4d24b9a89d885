/* A job in the words of the interface, to the byte, and the tag that tells its states apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "http/job_json.h"

/* 2026-11-20T22:37:00.123Z */
#define ACCEPTED_MS UINT64_C(1795214220123)
#define ID          "EAAAAaH7GxtbAAAABwAAAAAAAAAq"
#define HEAD(state)                                                                                \
        "{\"job_id\":\"" ID "\",\"status\":\"" state "\",\"priority\":\"high\","                   \
        "\"accepted_at\":\"2026-11-20T22:37:00.123Z\""
#define TAIL "}\n"

static struct pgw_job job_of(enum pgw_job_state state)
{
        return (struct pgw_job){
            .id = {.lane = PGW_LANE_HIGH, .entry = {.ms = ACCEPTED_MS, .seq = 7}, .nonce = 42},
            .state = state,
        };
}

/* The text of a job whose target is called "main", and that it is JSON. */
static void says(const struct pgw_job *job, const char *target, const char *expected)
{
        struct pgw_buf out;
        json_t *value = NULL;

        pgw_buf_init(&out, 10000);
        assert_int_equal(pgw_job_json(&out, job, target), PGW_OK);
        if (out.n != strlen(expected) || memcmp(out.p, expected, out.n) != 0)
                fail_msg("%.*s\nis not\n%s", (int)out.n, out.p, expected);
        assert_int_equal(pgw_json_parse(out.p, out.n, NULL, &value), PGW_OK);
        json_decref(value);
        pgw_buf_fini(&out);
}

static void says_that_a_job_waits(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_QUEUED);

        (void)state;
        says(&job, "main", HEAD("queued") ",\"attempts\":0" TAIL);
}

static void says_that_a_job_runs(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_RUNNING);

        (void)state;
        job.attempts = 2;
        says(&job, "main", HEAD("running") ",\"attempts\":2" TAIL);
        job.started_ms = ACCEPTED_MS + 877;
        says(&job, "main",
             HEAD("running") ",\"started_at\":\"2026-11-20T22:37:01.000Z\",\"attempts\":2" TAIL);
        /* What is counted so far is no result. */
        job.requested = 5;
        job.removed = 3;
        says(&job, "main",
             HEAD("running") ",\"started_at\":\"2026-11-20T22:37:01.000Z\",\"attempts\":2" TAIL);
}

static void says_how_far_a_sweep_has_come(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_RUNNING);

        (void)state;
        job.attempts = 1;
        job.sweeps = true;
        job.progress = (struct pgw_progress){.percent = 50, .matched = 12, .removed = INT64_MAX};
        says(&job, "main",
             HEAD("running") ",\"attempts\":1,\"progress\":{\"percent\":50,\"matched\":12,"
                             "\"removed\":9223372036854775807}" TAIL);
}

static void says_what_a_job_has_done(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_SUCCEEDED);

        (void)state;
        job.attempts = 1;
        job.started_ms = ACCEPTED_MS + 1;
        job.finished_ms = ACCEPTED_MS + 2;
        job.requested = 5;
        job.matched = 4;
        job.removed = 3;
        job.missing = 2;
        says(&job, "main",
             HEAD("succeeded") ",\"started_at\":\"2026-11-20T22:37:00.124Z\","
                               "\"finished_at\":\"2026-11-20T22:37:00.125Z\",\"attempts\":1,"
                               "\"result\":{\"requested\":5,\"matched\":4,\"removed\":3,"
                               "\"missing\":2,\"targets\":[{\"target\":\"main\","
                               "\"status\":\"succeeded\",\"requested\":5,\"removed\":3,"
                               "\"missing\":2}]}" TAIL);
}

#define NOTHING(state, more)                                                                       \
        ",\"result\":{\"requested\":0,\"matched\":0,\"removed\":0,\"missing\":0,\"targets\":"      \
        "[{\"target\":\"main\",\"status\":\"" state                                                \
        "\",\"requested\":0,\"removed\":0,\"missing\":0" more "}]}"

static void says_why_a_job_failed(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_FAILED);

        (void)state;
        job.attempts = 3;
        job.finished_ms = ACCEPTED_MS + 2;
        job.error = PGW_E_REDIS_OOM;
        says(
            &job, "main",
            HEAD("failed") ",\"finished_at\":\"2026-11-20T22:37:00.125Z\",\"attempts\":3" NOTHING(
                "failed",
                ",\"code\":\"store_out_of_memory\"") ",\"error\":{\"code\":\"store_out_of_memory\","
                                                     "\"detail\":\"The store is out of "
                                                     "memory.\"}" TAIL);
}

/* Counted from the end of its first pass. */
static void says_when_a_job_is_repeated(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_SUCCEEDED);

        (void)state;
        job.rebounds = (struct pgw_rebounds){.at_ms = {1000, 3000}, .count = 2};
        says(&job, "main", HEAD("succeeded") ",\"attempts\":0" NOTHING("succeeded", "") TAIL);
        job.finished_ms = ACCEPTED_MS + 2;
        says(&job, "main",
             HEAD("succeeded") ",\"finished_at\":\"2026-11-20T22:37:00.125Z\",\"attempts\":"
                               "0" NOTHING("succeeded",
                                           "") ",\"rebounds_at\":[\"2026-11-20T22:37:01.125Z\","
                                               "\"2026-11-20T22:37:03.125Z\"]" TAIL);
}

/* Every code that a client can meet: lower-case words, in text that is JSON. */
static void names_every_error_in_one_form(void **state)
{
        (void)state;
        for (unsigned i = 1; i < PGW_ERR_COUNT; i++) {
                struct pgw_job job = job_of(PGW_JOB_FAILED);
                struct pgw_buf out;
                json_t *value = NULL;

                job.error = (enum pgw_err)i;
                pgw_buf_init(&out, 10000);
                assert_int_equal(pgw_job_json(&out, &job, "main"), PGW_OK);
                assert_int_equal(pgw_json_parse(out.p, out.n, NULL, &value), PGW_OK);
                const json_t *error = json_object_get(value, "error");
                const char *code = json_string_value(json_object_get(error, "code"));
                assert_non_null(code);
                assert_int_equal(strlen(code), strlen(pgw_err_slug(job.error)));
                assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz_"), strlen(code));
                assert_string_equal(json_string_value(json_object_get(error, "detail")),
                                    pgw_err_title(job.error));
                json_decref(value);
                pgw_buf_fini(&out);
        }
}

/* A job that ended has a result, whatever its end; no other has. */
static void gives_a_result_to_what_has_ended(void **state)
{
        (void)state;
        for (unsigned i = 0; i < PGW_JOB_STATE_COUNT; i++) {
                struct pgw_job job = job_of((enum pgw_job_state)i);
                struct pgw_buf out;
                json_t *value = NULL;

                pgw_buf_init(&out, 10000);
                assert_int_equal(pgw_job_json(&out, &job, "main"), PGW_OK);
                assert_int_equal(pgw_json_parse(out.p, out.n, NULL, &value), PGW_OK);
                assert_int_equal(json_object_get(value, "result") != NULL,
                                 pgw_job_state_is_terminal(job.state));
                assert_null(json_object_get(value, "error"));
                assert_null(json_object_get(value, "progress"));
                assert_null(json_object_get(value, "started_at"));
                assert_null(json_object_get(value, "finished_at"));
                json_decref(value);
                pgw_buf_fini(&out);
        }
}

static void says_the_lane(void **state)
{
        static const char *const names[] = {"high", "normal", "low"};

        (void)state;
        assert_int_equal(PGW_LANE_COUNT, 3);
        for (unsigned i = 0; i < 3; i++) {
                struct pgw_job job = job_of(PGW_JOB_QUEUED);
                char id[PGW_JOB_ID_SIZE + 1] = "", expected[400];

                job.id.lane = (enum pgw_lane)i;
                pgw_job_id_text(&job.id, id);
                snprintf(expected, sizeof expected,
                         "{\"job_id\":\"%s\",\"status\":\"queued\",\"priority\":\"%s\","
                         "\"accepted_at\":\"2026-11-20T22:37:00.123Z\",\"attempts\":0}\n",
                         id, names[i]);
                says(&job, "main", expected);
        }
}

static void escapes_the_name_of_the_target(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_CANCELLED);

        (void)state;
        says(&job, "a\"b\\c\n",
             HEAD("cancelled") ",\"attempts\":0,\"result\":{\"requested\":0,\"matched\":0,"
                               "\"removed\":0,\"missing\":0,\"targets\":[{\"target\":"
                               "\"a\\\"b\\\\c\\n\",\"status\":\"cancelled\",\"requested\":0,"
                               "\"removed\":0,\"missing\":0}]}" TAIL);
}

static void stops_at_the_ceiling(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_FAILED);
        struct pgw_buf out;

        (void)state;
        job.attempts = UINT64_MAX;
        job.started_ms = job.finished_ms = ACCEPTED_MS;
        job.error = PGW_E_INTERNAL;
        job.sweeps = true;
        pgw_buf_init(&out, 10000);
        assert_int_equal(pgw_job_json(&out, &job, "main"), PGW_OK);
        const size_t size = out.n;
        pgw_buf_fini(&out);
        for (size_t max = 0; max <= size; max++) {
                pgw_buf_init(&out, max);
                assert_int_equal(pgw_job_json(&out, &job, "main"),
                                 max < size ? PGW_E_TOO_LARGE : PGW_OK);
                pgw_buf_fini(&out);
        }
}

static void adds_to_what_is_there(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_QUEUED);
        struct pgw_buf out;

        (void)state;
        pgw_buf_init(&out, 10000);
        assert_int_equal(pgw_buf_add(&out, "before", 6), PGW_OK);
        assert_int_equal(pgw_job_json(&out, &job, "main"), PGW_OK);
        assert_memory_equal(out.p, "before{", 7);
        pgw_buf_fini(&out);
}

/* ---- the tag ---- */

/* A quoted text of RFC 9110 section 8.8.3, the same for the same job. */
static void tag(const struct pgw_job *job, char out[PGW_ETAG_SIZE])
{
        char again[PGW_ETAG_SIZE];

        memset(out, 'x', PGW_ETAG_SIZE);
        pgw_job_etag(job, out);
        pgw_job_etag(job, again);
        assert_non_null(memchr(out, '\0', PGW_ETAG_SIZE));
        assert_string_equal(out, again);
        const size_t n = strlen(out);
        assert_true(n > 2 && out[0] == '"' && out[n - 1] == '"');
        for (size_t i = 1; i < n - 1; i++)
                assert_true(out[i] > ' ' && out[i] < 0x7f && out[i] != '"');
}

static void differ(const struct pgw_job *a, const struct pgw_job *b)
{
        char one[PGW_ETAG_SIZE], other[PGW_ETAG_SIZE];

        tag(a, one);
        tag(b, other);
        assert_string_not_equal(one, other);
}

static void tags_differ_when_there_is_news(void **state)
{
        struct pgw_job before = job_of(PGW_JOB_RUNNING), after = before;

        (void)state;
        before.attempts = after.attempts = 1;
        after.attempts = 2;
        differ(&before, &after);
        after = before;
        after.finished_ms = ACCEPTED_MS;
        differ(&before, &after);
        before = after;
        after.finished_ms++;
        differ(&before, &after);
        for (unsigned i = 0; i < PGW_JOB_STATE_COUNT; i++)
                for (unsigned k = 0; k < i; k++) {
                        before = job_of((enum pgw_job_state)i);
                        after = job_of((enum pgw_job_state)k);
                        differ(&before, &after);
                }
}

static void tags_differ_when_a_sweep_has_moved(void **state)
{
        struct pgw_job before = job_of(PGW_JOB_RUNNING), after;

        (void)state;
        before.sweeps = true;
        before.progress.percent = 5;
        after = before;
        after.progress.percent = 6;
        differ(&before, &after);
        after = before;
        after.progress.matched = after.progress.removed = 7;
        differ(&before, &after);
}

static void tags_fit_whatever_the_numbers(void **state)
{
        struct pgw_job job = job_of(PGW_JOB_SUCCEEDED);
        char text[PGW_ETAG_SIZE];

        (void)state;
        for (unsigned i = 0; i < PGW_JOB_STATE_COUNT; i++) {
                job.state = (enum pgw_job_state)i;
                job.attempts = job.finished_ms = job.progress.matched = UINT64_MAX;
                tag(&job, text);
                job.sweeps = !job.sweeps;
                tag(&job, text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(says_that_a_job_waits),
            cmocka_unit_test(says_that_a_job_runs),
            cmocka_unit_test(says_how_far_a_sweep_has_come),
            cmocka_unit_test(says_what_a_job_has_done),
            cmocka_unit_test(says_why_a_job_failed),
            cmocka_unit_test(says_when_a_job_is_repeated),
            cmocka_unit_test(names_every_error_in_one_form),
            cmocka_unit_test(gives_a_result_to_what_has_ended),
            cmocka_unit_test(says_the_lane),
            cmocka_unit_test(escapes_the_name_of_the_target),
            cmocka_unit_test(stops_at_the_ceiling),
            cmocka_unit_test(adds_to_what_is_there),
            cmocka_unit_test(tags_differ_when_there_is_news),
            cmocka_unit_test(tags_differ_when_a_sweep_has_moved),
            cmocka_unit_test(tags_fit_whatever_the_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
