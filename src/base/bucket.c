/* The generic cell rate algorithm. A unit lasts 1/per_s; who takes n units moves the time at which
 * the bucket is full n units ahead, and may do so as long as that time is not more than a burst
 * ahead of now. A bucket that was full some time ago is as full as one that is full now.
 *
 * Times are in ticks of 1/16 ns, so that a unit of the highest rate is long enough to be rounded,
 * and 64 bits last for thirty years. The burst is counted in the same rounded units, or the last
 * one of it would not fit.
 */
#include "base/bucket.h"

#include <stddef.h>

#include "base/panic.h"

#define TICKS_PER_US UINT64_C(16000)
#define TICKS_PER_S  (TICKS_PER_US * 1000000)

static uint64_t unit_of(const struct pgw_rate *rate)
{
        PGW_ASSERT(rate->per_s >= 1 && rate->per_s <= PGW_RATE_MAX);
        PGW_ASSERT(rate->burst >= 1 && rate->burst <= PGW_BURST_MAX);
        return (TICKS_PER_S + rate->per_s - 1) / rate->per_s;
}

static uint64_t us_up(uint64_t ticks)
{
        return (ticks + TICKS_PER_US - 1) / TICKS_PER_US;
}

/* Of a bucket that will be full so many ticks ahead. Another thread's clock may be ahead of ours,
 * and so may then be the bucket, by more than a burst. */
static void tell(const struct pgw_rate *rate, uint64_t unit, uint64_t ahead, uint64_t n,
                 struct pgw_bucket_level *ret)
{
        const uint64_t burst = rate->burst * unit, wanted = ahead + n * unit;

        if (!ret)
                return;
        ret->left = ahead < burst ? (burst - ahead) / unit : 0;
        ret->wait_us = wanted > burst ? us_up(wanted - burst) : 0;
        ret->full_us = us_up(ahead);
}

bool pgw_bucket_take(struct pgw_bucket *b, const struct pgw_rate *rate, uint64_t n, uint64_t now_us,
                     struct pgw_bucket_level *ret)
{
        const uint64_t unit = unit_of(rate), now = now_us * TICKS_PER_US;
        uint64_t full_at = __atomic_load_n(&b->_full_at, __ATOMIC_RELAXED), ahead;

        PGW_ASSERT(n <= rate->burst);
        do {
                ahead = full_at > now ? full_at - now : 0;
                if (ahead + n * unit > rate->burst * unit) {
                        tell(rate, unit, ahead, n, ret);
                        return false;
                }
        } while (!__atomic_compare_exchange_n(&b->_full_at, &full_at, now + ahead + n * unit, true,
                                              __ATOMIC_RELAXED, __ATOMIC_RELAXED));
        tell(rate, unit, ahead + n * unit, 0, ret);
        return true;
}

void pgw_bucket_give(struct pgw_bucket *b, const struct pgw_rate *rate, uint64_t n)
{
        (void)__atomic_sub_fetch(&b->_full_at, n * unit_of(rate), __ATOMIC_RELAXED);
}

void pgw_bucket_look(const struct pgw_bucket *b, const struct pgw_rate *rate, uint64_t now_us,
                     struct pgw_bucket_level *ret)
{
        const uint64_t now = now_us * TICKS_PER_US,
                       full_at = __atomic_load_n(&b->_full_at, __ATOMIC_RELAXED);

        tell(rate, unit_of(rate), full_at > now ? full_at - now : 0, 0, ret);
}

bool pgw_bucket_is_fuller(const struct pgw_bucket *a, const struct pgw_bucket *b)
{
        return __atomic_load_n(&a->_full_at, __ATOMIC_RELAXED) <
               __atomic_load_n(&b->_full_at, __ATOMIC_RELAXED);
}
