/* cli/table.h - a list of objects as a table.
 *
 * The columns are whatever the objects have that is a text or a number, in their order, so that a
 * newer gateway's figures show without a newer client.
 */
#ifndef PGW_CLI_TABLE_H
#define PGW_CLI_TABLE_H

#include <jansson.h>

/* `rows` is an array of objects. Nothing for none. */
void pgw_cli_print_table(const json_t *rows);

#endif
