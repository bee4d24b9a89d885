/* domain/intake.h - a job goes into the queue, safely.
 *
 * One XADD, pipelined with all others of the same turn; the caller hears back only
 * when Redis has confirmed it at the configured durability class:
 *
 *      memory      the server has it in memory
 *      fsync       the server has synced it to disk before it answered
 *                  (appendfsync always, verified by domain/broker_check)
 *      replicated  as many replicas as configured have confirmed it (one WAIT for all
 *                  the jobs of a turn, and its answer is checked)
 *
 * An error after the XADD was sent means unknown: the job may be in the queue. Since
 * removing twice does no harm, the client simply asks again.
 *
 * A request that says by what it is known (domain/once.h) goes in by a script in place of the XADD;
 * its repeats are confirmed like the first one.
 *
 * One intake per thread, on a client of its own.
 */
#ifndef PGW_DOMAIN_INTAKE_H
#define PGW_DOMAIN_INTAKE_H

#include "domain/invalidation.h"
#include "domain/keyspace.h"
#include "domain/once.h"
#include "redis/client.h"

enum pgw_durability { PGW_DURABILITY_MEMORY, PGW_DURABILITY_FSYNC, PGW_DURABILITY_REPLICATED };

struct pgw_intake_conf {
        enum pgw_durability durability;
        unsigned replicas;
        uint64_t replica_wait_ms;
        struct pgw_once_conf once;
        size_t selectors_max; /* bytes (domain/entry.h) */
};

struct pgw_intake;

/* `job` is NULL when `err` is set. */
struct pgw_intake_job {
        struct pgw_job_id id;
        bool is_repeat; /* it was there before */
};
typedef void pgw_intake_f(void *ctx, enum pgw_err err, const struct pgw_intake_job *job);

/* The client and the keyspace must outlive the intake. */
struct pgw_intake *pgw_intake_new(struct pgw_loop *, struct pgw_redis *,
                                  const struct pgw_keyspace *, const struct pgw_intake_conf *);

/* Close the client first: it fails what is under way. */
void pgw_intake_free(struct pgw_intake *);

/* Put a job into its lane. The value is not needed after the call. `done` comes once, later,
 * if and only if PGW_OK is returned; else nothing was sent. PGW_E_TOO_LARGE when its selectors take
 * more bytes than they may. */
enum pgw_err pgw_intake_put(struct pgw_intake *, const struct pgw_invalidation *,
                            pgw_intake_f *done, void *ctx) PGW_MUSTUSE;

/* What became of an earlier request like this one, confirmed as if it were put now; PGW_E_KEYS_FULL
 * when there was none. */
enum pgw_err pgw_intake_ask(struct pgw_intake *, const struct pgw_once *, pgw_intake_f *done,
                            void *ctx) PGW_MUSTUSE;

/* Write down that a batch of this group begins; pgw_once_read() understands the answer. It is
 * confirmed with the jobs that are put after it. */
enum pgw_err pgw_intake_claim(struct pgw_intake *, const struct pgw_once *, struct pgw_str group,
                              pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

#endif
