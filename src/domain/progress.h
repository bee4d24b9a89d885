/* domain/progress.h - how far a job with patterns or tags has come.
 *
 * A pass over a node's keys follows the node's own order, in which a position is the
 * bit-reversed cursor of SCAN (see work/sweep.c): what a job has covered is the stretch
 * from `start` to `at`, over the end of the order when `wrapped`. It is written down about
 * once a second, beside the queue, as the hash purgeway:{<queue>}:progress:<job id>
 *      i node   s start   p at   w wrapped   m matched   r removed
 *      t tags done   u cursor in the tag under way   k which that is, for keys under all tags
 *      z members set aside   y of them seen
 * so that whoever takes the job over goes on from there, and whoever asks sees it move.
 * The node is named by its process (run_id): after a restart its order is another.
 */
#ifndef PGW_DOMAIN_PROGRESS_H
#define PGW_DOMAIN_PROGRESS_H

#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_NODE_ID_SIZE 41 /* with its NUL */

struct pgw_progress {
        char node[PGW_NODE_ID_SIZE];
        uint64_t start;
        uint64_t at;
        bool wrapped;
        uint64_t matched;
        uint64_t removed;
        uint64_t tags_done;
        uint64_t tag_cursor;
        uint64_t tag_walked; /* for keys under all of several tags: whose set the cursor is in */
        uint64_t members;    /* set aside of all tags so far */
        uint64_t members_seen;
};

/* The share that is covered, in percent, of the circle, and once tags are under way of their
 * members. */
unsigned pgw_progress_percent(const struct pgw_progress *);

/* Write it down with an expiry. Two commands, both reported to `done`. */
enum pgw_err pgw_progress_save(struct pgw_redis *, const struct pgw_keyspace *,
                               const struct pgw_job_id *, const struct pgw_progress *,
                               pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* Ask for it; pgw_progress_read() understands the answer. */
enum pgw_err pgw_progress_ask(struct pgw_redis *, const struct pgw_keyspace *,
                              const struct pgw_job_id *, pgw_redis_reply_f *done,
                              void *ctx) PGW_MUSTUSE;

/* PGW_E_NO_JOB when nothing is written, PGW_E_CODEC when it is not ours. */
enum pgw_err pgw_progress_read(const struct pgw_reply *, struct pgw_progress *ret) PGW_MUSTUSE;

/* The job has ended. */
enum pgw_err pgw_progress_forget(struct pgw_redis *, const struct pgw_keyspace *,
                                 const struct pgw_job_id *, pgw_redis_reply_f *done,
                                 void *ctx) PGW_MUSTUSE;

#endif
