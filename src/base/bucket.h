/* base/bucket.h - how much may be taken, on average and at once.
 *
 * A bucket holds `burst` units and gains `per_s` of them a second, up to that. It is one number,
 * the time at which it will be full, so it takes no timer to fill it and no lock to share it: any
 * thread may take from a bucket at any time. One that is all zero is full.
 *
 * Over any time nobody takes more than per_s * seconds + burst, and whoever always wants gets all
 * of that but for a part in 1600 (the length of a unit is rounded up, which matters only near
 * PGW_RATE_MAX). Times are monotonic; one that is older than another thread's takes too little
 * rather than too much.
 */
#ifndef PGW_BASE_BUCKET_H
#define PGW_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define PGW_RATE_MAX  10000000  /* units a second */
#define PGW_BURST_MAX 100000000 /* units */

struct pgw_rate {
        uint64_t per_s; /* 0: there is no limit, and nothing is taken by it */
        uint64_t burst; /* at least 1 with a limit */
};

struct pgw_bucket {
        uint64_t _full_at; /* atomic; in ticks of bucket.c */
};

struct pgw_bucket_level {
        uint64_t left;    /* whole units */
        uint64_t wait_us; /* until what was asked for will be there; 0: it was taken */
        uint64_t full_us; /* until it is full */
};

/* Take `n` units, at most the burst, or none and false. `ret` tells of the bucket after it; may be
 * NULL. */
bool pgw_bucket_take(struct pgw_bucket *, const struct pgw_rate *, uint64_t n, uint64_t now_us,
                     struct pgw_bucket_level *ret);

/* Put back at once what was taken for nothing. */
void pgw_bucket_give(struct pgw_bucket *, const struct pgw_rate *, uint64_t n);

/* What is in it. */
void pgw_bucket_look(const struct pgw_bucket *, const struct pgw_rate *, uint64_t now_us,
                     struct pgw_bucket_level *ret);

/* Whether `a` has been full longer than `b`, or will be sooner. Of one rate. */
bool pgw_bucket_is_fuller(const struct pgw_bucket *a, const struct pgw_bucket *b);

#endif
