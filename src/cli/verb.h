/* cli/verb.h - what every client verb begins with. */
#ifndef PGW_CLI_VERB_H
#define PGW_CLI_VERB_H

#include <stdbool.h>

#include "cli/args.h"
#include "cli/gateway.h"

struct pgw_cli_verb {
        const char *name;
        const char *help; /* the whole text of --help */
        unsigned takes;   /* PGW_CLI_TAKES_... */
};

/* Read the command line. False when the verb is over before it began (help was printed,
 * or the usage is wrong); *ret_exit is its exit status then. */
bool pgw_cli_verb_begin(const struct pgw_cli_verb *, int argc, char *argv[],
                        struct pgw_cli_args *ret_args, int *ret_exit);

/* Print why the usage is wrong; returns the exit status. */
int pgw_cli_verb_misused(const struct pgw_cli_verb *, const char *why);

/* The gateway that --url, PURGEWAY_URL or the default names; NULL after printing why not. */
struct pgw_cli_gateway *pgw_cli_verb_gateway(const struct pgw_cli_verb *,
                                             const struct pgw_cli_args *);

/* Ask, and say what is wrong: no gateway, or no success. Returns the exit status; the body is an
 * object after a success, else NULL. */
int pgw_cli_verb_ask(const struct pgw_cli_verb *, struct pgw_cli_gateway *,
                     const struct pgw_cli_request *, struct pgw_cli_answer *ret_answer);

/* The same, when what succeeded is to say something else; releases the body. */
int pgw_cli_verb_refuse(const struct pgw_cli_verb *, const struct pgw_cli_request *,
                        struct pgw_cli_answer *);

/* pgw_cli_end() of this verb. */
int pgw_cli_verb_end(const struct pgw_cli_verb *, int status);

#endif
