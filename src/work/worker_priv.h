/* work/worker_priv.h - what the files of a worker share.
 *
 * A run is a job in hand. It has a part for each target that it is for, and the parts go their
 * ways by themselves: keys, then patterns, then tags. When the last part has ended the run is
 * settled. Everything that a target does at its own pace hangs on struct pgw_target.
 */
#ifndef PGW_WORK_WORKER_PRIV_H
#define PGW_WORK_WORKER_PRIV_H

#include "domain/entry.h"
#include "domain/hold.h"
#include "domain/job.h"
#include "domain/pause.h"
#include "domain/progress.h"
#include "io/timer.h"
#include "work/twins.h"
#include "work/worker.h"

#define PGW_SETTLE_BATCH_MAX 128
#define PGW_BEAT_BATCH_MAX   512
#define PGW_SWEEPS_MAX       1000
#define PGW_WATCH_IDS_MAX    100
#define PGW_TAKE_BLOCK_MS    500 /* that a read of the lanes waits */
#define PGW_TAGS_MAX         64  /* of a job; the contract says less */
#define PGW_SAMPLE_BYTES_MAX 16384
#define PGW_EFFECT_CHUNK_MAX 16 /* keys of one UNLINK: twice as fast as one by one */

struct pgw_run;
struct pgw_target;
struct pgw_walk;
struct pgw_tag_stand;

/* What a run has to do at one target. */
struct pgw_part {
        struct pgw_run *run;
        struct pgw_target *target;
        struct pgw_link stage;   /* on a list of the target */
        struct pgw_str unsent;   /* keys not sent yet */
        struct pgw_buf again[2]; /* keys to be sent once more: `filling` collects, the other is */
        unsigned filling;        /* what `unsent` may lie in */
        bool keys_done;          /* so are the patterns ... */
        bool patterns_done;
        bool tags_done; /* ... and the tags */
        bool ended;
        struct pgw_twin twin; /* of equal keys */
        bool is_twin;         /* it is among them */
        size_t awaited;       /* answers of the target still to come */
        enum pgw_err broken;  /* transient: some keys are to be sent again */
        enum pgw_err error;   /* permanent: ends the part */
        enum pgw_err stopped; /* it ends undone, and is to be tried again: why */
        unsigned tries;       /* at the same keys, without the job having been let go */
        uint64_t removed;
        uint64_t missing;
        uint64_t found;                /* keys by name that are there; only for a dry run */
        bool has_unheld;               /* some markers could not be written */
        struct pgw_sweep *sweep;       /* while it takes part in the pass */
        struct pgw_tag_stand *tagging; /* while it walks through tags */
        struct pgw_progress progress;  /* of patterns and tags */
        struct pgw_position *resumed;  /* where an earlier worker was; NULL: nowhere */
        size_t resumed_count;
};

/* What becomes of a run that is over. */
enum pgw_fate {
        PGW_FATE_SETTLED, /* its result is written */
        PGW_FATE_AGAIN,   /* it waits for its next try */
        PGW_FATE_HANDED,  /* somebody else goes on with it at once: we are draining */
        PGW_FATE_BURIED   /* it is kept among the dead letters, then its result is written */
};

/* Later passes on their way to the schedule (work/passes.c); a field of whoever waits for it. */
struct pgw_passes {
        struct pgw_worker *worker;
        size_t awaited;
        enum pgw_err refused; /* transient: some are not on it */
        void (*done)(struct pgw_passes *);
};

