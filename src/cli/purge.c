/* `purgeway purge KEY...`: ask for the removal of keys, of what is under tags or matches
 * patterns, and say what came of it.
 *
 * Keys from the command line and from standard input form one stream that is cut into
 * requests (cli/keys.h). All requests are made before any job is waited for, so that the
 * workers have everything early. If a request fails, the jobs accepted before it are
 * still reported: they will run.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/job.h"
#include "cli/keys.h"
#include "cli/say.h"
#include "cli/value.h"

#define STDIN_SIZE_MAX  (256UL * 1024 * 1024)
#define READ_SIZE       (64UL * 1024)
#define POST_WAIT_S_MAX 1 /* longer than most jobs take; then it is asked for by its id */
#define KEY_SIZE_MAX    (PGW_CLI_KEY_SIZE_MAX - 21) /* with room for the number of a request */

static const struct pgw_cli_verb verb = {
    .name = "purge",
    .takes = PGW_CLI_TAKES_WAIT | PGW_CLI_TAKES_KEYS,
    .help =
        "usage: purgeway purge KEY... [options]\n"
        "       purgeway purge --tag TAG... [options]\n"
        "       purgeway purge --pattern PATTERN... [options]\n"
        "       purgeway purge --stdin [options] < KEYS\n"
        "\n"
        "Remove keys from the caches. Keys are bytes; more than 1000 become several jobs.\n"
        "\n"
        "  --tag TAG      remove what is under TAG as well; again for each further tag\n"
        "  --all-tags     only what is under all of the tags\n"
        "  --pattern P    remove what matches P as well (* ? [a-c] as in Redis); again for\n"
        "                 each further pattern; quote it from the shell\n"
        "  --wait N       wait up to N seconds for the end\n"
        "  --soft         leave the keys ten seconds, so that not all readers miss at once\n"
        "  --tombstone    leave markers that keep old values from being stored again\n"
        "  --row-version N  the same, against rows older than version N only\n"
        "  --dry-run      only count what would go\n"
        "  --target NAME  of this cache only; again for each further one\n"
        "  --delay N      in N seconds, up to 30 days\n"
        "  --not-before T at the time T (RFC 3339)\n"
        "  --rebounds L   remove the same again after L, ms, as 1000,3000; - is never\n"
        "  --priority P   high, normal or low\n"
        "  --reason TEXT  why, for the record\n"
        "  --idempotency-key K  the same command again with K is the same job, for a day\n"
        "  --stdin        read more keys from standard input, one a line\n"
        "  -0             as --stdin, but each key ends with a NUL byte\n"
        "  --json         print the job objects, one a line\n"
        "  --url URL      the gateway (default $PURGEWAY_URL or http://127.0.0.1:7780)\n"
        "  --cacert FILE  trust the authorities in FILE (PEM) for https\n"
        "\n"
        "exit status: 0 done (without --wait: accepted), 1 a job failed, was refused or did\n"
        "not end within --wait, 2 usage, 69 no gateway or it cannot serve now, 130 interrupted\n"
        "while it waited\n",
};

/* Operands first, then standard input. */
struct key_source {
        const struct pgw_cli_args *args;
        size_t operand_index;
        struct pgw_cli_key_reader input;
};

struct purge {
        const struct pgw_cli_args *args;
        struct pgw_cli_gateway *gateway;
        json_t *jobs;  /* the answers, in order */
        bool *awaited; /* which of them are as they were at the end of the wait; NULL: none */
        uint64_t deadline_ms;
        size_t accepted_keys;
        size_t request_count;
        bool are_walks_sent;
};

static bool next_key(struct key_source *source, struct pgw_str *ret_key)
{
        if (source->operand_index < source->args->operand_count) {
                *ret_key = pgw_str_z(source->args->operands[source->operand_index++]);
                return true;
        }
        return pgw_cli_key_next(&source->input, ret_key);
}

