/* domain/letter.h - jobs that wait for a person.
 *
 * A job that was tried often enough (dead), or that failed for good, is kept: its record lies in
 * the hash purgeway:{<queue>}:dead by its id, behind the time when it was buried, and its id in the
 * sorted set purgeway:{<queue>}:dead:at by that time. The record is the whole job with its
 * history (lua/release.lua). It stays until somebody brings it back (lua/redrive.lua) or drops it
 * (lua/drop.lua); nothing expires.
 *
 * A hash and a set rather than a stream: a letter is found and dropped by the id of its job,
 * which is all that a person has, and not by where it happens to lie.
 */
#ifndef PGW_DOMAIN_LETTER_H
#define PGW_DOMAIN_LETTER_H

#include "domain/audit.h"
#include "domain/entry.h"
#include "domain/history.h"
#include "domain/job.h"
#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_LETTERS_PAGE_MAX 100

/* Slices point into what it was read from. */
struct pgw_letter {
        struct pgw_job_id id;
        uint64_t buried_ms;
        enum pgw_err error;       /* the last one; PGW_E_INTERNAL when that is not known */
        enum pgw_job_state state; /* failed or dead */
        bool is_readable;         /* else the entry has not even an id */
        struct pgw_entry entry;
};

/* Ask for the record of one; read it with pgw_letter_read(). */
enum pgw_err pgw_letter_ask(struct pgw_redis *, const struct pgw_keyspace *,
                            const struct pgw_job_id *, pgw_redis_reply_f *done,
                            void *ctx) PGW_MUSTUSE;

/* PGW_E_NO_JOB for nil, PGW_E_CODEC for what is not ours. */
enum pgw_err pgw_letter_read(const struct pgw_job_id *, const struct pgw_reply *,
                             struct pgw_letter *ret) PGW_MUSTUSE;

/* The same for what became of its job only (lua/kept.lua): of the entry only the attempts, how much
 * was requested, the history and the outcomes are there, and nothing of it is as long as the job.
 */
enum pgw_err pgw_letter_peek(struct pgw_redis *, const struct pgw_keyspace *,
                             const struct pgw_job_id *, pgw_redis_reply_f *done,
                             void *ctx) PGW_MUSTUSE;
enum pgw_err pgw_letter_peek_read(const struct pgw_job_id *, const struct pgw_reply *,
                                  struct pgw_letter *ret) PGW_MUSTUSE;

/* Where a page begins: behind this letter. Zero is the beginning. */
struct pgw_letter_place {
        uint64_t buried_ms;
        char id[PGW_JOB_ID_SIZE];
};

/* At most `count` of them, the oldest first: as many as one answer can have, but at least one. The
 * answer is [1 when there may be more, [id, time, record, ...]]. */
enum pgw_err pgw_letters_ask(struct pgw_redis *, const struct pgw_keyspace *,
                             const struct pgw_letter_place *, size_t count, pgw_redis_reply_f *done,
                             void *ctx) PGW_MUSTUSE;

/* When one was brought back: its result ends no more, unless it has ended since. Takes the client
 * of the results. */
enum pgw_err pgw_letter_reopen(struct pgw_redis *results, const struct pgw_keyspace *,
                               const struct pgw_job_id *, uint64_t attempts,
                               pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* Letters to end, at most PGW_LETTERS_PAGE_MAX, and what the audit is to say of each, but for the
 * job (domain/audit.h); NULL: nothing. */
struct pgw_letter_ids {
        const struct pgw_job_id *ids;
        size_t count;
        const struct pgw_audit_conf *audit;
        const struct pgw_buf *record;
};

/* Bring back, or drop. The answer is an array of 0 and 1; of what is brought back it may be
 * shorter, and the rest is to be asked for again. */
enum pgw_err pgw_letters_redrive(struct pgw_redis *, const struct pgw_keyspace *,
                                 const struct pgw_letter_ids *, pgw_redis_reply_f *done,
                                 void *ctx) PGW_MUSTUSE;
enum pgw_err pgw_letters_drop(struct pgw_redis *, const struct pgw_keyspace *,
                              const struct pgw_letter_ids *, pgw_redis_reply_f *done,
                              void *ctx) PGW_MUSTUSE;

#endif
