/* `purgeway cancel JOB_ID...`: jobs are not to be done. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/job.h"
#include "cli/say.h"

#define HTTP_ACCEPTED 202

static const struct pgw_cli_verb verb = {
    .name = "cancel",
    .help = "usage: purgeway cancel JOB_ID... [options]\n"
            "\n"
            "Take jobs out of the queue, or stop those that are being done. What they removed by\n"
            "then stays removed; a job that has ended cannot be cancelled.\n"
            "\n"
            "  --json         print the job objects\n"
            "  --url URL      the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
            "  --cacert FILE  trust the authorities in FILE (PEM) for https\n"
            "\n"
            "exit status: 0 cancelled, 1 too late, unknown or not stopped yet, 2 usage,\n"
            "69 no gateway or it cannot serve now\n",
};

static int cancel(struct pgw_cli_gateway *gateway, const char *id, bool as_json)
{
        char path[PGW_CLI_JOB_PATH_SIZE];
        const struct pgw_cli_request request = {.method = "POST", .path = path, .about = id};
        struct pgw_cli_answer answer;

        snprintf(path, sizeof path, "/v1/jobs/%s/cancel", id);
        int status = pgw_cli_job_ask(&verb, gateway, &request, &answer);
        if (status)
                return status;
        if (as_json) {
                pgw_cli_print_json(stdout, answer.body);
        } else {
                printf("%s ", id);
                pgw_cli_print_clean(stdout, pgw_cli_text(answer.body, "status"));
                putchar('\n');
        }
        if (answer.status == HTTP_ACCEPTED) {
                pgw_cli_say_error(verb.name, "%s: its worker has not stopped yet", id);
                status = PGW_EXIT_FAILED;
        }
        json_decref(answer.body);
        return status;
}

int pgw_cli_cancel(int argc, char *argv[])
{
        struct pgw_cli_args args;
        int status;

        if (!pgw_cli_verb_begin(&verb, argc, argv, &args, &status))
                return status;
        bool is_plain = args.operand_count > 0;
        for (size_t i = 0; i < args.operand_count; i++)
                is_plain = is_plain && pgw_cli_job_id_is_plain(args.operands[i]);
        struct pgw_cli_gateway *gateway = is_plain ? pgw_cli_verb_gateway(&verb, &args) : NULL;
        status = is_plain ? PGW_EXIT_USAGE : pgw_cli_verb_misused(&verb, "give the ids of jobs");
        if (gateway) {
                status = PGW_EXIT_OK;
                for (size_t i = 0; i < args.operand_count; i++) {
                        const int one = cancel(gateway, args.operands[i], args.json);
                        status = one ? one : status;
                }
                status = pgw_cli_verb_end(&verb, status);
        }
        pgw_cli_gateway_close(gateway);
        pgw_cli_args_fini(&args);
        return status;
}
