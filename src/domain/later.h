/* domain/later.h - jobs that are not to be done yet.
 *
 * A job that is put off is a record in the hash purgeway:{<queue>}:later, by its id, and its id is
 * in the set of what is due some time (domain/rebound.h). When it is due it becomes an entry of its
 * lane (lua/wake.lua), and until it has ended the hash says where that lies: <due, wall ms>
 * <record>      it waits for its time
 *      =<lane> <entry id>           it is, or was, in the queue
 */
#ifndef PGW_DOMAIN_LATER_H
#define PGW_DOMAIN_LATER_H

#include "domain/keyspace.h"
#include "redis/client.h"

struct pgw_later {
        uint64_t due_ms;   /* 0: it is in the queue */
        uint64_t attempts; /* that are over; of one that waits */
        enum pgw_lane lane;
        struct pgw_entry_id entry;
};

/* Ask for it (lua/kept.lua); pgw_later_read() understands the answer. */
enum pgw_err pgw_later_ask(struct pgw_redis *, const struct pgw_keyspace *,
                           const struct pgw_job_id *, pgw_redis_reply_f *done,
                           void *ctx) PGW_MUSTUSE;

/* PGW_E_NO_JOB when nothing is known of it, PGW_E_CODEC when it is not ours. */
enum pgw_err pgw_later_read(const struct pgw_reply *, struct pgw_later *ret) PGW_MUSTUSE;

/* The job has ended. */
enum pgw_err pgw_later_forget(struct pgw_redis *, const struct pgw_keyspace *,
                              const struct pgw_job_id *, pgw_redis_reply_f *done,
                              void *ctx) PGW_MUSTUSE;

#endif
