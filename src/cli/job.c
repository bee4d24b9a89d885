/* Following a job with long polls: the gateway holds an answer back for at most 30 s,
 * so a longer wait asks several times. A failure in between ends nothing before the time is up: the
 * job goes on without the gateway, which may be back before.
 */
#include "cli/job.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/say.h"

#define POLL_WAIT_S_MAX 30
#define POLL_PAUSE_MS   100
#define PAUSE_DOUBLINGS 5
#define HTTP_LIMITED    429

bool pgw_cli_job_id_is_plain(const char *job_id)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789-_.~";
        const size_t n = strlen(job_id);

        return n > 0 && n <= PGW_CLI_JOB_ID_SIZE_MAX && strspn(job_id, plain) == n &&
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

static bool is_job(const json_t *body)
{
        return pgw_cli_job_id_is_plain(pgw_cli_text(body, "job_id"));
}

int pgw_cli_job_ask(const struct pgw_cli_verb *verb, struct pgw_cli_gateway *gateway,
                    const struct pgw_cli_request *request, struct pgw_cli_answer *ret_answer)
{
        const int status = pgw_cli_verb_ask(verb, gateway, request, ret_answer);

        if (status || is_job(ret_answer->body))
                return status;
        return pgw_cli_verb_refuse(verb, request, ret_answer);
}

/* What came of asking once. */
struct poll {
        enum { OVER, NOT_OVER, FAILED, FAILED_FOR_GOOD } outcome;
        int status; /* for the exit, after a failure */
        uint64_t retry_after_ms;
        char reason[PGW_CLI_LINE_SIZE];
};

static void poll_job(struct pgw_cli_gateway *gateway, const struct pgw_cli_request *request,
                     struct poll *poll, json_t **ret_job)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_cli_answer answer;
        const enum pgw_err err = pgw_cli_gateway_ask(gateway, request, &answer, &fault);

        poll->retry_after_ms = 0;
        if (err) {
                poll->outcome = err == PGW_E_INVALID ? FAILED_FOR_GOOD : FAILED;
                poll->status = PGW_EXIT_UNAVAILABLE;
                snprintf(poll->reason, sizeof poll->reason, "%s", fault.detail);
                return;
        }
        if (answer.status / 100 == 2 && is_job(answer.body)) {
                poll->outcome = pgw_cli_job_is_over(answer.body) ? OVER : NOT_OVER;
                *ret_job = answer.body;
                return;
        }
        poll->outcome =
            answer.status == HTTP_LIMITED || answer.status / 100 == 5 ? FAILED : FAILED_FOR_GOOD;
        poll->status = pgw_cli_problem_exit(&answer);
        poll->retry_after_ms = answer.retry_after_s * UINT64_C(1000);
        pgw_cli_problem_line(&answer, poll->reason, sizeof poll->reason);
        json_decref(answer.body);
}

/* A gateway that answers at once all the same is not asked in a spin; one that fails, less and less
 * often, or when it says. */
static uint64_t pause_ms_after(const struct poll *poll, unsigned failures)
{
        if (poll->retry_after_ms)
                return poll->retry_after_ms;
        return (uint64_t)POLL_PAUSE_MS << (failures < PAUSE_DOUBLINGS ? failures : PAUSE_DOUBLINGS);
}

static uint64_t left_ms_until(uint64_t deadline_ms)
{
        const uint64_t now_ms = pgw_mono_ms();

        return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

/* Ask again and again; false when it could not be found out, and *poll says why. */
static bool follow(struct pgw_cli_gateway *gateway, const char *job_id, uint64_t deadline_ms,
                   struct poll *poll, json_t **ret_job)
{
        char path[PGW_CLI_JOB_PATH_SIZE];
        struct pgw_cli_request request = {.method = "GET", .path = path};

        snprintf(path, sizeof path, "/v1/jobs/%s", job_id);
        for (unsigned failures = 0;;) {
                const uint64_t left_s = (left_ms_until(deadline_ms) + 999) / 1000;
                json_t *job = NULL;

                request.wait_s = left_s < POLL_WAIT_S_MAX ? (uint32_t)left_s : POLL_WAIT_S_MAX;
                poll_job(gateway, &request, poll, &job);
                const uint64_t left_ms = left_ms_until(deadline_ms);
                failures = job ? 0 : failures + 1;
                const uint64_t pause_ms = pause_ms_after(poll, failures);
                const bool is_last = left_ms == 0 || poll->retry_after_ms > left_ms ||
                                     poll->outcome == OVER || poll->outcome == FAILED_FOR_GOOD ||
                                     pgw_cli_is_interrupted();
                if (is_last) {
                        *ret_job = job;
                        return job != NULL;
                }
                json_decref(job);
                pgw_cli_pause(pause_ms < left_ms ? pause_ms : left_ms);
        }
}

int pgw_cli_job_follow(const struct pgw_cli_verb *verb, struct pgw_cli_gateway *gateway,
                       const char *job_id, uint64_t deadline_ms, json_t **ret_job)
{
        struct poll poll;

        PGW_ASSERT(pgw_cli_job_id_is_plain(job_id));
        *ret_job = NULL;
        const bool is_found = follow(gateway, job_id, deadline_ms, &poll, ret_job);
        if (is_found && (poll.outcome == OVER || !pgw_cli_is_interrupted()))
                return PGW_EXIT_OK;
        json_decref(*ret_job);
        *ret_job = NULL;
        if (pgw_cli_is_interrupted()) {
                pgw_cli_job_abandon(verb, job_id);
                return PGW_EXIT_INTERRUPTED;
        }
        if (deadline_ms && poll.outcome == FAILED)
                pgw_cli_say_error(verb->name, "job %s: could not ask whether it has ended: %s",
                                  job_id, poll.reason);
        else
                pgw_cli_say_error(verb->name, "%s: %s", job_id, poll.reason);
        return poll.status;
}

void pgw_cli_job_abandon(const struct pgw_cli_verb *verb, const char *job_id)
{
        pgw_cli_say_error(verb->name, "interrupted; job %s is waited for no more", job_id);
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
