/* cli/query.h - an address with its query. */
#ifndef PGW_CLI_QUERY_H
#define PGW_CLI_QUERY_H

#include <stdbool.h>
#include <stddef.h>

/* A key of an audit may have 512 characters, of up to four bytes, each of which takes three. */
#define PGW_CLI_PATH_SIZE 8192

struct pgw_cli_param {
        const char *name;
        const char *value; /* NULL: not given */
};

/* `base` with those that are given behind it, escaped; `base` has a `?` already. False when it does
 * not fit. */
bool pgw_cli_query(char path[PGW_CLI_PATH_SIZE], const char *base,
                   const struct pgw_cli_param *params, size_t count);

#endif
