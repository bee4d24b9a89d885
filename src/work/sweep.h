/* work/sweep.h - a job's part in the pass over a target's keys. */
#ifndef PGW_WORK_SWEEP_H
#define PGW_WORK_SWEEP_H

#include "domain/glob.h"
#include "work/effect.h"
#include "work/walk.h"

/* Where it is in one of the walks. */
struct pgw_stand {
        struct pgw_position position;
        bool placed; /* the position is one of this walk */
        bool done;   /* it has come around */
        uint64_t slice_matched;
};

struct pgw_sweep {
        struct pgw_link link; /* of the pass */
        struct pgw_part *part;
        uint64_t number;          /* it grows along the pass */
        struct pgw_stand *stands; /* one for each walk */
        uint64_t map;             /* of the slots, when it began */
        unsigned char *moved; /* a bit for each slot that changed hands since; NULL: no cluster */
        size_t chunk_count;
        struct pgw_str chunk[PGW_EFFECT_CHUNK_MAX];
        size_t glob_count;
        struct pgw_glob *globs[];
};

static inline struct pgw_sweep *pgw_sweep_at(struct pgw_link *link)
{
        return PGW_CONTAINER(link, struct pgw_sweep, link);
}

/* True when all walks are done with it. */
bool pgw_sweep_is_around(const struct pgw_sweep *);

/* All that it does to a key is to remove it. */
static inline bool pgw_sweep_is_plain(const struct pgw_run *run)
{
        return !run->soft_ttl_ms && !run->hold_ms && !run->is_dry;
}

bool pgw_sweep_matches(const struct pgw_sweep *, struct pgw_str key);

/* The pass is done with it, one way or another; nothing may be awaited. */
void pgw_sweep_leave(struct pgw_sweep *);

/* ---- work/slots.c: what the walks of a cluster cannot see ---- */

struct pgw_slots *pgw_slots_new(struct pgw_target *);
void pgw_slots_free(struct pgw_slots *); /* NULL is allowed */

/* Some sweeps are around, or the nodes have changed: see whether there is something to do. */
void pgw_slots_go_on(struct pgw_slots *);

/* It is looking through slots for this sweep. */
bool pgw_slots_has(const struct pgw_slots *, const struct pgw_sweep *);

#endif
