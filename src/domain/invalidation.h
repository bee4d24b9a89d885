/* domain/invalidation.h - a request to remove something, as a value.
 *
 * What a client asked for, free of JSON and HTTP, and how it travels through the
 * stream. Keys are bytes: nothing is said about their encoding.
 *
 * In the stream an invalidation is the fields
 *      v  version of this form: "1", or "2" when there is a field that must not be ignored
 *      n  the random bits of the job's id and the mark of its owner, 16 hexadecimal digits
 *      j  the id of the job, when the entry lies elsewhere than that says; only in version 2
 *      x  the names of the targets, separated by commas, when not all are meant; only in version 2
 *      k  the keys, each a length (unsigned LEB128) and its bytes
 *      p  the patterns, g the tags, in the same form; only in version 2
 *      a  "1" when a key must be under all of the tags; only in version 2
 *      s  the time that is left to the keys, ms, when they are not to go at once (soft)
 *      h  how long a marker keeps old values out, ms   c  the version that it asks for, when it
 *         does (domain/hold.h); only in version 2
 *      d  "1" when nothing is to be touched (a dry run)
 *      w  when it is to be repeated (domain/rebound.h, which has more fields of version 2)
 *      r  the reason, q the request id, t the W3C traceparent; each only when there is one
 *      A  the address that it came from, and behind a space the name of the identity, if any; only
 *         when there is an audit (domain/audit.h)
 * and, once it was tried without success (domain/retry.h), only in version 2
 *      e  attempts that were over when the entry was made   u  tries used up   z  times waited
 *      f  since when it is tried, wall ms: from its first entry, or from when it was brought back
 *      l  why it failed (domain/history.h)
 *      i  how many selectors it had at first   y  what became of its targets (domain/job.h)
 *      S  what the audit is to say of its first selectors, when it has less of them now
 * A reader refuses a version it does not know and ignores fields it does not know, so
 * a field may be added without a new version as long as ignoring it does no harm.
 */
#ifndef PGW_DOMAIN_INVALIDATION_H
#define PGW_DOMAIN_INVALIDATION_H

#include "base/buf.h"
#include "domain/lane.h"

struct pgw_once;

#define PGW_INVALIDATION_VERSION_KEYS      "1"
#define PGW_INVALIDATION_VERSION_SELECTORS "2"

struct pgw_invalidation {
        enum pgw_lane lane;
        struct pgw_str targets; /* names, separated by commas; empty: all */
        const struct pgw_str *keys;
        size_t key_count;
        const struct pgw_str *patterns; /* domain/glob.h */
        size_t pattern_count;
        const struct pgw_str *tags; /* domain/tag.h */
        size_t tag_count;
        bool all_tags;               /* keys under all of them, not any */
        struct pgw_str rebounds;     /* as pgw_rebounds_text(); empty: the worker's own */
        uint64_t soft_ttl_ms;        /* 0: the keys go */
        uint64_t hold_ms;            /* 0: no marker */
        struct pgw_str version;      /* that the marker asks for; empty: a tombstone */
        uint64_t due_ms;             /* wall; 0: at once */
        bool is_dry;                 /* count only */
        struct pgw_str reason;       /* empty: none */
        struct pgw_str request_id;   /* empty: none */
        struct pgw_str traceparent;  /* empty: none */
        struct pgw_str actor;        /* empty: not written down */
        const uint32_t *owner;       /* mark (domain/job_id.h); NULL: nobody who is known */
        const struct pgw_once *once; /* not in the stream; NULL: none (domain/once.h) */
};

/* Append the keys to `out` in the form of field k. */
enum pgw_err pgw_keys_encode(struct pgw_buf *out, const struct pgw_str *keys,
                             size_t count) PGW_MUSTUSE;

/* Take the next key off `*rest`. PGW_E_CODEC when the bytes are not such a list. */
enum pgw_err pgw_keys_next(struct pgw_str *rest, struct pgw_str *ret_key) PGW_MUSTUSE;

/* Whether this is one of the keys. */
bool pgw_keys_have(struct pgw_str keys, struct pgw_str wanted);

/* How many keys there are; PGW_E_CODEC unless all of them can be read. */
enum pgw_err pgw_keys_count(struct pgw_str keys, size_t *ret) PGW_MUSTUSE;

#endif
