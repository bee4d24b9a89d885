/* `purgeway dead`: the jobs that wait for a person. Listed, looked at, brought back, dropped; one
 * by its id, or all that fit, when there are as many as was said.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/job.h"
#include "cli/pages.h"
#include "cli/say.h"
#include "cli/table.h"

#define HTTP_OK 200

static const struct pgw_cli_verb verb = {
    .name = "dead",
    .takes = PGW_CLI_TAKES_EXPECT | PGW_CLI_TAKES_LETTERS,
    .help =
        "usage: purgeway dead [FILTER]\n"
        "       purgeway dead show JOB_ID\n"
        "       purgeway dead redrive|drop JOB_ID...\n"
        "       purgeway dead redrive|drop FILTER|--all --expect N\n"
        "\n"
        "List the jobs that were tried as often as they may be or failed for good, look at one,\n"
        "bring them back, or drop them. Of many, say how many: with more or fewer nothing\n"
        "happens.\n"
        "\n"
        "  --code CODE          whose last error had this code\n"
        "  --error-class CLASS  or this class: transient-connection, transient-timeout,\n"
        "                       transient-server, refused, permanent\n"
        "  --ended STATUS       dead or failed\n"
        "  --target NAME        that failed at this target\n"
        "  --tag TAG            that were to purge this tag\n"
        "  --request-id ID      of the request with this X-Request-Id\n"
        "  --after TIME         that ended after this time (RFC 3339)\n"
        "  --before TIME        that ended before it\n"
        "  --json               print the gateway's answers\n"
        "  --url URL            the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
        "  --cacert FILE        trust the authorities in FILE (PEM) for https\n"
        "\n"
        "exit status: 0 done, 1 refused, unknown or of another number, 2 usage,\n"
        "69 no gateway or it cannot serve now\n",
};

enum { FILTERS = 9 };

static void list_filters(const struct pgw_cli_args *args, struct pgw_cli_param out[FILTERS])
{
        const struct pgw_cli_param all[FILTERS] = {
            {"code", args->code},
            {"error_class", args->error_class},
            {"status", args->ended},
            {"target", args->letter_target},
            {"tag", args->letter_tag},
            {"request_id", args->letter_request_id},
            {"client", args->client},
            {"buried_after", args->after},
            {"buried_before", args->before},
        };

        memcpy(out, all, sizeof all);
}

static bool has_filter(const struct pgw_cli_args *args)
{
        struct pgw_cli_param filters[FILTERS];

        list_filters(args, filters);
        for (size_t i = 0; i < FILTERS; i++)
                if (filters[i].value)
                        return true;
        return false;
}

/* ---- listing ---- */

static bool write_path(void *ctx, const char *token, char path[PGW_CLI_PATH_SIZE])
{
        const struct pgw_cli_args *args = *(const struct pgw_cli_args *const *)ctx;
        struct pgw_cli_param params[FILTERS + 1];

        list_filters(args, params);
        params[FILTERS] = (struct pgw_cli_param){"page_token", *token ? token : NULL};
        return pgw_cli_query(path, "/v1/dead-letters?page_size=100", params, FILTERS + 1);
}

/* What fits on a line. */
static json_t *row_of(json_t *letter)
{
        const json_t *error = json_object_get(letter, "error");
        const json_t *selectors = json_object_get(letter, "selectors");
        json_t *row = json_object();

        PGW_ASSERT(row);
        for (const char *const *name =
                 (const char *const[]){"job_id", "status", "buried_at", "attempts", NULL};
             *name; name++)
                json_object_set(row, *name, json_object_get(letter, *name));
        json_object_set(row, "code", json_object_get(error, "code"));
        json_object_set(row, "keys", json_object_get(selectors, "key_count"));
        json_object_set(row, "patterns", json_object_get(selectors, "pattern_count"));
        json_object_set(row, "tags", json_object_get(selectors, "tag_count"));
        return row;
}

static bool print_page(void *ctx, const json_t *page)
{
        const bool as_json = (*(const struct pgw_cli_args *const *)ctx)->json;
        json_t *rows = json_array(), *letter;
        size_t i;

        PGW_ASSERT(rows);
        json_array_foreach(json_object_get(page, "dead_letters"), i, letter)
        {
                if (as_json)
                        pgw_cli_print_json(stdout, letter);
                else
                        json_array_append_new(rows, row_of(letter));
        }
        if (json_array_size(rows))
                pgw_cli_print_table(rows);
        json_decref(rows);
        return true;
}