static const char *read_input(struct pgw_buf *into)
{
        for (;;) {
                char *room;
                if (pgw_buf_reserve(into, READ_SIZE, &room))
                        return "more than 256 MiB";
                const ssize_t n = read(STDIN_FILENO, room, READ_SIZE);
                if (n == 0)
                        return NULL;
                if (n < 0 && errno != EINTR)
                        return strerrordesc_np(errno);
                into->n += n > 0 ? (size_t)n : 0;
        }
}

static void add_texts(json_t *body, const char *member, const struct pgw_cli_list *texts)
{
        if (!texts->count)
                return;
        json_t *array = pgw_cli_array();
        for (size_t i = 0; i < texts->count; i++)
                pgw_cli_add(array, json_string(texts->items[i]));
        pgw_cli_set(body, member, array);
}

static bool has_walks(const struct pgw_cli_args *args)
{
        return args->patterns.count || args->tags.count;
}

/* All patterns and tags go with the first request: patterns cost one walk there. */
static void add_walks(struct purge *purge, json_t *body)
{
        if (purge->are_walks_sent)
                return;
        add_texts(body, "patterns", &purge->args->patterns);
        add_texts(body, "tags", &purge->args->tags);
        if (purge->args->all_tags)
                pgw_cli_set_text(body, "tags_match", "all");
        purge->are_walks_sent = true;
}

/* What is no number goes as it is: the gateway says what is wrong with it. */
static json_t *number_or_text(struct pgw_str text)
{
        uint64_t number;

        if (pgw_str_to_u64(text, PGW_JSON_INTEGER_MAX, &number))
                return json_stringn(text.p, text.n);
        return json_integer((json_int_t)number);
}

/* "1000,3000", or "-" for none. */
static json_t *times_of(const char *text)
{
        struct pgw_str rest = pgw_str_z(text), item;
        json_t *times = pgw_cli_array();
        bool more = rest.n > 0 && !pgw_str_eq_z(rest, "-");

        while (more) {
                more = pgw_str_cut(rest, ',', &item, &rest);
                pgw_cli_add(times, number_or_text(more ? item : rest));
        }
        return times;
}

static void add_manner(const struct pgw_cli_args *args, json_t *body)
{
        add_texts(body, "targets", &args->targets);
        if (args->dry_run)
                pgw_cli_set(body, "dry_run", json_true());
        pgw_cli_set_text(body, "mode",
                         args->soft          ? "soft"
                         : args->tombstone   ? "tombstone"
                         : args->row_version ? "versioned"
                                             : NULL);
        pgw_cli_set_text(body, "version", args->row_version);
        pgw_cli_set_text(body, "not_before", args->not_before);
        if (args->delay_s)
                pgw_cli_set(body, "delay_ms", json_integer((json_int_t)args->delay_s * 1000));
        if (args->rebounds)
                pgw_cli_set(body, "rebounds_ms", times_of(args->rebounds));
}

/* Each request of a command has a key of its own, the same whenever the command is repeated. */
static const char *key_of_request(struct purge *purge, char room[PGW_CLI_KEY_SIZE_MAX + 1])
{
        const char *key = purge->args->idempotency_key;

        if (!key || ++purge->request_count == 1)
                return key;
        snprintf(room, PGW_CLI_KEY_SIZE_MAX + 1, "%s.%zu", key, purge->request_count);
        return room;
}

/* One request; its job goes to the list. */
static int post(struct purge *purge, struct pgw_cli_batch *batch, uint32_t wait_s)
{
        const size_t key_count = batch->key_count;
        json_t *body = pgw_cli_batch_take(batch, purge->args->priority, purge->args->reason);

        add_walks(purge, body);
        add_manner(purge->args, body);
        char room[PGW_CLI_KEY_SIZE_MAX + 1];
        const struct pgw_cli_request request = {.method = "POST",
                                                .path = "/v1/invalidations",
                                                .body = body,
                                                .wait_s = wait_s,
                                                .idempotency_key = key_of_request(purge, room)};
        struct pgw_cli_answer answer;

        const int status = pgw_cli_job_ask(&verb, purge->gateway, &request, &answer);
        if (status == PGW_EXIT_OK) {
                pgw_cli_add(purge->jobs, answer.body);
                purge->accepted_keys += key_count;
        }
        json_decref(body);
        return status;
}

