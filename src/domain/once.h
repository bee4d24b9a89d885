/* domain/once.h - a request that is sent again is the same job.
 *
 * A client gives a request a key of its own choice (Idempotency-Key). The first request with it
 * leaves a record, purgeway:{<queue>}:once:<hash of the key>, in the same script that puts its job
 * into the queue (lua/once.lua): there is no moment at which there is one without the other, so
 * none at which a repeat would have to wait. A record is
 *
 *      <fingerprint> <id of the job>              a job that was put off
 *      <fingerprint> <id of the job> <entry id>   any other; the entry of the id itself is 0-0,
 *                                                 because it was not known yet
 *      <fingerprint> <id of the group>            a batch; each of its jobs has a record too
 *
 * and expires by itself. A request may be known by another name, too, with the same record for
 * another time: whoever is known by either is a repeat. How many there are is counted in the hash
 * purgeway:{<queue>}:once. Both are in the queue's slot and are as durable as the queue.
 */
#ifndef PGW_DOMAIN_ONCE_H
#define PGW_DOMAIN_ONCE_H

#include "base/sha256.h"
#include "domain/keyspace.h"
#include "redis/client.h"

struct pgw_once_conf {
        uint64_t ttl_ms;
        uint64_t kept_max; /* records */
};

/* 128 bits of SHA-256 each, in base64url. */
struct pgw_once {
        char name[PGW_ONCE_NAME_SIZE];        /* of the scope and the key */
        char fingerprint[PGW_ONCE_NAME_SIZE]; /* of what is asked for */
        uint64_t ttl_ms;                      /* 0: as long as the conf says */
        char other[PGW_ONCE_NAME_SIZE];       /* another name; no fingerprint is asked for by it */
        uint64_t other_ttl_ms;                /* 0: there is no other name */
};

/* Keys of different scopes are different; a scope holds no NUL. */
void pgw_once_name(struct pgw_once *, struct pgw_str scope, struct pgw_str key);
void pgw_once_also(struct pgw_once *, struct pgw_str scope, struct pgw_str key, uint64_t ttl_ms);
void pgw_once_fingerprint(struct pgw_once *, const unsigned char hash[PGW_SHA256_SIZE]);

/* What stands for the job at `index` of a batch. */
void pgw_once_item(const struct pgw_once *batch, size_t index, struct pgw_once *ret);

/* Begin the script, with `keys` and `args` beside its own: behind this come those keys, behind them
 * pgw_once_args(), and behind it those args. */
void pgw_once_begin(struct pgw_redis *, const struct pgw_keyspace *, const struct pgw_once *,
                    size_t keys, size_t args);
void pgw_once_args(struct pgw_redis *, const struct pgw_keyspace *, const struct pgw_once *,
                   const struct pgw_once_conf *, struct pgw_str rest);

/* What the script answered: the rest of the record, and whether it was there before.
 * PGW_E_KEY_REUSED when it is of another request, PGW_E_KEYS_FULL when there may be no more
 * records. */
enum pgw_err pgw_once_read(const struct pgw_reply *, struct pgw_str *ret_rest,
                           bool *ret_is_repeat) PGW_MUSTUSE;

/* The rest of the record of a job: its id as it is known before, and the id itself. */
void pgw_once_job_text(const struct pgw_job_id *, char out[PGW_JOB_ID_SIZE]);
enum pgw_err pgw_once_job_read(struct pgw_str rest, struct pgw_job_id *ret) PGW_MUSTUSE;

#endif
