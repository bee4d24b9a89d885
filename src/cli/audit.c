/* `purgeway audit`: who purged what. The latest records as a table, or all of them, the oldest
 * first, as JSON lines.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/pages.h"
#include "cli/say.h"
#include "cli/table.h"
#include "cli/value.h"

#define LIMIT_DEFAULT 50
#define PAGE_SIZE     500

static const struct pgw_cli_verb verb = {
    .name = "audit",
    .takes = PGW_CLI_TAKES_AUDIT,
    .help =
        "usage: purgeway audit [FILTER] [options]\n"
        "       purgeway audit [FILTER] --export\n"
        "\n"
        "Show who purged what, from where, why and with what result, the latest first; or print\n"
        "all there is, the oldest first, as JSON lines.\n"
        "\n"
        "  --who NAME       by this identity\n"
        "  --job JOB_ID     about this job\n"
        "  --action ACTION  purge, cancel, cancel_rebounds, pause, resume, purge_queue, redrive,\n"
        "                   drop or refuse\n"
        "  --ended STATUS   jobs that succeeded, failed, are dead or cancelled\n"
        "  --key KEY        jobs that named this key, if it is in the record\n"
        "  --tag TAG        or this tag\n"
        "  --request-id ID  of the request with this X-Request-Id\n"
        "  --since TIME     at this time or later (RFC 3339)\n"
        "  --until TIME     before this time\n"
        "  --limit N        show at most N (50)\n"
        "  --json           print the records as JSON\n"
        "  --export         print all of them as JSON lines\n"
        "  --url URL        the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
        "  --cacert FILE    trust the authorities in FILE (PEM) for https\n"
        "\n"
        "exit status: 0 shown, 1 refused, 2 usage, 69 no gateway or it cannot serve now\n",
};

struct listing {
        const struct pgw_cli_args *args;
        uint64_t left;
        json_t *rows; /* of the table; NULL: there is none */
};

static bool write_path(void *ctx, const char *token, char path[PGW_CLI_PATH_SIZE])
{
        const struct pgw_cli_args *args = ((const struct listing *)ctx)->args;
        const struct pgw_cli_param params[] = {
            {"who", args->who},
            {"job_id", args->job_id},
            {"action", args->action},
            {"status", args->ended},
            {"key", args->audit_key},
            {"tag", args->letter_tag},
            {"request_id", args->letter_request_id},
            {"since", args->since},
            {"until", args->until},
            {"order", args->exports ? "oldest" : "newest"},
            {"page_token", *token ? token : NULL},
        };
        char base[64];
        const uint64_t size = args->exports || args->limit > PAGE_SIZE ? PAGE_SIZE
                              : args->limit                            ? args->limit
                                                                       : LIMIT_DEFAULT;

        snprintf(base, sizeof base, "/v1/audit?page_size=%u", (unsigned)size);
        return pgw_cli_query(path, base, params, sizeof params / sizeof params[0]);
}

/* The first selector, and how many more there are. */
static json_t *what_of(const json_t *record)
{
        const json_t *selectors = json_object_get(record, "selectors");
        json_int_t count = 0;
        const char *first = NULL;

        for (const char *const *name =
                 (const char *const[]){"key_count", "pattern_count", "tag_count", NULL};
             *name; name++)
                count += json_integer_value(json_object_get(selectors, *name));
        for (const char *const *name =
                 (const char *const[]){"keys", "keys_base64", "patterns", "tags", NULL};
             *name && !first; name++)
                first = json_string_value(json_array_get(json_object_get(selectors, *name), 0));
        if (!first)
                return json_string("");
        return count > 1 ? json_sprintf("%s +%lld", first, (long long)count - 1)
                         : json_string(first);
}

/* What fits on a line. */
static json_t *row_of(const json_t *record)
{
        json_t *row = pgw_cli_object();

        for (const char *const *name =
                 (const char *const[]){"at", "action", "who", "address", "status", "job_id", NULL};
             *name; name++)
                pgw_cli_set_text(row, *name, pgw_cli_text(record, *name));
        pgw_cli_set(row, "what", what_of(record));
        pgw_cli_set_text(row, "reason", pgw_cli_text(record, "reason"));
        return row;
}

static bool take_page(void *ctx, const json_t *page)
{
        struct listing *l = ctx;
        json_t *record;
        size_t i;

        json_array_foreach(json_object_get(page, "records"), i, record)
        {
                if (l->left == 0)
                        return false;
                l->left--;
                if (l->rows)
                        pgw_cli_add(l->rows, row_of(record));
                else
                        pgw_cli_print_json(stdout, record);
        }
        return l->left > 0;
}

static int run(const struct pgw_cli_args *args)
{
        struct listing l = {.args = args, .left = args->limit ? args->limit : LIMIT_DEFAULT};

        if (args->operand_count)
                return pgw_cli_verb_misused(&verb, "it takes options only");
        if (args->exports && args->limit)
                return pgw_cli_verb_misused(&verb, "--export prints all there is, without --limit");
        struct pgw_cli_gateway *gateway = pgw_cli_verb_gateway(&verb, args);
        if (!gateway)
                return PGW_EXIT_USAGE;
        if (args->exports)
                l.left = UINT64_MAX;
        else if (!args->json)
                l.rows = pgw_cli_array();
        const int status = pgw_cli_pages(&verb, gateway, write_path, take_page, &l);
        if (l.rows && json_array_size(l.rows))
                pgw_cli_print_table(l.rows);
        json_decref(l.rows);
        pgw_cli_gateway_close(gateway);
        return pgw_cli_verb_end(&verb, status);
}

int pgw_cli_audit(int argc, char *argv[])
{
        struct pgw_cli_args args;
        int status;

        if (!pgw_cli_verb_begin(&verb, argc, argv, &args, &status))
                return status;
        status = run(&args);
        pgw_cli_args_fini(&args);
        return status;
}
