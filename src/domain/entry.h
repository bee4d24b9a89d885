/* domain/entry.h - a stream entry read back as a job. */
#ifndef PGW_DOMAIN_ENTRY_H
#define PGW_DOMAIN_ENTRY_H

#include "domain/invalidation.h"
#include "domain/job_id.h"
#include "domain/rebound.h"
#include "domain/retry.h"
#include "redis/wire.h"

/* A script that answers with entries ends its answer behind the one that comes to so many bytes of
 * them. So there is always one, and an answer is no longer than this and the largest entry. */
#define PGW_ENTRIES_BYTES (4u << 20)

/* Bytes that the selectors of a job may have in all, as lists, where bodies may have so many. A
 * list is no longer than the JSON or the form that it came in; but what a webhook or an event is
 * mapped to may be, and keys of several jobs are repeated together. */
#define PGW_SELECTORS_BYTES_MIN (4u << 20)
size_t pgw_entry_selectors_max(size_t body_bytes);

/* And those of its whole entry, or record. Who only reads does not know how large bodies may be
 * where it came in: no limits.body_bytes is more than 64 MiB. */
#define PGW_ENTRY_BYTES_MAX (65u << 20)
size_t pgw_entry_bytes_max(size_t body_bytes);

/* For how long keys that expire may be read, or a marker stand: a hundred years, and every contract
 * says less. */
#define PGW_ENTRY_SPAN_MS_MAX (UINT64_C(100) * 366 * 86400000)

/* Slices point into the reply. */
struct pgw_entry {
        struct pgw_job_id id;
        struct pgw_str targets; /* names, separated by commas; empty: all */
        struct pgw_str members; /* field m (domain/rebound.h) */
        struct pgw_str keys;    /* field k, checked to be a list */
        size_t key_count;
        struct pgw_str patterns; /* field p, as k */
        size_t pattern_count;
        struct pgw_str tags; /* field g, as k */
        size_t tag_count;
        bool all_tags;
        uint64_t soft_ttl_ms;   /* 0: the keys go */
        uint64_t hold_ms;       /* 0: no marker */
        struct pgw_str version; /* that the marker asks for */
        bool is_dry;
        bool has_rebounds; /* field w; else they are the worker's own */
        struct pgw_rebounds rebounds;
        unsigned pass; /* 0: the first */
        uint64_t origin_ms;
        bool has_job;          /* field j: `pass`, or it was put off */
        struct pgw_job_id job; /* whose pass it is, or which it is */
        uint64_t attempts;     /* that were over when this entry was made */
        struct pgw_tries tries;
        uint64_t since_ms;       /* since when it is tried, wall; 0: this entry is the first */
        uint64_t requested;      /* selectors that it had at first; 0: those that it has */
        struct pgw_str outcomes; /* of targets so far (domain/job.h, field y) */
        struct pgw_str history;  /* domain/history.h */
        struct pgw_str reason;
        struct pgw_str request_id;
        struct pgw_str traceparent;
        struct pgw_str actor; /* from where it came, and of whom; empty: not written down */
        struct pgw_str sum;   /* of its first selectors (domain/audit.h); empty: those it has */
};

/* Read `[entry id, [field, value, ...]]` of a lane. On PGW_E_CODEC the entry id and, when
 * there is one, the nonce are still set, so that a result can be written for it;
 * *ret_has_nonce says so. */
enum pgw_err pgw_entry_read(const struct pgw_reply *, enum pgw_lane, struct pgw_entry *ret,
                            bool *ret_has_nonce) PGW_MUSTUSE;

/* Read a record as lua/release.lua and lua/put_off.lua leave it: a list of texts, the number of a
 * lane, then fields and values. The entry id of the result is zero. Errors as above. */
enum pgw_err pgw_entry_read_record(struct pgw_str record, struct pgw_entry *ret,
                                   bool *ret_has_nonce) PGW_MUSTUSE;

/* Whether `[field, value, ...]` has patterns or tags, which take their time. */
bool pgw_entry_takes_long(const struct pgw_reply *fields);

/* How many attempts were over when the entry of `[field, value, ...]` was made, how many selectors
 * it had at first, why it failed, and what came of it at which target; 0, and empty, when that is
 * not said. */
uint64_t pgw_entry_attempts(const struct pgw_reply *fields);
uint64_t pgw_entry_requested(const struct pgw_reply *fields);
struct pgw_str pgw_entry_history(const struct pgw_reply *fields);
struct pgw_str pgw_entry_outcomes(const struct pgw_reply *fields);

/* The nonce among `[field, value, ...]`; PGW_E_CODEC when there is none. */
enum pgw_err pgw_entry_nonce(const struct pgw_reply *fields, uint64_t *ret) PGW_MUSTUSE;

#endif
