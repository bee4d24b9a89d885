/* cli/table.h - a list of objects as a table.
 *
 * The columns are whatever the objects have that is a text or a number, in their order, so that a
 * newer gateway's figures show without a newer client.
 */
#ifndef PGW_CLI_TABLE_H
#define PGW_CLI_TABLE_H

#include <jansson.h>
#include <stddef.h>

#define PGW_CLI_COLUMNS_MAX 24

/* One that comes in parts: its header stands above the first rows, which have all its columns. */
struct pgw_cli_table {
        char *_columns[PGW_CLI_COLUMNS_MAX]; /* owned */
        int _widths[PGW_CLI_COLUMNS_MAX];
        size_t _column_count;
};

void pgw_cli_table_init(struct pgw_cli_table *);
void pgw_cli_table_fini(struct pgw_cli_table *);

/* `rows` is an array of objects. Nothing for none. */
void pgw_cli_table_print(struct pgw_cli_table *, const json_t *rows);

/* The same for one that is whole. */
void pgw_cli_print_table(const json_t *rows);

#endif
