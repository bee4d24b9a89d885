/* domain/cancel.h - jobs that are not to be repeated any more.
 *
 * Their ids are kept in the sorted set purgeway:{<queue>}:cancelled, by the time of the cancel, for
 * longer than any repetition can be ahead. A worker asks for the jobs of a later pass before it
 * begins, so a pass that has begun is not stopped.
 */
#ifndef PGW_DOMAIN_CANCEL_H
#define PGW_DOMAIN_CANCEL_H

#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_CANCEL_KEPT_MS 7200000

/* `done` hears of one command; another one forgets what is old. */
enum pgw_err pgw_cancel_add(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_job_id *, pgw_redis_reply_f *done,
                            void *ctx) PGW_MUSTUSE;

/* The answer is an array of as many elements, nil for those that were not cancelled. */
enum pgw_err pgw_cancel_ask(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_str *ids, size_t count, pgw_redis_reply_f *done,
                            void *ctx) PGW_MUSTUSE;

#endif
