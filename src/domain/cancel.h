/* domain/cancel.h - jobs that are not to be done, or not to be repeated any more.
 *
 * What waits leaves the queue (lua/cancel.lua). What a worker has in hand is written in the sorted
 * set purgeway:{<queue>}:cancelled, by the time of the cancel, where workers look for what takes
 * them long, and before each later pass. It stays there for longer than any repetition can be
 * ahead.
 */
#ifndef PGW_DOMAIN_CANCEL_H
#define PGW_DOMAIN_CANCEL_H

#include "domain/audit.h"
#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_CANCEL_KEPT_MS 7200000

/* What the audit is to say. Without a record of the act nothing is written. */
struct pgw_cancel_audit {
        const struct pgw_audit_conf *conf;
        const struct pgw_buf *act;
        const struct pgw_buf *end; /* of the job; NULL: it is not known yet */
};

/* `done` hears of one command; another one forgets what is old. */
enum pgw_err pgw_cancel_add(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_job_id *, const struct pgw_cancel_audit *,
                            pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

enum pgw_cancel_verdict { PGW_CANCEL_GONE, PGW_CANCEL_LEFT, PGW_CANCEL_ASKED, PGW_CANCEL_WAITS };

/* Take the job out of the queue, or ask its worker to stop. */
enum pgw_err pgw_cancel_job(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_job_id *, const struct pgw_cancel_audit *,
                            pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* What came of it. LEFT: it left the queue, with so many selectors. WAITS: it is there, and would
 * leave with a record of its end, which is written to `end`. PGW_E_CODEC when the answer is not
 * ours. */
enum pgw_err pgw_cancel_read(const struct pgw_reply *, const struct pgw_job_id *,
                             enum pgw_cancel_verdict *ret, uint64_t *ret_selectors,
                             struct pgw_buf *end) PGW_MUSTUSE;

/* Write the result of a job that left the queue. Takes the client of the results. */
enum pgw_err pgw_cancel_end(struct pgw_redis *results, const struct pgw_keyspace *,
                            const struct pgw_job_id *, uint64_t selectors, uint64_t ttl_s,
                            pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* What waits in a lane. */
struct pgw_cancel_lane {
        enum pgw_lane lane;
        size_t count; /* at most so many, the oldest first */
        const struct pgw_audit_conf *conf;
        const struct pgw_buf *act; /* NULL: said already, or there is no audit */
        struct pgw_str ends;       /* as pgw_cancel_ends() writes them; empty: not known yet */
        size_t end_count;
};

/* They leave the queue; with an audit only those whose ends are known, and with none known nothing
 * happens. The answer is an array of the entries, for pgw_cancel_entry() and pgw_cancel_ends(). */
enum pgw_err pgw_cancel_waiting(struct pgw_redis *, const struct pgw_keyspace *,
                                const struct pgw_cancel_lane *, pgw_redis_reply_f *done,
                                void *ctx) PGW_MUSTUSE;

/* Append the records of the ends that these entries would have; how many texts that are. */
enum pgw_err pgw_cancel_ends(const struct pgw_reply *entries, enum pgw_lane, struct pgw_buf *out,
                             size_t *ret_count) PGW_MUSTUSE;

/* Whose entry that is, and how many selectors it has. False when it has no result: it is a later
 * pass, or nobody's. */
bool pgw_cancel_entry(const struct pgw_reply *entry, enum pgw_lane, struct pgw_job_id *ret,
                      uint64_t *ret_selectors);

/* The answer is an array of as many elements, nil for those that were not cancelled. */
enum pgw_err pgw_cancel_ask(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_str *ids, size_t count, pgw_redis_reply_f *done,
                            void *ctx) PGW_MUSTUSE;

#endif
