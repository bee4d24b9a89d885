/* domain/rebound.h - removing the same once more, a little later.
 *
 * A reader that fetched the old value before the commit can store it after the purge, and then
 * it stays. So a job is repeated, by default 1, 3 and 11 seconds after its first pass: longer
 * than almost every read and almost every lag of a replica takes.
 *
 * What is to be repeated waits as a member of the sorted set purgeway:{<queue>}:scheduled,
 * whose score is the time when it is due. The member is a list of texts (the form of field k,
 * domain/invalidation.h): the number of a lane, then the fields and values of the entry that it
 * will be. lua/wake.lua makes them entries. In such an entry, always of version 2,
 *      b  the number of the pass, from 1     o  when the first pass ended, wall ms
 *      j  the job's id                       w  when all the passes are due after that
 *      m  when it is for several jobs, the id of each and how many of the keys are its own, as
 *         texts of a list; 0 when they are those of the job before it
 * Keys of jobs that ended together are repeated together: then `j` is one of them.
 */
#ifndef PGW_DOMAIN_REBOUND_H
#define PGW_DOMAIN_REBOUND_H

#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_REBOUNDS_MAX      5
#define PGW_REBOUND_MS_MAX    3600000
#define PGW_REBOUNDS_TEXT_MAX (PGW_REBOUNDS_MAX * 8 + 1)

/* When the passes are due after the first one has ended, ms, ascending. */
struct pgw_rebounds {
        uint64_t at_ms[PGW_REBOUNDS_MAX];
        size_t count;
};

/* "1000,3000,11000"; "-" and "" are none. PGW_E_INVALID unless ascending and within bounds. */
enum pgw_err pgw_rebounds_parse(struct pgw_str, struct pgw_rebounds *ret) PGW_MUSTUSE;

/* The same as text; "-" for none. */
struct pgw_str pgw_rebounds_text(const struct pgw_rebounds *, char out[PGW_REBOUNDS_TEXT_MAX]);

struct pgw_rebound {
        struct pgw_job_id job;
        unsigned pass;      /* from 1 */
        unsigned after;     /* the pass that has just ended; 0: the first, that has a result */
        uint64_t origin_ms; /* wall, for those who look at it */
        struct pgw_rebounds rebounds;
        struct pgw_str targets;              /* as in an entry; empty: all */
        struct pgw_str keys, patterns, tags; /* as in an entry; may be empty */
        struct pgw_str members;              /* field m; empty: `job` alone */
        bool all_tags;
        uint64_t soft_ttl_ms; /* 0: the keys go */
};

/* Schedule the pass (lua/repeat.lua). The answer is an integer. */
enum pgw_err pgw_rebound_schedule(struct pgw_redis *, const struct pgw_keyspace *,
                                  const struct pgw_rebound *, pgw_redis_reply_f *done,
                                  void *ctx) PGW_MUSTUSE;

/* Make at most `count` of those that are due entries of their lanes. The answer is how many; while
 * it is more than 0 there may be more. */
enum pgw_err pgw_rebounds_wake(struct pgw_redis *, const struct pgw_keyspace *, size_t count,
                               pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

#endif
