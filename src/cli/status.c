/* `purgeway status JOB_ID`: one job, as lines for people or as the gateway's JSON. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/job.h"
#include "cli/say.h"
#include "cli/verb.h"

static const struct pgw_cli_verb verb = {
    .name = "status",
    .takes = PGW_CLI_TAKES_WAIT | PGW_CLI_TAKES_CANCEL,
    .help = "usage: purgeway status JOB_ID [options]\n"
            "\n"
            "Show what became of a job.\n"
            "\n"
            "  --wait N       wait up to N seconds for its end\n"
            "  --cancel-rebounds  do not remove again what the job has removed\n"
            "  --json         print the job object\n"
            "  --url URL      the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
            "  --cacert FILE  trust the authorities in FILE (PEM) for https\n"
            "\n"
            "exit status: 0 succeeded or still on its way, 1 failed, unknown or not ended\n"
            "within --wait, 2 usage, 69 no gateway or it cannot serve now\n",
};

static void print_line(const char *name, const char *value)
{
        if (!*value)
                return;
        printf("%-12s", name);
        pgw_cli_print_clean(stdout, value);
        putchar('\n');
}

static void print_job(const json_t *job)
{
        static const char *const fields[] = {"job_id",      "status",        "priority",
                                             "accepted_at", "scheduled_for", "started_at",
                                             "finished_at", "attempts"};
        static const char *const counts[] = {"requested", "matched", "removed", "missing"};
        const json_t *result = json_object_get(job, "result");

        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
                print_line(fields[i], pgw_cli_text(job, fields[i]));
        print_line("due_at", pgw_cli_text(job, "scheduled_for"));
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
                print_line(counts[i], pgw_cli_text(result, counts[i]));
}

/* Ask that the job be repeated no more; *ret_job is the job as it is now. */
static int cancel_rebounds(struct pgw_cli_gateway *gateway, const char *id, json_t **ret_job)
{
        char path[128];
        const struct pgw_cli_request request = {.method = "DELETE", .path = path};
        struct pgw_fault fault = {"", ""};
        int http_status = 0;

        snprintf(path, sizeof path, "/v1/jobs/%s/rebounds", id);
        if (pgw_cli_gateway_ask(gateway, &request, &http_status, ret_job, &fault)) {
                pgw_cli_say_error(verb.name, "%s", fault.detail);
                return PGW_EXIT_UNAVAILABLE;
        }
        if (http_status == 200)
                return PGW_EXIT_OK;
        const int status = pgw_cli_say_problem(verb.name, http_status, *ret_job);
        json_decref(*ret_job);
        *ret_job = NULL;
        return status;
}

int pgw_cli_status(int argc, char *argv[])
{
        struct pgw_cli_args args;
        json_t *job = NULL;
        int status = PGW_EXIT_USAGE;

        if (!pgw_cli_verb_begin(&verb, argc, argv, &args, &status))
                return status;
        if (args.operand_count != 1 || !pgw_cli_job_id_is_plain(args.operands[0])) {
                pgw_cli_args_fini(&args);
                return pgw_cli_verb_misused(&verb, "give the id of one job");
        }
        struct pgw_cli_gateway *gateway = pgw_cli_verb_gateway(&verb, &args);
        if (gateway) {
                const uint64_t deadline_ms =
                    args.wait_s ? pgw_mono_ms() + args.wait_s * UINT64_C(1000) : 0;
                status = args.cancel_rebounds
                             ? cancel_rebounds(gateway, args.operands[0], &job)
                             : pgw_cli_job_follow(gateway, verb.name, args.operands[0], deadline_ms,
                                                  &job);
                if (job) {
                        if (args.json)
                                pgw_cli_print_json(stdout, job);
                        else
                                print_job(job);
                        status = pgw_cli_job_verdict(verb.name, job, args.wait_s);
                }
                status = pgw_cli_verb_end(&verb, status);
        }
        json_decref(job);
        pgw_cli_gateway_close(gateway);
        pgw_cli_args_fini(&args);
        return status;
}
