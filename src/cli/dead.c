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
#include "cli/value.h"

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
        "  --client NAME        that this identity asked for\n"
        "  --after TIME         that ended after this time (RFC 3339)\n"
        "  --before TIME        that ended before it\n"
        "  --all                all there are\n"
        "  --expect N           how many those are\n"
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

struct listing {
        const struct pgw_cli_args *args;
        struct pgw_cli_table table;
};

static bool write_path(void *ctx, const char *token, char path[PGW_CLI_PATH_SIZE])
{
        const struct pgw_cli_args *args = ((const struct listing *)ctx)->args;
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
        json_t *row = pgw_cli_object();

        for (const char *const *name =
                 (const char *const[]){"job_id", "status", "buried_at", "attempts", NULL};
             *name; name++)
                pgw_cli_copy(row, *name, letter, *name);
        pgw_cli_copy(row, "code", error, "code");
        pgw_cli_copy(row, "keys", selectors, "key_count");
        pgw_cli_copy(row, "patterns", selectors, "pattern_count");
        pgw_cli_copy(row, "tags", selectors, "tag_count");
        return row;
}

static bool print_page(void *ctx, const json_t *page)
{
        struct listing *l = ctx;
        json_t *rows = pgw_cli_array(), *letter;
        size_t i;

        json_array_foreach(json_object_get(page, "dead_letters"), i, letter)
        {
                if (l->args->json)
                        pgw_cli_print_json(stdout, letter);
                else
                        pgw_cli_add(rows, row_of(letter));
        }
        pgw_cli_table_print(&l->table, rows);
        json_decref(rows);
        return true;
}

/* Page by page as they come: there may be more of them than memory for them. */
static int list(struct pgw_cli_gateway *gateway, const struct pgw_cli_args *args)
{
        struct listing l = {.args = args};

        pgw_cli_table_init(&l.table);
        const int status = pgw_cli_pages(&verb, gateway, write_path, print_page, &l);
        pgw_cli_table_fini(&l.table);
        return status;
}

static int show(struct pgw_cli_gateway *gateway, const char *id)
{
        char path[PGW_CLI_JOB_PATH_SIZE];
        const struct pgw_cli_request request = {.method = "GET", .path = path};
        struct pgw_cli_answer letter;

        snprintf(path, sizeof path, "/v1/dead-letters/%s", id);
        const int status = pgw_cli_verb_ask(&verb, gateway, &request, &letter);
        if (letter.body)
                pgw_cli_print_json(stdout, letter.body);
        json_decref(letter.body);
        return status;
}

/* ---- bringing back, dropping ---- */

/* What was brought back or dropped, for people; or the answer as it is. */
static void print_ended(const struct pgw_cli_args *args, const json_t *answer, const char *what,
                        bool drops)
{
        if (args->json) {
                pgw_cli_print_json(stdout, answer);
                return;
        }
        pgw_cli_print_clean(stdout, what);
        puts(drops ? " dropped" : " brought back");
}

static int end_one(struct pgw_cli_gateway *gateway, const struct pgw_cli_args *args, const char *id,
                   bool drops)
{
        char path[PGW_CLI_JOB_PATH_SIZE];
        const struct pgw_cli_request request = {
            .method = drops ? "DELETE" : "POST", .path = path, .about = id};
        struct pgw_cli_answer answer;

        snprintf(path, sizeof path, "/v1/dead-letters/%s%s", id, drops ? "" : "/redrive");
        const int status = pgw_cli_verb_ask(&verb, gateway, &request, &answer);
        if (answer.body)
                print_ended(args, answer.body, id, drops);
        json_decref(answer.body);
        return status;
}

static int end_each(struct pgw_cli_gateway *gateway, const struct pgw_cli_args *args, bool drops)
{
        int status = PGW_EXIT_OK;

        for (size_t i = 1; i < args->operand_count; i++) {
                const int one = end_one(gateway, args, args->operands[i], drops);
                status = one ? one : status;
        }
        return status;
}

static int end_all(struct pgw_cli_gateway *gateway, const struct pgw_cli_args *args, bool drops)
{
        struct pgw_cli_param filters[FILTERS];
        struct pgw_cli_answer answer;
        json_t *body = pgw_cli_object();

        list_filters(args, filters);
        for (size_t i = 0; i < FILTERS; i++)
                pgw_cli_set_text(body, filters[i].name, filters[i].value);
        if (args->all)
                pgw_cli_set(body, "all", json_true());
        pgw_cli_set(body, "expected_count", json_integer((json_int_t)args->expect));
        const struct pgw_cli_request request = {.method = "POST",
                                                .path = drops ? "/v1/dead-letter-drops"
                                                              : "/v1/dead-letter-redrives",
                                                .body = body};
        const int status = pgw_cli_verb_ask(&verb, gateway, &request, &answer);
        if (answer.body)
                print_ended(args, answer.body, pgw_cli_text(answer.body, "count"), drops);
        json_decref(answer.body);
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
                status = list(gateway, args);
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
