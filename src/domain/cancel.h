/* domain/cancel.h - jobs that are not to be done, or not to be repeated any more.
 *
 * What waits leaves the queue (lua/cancel.lua), and its result is written with that in the queue's
 * own Redis, wherever the other results are: where that is elsewhere it is written there too, and
 * should that fail the job is still known (domain/lookup.h).
 *
 * What a worker has in hand is written in the sorted set purgeway:{<queue>}:cancelled, by the time
 * of the cancel, where workers look for what takes them long, and before each later pass. It stays
 * there for longer than any repetition can be ahead, or until the job is brought back from the dead
 * (lua/redrive.lua): that is a later word than the cancel.
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
};

/* What there is to be said of a job that leaves. */
struct pgw_cancel_end {
        uint64_t selectors;
        uint64_t ttl_s;               /* of its result */
        const struct pgw_buf *record; /* for the audit */
};

/* `done` hears of one command; another one forgets what is old. */
enum pgw_err pgw_cancel_add(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_job_id *, const struct pgw_cancel_audit *,
                            pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

enum pgw_cancel_verdict { PGW_CANCEL_GONE, PGW_CANCEL_LEFT, PGW_CANCEL_ASKED, PGW_CANCEL_WAITS };

/* Take the job out of the queue, or ask its worker to stop. Without an end, which is not known at
 * first, nothing that waits leaves. */
enum pgw_err pgw_cancel_job(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_job_id *, const struct pgw_cancel_audit *,
                            const struct pgw_cancel_end *, pgw_redis_reply_f *done,
                            void *ctx) PGW_MUSTUSE;

/* What came of it. LEFT: it left the queue, now or before. WAITS: it is there, and would leave with
 * a record of its end, which is written to `end`. Both: with so many selectors. PGW_E_CODEC when
 * the answer is not ours. */
enum pgw_err pgw_cancel_read(const struct pgw_reply *, const struct pgw_job_id *,
                             enum pgw_cancel_verdict *ret, uint64_t *ret_selectors,
                             struct pgw_buf *end) PGW_MUSTUSE;

/* Write the result of a job that left the queue where the other results are; a no-op where that is
 * beside the queue. Takes the client of the results. */
enum pgw_err pgw_cancel_end(struct pgw_redis *results, const struct pgw_keyspace *,
                            const struct pgw_job_id *, uint64_t selectors, uint64_t ttl_s,
                            pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

#define PGW_CANCEL_PAGE_MAX 100

/* A job that waits in its lane. */
struct pgw_cancel_one {
        struct pgw_entry_id entry;
        bool has_result; /* else it is a later pass, or nobody's */
        struct pgw_job_id job;
        uint64_t selectors;
};

/* Some of what waits in a lane, the oldest first. */
struct pgw_cancel_page {
        enum pgw_lane lane;
        bool is_last; /* there was no more */
        size_t count;
        struct pgw_cancel_one ones[PGW_CANCEL_PAGE_MAX];
        struct pgw_buf ends; /* what the audit is to say of them */
};

void pgw_cancel_page_init(struct pgw_cancel_page *, enum pgw_lane);
void pgw_cancel_page_fini(struct pgw_cancel_page *);

/* Ask what waits, at most `count` of them: as many as one answer can have, but at least one. The
 * answer is for pgw_cancel_page_read(). */
enum pgw_err pgw_cancel_look(struct pgw_redis *, const struct pgw_keyspace *, enum pgw_lane,
                             size_t count, pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* Replaces what the page had. */
enum pgw_err pgw_cancel_page_read(struct pgw_cancel_page *, const struct pgw_reply *) PGW_MUSTUSE;

/* Those of the page that still wait leave the queue, with results that live for so long. The act,
 * if any, is written down with them, and how many they were. The answer is an array, for
 * pgw_cancel_next_left(). */
enum pgw_err pgw_cancel_leave(struct pgw_redis *, const struct pgw_keyspace *,
                              const struct pgw_cancel_page *, uint64_t ttl_s,
                              const struct pgw_cancel_audit *, pgw_redis_reply_f *done,
                              void *ctx) PGW_MUSTUSE;

/* The next one that left, from `*at` on, which is 0 at first; NULL when there is none. */
const struct pgw_cancel_one *pgw_cancel_next_left(const struct pgw_cancel_page *,
                                                  const struct pgw_reply *, size_t *at);

/* The answer is an array of as many elements, nil for those that were not cancelled. */
enum pgw_err pgw_cancel_ask(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_str *ids, size_t count, pgw_redis_reply_f *done,
                            void *ctx) PGW_MUSTUSE;

#endif
