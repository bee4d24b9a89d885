/* Reading the command line with a table instead of getopt_long(3), which keeps state
 * between calls, prints by itself and cannot say which verb takes which option.
 */
#include "cli/args.h"

#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/str.h"

enum kind { TEXT, PATH, FLAG, LIST, WAIT, DELAY, COUNT };

/* Of the kinds that are numbers. */
static const struct {
        const char *what;
        uint32_t min, max;
} ranges[] = {
    [WAIT] = {"whole seconds", 0, PGW_CLI_WAIT_S_MAX},
    [DELAY] = {"whole seconds", 1, PGW_CLI_DELAY_S_MAX},
    [COUNT] = {"a number", 1, PGW_CLI_EXPECT_MAX},
};

struct option {
        const char *name;
        unsigned for_verbs; /* 0: all */
        enum kind kind;
        size_t at; /* offset in struct pgw_cli_args */
};

#define AT(field) offsetof(struct pgw_cli_args, field)

static const struct option options[] = {
    {"--help", 0, FLAG, AT(help)},
    {"-h", 0, FLAG, AT(help)},
    {"--json", 0, FLAG, AT(json)},
    {"--url", 0, TEXT, AT(url)},
    {"--cacert", 0, PATH, AT(cacert)},
    {"--wait", PGW_CLI_TAKES_WAIT, WAIT, AT(wait_s)},
    {"--cancel-rebounds", PGW_CLI_TAKES_CANCEL, FLAG, AT(cancel_rebounds)},
    {"--pattern", PGW_CLI_TAKES_KEYS, LIST, AT(patterns)},
    {"--tag", PGW_CLI_TAKES_KEYS, LIST, AT(tags)},
    {"--dry-run", PGW_CLI_TAKES_KEYS, FLAG, AT(dry_run)},
    {"--target", PGW_CLI_TAKES_KEYS, LIST, AT(targets)},
    {"--delay", PGW_CLI_TAKES_KEYS, DELAY, AT(delay_s)},
    {"--not-before", PGW_CLI_TAKES_KEYS, TEXT, AT(not_before)},
    {"--rebounds", PGW_CLI_TAKES_KEYS, TEXT, AT(rebounds)},
    {"--tombstone", PGW_CLI_TAKES_KEYS, FLAG, AT(tombstone)},
    {"--row-version", PGW_CLI_TAKES_KEYS, TEXT, AT(row_version)},
    {"--soft", PGW_CLI_TAKES_KEYS, FLAG, AT(soft)},
    {"--all-tags", PGW_CLI_TAKES_KEYS, FLAG, AT(all_tags)},
    {"--priority", PGW_CLI_TAKES_KEYS, TEXT, AT(priority)},
    {"--idempotency-key", PGW_CLI_TAKES_KEYS, TEXT, AT(idempotency_key)},
    {"--reason", PGW_CLI_TAKES_KEYS, TEXT, AT(reason)},
    {"--priority", PGW_CLI_TAKES_LANE, TEXT, AT(priority)},
    {"--expect", PGW_CLI_TAKES_EXPECT, COUNT, AT(expect)},
    {"--all", PGW_CLI_TAKES_LETTERS, FLAG, AT(all)},
    {"--code", PGW_CLI_TAKES_LETTERS, TEXT, AT(code)},
    {"--error-class", PGW_CLI_TAKES_LETTERS, TEXT, AT(error_class)},
    {"--ended", PGW_CLI_TAKES_LETTERS, TEXT, AT(ended)},
    {"--target", PGW_CLI_TAKES_LETTERS, TEXT, AT(letter_target)},
    {"--tag", PGW_CLI_TAKES_LETTERS, TEXT, AT(letter_tag)},
    {"--request-id", PGW_CLI_TAKES_LETTERS, TEXT, AT(letter_request_id)},
    {"--client", PGW_CLI_TAKES_LETTERS, TEXT, AT(client)},
    {"--after", PGW_CLI_TAKES_LETTERS, TEXT, AT(after)},
    {"--before", PGW_CLI_TAKES_LETTERS, TEXT, AT(before)},
    {"--who", PGW_CLI_TAKES_AUDIT, TEXT, AT(who)},
    {"--job", PGW_CLI_TAKES_AUDIT, TEXT, AT(job_id)},
    {"--action", PGW_CLI_TAKES_AUDIT, TEXT, AT(action)},
    {"--ended", PGW_CLI_TAKES_AUDIT, TEXT, AT(ended)},
    {"--key", PGW_CLI_TAKES_AUDIT, TEXT, AT(audit_key)},
    {"--tag", PGW_CLI_TAKES_AUDIT, TEXT, AT(letter_tag)},
    {"--request-id", PGW_CLI_TAKES_AUDIT, TEXT, AT(letter_request_id)},
    {"--since", PGW_CLI_TAKES_AUDIT, TEXT, AT(since)},
    {"--until", PGW_CLI_TAKES_AUDIT, TEXT, AT(until)},
    {"--limit", PGW_CLI_TAKES_AUDIT, COUNT, AT(limit)},
    {"--export", PGW_CLI_TAKES_AUDIT, FLAG, AT(exports)},
    {"--stdin", PGW_CLI_TAKES_KEYS, FLAG, AT(from_stdin)},
    {"-0", PGW_CLI_TAKES_KEYS, FLAG, AT(nul_separated)},
};

