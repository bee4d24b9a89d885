/* domain/keyspace.h - the only place that spells a Redis key.
 *
 * All keys of one partition of a queue share a hash tag, so that a script may touch
 * them together on a cluster. The queue's name is the operator's and is checked to
 * hold none of the characters that mean something in a key (`{`, `}`, `:`).
 */
#ifndef PGW_DOMAIN_KEYSPACE_H
#define PGW_DOMAIN_KEYSPACE_H

#include "domain/job_id.h"

#define PGW_QUEUE_NAME_MAX   64
#define PGW_STREAM_KEY_MAX   96
#define PGW_RESULT_KEY_MAX   (PGW_STREAM_KEY_MAX + PGW_JOB_ID_SIZE)
#define PGW_PROGRESS_KEY_MAX (PGW_STREAM_KEY_MAX + PGW_JOB_ID_SIZE)
#define PGW_GROUP_ID_SIZE    22 /* base64url of 128 random bits, not terminated */
#define PGW_GROUP_KEY_MAX    (PGW_STREAM_KEY_MAX + PGW_GROUP_ID_SIZE)
#define PGW_ONCE_NAME_SIZE   22 /* base64url of 128 bits of a hash, not terminated */
#define PGW_ONCE_KEY_MAX     (PGW_STREAM_KEY_MAX + PGW_ONCE_NAME_SIZE)
#define PGW_GROUP            "purgeway"
#define PGW_PARTITIONS       1 /* of a queue; an id that names another is unknown */

struct pgw_keyspace {
        char queue[PGW_QUEUE_NAME_MAX + 1];
        char _streams[PGW_LANE_COUNT][PGW_STREAM_KEY_MAX];
};

/* PGW_E_INVALID when the name is empty, too long, or holds anything but letters, digits,
 * '-', '_' and '.'. */
enum pgw_err pgw_keyspace_init(struct pgw_keyspace *, const char *queue_name) PGW_MUSTUSE;

/* Every key of Purgeway begins so, on whatever server, and nobody may ask for its removal: the
 * queue can lie beside the caches. */
#define PGW_KEYS_OWN "purgeway:"

/* The stream of a lane; valid as long as the keyspace. */
struct pgw_str pgw_keyspace_stream(const struct pgw_keyspace *, enum pgw_lane);

/* What is put off until it is due (domain/rebound.h); written to `out`. */
struct pgw_str pgw_keyspace_scheduled(const struct pgw_keyspace *, char out[PGW_STREAM_KEY_MAX]);

/* The records of jobs that were put off, by their ids (domain/later.h); written to `out`. */
struct pgw_str pgw_keyspace_later(const struct pgw_keyspace *, char out[PGW_STREAM_KEY_MAX]);

/* The dead letters (domain/letter.h): their records by the ids of the jobs, and their ids by when
 * they died; written to `out`. */
struct pgw_str pgw_keyspace_dead(const struct pgw_keyspace *, char out[PGW_STREAM_KEY_MAX]);
struct pgw_str pgw_keyspace_dead_at(const struct pgw_keyspace *, char out[PGW_STREAM_KEY_MAX]);

/* The audit (domain/audit.h); written to `out`. */
struct pgw_str pgw_keyspace_audit(const struct pgw_keyspace *, char out[PGW_STREAM_KEY_MAX]);

/* The jobs that are not to be repeated any more (domain/cancel.h); written to `out`. */
struct pgw_str pgw_keyspace_cancelled(const struct pgw_keyspace *, char out[PGW_STREAM_KEY_MAX]);

/* The record of a request that may be repeated (domain/once.h), and the count of those; written to
 * `out`. */
struct pgw_str pgw_keyspace_once(const struct pgw_keyspace *, struct pgw_str name,
                                 char out[PGW_ONCE_KEY_MAX]);
struct pgw_str pgw_keyspace_once_counts(const struct pgw_keyspace *, char out[PGW_ONCE_KEY_MAX]);

/* The lanes that nobody takes from (domain/pause.h), and the workers (domain/roster.h); written to
 * `out`. */
struct pgw_str pgw_keyspace_paused(const struct pgw_keyspace *, char out[PGW_STREAM_KEY_MAX]);
struct pgw_str pgw_keyspace_workers(const struct pgw_keyspace *, char out[PGW_STREAM_KEY_MAX]);

/* The jobs of a group; written to `out`. */
struct pgw_str pgw_keyspace_group(const struct pgw_keyspace *, struct pgw_str id,
                                  char out[PGW_GROUP_KEY_MAX]);

/* How far the sweep of a job has come, beside its queue; written to `out`. */
struct pgw_str pgw_keyspace_progress(const struct pgw_keyspace *, const struct pgw_job_id *,
                                     char out[PGW_PROGRESS_KEY_MAX]);

/* The result hash of a job, written to `out`. It shares the queue's slot, so that the results of
 * many jobs can be written, and the jobs acknowledged, in one call. */
struct pgw_str pgw_keyspace_result(const struct pgw_keyspace *, const struct pgw_job_id *,
                                   char out[PGW_RESULT_KEY_MAX]);

#endif
