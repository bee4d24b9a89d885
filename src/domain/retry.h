/* domain/retry.h - when a job that did not succeed is tried again.
 *
 * What to do is a matter of the error's class (tbl/errors.h):
 *
 *      class                   the job                             pause before try n + 1
 *      transient-connection    is tried again, a try is used up    up to base * 2^n
 *      transient-timeout       is tried again, a try is used up    up to base * 4^n
 *      transient-server        waits, nothing is used up           up to base * 2^n
 *      refused                 waits, nothing is used up           up to base * 4^n
 *      permanent               has failed                          -
 *
 * The pause is anything from nothing to its bound (full jitter), so that what broke together does
 * not come back together; the bound grows no further than the cap. When the tries are used up, or
 * the time is over that a job may take in all, it is dead (domain/letter.h).
 */
#ifndef PGW_DOMAIN_RETRY_H
#define PGW_DOMAIN_RETRY_H

#include <stdint.h>

#include "base/err.h"

struct pgw_retry_conf {
        uint64_t base_ms;
        uint64_t cap_ms;
        uint64_t tries_max;      /* 0: for ever */
        uint64_t deliveries_max; /* workers that may die over one job (work/suspect.c) */
};

/* How often it was tried already, since it was accepted or brought back. */
struct pgw_tries {
        uint64_t used;   /* of those that there are */
        uint64_t waited; /* nothing was used up */
};

enum pgw_retry_verdict {
        PGW_RETRY_AGAIN, /* after *ret_pause_ms; `tries` is counted up */
        PGW_RETRY_DEAD,  /* used up */
        PGW_RETRY_FAILED /* the error is permanent */
};

/* What is to become of a job that was stopped by `err`. */
enum pgw_retry_verdict pgw_retry_judge(const struct pgw_retry_conf *, enum pgw_err err,
                                       struct pgw_tries *, uint64_t *ret_pause_ms);

/* The bound of the pause after `n` tries that ended with an error of this class; ms. */
uint64_t pgw_retry_bound_ms(const struct pgw_retry_conf *, enum pgw_err_class, uint64_t n);

#endif