static const struct option *find_option(struct pgw_str name, unsigned takes)
{
        for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
                const struct option *option = &options[i];
                if (pgw_str_eq_z(name, option->name) &&
                    (!option->for_verbs || (takes & option->for_verbs)))
                        return option;
        }
        return NULL;
}

static enum pgw_err set_value(const struct option *option, const char *value,
                              struct pgw_cli_args *args, struct pgw_fault *reterr_fault)
{
        char *field = (char *)args + option->at;
        uint64_t number;

        if (option->kind != PATH && !pgw_utf8_is_valid(pgw_str_z(value))) {
                pgw_fault_set(reterr_fault, option->name, "%s must be UTF-8", option->name);
                return PGW_E_INVALID;
        }
        if (option->kind == LIST) {
                struct pgw_cli_list *list = (void *)field;
                list->items[list->count++] = value;
                return PGW_OK;
        }
        if (option->kind == TEXT || option->kind == PATH) {
                memcpy(field, &value, sizeof value);
                return PGW_OK;
        }
        const uint32_t min = ranges[option->kind].min, max = ranges[option->kind].max;
        if (pgw_str_to_u64(pgw_str_z(value), max, &number) || number < min) {
                pgw_fault_set(reterr_fault, option->name, "%s takes %s, %u to %u", option->name,
                              ranges[option->kind].what, min, max);
                return PGW_E_INVALID;
        }
        memcpy(field, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
        return PGW_OK;
}

/* `next` is the word behind, or NULL; *ret_took_next says whether it was the value. */
static enum pgw_err take_option(const char *word, const char *next, unsigned takes,
                                struct pgw_cli_args *args, bool *ret_took_next,
                                struct pgw_fault *reterr_fault)
{
        struct pgw_str name = pgw_str_z(word), value;
        const bool has_value = pgw_str_cut(name, '=', &name, &value);
        const struct option *option = find_option(name, takes);

        *ret_took_next = false;
        if (!option) {
                pgw_fault_set(reterr_fault, "", "unknown option %.*s",
                              (int)(name.n < 64 ? name.n : 64), name.p);
                return PGW_E_INVALID;
        }
        if (option->kind == FLAG) {
                if (has_value) {
                        pgw_fault_set(reterr_fault, "", "%s takes no value", option->name);
                        return PGW_E_INVALID;
                }
                *(bool *)(void *)((char *)args + option->at) = true;
                return PGW_OK;
        }
        if (!has_value && !next) {
                pgw_fault_set(reterr_fault, "", "%s needs a value", option->name);
                return PGW_E_INVALID;
        }
        *ret_took_next = !has_value;
        return set_value(option, has_value ? value.p : next, args, reterr_fault);
}

enum pgw_err pgw_cli_args_parse(int argc, char *const argv[], unsigned takes,
                                struct pgw_cli_args *ret_args, struct pgw_fault *reterr_fault)
{
        struct pgw_cli_args args = {0};
        bool only_operands = false;

        args.operands = pgw_alloc(sizeof *args.operands * ((size_t)argc + 1));
        args.patterns.items = pgw_alloc(sizeof *args.patterns.items * ((size_t)argc + 1));
        args.tags.items = pgw_alloc(sizeof *args.tags.items * ((size_t)argc + 1));
        args.targets.items = pgw_alloc(sizeof *args.targets.items * ((size_t)argc + 1));
        for (int i = 1; i < argc; i++) {
                const char *word = argv[i];
                bool took_next = false;

                if (only_operands || word[0] != '-' || word[1] == 0) {
                        args.operands[args.operand_count++] = word;
                        continue;
                }
                if (strcmp(word, "--") == 0) {
                        only_operands = true;
                        continue;
                }
                const char *next = i + 1 < argc ? argv[i + 1] : NULL;
                if (take_option(word, next, takes, &args, &took_next, reterr_fault)) {
                        pgw_cli_args_fini(&args);
                        return PGW_E_INVALID;
                }
                i += took_next;
        }
        args.from_stdin |= args.nul_separated;
        *ret_args = args;
        return PGW_OK;
}

void pgw_cli_args_fini(struct pgw_cli_args *args)
{
        pgw_free(args->operands);
        pgw_free(args->patterns.items);
        pgw_free(args->tags.items);
        pgw_free(args->targets.items);
        *args = (struct pgw_cli_args){0};
}
