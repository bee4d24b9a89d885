/* cli/job.h - a job as the gateway describes it, seen from the command line. */
#ifndef PGW_CLI_JOB_H
#define PGW_CLI_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/verb.h"

#define PGW_CLI_JOB_ID_SIZE_MAX 200
/* Of an address with the id of a job in it. */
#define PGW_CLI_JOB_PATH_SIZE (PGW_CLI_JOB_ID_SIZE_MAX + 64)

/* What may stand in a path without escaping; ids have no other characters, and are no longer than
 * PGW_CLI_JOB_ID_SIZE_MAX. */
bool pgw_cli_job_id_is_plain(const char *job_id);

/* True once the status will not change any more. */
bool pgw_cli_job_is_over(const json_t *job);

/* pgw_cli_verb_ask() for what is answered with a job; its id is plain. */
int pgw_cli_job_ask(const struct pgw_cli_verb *, struct pgw_cli_gateway *,
                    const struct pgw_cli_request *, struct pgw_cli_answer *ret_answer);

/* Ask for a job, at most until `deadline_ms` (monotonic; 0: ask once), also after failures that
 * may pass. Returns an exit status; on PGW_EXIT_OK *ret_job is the last answer, over or not, to be
 * released with json_decref, else NULL. Errors, and that it was interrupted, have been printed. */
int pgw_cli_job_follow(const struct pgw_cli_verb *, struct pgw_cli_gateway *, const char *job_id,
                       uint64_t deadline_ms, json_t **ret_job);

/* Say that an interrupt ended the wait for a job, which goes on. */
void pgw_cli_job_abandon(const struct pgw_cli_verb *, const char *job_id);

/* The exit status that belongs to a job, after printing an error line for one that
 * failed or, when `waited_s` is not 0, did not end in time. */
int pgw_cli_job_verdict(const char *verb, const json_t *job, uint32_t waited_s);

#endif
