/* work/worker_priv.h - what the files of a worker share. */
#ifndef PGW_WORK_WORKER_PRIV_H
#define PGW_WORK_WORKER_PRIV_H

#include "domain/entry.h"
#include "domain/job.h"
#include "domain/progress.h"
#include "io/timer.h"
#include "work/worker.h"

#define PGW_SETTLE_BATCH_MAX 128
#define PGW_BEAT_BATCH_MAX   512
#define PGW_SWEEPS_MAX       1000
#define PGW_TAGS_MAX         64 /* of a job; the contract says less */
#define PGW_SAMPLE_BYTES_MAX 16384

/* One job in hand. Its bytes are its own; the reply it came in is gone by then. */
struct pgw_run {
        struct pgw_link in_hand;
        struct pgw_link stage; /* on to_announce, to_remove or to_settle */
        struct pgw_worker *worker;
        struct pgw_job_id id;
        uint64_t attempt;
        uint64_t started_ms;      /* wall */
        uint64_t taken_us;        /* monotonic */
        struct pgw_str keys;      /* all of them */
        struct pgw_str unsent;    /* keys not sent yet */
        struct pgw_str unsettled; /* keys without an answer that counts */
        size_t key_count;
        struct pgw_str patterns;
        size_t pattern_count; /* 0 once they are done */
        struct pgw_str tags;
        size_t tag_count; /* 0 once they are done */
        bool all_tags;
        unsigned pass;         /* 0: the first, which has a result */
        uint64_t origin_ms;    /* when the first one ended, wall; only behind it */
        struct pgw_job_id job; /* whose pass it is */
        bool has_own_rebounds; /* the request's, not the worker's */
        uint64_t soft_ttl_ms;  /* 0: the keys go */
        bool is_dry;           /* nothing is touched */
        uint64_t found;        /* keys by name that are there; only for a dry run */
        struct pgw_buf sample; /* of what would go, as a list of keys */
        size_t sample_count;
        struct pgw_rebounds rebounds;
        size_t selector_count;        /* keys, patterns and tags */
        struct pgw_sweep *sweep;      /* while it takes part in the pass */
        struct pgw_progress progress; /* of patterns and tags */
        bool is_written;              /* the progress */
        uint64_t matched;
        size_t awaited; /* answers of the target still to come */
        uint64_t removed;
        uint64_t missing;
        enum pgw_err broken; /* transient: go on from `unsettled` once nothing is awaited */
        enum pgw_err error;  /* permanent: ends the job */
        bool lost;           /* somebody else owns it by now */
        bool acknowledged;   /* ahead of its result, because the result backend is full */
        unsigned settle_failures;
        char bytes[]; /* of keys, patterns and tags */
};

/* One walk over the target's keys, for all sweeps at once (work/sweep.c). */
struct pgw_pass {
        char node[PGW_NODE_ID_SIZE]; /* whose positions these are */
        bool identified;             /* since the link was last made */
        bool asking;                 /* INFO */
        uint64_t at, next;           /* up to where all is removed; what the slice adds */
        bool uncommitted;            /* a slice was scanned, its removals are not all answered */
        bool scanning;               /* an answer to SCAN is awaited */
        size_t awaited;              /* answers to UNLINK */
        enum pgw_err broken;         /* the slice must be done again */
        uint64_t count;              /* of the next SCAN */
        uint64_t begun_us, way_us;   /* the slice; there and back without work */
        uint64_t saved_ms;
        unsigned failures;
        struct pgw_deferred step;
        struct pgw_timer timer;
};

/* The walk through the sets of tags, one slice of one job at a time (work/tag_sweep.c). */
struct pgw_tag_pass {
        struct pgw_run *run;    /* whose slice is under way; NULL: none */
        bool is_claimed;        /* its tag under way */
        size_t awaited;         /* answers to the slice */
        enum pgw_err broken;    /* the slice must be done again */
        uint64_t next;          /* the cursor behind the slice */
        size_t slice_size;      /* members of the slice */
        size_t slice_matched;   /* of them under all tags */
        size_t slice_found;     /* of them that are there, for a dry run */
        struct pgw_buf members; /* of the slice, as a list of keys; only for all_tags */
        unsigned char *keep;    /* for each of them */
        size_t smallest;        /* the tag that is walked through, for all_tags */
        uint64_t cards[PGW_TAGS_MAX];
        uint64_t count; /* of the next SSCAN */
        uint64_t begun_us;
        uint64_t saved_ms;
        unsigned failures;
        struct pgw_deferred step;
        struct pgw_timer timer;
};

