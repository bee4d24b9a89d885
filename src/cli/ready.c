/* `purgeway ready`: whether a gateway would take a job now, as an exit status, for supervisors that
 * run a command to ask (the container file's HEALTHCHECK) where there is no shell and no curl. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/say.h"
#include "cli/verb.h"

static const struct pgw_cli_verb verb = {
    .name = "ready",
    .help = "usage: purgeway ready [options]\n"
            "\n"
            "Ask a gateway whether it is ready to take jobs.\n"
            "\n"
            "  --json         print its answer\n"
            "  --url URL      the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
            "  --cacert FILE  trust the authorities in FILE (PEM) for https\n"
            "\n"
            "exit status: 0 ready, 2 usage, 69 not ready or not there\n",
};

static int ask(const struct pgw_cli_args *args)
{
        static const struct pgw_cli_request request = {.method = "GET", .path = "/readyz"};
        struct pgw_cli_gateway *gateway = pgw_cli_verb_gateway(&verb, args);
        json_t *answer;

        if (!gateway)
                return PGW_EXIT_USAGE;
        int status = pgw_cli_verb_ask(&verb, gateway, &request, 200, &answer);
        if (status == PGW_EXIT_FAILED)
                status = PGW_EXIT_UNAVAILABLE;
        if (answer && args->json)
                pgw_cli_print_json(stdout, answer);
        else if (answer)
                puts("ready");
        json_decref(answer);
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
