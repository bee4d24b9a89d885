/* `purgeway ready`: whether a gateway would take a job now, as an exit status, for supervisors that
 * run a command to ask (the container file's HEALTHCHECK) where there is no shell and no curl. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/say.h"
#include "cli/verb.h"

#define HTTP_OK 200

static const struct pgw_cli_verb verb = {
    .name = "ready",
    .help = "usage: purgeway ready [options]\n"
            "\n"
            "Ask a gateway whether it is ready to take jobs, and if it is not, why.\n"
            "\n"
            "  --json         print its answer\n"
            "  --url URL      the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
            "  --cacert FILE  trust the authorities in FILE (PEM) for https\n"
            "\n"
            "exit status: 0 ready, 2 usage, 69 not ready or not there\n",
};

/* "not ready", and which checks say so. */
static void say_why(const json_t *readiness)
{
        const json_t *checks = json_object_get(readiness, "checks");
        const char *before = ": ";
        struct pgw_buf line;
        json_t *check;
        size_t i;

        pgw_buf_init(&line, PGW_CLI_LINE_SIZE);
        json_array_foreach(checks, i, check)
        {
                if (strcmp(pgw_cli_text(check, "status"), "fail") != 0)
                        continue;
                if (pgw_buf_printf(&line, "%s%s: %s", before, pgw_cli_text(check, "name"),
                                   pgw_cli_text(check, "detail")))
                        break;
                before = "; ";
        }
        pgw_cli_say_error(verb.name, "not ready%.*s", (int)line.n, line.p ? line.p : "");
        pgw_buf_fini(&line);
}

static int judge(const struct pgw_cli_answer *answer, bool as_json)
{
        const char *readiness = pgw_cli_text(answer->body, "status");
        const bool is_ready = answer->status == HTTP_OK && strcmp(readiness, "ready") == 0;

        if (!is_ready && strcmp(readiness, "not_ready") != 0) {
                pgw_cli_say_problem(verb.name, NULL, answer);
                return PGW_EXIT_UNAVAILABLE;
        }
        if (as_json)
                pgw_cli_print_json(stdout, answer->body);
        else if (is_ready)
                puts("ready");
        if (is_ready)
                return PGW_EXIT_OK;
        say_why(answer->body);
        return PGW_EXIT_UNAVAILABLE;
}

static int ask(const struct pgw_cli_args *args)
{
        static const struct pgw_cli_request request = {.method = "GET", .path = "/readyz?verbose"};
        struct pgw_cli_gateway *gateway = pgw_cli_verb_gateway(&verb, args);
        struct pgw_fault fault = {"", ""};
        struct pgw_cli_answer answer = {.body = NULL};
        int status = PGW_EXIT_UNAVAILABLE;

        if (!gateway)
                return PGW_EXIT_USAGE;
        if (pgw_cli_gateway_ask(gateway, &request, &answer, &fault))
                pgw_cli_say_error(verb.name, "%s", fault.detail);
        else
                status = judge(&answer, args->json);
        json_decref(answer.body);
        pgw_cli_gateway_close(gateway);
        return pgw_cli_verb_end(&verb, status);
}

int pgw_cli_ready(int argc, char *argv[])
{
        struct pgw_cli_args args;
        int status;

        if (!pgw_cli_verb_begin(&verb, argc, argv, &args, &status))
                return status;
        status =
            args.operand_count ? pgw_cli_verb_misused(&verb, "it takes no operands") : ask(&args);
        pgw_cli_args_fini(&args);
        return status;
}
