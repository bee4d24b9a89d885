/* domain/pause.h - lanes that nobody takes jobs from.
 *
 * The hash purgeway:{<queue>}:paused has a field for each such lane, with the time since when, wall
 * ms. Jobs are accepted all the same; those that workers have in hand are finished. Workers look
 * four times a second, so a pause is in force everywhere within a second.
 */
#ifndef PGW_DOMAIN_PAUSE_H
#define PGW_DOMAIN_PAUSE_H

#include "domain/audit.h"
#include "domain/keyspace.h"
#include "redis/client.h"

/* A set of lanes, a bit for each. */
typedef unsigned pgw_lane_set;
#define PGW_LANES_ALL ((1u << PGW_LANE_COUNT) - 1)

/* `record` is what the audit is to say of it (domain/audit.h); NULL: nothing. */
enum pgw_err pgw_pause_begin(struct pgw_redis *, const struct pgw_keyspace *, pgw_lane_set,
                             const struct pgw_audit_conf *, const struct pgw_buf *record,
                             pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;
enum pgw_err pgw_pause_end(struct pgw_redis *, const struct pgw_keyspace *, pgw_lane_set,
                           const struct pgw_audit_conf *, const struct pgw_buf *record,
                           pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* Which are paused? Read the answer with pgw_pause_read(). */
enum pgw_err pgw_pause_ask(struct pgw_redis *, const struct pgw_keyspace *, pgw_redis_reply_f *done,
                           void *ctx) PGW_MUSTUSE;

/* Since when, wall ms, 0 for lanes that are not; all zero for an answer that is not ours. */
pgw_lane_set pgw_pause_read(const struct pgw_reply *, uint64_t ret_since_ms[PGW_LANE_COUNT]);

#endif
