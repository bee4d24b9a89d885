/* purgeway: one program. This file reads like a table of contents. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "role/build.h"
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
        (void)argv;
        puts("purgeway " PGW_VERSION PGW_BUILD_NOTE);
        return 0;
}

static int help(int argc, char **argv)
{
        pgw_usage(stdout, argc > 1 ? argv[1] : NULL);
        return 0;
}

static const struct {
        const char *verb;
        int (*run)(int argc, char **argv); /* argv[0] is the verb */
} verbs[] = {
    {"serve", serve},
    {"gateway", gateway},
    {"worker", worker},
    {"purge", pgw_cli_purge},
    {"status", pgw_cli_status},
    {"cancel", pgw_cli_cancel},
    {"queues", pgw_cli_queues},
    {"workers", pgw_cli_workers},
    {"dead", pgw_cli_dead},
    {"ready", pgw_cli_ready},
    {"audit", pgw_cli_audit},
    {"key", pgw_cli_key},
    {"version", version},
    {"--version", version},
    {"help", help},
    {"--help", help},
    {"-h", help},
};

int main(int argc, char **argv)
{
        if (argc < 2) {
                fputs("purgeway: a command is missing: purgeway serve, gateway, worker, purge, "
                      "status, cancel, queues, workers, dead, ready, audit or key; try "
                      "`purgeway help`\n",
                      stderr);
                return PGW_EXIT_USAGE;
        }
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
                if (!strcmp(argv[1], verbs[i].verb))
                        return verbs[i].run(argc - 1, argv + 1);
        fprintf(stderr, "purgeway: unknown command '%.40s'; try `purgeway help`\n", argv[1]);
        return PGW_EXIT_USAGE;
}
