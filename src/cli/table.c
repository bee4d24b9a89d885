#include "cli/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/say.h"

#define WIDTH_MAX 60

static void fit_column(struct pgw_cli_table *table, const char *name, const char *text)
{
        const int wide = (int)(strlen(text) < WIDTH_MAX ? strlen(text) : WIDTH_MAX);
        size_t c = 0;

        while (c < table->_column_count && strcmp(table->_columns[c], name) != 0)
                c++;
        if (c == PGW_CLI_COLUMNS_MAX)
                return;
        if (c == table->_column_count) {
                table->_columns[table->_column_count++] = pgw_strdup(name);
                table->_widths[c] = (int)(strlen(name) < WIDTH_MAX ? strlen(name) : WIDTH_MAX);
        }
        if (wide > table->_widths[c])
                table->_widths[c] = wide;
}

static void measure(struct pgw_cli_table *table, const json_t *rows)
{
        json_t *row, *value;
        const char *name;
        size_t i;

        json_array_foreach(rows, i, row)
        {
                json_object_foreach(row, name, value)
                {
                        if (json_is_string(value) || json_is_integer(value))
                                fit_column(table, name, pgw_cli_text(row, name));
                }
        }
}

/* Numbers to the right, words to the left; no blanks at the end of a line. */
static void print_cell(const struct pgw_cli_table *table, size_t c, const char *text,
                       bool is_number)
{
        const int pad = table->_widths[c] - (int)strlen(text);
        const bool is_last = c + 1 == table->_column_count;

        if (is_number && pad > 0)
                printf("%*s", pad, "");
        pgw_cli_print_clean(stdout, text);
        if (!is_number && !is_last && pad > 0)
                printf("%*s", pad, "");
        fputs(is_last ? "\n" : "  ", stdout);
}

void pgw_cli_table_init(struct pgw_cli_table *table)
{
        *table = (struct pgw_cli_table){._column_count = 0};
}

void pgw_cli_table_fini(struct pgw_cli_table *table)
{
        for (size_t c = 0; c < table->_column_count; c++)
                pgw_free(table->_columns[c]);
        *table = (struct pgw_cli_table){._column_count = 0};
}

static void print_header(const struct pgw_cli_table *table, const json_t *first)
{
        for (size_t c = 0; c < table->_column_count; c++)
                print_cell(table, c, table->_columns[c],
                           json_is_integer(json_object_get(first, table->_columns[c])));
}

void pgw_cli_table_print(struct pgw_cli_table *table, const json_t *rows)
{
        json_t *row;
        size_t i;

        if (table->_column_count == 0) {
                measure(table, rows);
                print_header(table, json_array_get(rows, 0));
        }
        json_array_foreach(rows, i, row)
        {
                for (size_t c = 0; c < table->_column_count; c++)
                        print_cell(table, c, pgw_cli_text(row, table->_columns[c]),
                                   json_is_integer(json_object_get(row, table->_columns[c])));
        }
}

void pgw_cli_print_table(const json_t *rows)
{
        struct pgw_cli_table table;

        pgw_cli_table_init(&table);
        pgw_cli_table_print(&table, rows);
        pgw_cli_table_fini(&table);
}