/* One job in hand. Its bytes are its own; the reply it came in is gone by then. */
struct pgw_run {
        struct pgw_link in_hand;
        struct pgw_link stage; /* on to_announce, to_release, to_settle or among the suspects */
        struct pgw_worker *worker;
        uint64_t number; /* of those that came into hand, from 1 */
        struct pgw_job_id id;
        uint64_t attempt;
        uint64_t started_ms; /* wall */
        uint64_t taken_us;   /* monotonic */
        struct pgw_str keys, patterns, tags;
        struct pgw_str members; /* of a later pass: whose keys they are (domain/rebound.h) */
        size_t member_count;
        size_t key_count, pattern_count, tag_count;
        bool all_tags;
        unsigned pass;          /* 0: the first, which has a result */
        uint64_t origin_ms;     /* when the first one ended, wall; only behind it */
        struct pgw_job_id job;  /* whose pass it is */
        struct pgw_job_id name; /* what its result and its progress go by */
        bool has_own_rebounds;  /* the request's, not the targets' */
        struct pgw_rebounds rebounds;
        uint64_t soft_ttl_ms; /* 0: the keys go */
        uint64_t hold_ms;     /* how long a marker keeps old values out; 0: there is none */
        char version[PGW_HOLD_VERSION_MAX + 1]; /* that it asks for; "": none */
        bool is_dry;                            /* nothing is touched */
        bool is_for_any;                        /* target: its entry names none */
        struct pgw_buf sample;                  /* of what would go, as a list of keys */
        size_t sample_count;
        size_t selector_count; /* keys, patterns and tags, of the whole job */
        uint64_t attempts;     /* that were over before this entry was made */
        uint64_t deliveries;   /* of this entry, this one among them */
        uint64_t since_ms;     /* when it became an entry first, or was brought back; wall */
        struct pgw_tries tries;
        struct pgw_str outcomes, history;
        struct pgw_str actor, request_id, reason, names, sum; /* for the audit, if there is one */
        bool has_place; /* where its entry lies is written down (domain/later.h) */
        enum pgw_fate fate;
        enum pgw_job_state state; /* that it ends in */
        uint64_t pause_ms;        /* until it is tried again */
        bool is_summed;           /* work/outcome.c */
        bool is_told;             /* how it ended is known from its result */
        bool is_scheduled;        /* what follows on what was done: once, whatever comes then */
        struct pgw_passes passes;
        bool has_begun;     /* its parts are on their ways */
        bool is_written;    /* its progress */
        enum pgw_err error; /* permanent: it failed */
        bool lost;          /* somebody else owns it by now */
        bool acknowledged;  /* ahead of its result, because the result backend is full */
        bool settle_sent;   /* whether that was done is not known, or it was done by another */
        unsigned settle_failures;
        uint64_t matched, removed, missing; /* of all parts, once they have ended */
        size_t part_count, parts_left;
        struct pgw_part *parts;
};

/* The keys of a target, one by one (work/remove.c). */
struct pgw_remover {
        struct pgw_twins *twins;
        struct pgw_list to_send;
        struct pgw_list to_retry;
        struct pgw_deferred send;
        struct pgw_timer timer;
};

/* The pass over all keys of a target: a walk over each master (work/walk.c), for all sweeps at once
 * (work/sweep.c). */
struct pgw_pass {
        struct pgw_list sweeps;
        uint64_t sweep_number; /* of the last one that came */
        struct pgw_walk **walks;
        size_t walk_count;
        uint64_t epoch; /* of the deployment, that the walks are of */
        uint64_t map;
        struct pgw_deferred look; /* at who the masters are */
        struct pgw_slots *slots;  /* work/slots.c: what changed hands meanwhile */
};

/* The walk through the sets of tags, one slice of one job at a time (work/tag_sweep.c). */
struct pgw_tag_pass {
        struct pgw_list parts;
        struct pgw_list lettings; /* work/let_go.c */
        struct pgw_part *part;    /* whose slice is under way; NULL: none */
        size_t awaited;           /* answers to the slice */
        enum pgw_err broken;      /* the slice must be done again */
        uint64_t next;            /* the cursor behind the slice */
        uint64_t slice_from;      /* its cursor */
        size_t slice_size;        /* members of the slice */
        size_t slice_matched;     /* of them under all tags */
        size_t slice_found;       /* of them that are there, for a dry run */
        size_t chunk_count;       /* of them not sent yet */
        struct pgw_str chunk[PGW_EFFECT_CHUNK_MAX];
        struct pgw_buf members; /* of the slice, as a list of keys; only for all_tags */
        unsigned char *keep;    /* for each of them */
        size_t smallest;        /* the tag that is walked through, for all_tags */
        uint64_t cards[PGW_TAGS_MAX];
        struct pgw_asking *askings; /* calls of a slice */
        size_t look_left;           /* the asking that found what nobody is at; SIZE_MAX: none */
        bool look_busy;             /* others are at what they have set aside */
        uint64_t look_given;        /* when members were given back, as a sum over the tags */
        uint64_t *gate_us;          /* of the node that has the set */
        uint64_t begun_us;
        uint64_t saved_ms;
        unsigned failures;
        struct pgw_deferred step;
        struct pgw_timer timer, wait_timer;
};

struct pgw_target {
        struct pgw_worker *worker;
        struct pgw_worker_target conf;
        unsigned index;
        struct pgw_remover remover;
        struct pgw_pass pass;
        struct pgw_tag_pass tags;
        struct pgw_journal *journal; /* NULL: none is kept */
        struct pgw_pruner *pruner;   /* NULL: another worker's */
        uint64_t gone_ms; /* since when nobody answers there, of the loop; 0: somebody does */
        uint64_t torn_ms; /* since when not every master does */
};

/* Which of the jobs that were delivered too often is done, and which wait (work/suspect.c). */
enum { PGW_SUSPECTS_PLAIN, PGW_SUSPECTS_WALKING, PGW_SUSPECTS_COUNT };
struct pgw_suspects {
        struct pgw_run *current;
        struct pgw_list waiting;
};

