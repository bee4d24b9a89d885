/* domain/room.h - is there room in the queue for one more job?
 *
 * The queue has four limits: jobs, bytes, the age of what waits longest, and how full the broker
 * is. Sweeps are shed before keys, because one of them is as much work as thousands of keys and
 * can be asked for again when there is room: patterns are taken below three quarters of each
 * limit, tags below seven eighths, keys up to the whole. What is swept counts, whatever priority
 * it was given.
 *
 * A refusal says when it is worth coming back: how much must go until the queue is under its
 * limit, at the rate at which jobs end lately.
 *
 * Pure functions over numbers that domain/survey measures.
 */
#ifndef PGW_DOMAIN_ROOM_H
#define PGW_DOMAIN_ROOM_H

#include "base/err.h"
#include "domain/drain.h"

#define PGW_ROOM_RETRY_MIN_S     1
#define PGW_ROOM_RETRY_MAX_S     60 /* also when nothing ends at all */
#define PGW_ROOM_RETRY_UNKNOWN_S 5

enum pgw_room_kind { PGW_ROOM_PATTERNS, PGW_ROOM_TAGS, PGW_ROOM_KEYS };

enum pgw_room_limit {
        PGW_ROOM_JOBS,
        PGW_ROOM_BYTES,
        PGW_ROOM_AGE,
        PGW_ROOM_MEMORY,
        PGW_ROOM_LIMIT_COUNT
};

/* 0 is no limit. */
struct pgw_room_limits {
        uint64_t jobs, bytes, age_ms;
        unsigned memory_percent; /* of the broker's maxmemory */
};

struct pgw_queue_load {
        uint64_t waiting, running, put_off; /* jobs; put off is not counted as waiting */
        uint64_t bytes;                     /* of the queue; 0 when the broker does not say */
        uint64_t age_ms;                    /* of the oldest waiting job */
        uint64_t used_bytes, max_bytes;     /* of the broker; max is 0 without a limit */
        uint64_t ended_per_1000s;           /* or PGW_DRAIN_UNKNOWN */
};

struct pgw_room_refusal {
        enum pgw_room_limit limit;
        bool is_shed; /* a job of keys would have been taken */
        unsigned retry_s;
        struct pgw_fault fault; /* one sentence: which limit, how much there is */
};

/* PGW_OK; PGW_E_QUEUE_FULL; PGW_E_REDIS_OOM when the broker would itself refuse. Of several limits
 * the refusal is about the one that takes longest. */
enum pgw_err pgw_room_for(const struct pgw_queue_load *, const struct pgw_room_limits *,
                          enum pgw_room_kind, struct pgw_room_refusal *ret) PGW_MUSTUSE;

#endif
