/* http/job_json.h - a job in the words of the interface.
 *
 * Written by hand: the object is small and fixed, and an answer to a purge is the most
 * frequent thing this program says.
 */
#ifndef PGW_HTTP_JOB_JSON_H
#define PGW_HTTP_JOB_JSON_H

#include "base/buf.h"
#include "domain/job.h"

#define PGW_ETAG_SIZE 64

enum pgw_err pgw_job_json(struct pgw_buf *out, const struct pgw_job *,
                          const char *target_name) PGW_MUSTUSE;

/* Of a job that has ended, `,"result":{...}` and its error. */
enum pgw_err pgw_job_json_end(struct pgw_buf *out, const struct pgw_job *,
                              const char *target_name) PGW_MUSTUSE;

/* The entity tag of the job's present state, with its quotes and a NUL. */
void pgw_job_etag(const struct pgw_job *, char out[PGW_ETAG_SIZE]);

#endif
