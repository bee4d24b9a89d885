/* work/worker.h - takes jobs and does them.
 *
 * One worker per thread. It reads the lanes in order of priority with a guaranteed
 * share for the lower ones, holds a bounded number of jobs, removes their keys, writes
 * their results and acknowledges them, in that order. While it holds a job it beats;
 * what other workers left without a beat for the idle limit it takes over as a further
 * attempt, announced on the result backend so that a late predecessor's writes are
 * refused.
 *
 *      taken -> (attempt > 1: announced) -> at each target: removing -> sweeping
 *            -> settling -> gone
 *
 * A job that cannot be done is tried a few times in hand, then let go of: its record waits beside
 * the queue (domain/retry.h) and keeps nobody out. When that was often enough it is dead
 * (domain/letter.h). A permanent error ends it as failed.
 */
#ifndef PGW_WORK_WORKER_H
#define PGW_WORK_WORKER_H

#include "domain/audit.h"
#include "domain/rebound.h"
#include "domain/retry.h"
#include "domain/target.h"
#include "redis/client.h"
#include "redis/deployment.h"

struct pgw_worker;

/* What takes longest of a job. */
enum pgw_kind { PGW_KIND_KEYS, PGW_KIND_TAGS, PGW_KIND_PATTERNS, PGW_KINDS };

struct pgw_worker_conf {
        char consumer[96];  /* unique among all workers that ever were */
        size_t batch;       /* entries of one read */
        size_t in_hand_max; /* jobs held at a time */
        uint64_t idle_ms;   /* a job without a beat for so long may be taken over */
        uint64_t beat_ms;
        uint64_t result_ttl_s;
        uint64_t sweep_share; /* percent of a node's time, 1 to 100 */
        uint64_t prune_ms;    /* how often tags are pruned; 0: not by this worker */
        uint64_t journal_ms;  /* how long what was removed is remembered; 0: not at all */
        size_t journal_bytes; /* the most that takes */
        struct pgw_retry_conf retry;
        uint64_t dead_max;            /* dead letters that are kept */
        uint64_t turn_ms[PGW_KINDS];  /* an attempt gives way after so long; 0: never */
        uint64_t whole_ms[PGW_KINDS]; /* a job is dead after so long; 0: never */
        struct pgw_audit_conf audit;
        bool results_beside; /* the results live in the same server and database as the queue */
};

#define PGW_GATES 64

/* A cache that keys are removed from. */
struct pgw_worker_target {
        const char *name;
        struct pgw_deployment *keys;   /* for what is named */
        struct pgw_deployment *sweeps; /* the same once more, for walks and what they find */
        uint64_t *gates_us; /* PGW_GATES of them, shared by all workers of the process and zero at
                             * first: until when the walks leave a node alone */
        struct pgw_rebounds rebounds; /* of jobs that do not say when themselves */
};

/* The connections of a worker. Reading blocks, so it has one of its own. */
struct pgw_worker_links {
        struct pgw_redis *reader;
        struct pgw_redis *broker;
        struct pgw_redis *results;
        const struct pgw_worker_target *targets; /* copied */
        size_t target_count;
};

/* The worker starts at once and is ready whenever its links are. Links and keyspace must
 * outlive it. */
struct pgw_worker *pgw_worker_new(struct pgw_loop *, const struct pgw_worker_links *,
                                  const struct pgw_keyspace *, const struct pgw_worker_conf *);

/* Tell it that one of its links became ready or was lost. */
void pgw_worker_on_state(struct pgw_worker *);

/* Take nothing more. Jobs in hand are finished. */
void pgw_worker_drain(struct pgw_worker *);

/* True once it is draining, holds nothing and waits for no read. */
bool pgw_worker_is_idle(const struct pgw_worker *);

size_t pgw_worker_in_hand(const struct pgw_worker *);
size_t pgw_worker_sweeps(const struct pgw_worker *); /* of them, those that sweep */

/* Close the links first. Jobs in hand stay in the queue and are taken over. */
void pgw_worker_free(struct pgw_worker *);

#endif
