/* cli/say.h - what a client verb prints.
 *
 * Errors are one line on stderr, `purgeway: VERB: ...`. Texts that come from a gateway
 * are printed without control characters, so that no answer can steer a terminal.
 */
#ifndef PGW_CLI_SAY_H
#define PGW_CLI_SAY_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "base/panic.h"
#include "cli/gateway.h"

#define PGW_CLI_LINE_SIZE 1500

/* Cut at PGW_CLI_LINE_SIZE. */
void pgw_cli_say_error(const char *verb, const char *format, ...) PGW_PRINTF(2, 3);

/* The line for an answer that is not what was asked for: title, detail and pointers of a problem
 * document, as far as it is one. A success that a verb can do nothing with comes from something
 * else than a gateway. Pure; `out` is always terminated. */
void pgw_cli_problem_line(const struct pgw_cli_answer *, char *out, size_t size);

/* The exit status that belongs to it. */
int pgw_cli_problem_exit(const struct pgw_cli_answer *);

/* Print that line, behind what it is `about` (NULL: nothing); returns that exit status. */
int pgw_cli_say_problem(const char *verb, const char *about, const struct pgw_cli_answer *);

/* A member of an object as text: strings as they are, integers in decimal, else "". Valid
 * as long as the object, or, for integers, until the third next call. */
const char *pgw_cli_text(const json_t *object, const char *name);

/* Print a value as one line of compact JSON. */
void pgw_cli_print_json(FILE *to, const json_t *value);

/* Print text from outside. */
void pgw_cli_print_clean(FILE *to, const char *text);

#endif
