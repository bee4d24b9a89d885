/* cli/cli.h - the client verbs: `purgeway purge`, `status`, `cancel`, `queues`, `workers`, `dead`,
 * `ready`, `audit`; and `purgeway key`, which asks nobody.
 *
 * Each is a main() of its own: argv[0] is the verb, results go to stdout, one line per
 * error to stderr, and the return value is the exit status. They speak HTTP to a
 * gateway (--url, else $PURGEWAY_URL, else http://127.0.0.1:7780), one request at a
 * time, and hold nothing when they return. A gateway that wants a credential is shown the
 * one in $PURGEWAY_API_KEY, or in the file that $PURGEWAY_API_KEY_FILE names.
 */
#ifndef PGW_CLI_CLI_H
#define PGW_CLI_CLI_H

enum {
        PGW_EXIT_OK = 0,
        PGW_EXIT_FAILED = 1,       /* a job failed, did not end in time, or was refused */
        PGW_EXIT_USAGE = 2,        /* the command line is wrong */
        PGW_EXIT_UNAVAILABLE = 69, /* no gateway, or it cannot serve now (503) */
        PGW_EXIT_INTERRUPTED = 130 /* by SIGINT, while something was waited for */
};

/* Flush stdout; `status`, or a failure, which is said, when what was printed could not be written.
 */
int pgw_cli_end(const char *verb, int status);

int pgw_cli_purge(int argc, char *argv[]);
int pgw_cli_status(int argc, char *argv[]);
int pgw_cli_cancel(int argc, char *argv[]);
int pgw_cli_queues(int argc, char *argv[]);
int pgw_cli_workers(int argc, char *argv[]);
int pgw_cli_dead(int argc, char *argv[]);
int pgw_cli_ready(int argc, char *argv[]);
int pgw_cli_audit(int argc, char *argv[]);
int pgw_cli_key(int argc, char *argv[]);

#endif
