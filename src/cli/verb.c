/* The common frame of the client verbs: options, --help, the gateway's address. */
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
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

int pgw_cli_verb_ask(const struct pgw_cli_verb *verb, struct pgw_cli_gateway *gateway,
                     const struct pgw_cli_request *request, int wanted, json_t **ret_answer)
{
        struct pgw_fault fault = {"", ""};
        json_t *answer = NULL;
        int http_status = 0;

        *ret_answer = NULL;
        if (pgw_cli_gateway_ask(gateway, request, &http_status, &answer, &fault)) {
                pgw_cli_say_error(verb->name, "%s", fault.detail);
                return PGW_EXIT_UNAVAILABLE;
        }
        if (http_status == wanted && json_is_object(answer)) {
                *ret_answer = answer;
                return PGW_EXIT_OK;
        }
        const int status = pgw_cli_say_problem(verb->name, http_status, answer);
        json_decref(answer);
        return status;
}

int pgw_cli_verb_end(const struct pgw_cli_verb *verb, int status)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;
        pgw_cli_say_error(verb->name, "cannot write the output: %s", strerrordesc_np(errno));
        return status ? status : PGW_EXIT_FAILED;
}