static int show(struct pgw_cli_gateway *gateway, const char *id)
{
        char path[128];
        const struct pgw_cli_request request = {.method = "GET", .path = path};
        json_t *letter;

        snprintf(path, sizeof path, "/v1/dead-letters/%s", id);
        const int status = pgw_cli_verb_ask(&verb, gateway, &request, HTTP_OK, &letter);
        if (letter)
                pgw_cli_print_json(stdout, letter);
        json_decref(letter);
        return status;
}

/* ---- bringing back, dropping ---- */

static int end_one(struct pgw_cli_gateway *gateway, const char *id, bool drops)
{
        char path[128];
        const struct pgw_cli_request request = {.method = drops ? "DELETE" : "POST", .path = path};
        json_t *answer;

        snprintf(path, sizeof path, "/v1/dead-letters/%s%s", id, drops ? "" : "/redrive");
        const int status = pgw_cli_verb_ask(&verb, gateway, &request, HTTP_OK, &answer);
        if (answer)
                printf("%s %s\n", id, drops ? "dropped" : "brought back");
        json_decref(answer);
        return status;
}

static int end_each(struct pgw_cli_gateway *gateway, const struct pgw_cli_args *args, bool drops)
{
        int status = PGW_EXIT_OK;

        for (size_t i = 1; i < args->operand_count; i++) {
                const int one = end_one(gateway, args->operands[i], drops);
                status = one ? one : status;
        }
        return status;
}

static int end_all(struct pgw_cli_gateway *gateway, const struct pgw_cli_args *args, bool drops)
{
        struct pgw_cli_param filters[FILTERS];
        json_t *body = json_object(), *answer;

        PGW_ASSERT(body);
        list_filters(args, filters);
        for (size_t i = 0; i < FILTERS; i++)
                if (filters[i].value)
                        json_object_set_new(body, filters[i].name, json_string(filters[i].value));
        if (args->all)
                json_object_set_new(body, "all", json_true());
        json_object_set_new(body, "expected_count", json_integer((json_int_t)args->expect));
        const struct pgw_cli_request request = {.method = "POST",
                                                .path = drops ? "/v1/dead-letter-drops"
                                                              : "/v1/dead-letter-redrives",
                                                .body = body};
        const int status = pgw_cli_verb_ask(&verb, gateway, &request, HTTP_OK, &answer);
        if (answer)
                printf("%s %s\n", pgw_cli_text(answer, "count"),
                       drops ? "dropped" : "brought back");
        json_decref(answer);
        json_decref(body);
        return status;
}

/* ---- the words ---- */

static const char *wrong_with(const struct pgw_cli_args *args, const char *action)
{
        const bool is_many = has_filter(args) || args->all || args->expect;

        for (size_t i = 1; i < args->operand_count; i++)
                if (!pgw_cli_job_id_is_plain(args->operands[i]))
                        return "give ids of jobs";
        if (!*action)
                return args->all || args->expect ? "--all and --expect go with redrive and drop"
                                                 : NULL;
        if (strcmp(action, "show") == 0)
                return args->operand_count == 2 && !is_many ? NULL : "give the id of one job";
        if (strcmp(action, "redrive") != 0 && strcmp(action, "drop") != 0)
                return "say show, redrive or drop";
        if (args->operand_count > 1)
                return is_many ? "give ids of jobs, or say which are meant" : NULL;
        if (!has_filter(args) && !args->all)
                return "give ids of jobs, or say which are meant";
        return args->expect ? NULL : "say how many there are: --expect N";
}

static int run(const struct pgw_cli_args *args)
{
        const char *action = args->operand_count ? args->operands[0] : "";
        const char *wrong = wrong_with(args, action);
        int status;

        if (wrong)
                return pgw_cli_verb_misused(&verb, wrong);
        struct pgw_cli_gateway *gateway = pgw_cli_verb_gateway(&verb, args);
        if (!gateway)
                return PGW_EXIT_USAGE;
        const bool drops = strcmp(action, "drop") == 0;
        if (!*action)
                status = pgw_cli_pages(&verb, gateway, write_path, print_page, &args);
        else if (strcmp(action, "show") == 0)
                status = show(gateway, args->operands[1]);
        else if (args->operand_count > 1)
                status = end_each(gateway, args, drops);
        else
                status = end_all(gateway, args, drops);
        pgw_cli_gateway_close(gateway);
        return pgw_cli_verb_end(&verb, status);
}

int pgw_cli_dead(int argc, char *argv[])
{
        struct pgw_cli_args args;
        int status;

        if (!pgw_cli_verb_begin(&verb, argc, argv, &args, &status))
                return status;
        status = run(&args);
        pgw_cli_args_fini(&args);
        return status;
}
