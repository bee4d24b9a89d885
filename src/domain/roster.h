/* domain/roster.h - the workers of a queue, as they tell of themselves.
 *
 * Each writes a line under its name into the hash purgeway:{<queue>}:workers whenever it beats,
 * and takes it out when it ends. Who was killed is seen by the age of its line, and is left out
 * once that is PGW_ROSTER_KEPT_MS.
 */
#ifndef PGW_DOMAIN_ROSTER_H
#define PGW_DOMAIN_ROSTER_H

#include "domain/keyspace.h"
#include "redis/client.h"

#define PGW_ROSTER_KEPT_MS  3600000
#define PGW_ROSTER_MAX      1000 /* that are read */
#define PGW_ROSTER_TEXT_MAX 192
#define PGW_ROSTER_HOST_MAX 64

struct pgw_worker_line {
        struct pgw_str name;
        struct pgw_str host;
        uint64_t pid;
        uint64_t started_ms; /* wall */
        uint64_t heard_ms;   /* wall */
        uint64_t in_hand;    /* jobs */
        uint64_t sweeps;     /* of them, those that sweep */
        uint64_t paused;     /* a bit for each lane that it does not take from */
        bool draining;
};

enum pgw_err pgw_roster_write(struct pgw_redis *, const struct pgw_keyspace *,
                              const struct pgw_worker_line *, pgw_redis_reply_f *done,
                              void *ctx) PGW_MUSTUSE;
enum pgw_err pgw_roster_leave(struct pgw_redis *, const struct pgw_keyspace *, struct pgw_str name,
                              pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* The answer is [name, line, ...]. */
enum pgw_err pgw_roster_ask(struct pgw_redis *, const struct pgw_keyspace *,
                            pgw_redis_reply_f *done, void *ctx) PGW_MUSTUSE;

/* PGW_E_CODEC for a line that is not ours; texts point into the arguments. */
enum pgw_err pgw_roster_read(struct pgw_str name, struct pgw_str line,
                             struct pgw_worker_line *ret) PGW_MUSTUSE;

#endif
