/* work/walk.h - walking over all keys of a target, one walk for each of its masters.
 *
 * A walk goes round and round over one node's keys, slice by slice, and shows each slice to the
 * sweeps that take part (work/sweep.c), which say what to remove. It keeps to its share of
 * the node's time.
 *
 * SCAN's cursors make positions in a circle (work/circle.h). A position belongs to one process of
 * Redis: after a restart, or at another node, the order is another.
 *
 * A position is passed only when every removal behind it was answered. A slice that breaks
 * is done again from its beginning; removing a key twice does no harm.
 */
#ifndef PGW_WORK_WALK_H
#define PGW_WORK_WALK_H

#include "work/circle.h"
#include "work/worker_priv.h"

/* Keys that were not looked at yet when a turn of the loop had lasted long enough. The answer that
 * they came in is gone by their turn. */
struct pgw_unseen {
        struct pgw_buf keys; /* as a list */
        size_t at;
        uint64_t paused_us; /* since when they wait */
};

struct pgw_walk {
        struct pgw_target *target;
        struct pgw_node *node;     /* NULL: it is no master any more */
        size_t index;              /* among the target's walks */
        char id[PGW_NODE_ID_SIZE]; /* of the process; "": it does not tell */
        uint64_t *gate_us;
        struct pgw_circle circle;
        uint64_t at, next;        /* up to where all is removed; what the slice adds */
        bool uncommitted;         /* a slice was scanned, its removals are not all answered */
        bool scanning;            /* an answer to SCAN is awaited */
        struct pgw_unseen unseen; /* keys of the slice for the next turns of the loop */
        uint64_t from_sweep; /* of the first of them, those from this number on have not seen it */
        bool is_going;       /* it goes by one of the others */
        size_t awaited;      /* answers to removals */
        enum pgw_err broken; /* the slice must be done again */
        bool is_refused;     /* so it must, but nothing is wrong with the node */
        bool is_timed;
        uint64_t count;            /* of the next SCAN */
        uint64_t begun_us, way_us; /* the slice; there and back without work */
        uint64_t saved_ms;
        unsigned failures;
        struct pgw_call call;
        struct pgw_str argv[6];
        char cursor_text[20], count_text[20];
        struct pgw_deferred step;
        struct pgw_timer timer;
};

struct pgw_walk *pgw_walk_new(struct pgw_target *, struct pgw_node *, size_t index);

/* It goes when nothing is awaited any more. */
void pgw_walk_leave(struct pgw_walk *);

/* At the end of the worker, whatever is awaited. */
void pgw_walk_free(struct pgw_walk *);

void pgw_walk_go_on(struct pgw_walk *);

/* A removal of the slice was answered, or could not be sent. */
void pgw_walk_answered(struct pgw_walk *, enum pgw_err);

/* To be said before that: a job may not remove what others counted on it to remove. */
void pgw_walk_refused(struct pgw_walk *);

/* ---- what the sweeps say to it (work/sweep.c) ---- */

/* Nobody takes part in this walk: it rests. */
bool pgw_sweep_wants(const struct pgw_walk *);

/* Somebody joined since the last slice. */
bool pgw_sweep_has_newcomers(const struct pgw_walk *);
void pgw_sweep_place_newcomers(struct pgw_walk *);

/* The only pattern there is, or an empty slice. */
struct pgw_str pgw_sweep_only_pattern(const struct pgw_walk *);

/* Remove what matches; adds to walk->awaited, or sets walk->broken. What is left for another turn
 * is in walk->unseen; then pgw_sweep_look_on() is to be called. */
void pgw_sweep_look_at(struct pgw_walk *, const struct pgw_reply *keys);
void pgw_sweep_look_on(struct pgw_walk *);

/* The slice was done from walk->at to walk->next, or must be done again. */
void pgw_sweep_commit(struct pgw_walk *);
void pgw_sweep_forget_slice(struct pgw_walk *);

/* SCAN itself was refused for good. */
void pgw_sweep_fail_all(struct pgw_walk *, enum pgw_err);

/* ---- as much as one turn of the loop has time for ---- */

enum pgw_looked {
        PGW_LOOK_NEXT,  /* it is done with the key */
        PGW_LOOK_AGAIN, /* `until_us` has passed; the same key in the next turn */
        PGW_LOOK_NO_MORE
};

/* Give each key to `look` until there is none or the turn is over. From an answer; then from what
 * was left of it, which is empty when this is done. */
typedef enum pgw_looked pgw_look_f(void *ctx, struct pgw_str key, uint64_t until_us);
void pgw_look_at(struct pgw_unseen *, const struct pgw_reply *keys, pgw_look_f *, void *ctx);
void pgw_look_on(struct pgw_unseen *, pgw_look_f *, void *ctx);
void pgw_unseen_wait(struct pgw_worker *, struct pgw_timer *); /* for the next turn */
void pgw_unseen_init(struct pgw_unseen *);
void pgw_unseen_forget(struct pgw_unseen *);
void pgw_unseen_fini(struct pgw_unseen *);

static inline bool pgw_unseen_has_some(const struct pgw_unseen *u)
{
        return u->at < u->keys.n;
}

/* ---- how much of something the next slice asks for ---- */

#define PGW_SLICE_COUNT_MIN 100 /* to begin with; fewer only where they are long */
#define PGW_SLICE_COUNT_MAX 1000

/* Behind a slice of so many that took the node so long, and whose items have so many bytes. */
uint64_t pgw_slice_next(uint64_t count, uint64_t took_us, uint64_t bytes);

/* Behind one that broke, perhaps by its size. */
uint64_t pgw_slice_halved(uint64_t count);

/* All strings of an array. */
uint64_t pgw_slice_bytes(const struct pgw_reply *items);

/* The pause that keeps the walks of all threads at their share of the node's time, and whether it
 * is still on: then the timer is armed for its end. */
void pgw_gate_pause_behind(const struct pgw_worker *, uint64_t *gate_us, uint64_t busy_us);
bool pgw_gate_must_wait(struct pgw_worker *, const uint64_t *gate_us, struct pgw_timer *);
uint64_t *pgw_gate_of(const struct pgw_target *, const struct pgw_node *);

#endif
