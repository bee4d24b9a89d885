/* domain/lookup.h - what became of a job.
 *
 * Asks the result backend; when it knows nothing, the queue itself; and when the queue
 * says that the job is over, the result backend once more, because the job may have
 * ended between the two questions. What was cancelled has a result beside the queue as well
 * (domain/cancel.h). Only then is a job unknown.
 *
 * An id whose random bits are not those of the entry is as unknown as any other.
 */
#ifndef PGW_DOMAIN_LOOKUP_H
#define PGW_DOMAIN_LOOKUP_H

#include "domain/job.h"
#include "domain/keyspace.h"
#include "redis/client.h"

struct pgw_jobs; /* one per thread */

/* `job` is NULL when `err` is set; PGW_E_NO_JOB: unknown, or its result has expired. */
typedef void pgw_lookup_f(void *ctx, enum pgw_err err, const struct pgw_job *job);

struct pgw_jobs *pgw_jobs_new(struct pgw_redis *broker, struct pgw_redis *results,
                              const struct pgw_keyspace *);
void pgw_jobs_free(struct pgw_jobs *);

/* `done` comes once, later, if and only if PGW_OK is returned. */
enum pgw_err pgw_jobs_find(struct pgw_jobs *, const struct pgw_job_id *, pgw_lookup_f *done,
                           void *ctx) PGW_MUSTUSE;

#endif
