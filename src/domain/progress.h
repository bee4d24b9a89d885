/* domain/progress.h - how far a job with patterns or tags has come.
 *
 * A pass over a node's keys follows the node's own order, in which a position is the
 * bit-reversed cursor of SCAN (see work/circle.h): what a job has covered is the stretch
 * from `start` to `at`, over the end of the order when `wrapped`; all of it when these are
 * equal then. It is written down about once a second, beside the queue, as the hash
 * purgeway:{<queue>}:progress:<job id>
 *      <target>           ten numbers and a name, separated by spaces: the share that is done,
 *                         percent; matched; removed; tags done; cursor in the tag under way; which
 *                         that is, for keys under all tags, else which of the sets that the job has
 *                         set aside of it; members set aside; of them seen; the map of slots that
 *                         the positions are of; when members were given back to the tags before the
 *                         walk, as a sum; the node that the cursor is of
 *      <target>/<node>    start, at, wrapped
 * so that whoever takes the job over goes on from there, and whoever asks sees it move.
 * A node is named by its process (run_id): after a restart its order is another. And when slots
 * have changed hands since, keys may have moved from what was not covered to what was: then
 * the map is another and the positions are worth nothing.
 */
#ifndef PGW_DOMAIN_PROGRESS_H
#define PGW_DOMAIN_PROGRESS_H

#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_NODE_ID_SIZE  41 /* with its NUL */
#define PGW_POSITIONS_MAX 1000

struct pgw_progress {
        unsigned percent;
        uint64_t matched;
        uint64_t removed;
        uint64_t tags_done;
        uint64_t tag_cursor;
        uint64_t tag_walked; /* which set the cursor is in */
        uint64_t members;    /* set aside of all tags so far */
        uint64_t members_seen;
        uint64_t map;
        uint64_t tags_given;
        char tag_node[PGW_NODE_ID_SIZE]; /* "": none */
};

struct pgw_position {
        char node[PGW_NODE_ID_SIZE]; /* "": of nobody */
        uint64_t start;
        uint64_t at;
        bool wrapped;
};

/* The share of the circle that is covered, in percent, where positions only grow along it. */
unsigned pgw_position_percent(const struct pgw_position *);

/* Write it down with an expiry. Two commands, both reported to `done`. */
enum pgw_err pgw_progress_save(struct pgw_redis *, const struct pgw_keyspace *,
                               const struct pgw_job_id *, const char *target,
                               const struct pgw_progress *, const struct pgw_position *,
                               size_t count, pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* Ask for it; the functions below understand the answer. */
enum pgw_err pgw_progress_ask(struct pgw_redis *, const struct pgw_keyspace *,
                              const struct pgw_job_id *, pgw_redis_reply_f *done,
                              void *ctx) PGW_MUSTUSE;

/* Of one target. PGW_E_NO_JOB when nothing is written, PGW_E_CODEC when it is not ours. */
enum pgw_err pgw_progress_read(const struct pgw_reply *, const char *target,
                               struct pgw_progress *ret) PGW_MUSTUSE;

/* Its positions, at most `max`; returns how many. What is not ours is passed over. */
size_t pgw_progress_positions(const struct pgw_reply *, const char *target, struct pgw_position *,
                              size_t max);

/* Over all targets: the counts are sums, the share is the mean. Errors as pgw_progress_read(). */
enum pgw_err pgw_progress_sum(const struct pgw_reply *, struct pgw_progress *ret) PGW_MUSTUSE;

/* The job has ended. */
enum pgw_err pgw_progress_forget(struct pgw_redis *, const struct pgw_keyspace *,
                                 const struct pgw_job_id *, pgw_redis_reply_f *done,
                                 void *ctx) PGW_MUSTUSE;

#endif
