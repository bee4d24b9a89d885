/* `purgeway status JOB_ID`: one job, as lines for people or as the gateway's JSON. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/job.h"
#include "cli/say.h"

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
            "within --wait, 2 usage, 69 no gateway or it cannot serve now, 130 interrupted while\n"
            "it waited\n",
};

static void begin_line(const char *name)
{
        printf("%-15s ", name);
}

static void print_line(const char *name, const char *value)
{
        if (!*value)
                return;
        begin_line(name);
        putchar(' ');
        pgw_cli_print_clean(stdout, value);
        putchar('\n');
}

static void print_times(const char *name, const json_t *times)
{
        const json_t *time;
        size_t i;

        if (json_array_size(times) == 0)
                return;
        begin_line(name);
        json_array_foreach(times, i, time)
        {
                putchar(' ');
                pgw_cli_print_clean(stdout, json_is_string(time) ? json_string_value(time) : "?");
        }
        putchar('\n');
}

static void print_progress(const json_t *progress)
{
        char line[96];

        if (!progress)
                return;
        snprintf(line, sizeof line, "%.20s %%, matched %.20s, removed %.20s",
                 pgw_cli_text(progress, "percent"), pgw_cli_text(progress, "matched"),
                 pgw_cli_text(progress, "removed"));
        print_line("progress", line);
}

static void print_job(const json_t *job)
{
        static const char *const fields[] = {"job_id",      "status",        "priority",
                                             "accepted_at", "scheduled_for", "started_at",
                                             "finished_at", "attempts",      "next_attempt_at"};
        static const char *const counts[] = {"requested", "matched", "removed", "missing"};
        const json_t *result = json_object_get(job, "result");

        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
                print_line(fields[i], pgw_cli_text(job, fields[i]));
        print_progress(json_object_get(job, "progress"));
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
                print_line(counts[i], pgw_cli_text(result, counts[i]));
        print_times("rebounds_at", json_object_get(job, "rebounds_at"));
}

/* Ask that the job be repeated no more; *ret_job is the job as it is now. */
static int cancel_rebounds(struct pgw_cli_gateway *gateway, const char *id, json_t **ret_job)
{
        char path[PGW_CLI_JOB_PATH_SIZE];
        const struct pgw_cli_request request = {.method = "DELETE", .path = path};
        struct pgw_cli_answer answer;

        snprintf(path, sizeof path, "/v1/jobs/%s/rebounds", id);
        const int status = pgw_cli_job_ask(&verb, gateway, &request, &answer);
        *ret_job = answer.body;
        return status;
}

static int find(struct pgw_cli_gateway *gateway, const struct pgw_cli_args *args, json_t **ret_job)
{
        const char *id = args->operands[0];
        const uint64_t deadline_ms =
            args->wait_s ? pgw_mono_ms() + args->wait_s * UINT64_C(1000) : 0;

        if (args->cancel_rebounds) {
                const int status = cancel_rebounds(gateway, id, ret_job);
                if (status || !args->wait_s)
                        return status;
                json_decref(*ret_job);
        }
        return pgw_cli_job_follow(&verb, gateway, id, deadline_ms, ret_job);
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
                if (args.wait_s)
                        pgw_cli_interrupt_start();
                status = find(gateway, &args, &job);
                if (args.wait_s)
                        pgw_cli_interrupt_stop();
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