struct pgw_worker {
        struct pgw_loop *loop;
        struct pgw_worker_links links;
        const struct pgw_keyspace *keyspace;
        struct pgw_worker_conf conf;
        bool draining;
        struct pgw_list in_hand;
        uint64_t taken_count;        /* that ever came into hand */
        struct pgw_list to_announce; /* taken over, not announced yet */
        struct pgw_list to_settle;   /* ended, result not written yet */
        struct pgw_list to_release;  /* not done, and not let go of yet */
        struct pgw_target *targets;
        size_t target_count;
        struct pgw_list unused_effects; /* work/effect.c */
        struct pgw_suspects suspects[PGW_SUSPECTS_COUNT];

        /* work/take.c */
        bool grouped;           /* the consumer groups exist */
        unsigned reads_awaited; /* answers of the reader still to come */
        size_t asked[PGW_LANE_COUNT], got[PGW_LANE_COUNT];
        struct pgw_deferred take;
        struct pgw_timer take_timer;
        unsigned take_failures;

        /* work/settle.c */
        struct pgw_deferred settle;
        struct pgw_timer settle_timer;
        unsigned settle_failures;

        /* work/record.c */
        struct pgw_buf record, record_sum; /* scratch */

        /* work/release.c */
        struct pgw_deferred release;
        struct pgw_timer release_timer;
        unsigned release_failures;

        /* work/watch.c */
        struct pgw_timer watch_timer;
        struct pgw_job_id asked_ids[PGW_WATCH_IDS_MAX]; /* whether they are cancelled */
        size_t asked_count;
        uint64_t asked_to; /* the number of the last run that was asked about */
        bool asking_cancelled;

        /* work/present.c */
        struct pgw_timer present_timer;
        uint64_t told_ms;    /* of the loop: when it last wrote its line */
        uint64_t started_ms; /* wall */
        pgw_lane_set paused;
        bool knows_paused; /* it was told at least once */
        bool asking_paused;
        bool has_left; /* its line is taken out */

        /* work/later.c */
        struct pgw_timer wake_timer;

