/* domain/audit.h - who purged what, when, from where, why, with what result.
 *
 * The stream purgeway:{<queue>}:audit, in the queue's slot, to which is only ever appended. It has
 *
 *      a record for each job, once it has ended: written by the same script that takes the job out
 *      of the queue (lua/settle.lua, or lua/ack.lua when the results live elsewhere;
 *      lua/release.lua for dead letters; lua/cancel.lua, lua/purge.lua). There is no moment at
 *      which a job has left the queue without its record, and none at which it would get a second
 *      one; what has none yet is in the queue, where it can be seen. Nothing is written when a job
 *      is accepted: the entry carries who asked for it and from where.
 *
 *      a record for each act of a person: cancel, pause, resume, purging a queue, bringing back and
 *      dropping dead letters. Written by the script that does it.
 *
 *      records of what was refused for who asked, summed up (http/refusals.h).
 *
 * A job that was brought back from the dead letters ends once more, and has a record of each end.
 * Later passes of a job (domain/rebound.h) have none: what they remove was asked for by the first.
 *
 * An entry has the fields
 *      d  the record: a list of texts (domain/invalidation.h, field k), names and values:
 *           a  the action (tbl/audit_actions.h)
 *           A  from where, and behind a space by what name, as field A of a job's entry
 *           q  the request's id   r  the reason   j  the job   x  the targets, if not all
 *           o  the mode, if not plain: dry, soft, tombstone, versioned
 *           K P G  how many keys, patterns, tags there are   k p g  the first of them, as a list
 *           h  128 bits of SHA-256 over all of them, base64url; only when some are not in k, p, g
 *           s  how the job ended   e  with what error, or why it was refused   n  attempts
 *           c  matched   d  removed   m  missing   y  what became of each target (domain/job.h)
 *           l  lanes, separated by commas   N  a count   O  the operation that was refused
 *      j  the job, where one record is appended for several
 * A reader ignores names that it does not know.
 *
 * How much is kept: about `max` records, none older than `keep_s` for longer than a few seconds.
 */
#ifndef PGW_DOMAIN_AUDIT_H
#define PGW_DOMAIN_AUDIT_H

#include "base/buf.h"
#include "domain/entry.h"
#include "domain/job.h"
#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_AUDIT_SHOWN       5    /* selectors of each kind ... */
#define PGW_AUDIT_SHOWN_BYTES 1024 /* ... and of their bytes */
#define PGW_AUDIT_DIGEST_SIZE 22
#define PGW_AUDIT_RECORD_MAX  16384
#define PGW_AUDIT_ACTOR_SIZE  128 /* of field A */
#define PGW_AUDIT_PAGE_MAX    500
#define PGW_AUDIT_TRIM_MS     1000

struct pgw_audit_conf {
        uint64_t max;    /* records that are kept, about; 0: none are written */
        uint64_t keep_s; /* 0: however old */
};

enum pgw_audit_action {
#define X(upper, word) PGW_AUDIT_##upper,
#include "tbl/audit_actions.h"
#undef X
        PGW_AUDIT_ACTION_COUNT
};

const char *pgw_audit_action_word(enum pgw_audit_action);

/* Texts are borrowed; empty, and zero: there is none. */
struct pgw_audit {
        struct pgw_entry_id id; /* where it lies; only of one that was read */
        enum pgw_audit_action action;
        struct pgw_str actor; /* the whole; of one that was read see pgw_audit_who() */
        struct pgw_str request_id, reason, targets, mode, lanes, operation;
        bool has_job;
        struct pgw_job_id job;
        struct pgw_str sum; /* of selectors, as pgw_audit_sum() writes it; only to be written */
        size_t key_count, pattern_count, tag_count; /* these only of one that was read */
        struct pgw_str keys, patterns, tags;        /* the first of them, as lists */
        struct pgw_str digest;
        bool has_end; /* the next ones are known */
        enum pgw_job_state state;
        uint64_t attempts, matched, removed, missing;
        struct pgw_str outcomes; /* field y of a result */
        enum pgw_err error;
        uint64_t count;
};

/* From where, and by what name; either may be empty. */
void pgw_audit_who(struct pgw_str actor, struct pgw_str *ret_from, struct pgw_str *ret_who);

struct pgw_audit_selectors {
        struct pgw_str keys, patterns, tags; /* lists */
        size_t key_count, pattern_count, tag_count;
};

/* Append how many there are, the first of them, and the digest. */
enum pgw_err pgw_audit_sum(struct pgw_buf *, const struct pgw_audit_selectors *) PGW_MUSTUSE;

/* What has to be said of a job that ends, as far as its entry knows; the sum goes to `scratch`. */
void pgw_audit_of_entry(const struct pgw_entry *, struct pgw_buf *scratch, struct pgw_audit *ret);

/* Put the record into `out`, which is emptied first. What does not fit is left out from the end. */
void pgw_audit_write(struct pgw_buf *out, const struct pgw_audit *);

/* Read `[id, [field, value, ...]]`. PGW_E_CODEC when it is not ours. */
enum pgw_err pgw_audit_read(const struct pgw_reply *, struct pgw_audit *ret) PGW_MUSTUSE;

/* The two arguments of scripts that append a record: how many are kept, and the record; both empty
 * when none is to be written, which is so without a conf, with a `max` of 0, and for NULL. */
void pgw_audit_args(struct pgw_redis *, const struct pgw_audit_conf *, const struct pgw_buf *);

/* An act that is one command on one key: `command` with the key and then the `args`; the answer is
 * the command's (lua/act.lua). */
enum pgw_err pgw_audit_act(struct pgw_redis *, const struct pgw_keyspace *,
                           const struct pgw_audit_conf *, const struct pgw_buf *record,
                           struct pgw_str command, struct pgw_str key, const struct pgw_str *args,
                           size_t count, pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* Append a record of something that has no command of its own. */
enum pgw_err pgw_audit_add(struct pgw_redis *, const struct pgw_keyspace *,
                           const struct pgw_audit_conf *, const struct pgw_buf *record,
                           pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* A range of records: `first` and `last` belong to it. */
struct pgw_audit_range {
        struct pgw_entry_id first, last;
        bool newest_first;
};

/* At most `count` of them; the answer is an array for pgw_audit_read(). */
enum pgw_err pgw_audit_ask(struct pgw_redis *, const struct pgw_keyspace *,
                           const struct pgw_audit_range *, size_t count, pgw_redis_reply_f *done,
                           void *ctx) PGW_MUSTUSE;

/* Let go of what is too old. The answer is how many there are. */
enum pgw_err pgw_audit_trim(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_audit_conf *, pgw_redis_reply_f *done,
                            void *ctx) PGW_MUSTUSE;

#endif
