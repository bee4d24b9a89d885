#include "cli/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/say.h"

#define COLUMNS_MAX 24
#define WIDTH_MAX   60

struct table {
        const char *columns[COLUMNS_MAX]; /* borrowed from the answer */
        int widths[COLUMNS_MAX];
        size_t column_count;
};

static void fit_column(struct table *table, const char *name, const char *text)
{
        const int wide = (int)(strlen(text) < WIDTH_MAX ? strlen(text) : WIDTH_MAX);
        size_t c = 0;

        while (c < table->column_count && strcmp(table->columns[c], name) != 0)
                c++;
        if (c == COLUMNS_MAX)
                return;
        if (c == table->column_count) {
                table->columns[table->column_count++] = name;
                table->widths[c] = (int)(strlen(name) < WIDTH_MAX ? strlen(name) : WIDTH_MAX);
        }
        if (wide > table->widths[c])
                table->widths[c] = wide;
}

static void measure(struct table *table, const json_t *rows)
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
static void print_cell(const struct table *table, size_t c, const char *text, bool is_number)
{
        const int pad = table->widths[c] - (int)strlen(text);
        const bool is_last = c + 1 == table->column_count;

        if (is_number && pad > 0)
                printf("%*s", pad, "");
        pgw_cli_print_clean(stdout, text);
        if (!is_number && !is_last && pad > 0)
                printf("%*s", pad, "");
        fputs(is_last ? "\n" : "  ", stdout);
}

void pgw_cli_print_table(const json_t *rows)
{
        struct table table = {.column_count = 0};
        const json_t *first = json_array_get(rows, 0);
        json_t *row;
        size_t i;

        measure(&table, rows);
        for (size_t c = 0; c < table.column_count; c++)
                print_cell(&table, c, table.columns[c],
                           json_is_integer(json_object_get(first, table.columns[c])));
        json_array_foreach(rows, i, row)
        {
                for (size_t c = 0; c < table.column_count; c++)
                        print_cell(&table, c, pgw_cli_text(row, table.columns[c]),
                                   json_is_integer(json_object_get(row, table.columns[c])));
        }
}
