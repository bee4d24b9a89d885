/* `purgeway queues`: the queues as a table; pausing them, and dropping what waits. `purgeway
 * workers`: who works on them.
 *
 * A queue that has parts (its lanes) becomes one row for each part, led by the queue's own columns.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/say.h"
#include "cli/table.h"
#include "cli/value.h"
#include "cli/verb.h"

static const struct pgw_cli_verb queues_verb = {
    .name = "queues",
    .takes = PGW_CLI_TAKES_EXPECT | PGW_CLI_TAKES_LANE,
    .help = "usage: purgeway queues [options]\n"
            "       purgeway queues pause|resume [QUEUE] [--priority LANE]\n"
            "       purgeway queues purge [QUEUE] --expect N [--priority LANE]\n"
            "\n"
            "Show the queues and what waits in them; let workers take nothing more, or again; or\n"
            "drop what waits, if it is no more than N jobs. QUEUE is main unless given.\n"
            "\n"
            "  --priority LANE  only that lane: high, normal or low\n"
            "  --expect N       how many jobs wait at most\n"
            "  --json           print the gateway's answer\n"
            "  --url URL        the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
            "  --cacert FILE    trust the authorities in FILE (PEM) for https\n"
            "\n"
            "exit status: 0 done, 1 refused, 2 usage, 69 no gateway or it cannot serve now\n",
};

static const struct pgw_cli_verb workers_verb = {
    .name = "workers",
    .help = "usage: purgeway workers [options]\n"
            "\n"
            "Show the workers, one for each thread, and when they were last heard.\n"
            "\n"
            "  --json         print the gateway's answer\n"
            "  --url URL      the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
            "  --cacert FILE  trust the authorities in FILE (PEM) for https\n"
            "\n"
            "exit status: 0 shown, 1 refused, 2 usage, 69 no gateway or it cannot serve now\n",
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
        json_t *flat = pgw_cli_array(), *queue, *part;
        size_t i, k;

        json_array_foreach(find_rows(answer), i, queue)
        {
                json_t *parts = find_rows(queue);
                if (!parts)
                        pgw_cli_add(flat, json_incref(queue));
                json_array_foreach(parts, k, part)
                {
                        json_t *row = json_copy(queue);
                        json_object_update(row, part);
                        pgw_cli_add(flat, row);
                }
        }
        return flat;
}

static void print_answer(json_t *answer)
{
        json_t *rows = flatten(answer);

        if (json_array_size(rows))
                pgw_cli_print_table(rows);
        else if (json_object_get(answer, "count")) {
                pgw_cli_print_clean(stdout, pgw_cli_text(answer, "count"));
                puts(" jobs dropped");
        }
        json_decref(rows);
}

static int run(const struct pgw_cli_verb *verb, const struct pgw_cli_args *args,
               const struct pgw_cli_request *request)
{
        struct pgw_cli_gateway *gateway = pgw_cli_verb_gateway(verb, args);
        struct pgw_cli_answer answer;

        if (!gateway)
                return PGW_EXIT_USAGE;
        int status = pgw_cli_verb_ask(verb, gateway, request, &answer);
        if (answer.body && args->json)
                pgw_cli_print_json(stdout, answer.body);
        else if (answer.body)
                print_answer(answer.body);
        json_decref(answer.body);
        pgw_cli_gateway_close(gateway);
        return pgw_cli_verb_end(verb, status);
}

/* What is to be done to a queue; NULL when the words say nothing that can be. */
static const char *action_of(const struct pgw_cli_args *args)
{
        static const char *const actions[] = {"pause", "resume", "purge"};

        for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
                if (strcmp(args->operands[0], actions[i]) == 0)
                        return actions[i];
        return NULL;
}

static bool is_plain_name(const char *name)
{
        return *name && strlen(name) <= 64 &&
               strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                   strlen(name);
}

static int act(const struct pgw_cli_args *args)
{
        const char *action = action_of(args);
        const char *queue = args->operand_count > 1 ? args->operands[1] : "main";
        const bool purges = action && strcmp(action, "purge") == 0;
        char path[128];

        if (!action || args->operand_count > 2 || !is_plain_name(queue))
                return pgw_cli_verb_misused(&queues_verb,
                                            "say pause, resume or purge, and a queue");
        if (purges != (args->expect > 0))
                return pgw_cli_verb_misused(&queues_verb, purges ? "purge needs --expect N"
                                                                 : "--expect goes with purge only");
        snprintf(path, sizeof path, "/v1/queues/%s/%s", queue, action);
        json_t *body = pgw_cli_object();
        if (purges)
                pgw_cli_set(body, "expected_count", json_integer((json_int_t)args->expect));
        if (args->priority)
                pgw_cli_set(body, "lanes", json_pack("[s]", args->priority));
        const struct pgw_cli_request request = {.method = "POST", .path = path, .body = body};
        const int status = run(&queues_verb, args, &request);
        json_decref(body);
        return status;
}

int pgw_cli_queues(int argc, char *argv[])
{
        static const struct pgw_cli_request request = {.method = "GET", .path = "/v1/queues"};
        struct pgw_cli_args args;
        int status;

        if (!pgw_cli_verb_begin(&queues_verb, argc, argv, &args, &status))
                return status;
        if (args.operand_count)
                status = act(&args);
        else if (args.expect || args.priority)
                status =
                    pgw_cli_verb_misused(&queues_verb, "that goes with pause, resume or purge");
        else
                status = run(&queues_verb, &args, &request);
        pgw_cli_args_fini(&args);
        return status;
}

int pgw_cli_workers(int argc, char *argv[])
{
        static const struct pgw_cli_request request = {.method = "GET", .path = "/v1/workers"};
        struct pgw_cli_args args;
        int status;

        if (!pgw_cli_verb_begin(&workers_verb, argc, argv, &args, &status))
                return status;
        status = args.operand_count ? pgw_cli_verb_misused(&workers_verb, "it takes no operands")
                                    : run(&workers_verb, &args, &request);
        pgw_cli_args_fini(&args);
        return status;
}
