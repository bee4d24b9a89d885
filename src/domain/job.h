/* domain/job.h - a job as its owner sees it.
 *
 *      accepted --> queued --> running --> succeeded
 *        |            ^         |  ^ |  \-> failed      (a permanent error) ---.
 *        v            |         |  | |   \-> dead       (tried often enough) --+-- brought back
 *      scheduled -----+         |  | v    \-> cancelled                        |   by a person
 *                               |  retrying                                    |
 *                               +-> running, attempt + 1 (its worker went quiet)
 *
 * A job that waits is its stream entry and nothing else; a job that runs is known from
 * the group's pending list; a job that ended, or was tried without success, is a hash with an
 * expiry on the result backend:
 *      s state   a attempt   b begun, wall ms   f finished, wall ms
 *      n requested   r removed   m missing   e error code (only when there is one)
 *      u when it is tried again, wall ms (only while it is retrying)
 *      c matched (only when it had patterns)   d when it is repeated (only when it is)
 *      x some of the keys that a dry run found, in the form of field k of an entry
 *      g how often it was begun as a suspect (work/suspect.c)
 *      y what became of each target, when there are several, separated by commas: its name,
 * removed, missing, error code or "-", separated by spaces
 */
#ifndef PGW_DOMAIN_JOB_H
#define PGW_DOMAIN_JOB_H

#include "domain/progress.h"
#include "domain/rebound.h"
#include "redis/wire.h"

enum pgw_job_state {
#define X(upper, word, terminal) PGW_JOB_##upper,
#include "tbl/job_states.h"
#undef X
        PGW_JOB_STATE_COUNT
};

const char *pgw_job_state_word(enum pgw_job_state);
bool pgw_job_state_is_terminal(enum pgw_job_state);

/* PGW_E_CODEC when there is no such state. */
enum pgw_err pgw_job_state_of(struct pgw_str word, enum pgw_job_state *ret) PGW_MUSTUSE;

struct pgw_job {
        struct pgw_job_id id;
        enum pgw_job_state state;
        uint64_t attempts;
        uint64_t due_ms;      /* wall; while it is scheduled, or waits for its next try */
        uint64_t started_ms;  /* wall; 0: not yet */
        uint64_t finished_ms; /* wall; 0: not yet */
        uint64_t requested;   /* selectors named; known once it has ended */
        uint64_t matched;     /* keys that were found */
        uint64_t removed;
        uint64_t missing;
        enum pgw_err error; /* PGW_OK: none */
        bool sweeps;        /* `progress` is known */
        struct pgw_progress progress;
        struct pgw_str sample;        /* valid as long as the reply it was read from ... */
        struct pgw_str targets;       /* ... and so is this: field y; empty: there is one */
        struct pgw_rebounds rebounds; /* after finished_ms; known once it has ended */
};

/* The fields that pgw_job_read() wants, in its order, for HMGET. */
#define PGW_JOB_FIELDS                                                                             \
        {                                                                                          \
                "s", "a", "b", "f", "n", "r", "m", "e", "c", "d", "x", "y", "u"                    \
        }
#define PGW_JOB_FIELD_COUNT 13

/* Read the answer to HMGET of PGW_JOB_FIELDS. PGW_E_NO_JOB when there is no such hash,
 * PGW_E_CODEC when it is not ours. `ret->id` is left to the caller. */
enum pgw_err pgw_job_read(const struct pgw_reply *, struct pgw_job *ret) PGW_MUSTUSE;

/* One target of field y. */
struct pgw_job_target {
        struct pgw_str name;
        uint64_t removed, missing;
        enum pgw_err error;
};

/* Take the next one off `*rest`; PGW_E_CODEC when it cannot be read, PGW_E_NO_JOB at the end. */
enum pgw_err pgw_job_next_target(struct pgw_str *rest, struct pgw_job_target *ret) PGW_MUSTUSE;

#endif
