/* cli/args.h - the command line of a client verb as a value.
 *
 * Pure: reads argv only. Options may stand anywhere, as --name VALUE or --name=VALUE;
 * behind `--` everything is an operand. Texts are borrowed from argv. Values are UTF-8 unless they
 * name a file; operands are bytes.
 */
#ifndef PGW_CLI_ARGS_H
#define PGW_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PGW_CLI_WAIT_S_MAX  3600
#define PGW_CLI_EXPECT_MAX  1000000000
#define PGW_CLI_DELAY_S_MAX 2592000 /* of the contract */

/* Which options a verb takes; --help, --url, --cacert and --json always are. */
enum {
        PGW_CLI_TAKES_WAIT = 1,
        PGW_CLI_TAKES_CANCEL = 4,   /* --cancel-rebounds */
        PGW_CLI_TAKES_KEYS = 2,     /* what says what to remove, and how */
        PGW_CLI_TAKES_EXPECT = 8,   /* --expect */
        PGW_CLI_TAKES_LANE = 16,    /* --priority */
        PGW_CLI_TAKES_LETTERS = 32, /* what says which dead letters are meant */
        PGW_CLI_TAKES_AUDIT = 64    /* what says which records of the audit are */
};

/* An option that may be given several times. */
struct pgw_cli_list {
        const char **items; /* owned array of borrowed texts */
        size_t count;
};

struct pgw_cli_args {
        const char *url; /* NULL: not given */
        const char *cacert;
        const char *priority;
        const char *reason;
        const char *idempotency_key;
        const char *not_before; /* as it was given; so are the next ones */
        const char *rebounds;
        const char *row_version;
        uint32_t wait_s;  /* 0: do not wait */
        uint32_t delay_s; /* 0: not given */
        bool json, help;
        bool from_stdin;
        bool nul_separated;    /* -0; implies from_stdin */
        const char **operands; /* owned array of borrowed texts */
        size_t operand_count;
        struct pgw_cli_list patterns;
        struct pgw_cli_list tags;
        struct pgw_cli_list targets;
        bool all_tags, dry_run, soft, tombstone;
        bool cancel_rebounds;
        uint32_t expect; /* 0: not given */
        bool all;
        const char *code, *error_class, *ended, *letter_target, *letter_tag, *letter_request_id;
        const char *after, *before, *client;
        const char *who, *job_id, *action, *since, *until, *audit_key;
        uint32_t limit; /* 0: not given */
        bool exports;
};

/* PGW_E_INVALID, with the reason in the fault, for a command line that makes no sense. */
enum pgw_err pgw_cli_args_parse(int argc, char *const argv[], unsigned takes,
                                struct pgw_cli_args *ret_args,
                                struct pgw_fault *reterr_fault) PGW_MUSTUSE;
void pgw_cli_args_fini(struct pgw_cli_args *);

#endif
