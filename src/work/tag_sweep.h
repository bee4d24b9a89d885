/* work/tag_sweep.h - what the files of the walk through tags share.
 *
 * Jobs take turns. In each turn of its own a job is at one of these, and what it asked for in
 * it is answered before the next job has its turn:
 *
 *      claiming   it sets aside what is under the tag (lua/claim.lua), or goes on with what is
 *      walking    a slice of what is set aside, or of the tag's own set
 *      looking    what others have set aside before is not gone yet: it waits for those who are at
 *                 it, and walks through what nobody is at
 *
 * Jobs for keys under all of several tags, and those that only cut short, set nothing aside. They
 * look before they walk and behind it: what was set aside meanwhile, and given back, they may have
 * missed.
 */
#ifndef PGW_WORK_TAG_SWEEP_H
#define PGW_WORK_TAG_SWEEP_H

#include "domain/tag.h"
#include "work/worker_priv.h"

#define PGW_TAG_LEASE_MS 30000 /* that whoever is at a set is left alone without a sign of life */
#define PGW_TAG_KEPT_MS  86400000 /* that what was walked through waits for repetitions */
#define PGW_TAG_GIVEN    1000     /* members given back in one call */

enum { PGW_ASKING_ARGS = 11, PGW_ASKING_KEYS = 3, PGW_ASKING_NUMBERS = 3 };

/* A command about a set, which a cluster may send elsewhere before it is answered. */
struct pgw_asking {
        struct pgw_call call;
        struct pgw_target *target;
        struct pgw_str argv[PGW_ASKING_ARGS];
        struct pgw_str *long_argv; /* instead, for many members */
        char keys[PGW_ASKING_KEYS][PGW_TAG_KEY_MAX];
        char numbers[PGW_ASKING_NUMBERS][20];
        char name[PGW_ASIDE_MAX];
        char job[PGW_JOB_ID_SIZE];
};

enum pgw_tag_stage { PGW_TAG_CLAIMING, PGW_TAG_WALKING, PGW_TAG_LOOKING };

/* What a job knows of a tag; times are the target's. */
struct pgw_tag_view {
        uint64_t limit; /* only what was set aside until then is looked at; 0: not known yet */
        uint64_t given; /* when members were given back last */
};

/* Where a job is. */
struct pgw_tag_stand {
        enum pgw_tag_stage stage;
        unsigned number;           /* which of the sets that it sets aside of the tag */
        char other[PGW_ASIDE_MAX]; /* what it walks through instead, and nobody else does */
        size_t other_size;         /* 0: its own */
        uint64_t since;            /* when what it walks through was set aside */
        uint64_t cursor;           /* in that */
        uint64_t back_cursor;      /* in what it gives back */
        uint64_t claimed_ms;       /* of the loop, when it last gave a sign of life; 0: never */
        uint64_t count;            /* of the next SSCAN */
        bool has_walked;           /* it looks for the second time */
        uint64_t wait_until_ms;    /* of the loop */
        unsigned waits;
        struct pgw_tag_view views[]; /* for each tag */
};

/* It sets nothing aside. */
static inline bool pgw_tags_stay(const struct pgw_run *run)
{
        return run->all_tags || run->soft_ttl_ms || run->is_dry;
}

static inline struct pgw_str pgw_tags_number(char out[20], uint64_t value)
{
        return pgw_str_of(out, pgw_u64_text(value, out));
}

/* ---- work/tag_sweep.c ---- */

struct pgw_str pgw_tags_at(const struct pgw_run *, size_t index);
struct pgw_str pgw_tags_now(const struct pgw_part *); /* the tag whose turn it is */

/* The name of what it walks through; `out` for its own. */
struct pgw_str pgw_tags_aside(const struct pgw_part *, char out[PGW_ASIDE_MAX]);

/* Send the asking at `index`, whose arguments are set; its key is argument `key`. Adds to
 * `awaited`, or notes why not. */
bool pgw_tags_ask(struct pgw_target *, size_t index, size_t argc, size_t key, pgw_call_reply_f *);

/* An answer has come: false when nothing more may be done with it. */
bool pgw_tags_answered(struct pgw_target *, enum pgw_err);
void pgw_tags_note(struct pgw_target *, enum pgw_err);
bool pgw_tags_is_off(const struct pgw_target *); /* the turn cannot go on */

void pgw_tags_scan(struct pgw_target *);               /* walk on, in this turn */
void pgw_tags_go(struct pgw_target *, struct pgw_str); /* a key of the slice is to go */
void pgw_tags_gone(struct pgw_target *);               /* all of them have been said */
void pgw_tags_pass(struct pgw_part *);                 /* nothing is left to do for the tag */
void pgw_tags_end_turn(struct pgw_target *);

/* ---- work/tag_aside.c ---- */

void pgw_tags_claim(struct pgw_target *);
void pgw_tags_walked(struct pgw_target *); /* the set is through */
void pgw_tags_look(struct pgw_target *);

/* ---- work/tag_all.c: of a slice those that are under all tags ---- */

void pgw_tags_choose(struct pgw_target *); /* and walk through the smallest */
void pgw_tags_ask_membership(struct pgw_target *, const struct pgw_reply *members);

#endif
