/* http/limits.h - what all threads of a gateway count together, and what an identity has used.
 *
 * Buckets (base/bucket.h) are the only thing here that changes; whoever charges them is
 * http/charge.h.
 */
#ifndef PGW_HTTP_LIMITS_H
#define PGW_HTTP_LIMITS_H

#include "http/addresses.h"

/* The names of an identity's limits in RateLimit and RateLimit-Policy. */
#define PGW_LIMIT_REQUESTS "invalidate"
#define PGW_LIMIT_KEYS     "keys"

struct pgw_limits_conf {
        struct pgw_rate requests, keys; /* of an identity that says nothing else */
        struct pgw_rate gateway_keys;   /* of all together */
        struct pgw_rate address;        /* what nobody known asks */
        size_t addresses;
        bool address_first;              /* before the credential is looked at */
        uint64_t pattern_keys, tag_keys; /* how many keys one counts as */
};

struct pgw_limits {
        struct pgw_limits_conf conf;
        struct pgw_bucket gateway_keys;
        struct pgw_addresses *addresses; /* NULL without their limit */
        uint64_t told_us;                /* atomic; when an address was last named in the log */
};

struct pgw_limits *pgw_limits_new(const struct pgw_limits_conf *);
void pgw_limits_free(struct pgw_limits *);

#define PGW_POLICY_MAX 96

/* What one identity may do and has done. Counted: the sets of identities before and after a reload
 * share it, so that a new file fills no bucket. */
struct pgw_meter {
        unsigned holders; /* atomic */
        struct pgw_rate requests, keys;
        struct pgw_bucket request_bucket, key_bucket;
        uint64_t told_us;            /* atomic; when it was last named in the log */
        char policy[PGW_POLICY_MAX]; /* RateLimit-Policy */
};

/* NULL when there is nothing to be counted. */
struct pgw_meter *pgw_meter_new(const struct pgw_rate *requests, const struct pgw_rate *keys);
struct pgw_meter *pgw_meter_hold(struct pgw_meter *);
void pgw_meter_drop(struct pgw_meter *);

/* True once in PGW_LIMITS_TELL_S, for whoever asks first. */
#define PGW_LIMITS_TELL_S 60
bool pgw_limits_may_tell(uint64_t *told_us, uint64_t now_us);

#endif
