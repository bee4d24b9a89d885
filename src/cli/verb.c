/* The common frame of the client verbs: options, --help, the gateway's address. */
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/say.h"
#include "cli/secret.h"

#define DEFAULT_URL "http://127.0.0.1:7780"

int pgw_cli_verb_misused(const struct pgw_cli_verb *verb, const char *why)
{
        pgw_cli_say_error(verb->name, "%s; see purgeway %s --help", why, verb->name);
        return PGW_EXIT_USAGE;
}

bool pgw_cli_verb_begin(const struct pgw_cli_verb *verb, int argc, char *argv[],
                        struct pgw_cli_args *ret_args, int *ret_exit)
{
        struct pgw_fault fault = {"", ""};

        if (pgw_cli_args_parse(argc, argv, verb->takes, ret_args, &fault)) {
                *ret_exit = pgw_cli_verb_misused(verb, fault.detail);
                return false;
        }
        if (!ret_args->help)
                return true;
        fputs(verb->help, stdout);
        pgw_cli_args_fini(ret_args);
        *ret_exit = pgw_cli_verb_end(verb, PGW_EXIT_OK);
        return false;
}

struct pgw_cli_gateway *pgw_cli_verb_gateway(const struct pgw_cli_verb *verb,
                                             const struct pgw_cli_args *args)
{
        const char *from_env = secure_getenv("PURGEWAY_URL");
        const char *url = args->url ? args->url : from_env && *from_env ? from_env : DEFAULT_URL;
        struct pgw_cli_gateway *gateway = NULL;
        struct pgw_fault fault = {"", ""};
        char secret[PGW_SECRET_SIZE_MAX + 1] = "";

        if (pgw_cli_secret(secret, &fault) ||
            pgw_cli_gateway_open(url, args->cacert, secret[0] ? secret : NULL, &gateway, &fault))
                pgw_cli_verb_misused(verb, fault.detail);
        explicit_bzero(secret, sizeof secret);
        return gateway;
}

int pgw_cli_verb_refuse(const struct pgw_cli_verb *verb, const struct pgw_cli_request *request,
                        struct pgw_cli_answer *answer)
{
        const int status = pgw_cli_say_problem(verb->name, request->about, answer);

        json_decref(answer->body);
        answer->body = NULL;
        return status;
}

int pgw_cli_verb_ask(const struct pgw_cli_verb *verb, struct pgw_cli_gateway *gateway,
                     const struct pgw_cli_request *request, struct pgw_cli_answer *ret_answer)
{
        const char *about = request->about;
        struct pgw_fault fault = {"", ""};

        *ret_answer = (struct pgw_cli_answer){.body = NULL};
        if (pgw_cli_gateway_ask(gateway, request, ret_answer, &fault)) {
                pgw_cli_say_error(verb->name, "%s%s%s", about ? about : "", about ? ": " : "",
                                  fault.detail);
                return pgw_cli_is_interrupted() ? PGW_EXIT_INTERRUPTED : PGW_EXIT_UNAVAILABLE;
        }
        if (ret_answer->status / 100 == 2 && json_is_object(ret_answer->body))
                return PGW_EXIT_OK;
        return pgw_cli_verb_refuse(verb, request, ret_answer);
}

int pgw_cli_end(const char *verb, int status)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        pgw_cli_say_error(verb, "cannot write the output: %s", strerrordesc_np(errno));
        return status ? status : PGW_EXIT_FAILED;
}

int pgw_cli_verb_end(const struct pgw_cli_verb *verb, int status)
{
        return pgw_cli_end(verb->name, status);
}
