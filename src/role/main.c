/* purgeway: one program. This file reads like a table of contents. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/say.h"
#include "role/build.h"
#include "role/distance.h"
#include "role/process.h"
#include "role/usage.h"

extern char **environ;

static int serve(int argc, char **argv)
{
        return pgw_process_main(PGW_ROLE_SERVE, argc, argv, environ);
}

static int gateway(int argc, char **argv)
{
        return pgw_process_main(PGW_ROLE_GATEWAY, argc, argv, environ);
}

static int worker(int argc, char **argv)
{
        return pgw_process_main(PGW_ROLE_WORKER, argc, argv, environ);
}

static int version(int argc, char **argv)
{
        (void)argc;
        puts("purgeway " PGW_VERSION PGW_BUILD_NOTE);
        return pgw_cli_end(argv[0], PGW_EXIT_OK);
}

static int help(int argc, char **argv);

static const struct {
        const char *verb;
        int (*run)(int argc, char **argv); /* argv[0] is the verb */
        bool takes_help;
} verbs[] = {
    {"serve", serve, true},
    {"gateway", gateway, true},
    {"worker", worker, true},
    {"purge", pgw_cli_purge, true},
    {"status", pgw_cli_status, true},
    {"cancel", pgw_cli_cancel, true},
    {"queues", pgw_cli_queues, true},
    {"workers", pgw_cli_workers, true},
    {"dead", pgw_cli_dead, true},
    {"ready", pgw_cli_ready, true},
    {"audit", pgw_cli_audit, true},
    {"key", pgw_cli_key, true},
    {"version", version, false},
    {"--version", version, false},
    {"help", help, false},
    {"--help", help, false},
    {"-h", help, false},
};

#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

/* Two edits at the most, and no more than half of what was meant. */
static void find_nearer(const char *word, const char *name, size_t *best, const char **ret_meant)
{
        const size_t n = strlen(name), edits = pgw_distance(pgw_str_z(word), pgw_str_z(name));

        if (edits >= *best || edits * 2 > n)
                return;
        *best = edits;
        *ret_meant = name;
}

static int unknown(const char *of, const char *word, bool may_be_page)
{
        const char *meant = NULL;
        char line[160];
        size_t best = 3;

        for (size_t i = 0; i < VERB_COUNT; i++)
                find_nearer(word, verbs[i].verb, &best, &meant);
        for (size_t i = 0; may_be_page && pgw_usage_page(i); i++)
                find_nearer(word, pgw_usage_page(i), &best, &meant);
        snprintf(line, sizeof line, "purgeway: %sunknown command '%.40s'; %s%s%s", of, word,
                 meant ? "did you mean '" : "try `purgeway help`", meant ? meant : "",
                 meant ? "'?" : "");
        pgw_cli_print_clean(stderr, line);
        fputc('\n', stderr);
        return PGW_EXIT_USAGE;
}

static int help(int argc, char **argv)
{
        char *words[] = {argc > 1 ? argv[1] : NULL, (char[]){"--help"}, NULL};

        if (argc > 2) {
                fputs("purgeway: help: it takes one command; try `purgeway help`\n", stderr);
                return PGW_EXIT_USAGE;
        }
        for (size_t i = 0; words[0] && i < VERB_COUNT; i++) {
                if (strcmp(words[0], verbs[i].verb) != 0)
                        continue;
                if (verbs[i].takes_help)
                        return verbs[i].run(2, words);
                words[0] = NULL;
        }
        if (!pgw_usage(stdout, words[0]))
                return unknown("help: ", words[0], true);
        return pgw_cli_end("help", PGW_EXIT_OK);
}

int main(int argc, char **argv)
{
        if (argc < 2) {
                fputs("purgeway: a command is missing: purgeway serve, gateway, worker, purge, "
                      "status, cancel, queues, workers, dead, ready, audit or key; try "
                      "`purgeway help`\n",
                      stderr);
                return PGW_EXIT_USAGE;
        }
        for (size_t i = 0; i < VERB_COUNT; i++)
                if (!strcmp(argv[1], verbs[i].verb))
                        return verbs[i].run(argc - 1, argv + 1);
        return unknown("", argv[1], false);
}
