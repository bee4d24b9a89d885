/* cli/job.h - a job as the gateway describes it, seen from the command line. */
#ifndef PGW_CLI_JOB_H
#define PGW_CLI_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/gateway.h"

/* What may stand in a path without escaping; ids have no other characters. */
bool pgw_cli_job_id_is_plain(const char *job_id);

/* True once the status will not change any more. */
bool pgw_cli_job_is_over(const json_t *job);

/* Ask for a job, at most until `deadline_ms` (monotonic; 0: ask once). Returns an exit
 * status; on PGW_EXIT_OK *ret_job is the last answer, over or not, to be released with
 * json_decref. Errors have been printed. */
int pgw_cli_job_follow(struct pgw_cli_gateway *, const char *verb, const char *job_id,
                       uint64_t deadline_ms, json_t **ret_job);

/* The exit status that belongs to a job, after printing an error line for one that
 * failed or, when `waited_s` is not 0, did not end in time. */
int pgw_cli_job_verdict(const char *verb, const json_t *job, uint32_t waited_s);

#endif