        /* work/keep.c */
        struct pgw_deferred announce;
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

/* work/run.c: a job comes into hand from its entry, and leaves it. */
void pgw_run_take(struct pgw_worker *, const struct pgw_reply *entry, enum pgw_lane,
                  uint64_t deliveries);
void pgw_run_begin(struct pgw_run *); /* its parts go their ways */
void pgw_part_end(struct pgw_part *); /* a stage is done: to the next, or it has ended */
void pgw_run_lose(struct pgw_run *);  /* before it began: somebody else owns it */
void pgw_run_bury(struct pgw_run *);  /* whoever takes it dies over it */
void pgw_run_free(struct pgw_run *);  /* out of hand; nothing may be awaited */

/* True when the part has nothing more to do but to end. */
static inline bool pgw_part_is_off(const struct pgw_part *part)
{
        return part->error || part->stopped || part->run->lost;
}

/* work/suspect.c: what workers may have died over. */
#define PGW_SUSPECT_DELIVERIES 3 /* from which on it is */
bool pgw_suspect_is_one(const struct pgw_run *);
uint64_t pgw_suspect_turns(const struct pgw_worker *); /* how often one may be begun as such */
void pgw_suspect_add(struct pgw_run *);                /* announce it when its turn has come */
void pgw_suspect_ended(struct pgw_run *);
void pgw_suspect_init(struct pgw_worker *);
void pgw_suspect_fini(struct pgw_worker *);

/* work/outcome.c: what became of a run at its targets. */
void pgw_outcome_take_over(struct pgw_run *); /* what earlier attempts have left */
void pgw_outcome_sum_up(struct pgw_run *);
struct pgw_outcome {
        uint64_t matched, removed, missing;
};
struct pgw_outcome
pgw_outcome_of(const struct pgw_run *); /* of all parts, whether summed up or not */
enum { PGW_OUTCOMES_TEXT_MAX = PGW_TARGETS_MAX * (PGW_TARGET_NAME_MAX + 3 * 21 + 48) };
size_t pgw_outcome_text(const struct pgw_run *, char out[PGW_OUTCOMES_TEXT_MAX]);

/* The keys that the parts that were stopped have left. When they differ it is all of them, and what
 * was counted is taken back. */
struct pgw_str pgw_outcome_left(struct pgw_run *);

/* The keys that these parts have not left: added to `out` as a list of keys. */
void pgw_outcome_done(struct pgw_run *, struct pgw_buf *out);

/* The pass behind this one at a target with those rebounds, 0 when it was the last: none follows
 * what failed, and patterns, which cost a walk over all keys, are repeated once, in the last
 * pass. */
unsigned pgw_run_next_pass(const struct pgw_run *, const struct pgw_rebounds *);

/* When the part's target is to be visited again. */
const struct pgw_rebounds *pgw_part_rebounds(const struct pgw_part *);

void pgw_take_init(struct pgw_worker *);
void pgw_take_fini(struct pgw_worker *);
void pgw_take_more(struct pgw_worker *); /* when there is room and nothing asked yet */

void pgw_remove_init(struct pgw_target *);
void pgw_remove_fini(struct pgw_target *);
void pgw_remove_add(struct pgw_part *); /* has keys to send */
void pgw_remove_go_on(struct pgw_target *);

void pgw_sweep_init(struct pgw_target *);
void pgw_sweep_fini(struct pgw_target *);
void pgw_sweep_add(struct pgw_part *); /* has patterns */
void pgw_sweep_go_on(struct pgw_target *);

/* Write a part's progress down, and forget it when the job has ended. */
void pgw_sweep_say_progress(struct pgw_part *);
void pgw_sweep_forget(struct pgw_run *);

void pgw_tag_sweep_init(struct pgw_target *);
void pgw_tag_sweep_fini(struct pgw_target *);
void pgw_tag_sweep_add(struct pgw_part *); /* has tags */
void pgw_tag_sweep_go_on(struct pgw_target *);

/* work/let_go.c: what was set aside is not needed any more, at a target or where the run was
 * stopped, has failed, or never began. The run may be gone before it is done. */
void pgw_tags_let_go(const struct pgw_part *);
void pgw_tags_let_all_go(const struct pgw_run *);
void pgw_lettings_free(struct pgw_target *);

/* work/repeat.c: a later pass begins. */
void pgw_repeat_begin(struct pgw_run *);

void pgw_later_init(struct pgw_worker *);
void pgw_later_fini(struct pgw_worker *);

void pgw_settle_init(struct pgw_worker *);
void pgw_settle_fini(struct pgw_worker *);
void pgw_settle_add(struct pgw_run *);
void pgw_settle_go_on(struct pgw_worker *);

/* work/fate.c: decides on it, and starts it on its way out. */
void pgw_fate_decide(struct pgw_run *);
void pgw_fate_cancel(struct pgw_run *); /* of one that is not under way: nobody wants it any more */

/* The names of some of a run's targets, as in field x of an entry; empty for all of a run whose own
 * entry has none: such a job is for whatever targets there are. */
struct pgw_str pgw_target_names(const struct pgw_run *, pgw_target_set, char *out, size_t size);

/* work/record.c: what the audit says of a job that ends. */
void pgw_record_init(struct pgw_worker *);
void pgw_record_fini(struct pgw_worker *);
bool pgw_record_is_on(const struct pgw_worker *);

/* What the run needs to keep of its entry for that; empty without an audit. */
void pgw_record_facts(const struct pgw_worker *, const struct pgw_entry *, struct pgw_entry *ret);

/* Valid until the next call; NULL without an audit. */
const struct pgw_buf *pgw_record_of(const struct pgw_run *);

/* What it says of the selectors; empty without an audit. Valid until the next call of any of
 * these. */
struct pgw_str pgw_record_sum(const struct pgw_run *);

/* work/passes.c: later passes are put on the schedule, for what is to be settled or let go of.
 * `done` is called once, perhaps before this returns; with PGW_E_REDIS_CANCELLED the worker ends.
 */
void pgw_passes_schedule(struct pgw_passes *, struct pgw_worker *, struct pgw_run *const *runs,
                         size_t count, void (*done)(struct pgw_passes *));

/* What of a run's selectors was done at all of its targets that were stopped. */
struct pgw_done {
        struct pgw_str keys;
        bool has_patterns, has_tags;
};

/* For one run that is let go of: all of it where it was done, and that where it was stopped. */
void pgw_passes_schedule_part(struct pgw_passes *, struct pgw_run *, const struct pgw_done *,
                              void (*done)(struct pgw_passes *));

/* work/release.c: a job that was not done leaves the hand, and waits or is dead. */
void pgw_release_add(struct pgw_run *);
void pgw_release_go_on(struct pgw_worker *);
void pgw_release_init(struct pgw_worker *);
void pgw_release_fini(struct pgw_worker *);

/* work/watch.c: whoever takes too long, or can get no further, is stopped. */
void pgw_watch_init(struct pgw_worker *);
void pgw_watch_fini(struct pgw_worker *);

void pgw_remove_part_with_stopped(struct pgw_target *);
bool pgw_remove_can_send(const struct pgw_target *); /* there is somebody to send keys to */

/* work/present.c: tells that it is there, and hears which lanes are paused. */
void pgw_present_init(struct pgw_worker *);
void pgw_present_fini(struct pgw_worker *);
void pgw_present_drain(struct pgw_worker *);

void pgw_keep_init(struct pgw_worker *);
void pgw_keep_fini(struct pgw_worker *);
void pgw_keep_announce(struct pgw_run *);
void pgw_keep_go_on(struct pgw_worker *);

#endif