static int post_all(struct purge *purge, struct key_source *source)
{
        const uint32_t wait_s = purge->args->wait_s;
        struct pgw_cli_batch batch;
        struct pgw_str key;
        int status = PGW_EXIT_OK;

        pgw_cli_batch_init(&batch);
        while (status == PGW_EXIT_OK && next_key(source, &key)) {
                if (pgw_cli_batch_add(&batch, key))
                        continue;
                status = post(purge, &batch, 0);
                const bool is_added = pgw_cli_batch_add(&batch, key);
                PGW_ASSERT(is_added);
        }
        /* Only a lone request waits itself: the usual purge is then one round trip. It does not
         * wait for long, because until it is answered nobody knows the job's id. */
        const bool has_more = batch.key_count || (has_walks(purge->args) && !purge->are_walks_sent);
        if (status == PGW_EXIT_OK && has_more) {
                const bool is_lone = json_array_size(purge->jobs) == 0;
                const uint32_t post_wait_s = wait_s < POST_WAIT_S_MAX ? wait_s : POST_WAIT_S_MAX;
                status = post(purge, &batch, is_lone ? post_wait_s : 0);
        }
        pgw_cli_batch_fini(&batch);
        if (status != PGW_EXIT_OK && purge->accepted_keys)
                pgw_cli_say_error(verb.name, "%zu keys were accepted before that",
                                  purge->accepted_keys);
        return status;
}

/* One that is not known any more does not end the wait for the others; a gateway that is not there
 * would not answer for them either. */
static int await_all(struct purge *purge, int so_far)
{
        int worst = so_far;

        purge->awaited = pgw_alloc(json_array_size(purge->jobs) + 1);
        for (size_t i = 0; i < json_array_size(purge->jobs); i++) {
                const json_t *job = json_array_get(purge->jobs, i);
                json_t *newer = NULL;
                if (pgw_cli_job_is_over(job))
                        continue;
                const char *id = pgw_cli_text(job, "job_id");
                if (worst == PGW_EXIT_INTERRUPTED) {
                        pgw_cli_job_abandon(&verb, id);
                        continue;
                }
                const int status =
                    pgw_cli_job_follow(&verb, purge->gateway, id, purge->deadline_ms, &newer);
                worst = status ? status : worst;
                if (status == PGW_EXIT_UNAVAILABLE)
                        break;
                if (status)
                        continue;
                pgw_cli_replace(purge->jobs, i, newer);
                purge->awaited[i] = true;
        }
        return worst;
}

static void print_job(const struct purge *purge, const json_t *job)
{
        char line[512];
        const json_t *result = json_object_get(job, "result");
        const char *id = pgw_cli_text(job, "job_id");

        if (result)
                snprintf(line, sizeof line, "%s%s, missing %s (job %s)",
                         purge->args->dry_run ? "would remove " : "removed ",
                         pgw_cli_text(result, purge->args->dry_run ? "matched" : "removed"),
                         pgw_cli_text(result, "missing"), id);
        else
                snprintf(line, sizeof line, "%s (job %s)", pgw_cli_text(job, "status"), id);
        pgw_cli_print_clean(stdout, line);
        putchar('\n');
}

