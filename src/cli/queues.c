/* `purgeway queues`: the queues as a table.
 *
 * The columns are whatever the gateway tells, in its order, so that a newer gateway's
 * figures show without a newer client. A queue that has parts (its lanes) becomes one
 * row for each part, led by the queue's own columns.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/say.h"
#include "cli/verb.h"

#define COLUMNS_MAX 24
#define HTTP_OK     200

static const struct pgw_cli_verb verb = {
    .name = "queues",
    .help = "usage: purgeway queues [options]\n"
            "\n"
            "Show the queues and what waits in them.\n"
            "\n"
            "  --json         print the gateway's answer\n"
            "  --url URL      the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
            "  --cacert FILE  trust the authorities in FILE (PEM) for https\n"
            "\n"
            "exit status: 0 shown, 1 refused, 2 usage, 69 no gateway or it cannot serve now\n",
};

struct table {
        const char *columns[COLUMNS_MAX]; /* borrowed from the answer */
        int widths[COLUMNS_MAX];
        size_t column_count;
};

/* The first member that is an array of objects. */
static json_t *find_rows(json_t *object)
{
        const char *name;
        json_t *value;

        json_object_foreach(object, name, value)
        {
                if (json_is_object(json_array_get(value, 0)))
                        return value;
        }
        return NULL;
}

/* Queues with lanes as one flat list of rows. */
static json_t *flatten(json_t *answer)
{
        json_t *flat = json_array(), *queue, *part;
        size_t i, k;

        PGW_ASSERT(flat);
        json_array_foreach(find_rows(answer), i, queue)
        {
                json_t *parts = find_rows(queue);
                if (!parts)
                        json_array_append(flat, queue);
                json_array_foreach(parts, k, part)
                {
                        json_t *row = json_copy(queue);
                        json_object_update(row, part);
                        json_array_append_new(flat, row);
                }
        }
        return flat;
}

static void fit_column(struct table *table, const char *name, const char *text)
{
        const int wide = (int)(strlen(text) < 60 ? strlen(text) : 60);
        size_t c = 0;

        while (c < table->column_count && strcmp(table->columns[c], name) != 0)
                c++;
        if (c == COLUMNS_MAX)
                return;
        if (c == table->column_count) {
                table->columns[table->column_count++] = name;
                table->widths[c] = (int)(strlen(name) < 60 ? strlen(name) : 60);
        }
        if (wide > table->widths[c])
                table->widths[c] = wide;
}

static void measure(struct table *table, json_t *rows)
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

static void print_table(json_t *rows)
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

static int show(struct pgw_cli_gateway *gateway, bool as_json)
{
        const struct pgw_cli_request request = {.method = "GET", .path = "/v1/queues"};
        struct pgw_fault fault = {"", ""};
        json_t *answer = NULL;
        int http_status = 0, status = PGW_EXIT_OK;

        if (pgw_cli_gateway_ask(gateway, &request, &http_status, &answer, &fault)) {
                pgw_cli_say_error(verb.name, "%s", fault.detail);
                return PGW_EXIT_UNAVAILABLE;
        }
        if (http_status != HTTP_OK || !json_is_object(answer)) {
                status = pgw_cli_say_problem(verb.name, http_status, answer);
        } else if (as_json) {
                pgw_cli_print_json(stdout, answer);
        } else {
                json_t *rows = flatten(answer);
                print_table(rows);
                json_decref(rows);
        }
        json_decref(answer);
        return pgw_cli_verb_end(&verb, status);
}

int pgw_cli_queues(int argc, char *argv[])
{
        struct pgw_cli_args args;
        int status = PGW_EXIT_USAGE;

        if (!pgw_cli_verb_begin(&verb, argc, argv, &args, &status))
                return status;
        if (args.operand_count) {
                status = pgw_cli_verb_misused(&verb, "it takes no operands");
        } else {
                struct pgw_cli_gateway *gateway = pgw_cli_verb_gateway(&verb, &args);
                if (gateway)
                        status = show(gateway, args.json);
                pgw_cli_gateway_close(gateway);
        }
        pgw_cli_args_fini(&args);
        return status;
}
