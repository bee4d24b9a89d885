/* Following a job with long polls: the gateway holds an answer back for at most 30 s,
 * so a longer wait asks several times.
 */
#include "cli/job.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/say.h"

#define POLL_WAIT_S_MAX 30
#define POLL_PAUSE_MS   100
#define JOB_ID_SIZE_MAX 200
#define HTTP_OK         200

bool pgw_cli_job_id_is_plain(const char *job_id)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789-_.~";
        const size_t n = strlen(job_id);

        return n > 0 && n <= JOB_ID_SIZE_MAX && strspn(job_id, plain) == n &&
               strcmp(job_id, ".") != 0 && strcmp(job_id, "..") != 0;
}

bool pgw_cli_job_is_over(const json_t *job)
{
        static const char *const ends[] = {"succeeded", "failed", "dead", "cancelled"};
        const char *status = pgw_cli_text(job, "status");

        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
                if (strcmp(status, ends[i]) == 0)
                        return true;
        return false;
}

static int ask_once(struct pgw_cli_gateway *gateway, const char *verb,
                    const struct pgw_cli_request *request, json_t **ret_job)
{
        struct pgw_fault fault = {"", ""};
        json_t *body = NULL;
        int status = 0, result = PGW_EXIT_OK;

        if (pgw_cli_gateway_ask(gateway, request, &status, &body, &fault)) {
                pgw_cli_say_error(verb, "%s", fault.detail);
                return PGW_EXIT_UNAVAILABLE;
        }
        if (status != HTTP_OK || !json_is_object(body)) {
                result = pgw_cli_say_problem(verb, status, body);
                json_decref(body);
                return result;
        }
        *ret_job = body;
        return PGW_EXIT_OK;
}

int pgw_cli_job_follow(struct pgw_cli_gateway *gateway, const char *verb, const char *job_id,
                       uint64_t deadline_ms, json_t **ret_job)
{
        char path[JOB_ID_SIZE_MAX + 32];
        struct pgw_cli_request request = {.method = "GET", .path = path};

        PGW_ASSERT(pgw_cli_job_id_is_plain(job_id));
        snprintf(path, sizeof path, "/v1/jobs/%s", job_id);
        for (;;) {
                const uint64_t now_ms = pgw_mono_ms();
                const uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
                const uint64_t left_s = (left_ms + 999) / 1000;
                json_t *job = NULL;

                request.wait_s = left_s < POLL_WAIT_S_MAX ? (uint32_t)left_s : POLL_WAIT_S_MAX;
                const int result = ask_once(gateway, verb, &request, &job);
                if (result != PGW_EXIT_OK)
                        return result;
                if (pgw_cli_job_is_over(job) || pgw_mono_ms() >= deadline_ms) {
                        *ret_job = job;
                        return PGW_EXIT_OK;
                }
                json_decref(job);
                /* A gateway that answers at once all the same is not asked in a spin. */
                nanosleep(&(struct timespec){.tv_nsec = POLL_PAUSE_MS * 1000000L}, NULL);
        }
}

int pgw_cli_job_verdict(const char *verb, const json_t *job, uint32_t waited_s)
{
        const char *id = pgw_cli_text(job, "job_id"), *status = pgw_cli_text(job, "status");
        const json_t *error = json_object_get(job, "error");

        if (strcmp(status, "succeeded") == 0)
                return PGW_EXIT_OK;
        if (!pgw_cli_job_is_over(job)) {
                if (!waited_s)
                        return PGW_EXIT_OK;
                pgw_cli_say_error(verb, "job %s has not ended within %u s (%s)", id, waited_s,
                                  status);
                return PGW_EXIT_FAILED;
        }
        const char *code = pgw_cli_text(error, "code"), *detail = pgw_cli_text(error, "detail");
        pgw_cli_say_error(verb, "job %s: %s%s%s%s%s", id, status, *code ? ": " : "", code,
                          *detail ? ": " : "", detail);
        return PGW_EXIT_FAILED;
}