struct pgw_worker {
        struct pgw_loop *loop;
        struct pgw_worker_links links;
        const struct pgw_keyspace *keyspace;
        struct pgw_worker_conf conf;
        bool draining;
        struct pgw_list in_hand;
        struct pgw_list to_announce; /* taken over, not announced yet */
        struct pgw_list to_remove;   /* with keys to send */
        struct pgw_list to_settle;   /* ended, result not written yet */
        struct pgw_list sweeps;      /* work/sweep.c */
        struct pgw_pass pass;
        struct pgw_list tagged; /* work/tag_sweep.c */
        struct pgw_tag_pass tag_pass;

        /* work/take.c */
        bool grouped;           /* the consumer groups exist */
        unsigned reads_awaited; /* answers of the reader still to come */
        size_t asked[PGW_LANE_COUNT], got[PGW_LANE_COUNT];
        struct pgw_deferred take;
        struct pgw_timer take_timer;
        unsigned take_failures;

        /* work/remove.c */
        struct pgw_deferred remove;
        struct pgw_timer remove_timer;
        unsigned remove_failures;

        /* work/settle.c */
        struct pgw_deferred settle;
        struct pgw_timer settle_timer;
        unsigned settle_failures;

        /* work/later.c */
        struct pgw_timer wake_timer;

        /* work/keep.c */
        struct pgw_timer beat_timer;
        struct pgw_timer takeover_timer;
        bool taking_over;
};

/* The pause before try number `failures` + 1 at something: grows, is capped, and is random
 * so that many workers do not come back at once. */
uint64_t pgw_worker_pause_ms(unsigned failures);

/* How many more jobs it may take into hand. Those that sweep wait for the pass, most of the time,
 * and do not keep others out until they are many. */
size_t pgw_worker_room(const struct pgw_worker *);

/* The pass behind this one, 0 when it was the last: none follows what failed, and patterns, which
 * cost a walk over all keys, are repeated once, in the last pass. */
unsigned pgw_run_next_pass(const struct pgw_run *);

/* work/run.c: a job comes into hand from its entry, and leaves it. */
void pgw_run_take(struct pgw_worker *, const struct pgw_reply *entry, enum pgw_lane,
                  uint64_t attempt);
void pgw_run_end(struct pgw_run *);  /* a part is done: to the next, or to settling */
void pgw_run_free(struct pgw_run *); /* out of hand; nothing may be awaited */

void pgw_take_init(struct pgw_worker *);
void pgw_take_fini(struct pgw_worker *);
void pgw_take_more(struct pgw_worker *); /* when there is room and nothing asked yet */

void pgw_remove_init(struct pgw_worker *);
void pgw_remove_fini(struct pgw_worker *);
void pgw_remove_add(struct pgw_run *); /* has keys to send */
void pgw_remove_go_on(struct pgw_worker *);

void pgw_sweep_init(struct pgw_worker *);
void pgw_sweep_fini(struct pgw_worker *);
void pgw_sweep_add(struct pgw_run *); /* has patterns */
void pgw_sweep_go_on(struct pgw_worker *);

/* True when it is known which process the target is; else it is asked for, and both walks go on
 * when the answer has come. */
bool pgw_sweep_knows_node(struct pgw_worker *);

/* The pause that keeps the walks of all threads at their share of the node's time, and whether it
 * is still on: then the timer is armed for its end. */
void pgw_sweep_pause_behind(struct pgw_worker *, uint64_t busy_us);
bool pgw_sweep_must_wait(struct pgw_worker *, struct pgw_timer *);

/* Write a job's progress down, and forget it when the job has ended. */
void pgw_sweep_say_progress(struct pgw_run *);
void pgw_sweep_forget(struct pgw_run *);

void pgw_tag_sweep_init(struct pgw_worker *);
void pgw_tag_sweep_fini(struct pgw_worker *);
void pgw_tag_sweep_add(struct pgw_run *); /* has tags */
void pgw_tag_sweep_go_on(struct pgw_worker *);
void pgw_tag_sweep_start_over(struct pgw_worker *); /* cursors are worth nothing any more */

void pgw_later_init(struct pgw_worker *);
void pgw_later_fini(struct pgw_worker *);

void pgw_settle_init(struct pgw_worker *);
void pgw_settle_fini(struct pgw_worker *);
void pgw_settle_add(struct pgw_run *);
void pgw_settle_go_on(struct pgw_worker *);

void pgw_keep_init(struct pgw_worker *);
void pgw_keep_fini(struct pgw_worker *);
void pgw_keep_announce(struct pgw_run *);
void pgw_keep_go_on(struct pgw_worker *);

#endif