static int report(const struct purge *purge)
{
        const uint32_t wait_s = purge->args->wait_s;
        bool all_over = wait_s > 0;
        json_int_t removed = 0, missing = 0;
        int worst = PGW_EXIT_OK;
        size_t i;
        json_t *job;

        json_array_foreach(purge->jobs, i, job)
        {
                const json_t *result = json_object_get(job, "result");
                const bool awaited = purge->awaited && purge->awaited[i];
                if (purge->args->json)
                        pgw_cli_print_json(stdout, job);
                else
                        print_job(purge, job);
                removed += json_integer_value(json_object_get(result, "removed"));
                missing += json_integer_value(json_object_get(result, "missing"));
                all_over = all_over && pgw_cli_job_is_over(job);
                const int status = pgw_cli_job_verdict(verb.name, job, awaited ? wait_s : 0);
                worst = status ? status : worst;
        }
        if (!purge->args->json && all_over && json_array_size(purge->jobs) > 1)
                printf("removed %lld, missing %lld in %zu jobs\n", (long long)removed,
                       (long long)missing, json_array_size(purge->jobs));
        return worst;
}

static int run(const struct pgw_cli_args *args, struct pgw_buf *input)
{
        struct purge purge = {.args = args, .jobs = pgw_cli_array()};
        struct key_source source = {
            .args = args, .input = {pgw_buf_str(input), args->nul_separated ? '\0' : '\n'}};
        int status;

        purge.deadline_ms = args->wait_s ? pgw_mono_ms() + args->wait_s * UINT64_C(1000) : 0;
        purge.gateway = pgw_cli_verb_gateway(&verb, args);
        if (!purge.gateway) {
                json_decref(purge.jobs);
                return PGW_EXIT_USAGE;
        }
        if (args->wait_s)
                pgw_cli_interrupt_start();
        status = post_all(&purge, &source);
        if (args->wait_s && (status == PGW_EXIT_OK || status == PGW_EXIT_INTERRUPTED))
                status = await_all(&purge, status);
        if (args->wait_s)
                pgw_cli_interrupt_stop();
        const int verdict = report(&purge);
        pgw_cli_gateway_close(purge.gateway);
        json_decref(purge.jobs);
        pgw_free(purge.awaited);
        return pgw_cli_verb_end(&verb, status ? status : verdict);
}

static bool is_printable(const char *text)
{
        for (const char *c = text; *c; c++)
                if (*c < ' ' || *c > '~')
                        return false;
        return true;
}

/* NULL when the arguments can be sent. */
static const char *find_misuse(const struct pgw_cli_args *args)
{
        if (!args->operand_count && !args->from_stdin && !has_walks(args))
                return "give at least one key, --pattern, --tag, or --stdin";
        if (args->all_tags && !args->tags.count)
                return "--all-tags goes with --tag only";
        if (args->soft + args->tombstone + !!args->row_version > 1)
                return "only one of --soft, --tombstone and --row-version can be";
        if (args->delay_s && args->not_before)
                return "only one of --delay and --not-before can be";
        for (size_t i = 0; i < args->operand_count; i++)
                if (!args->operands[i][0])
                        return "a key must not be empty";
        const char *key = args->idempotency_key;
        if (key && (!*key || strlen(key) > KEY_SIZE_MAX || !is_printable(key)))
                return "--idempotency-key must be 1 to 234 printable ASCII characters";
        return NULL;
}

int pgw_cli_purge(int argc, char *argv[])
{
        struct pgw_cli_args args;
        struct pgw_buf input;
        int status = PGW_EXIT_USAGE;

        if (!pgw_cli_verb_begin(&verb, argc, argv, &args, &status))
                return status;
        pgw_buf_init(&input, STDIN_SIZE_MAX);
        const char *misuse = find_misuse(&args);
        const char *unread = !misuse && args.from_stdin ? read_input(&input) : NULL;
        if (misuse) {
                status = pgw_cli_verb_misused(&verb, misuse);
        } else if (unread) {
                pgw_cli_say_error(verb.name, "cannot read standard input: %s", unread);
                status = PGW_EXIT_FAILED;
        } else {
                status = run(&args, &input);
        }
        pgw_buf_fini(&input);
        pgw_cli_args_fini(&args);
        return status;
}
