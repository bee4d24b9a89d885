/* The words of RateLimit-Policy are made once: they are the same for every answer. */
#include "http/limits.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/panic.h"

struct pgw_limits *pgw_limits_new(const struct pgw_limits_conf *conf)
{
        struct pgw_limits *l = pgw_alloc(sizeof *l);

        l->conf = *conf;
        if (conf->address.per_s)
                l->addresses = pgw_addresses_new(conf->addresses);
        return l;
}

void pgw_limits_free(struct pgw_limits *l)
{
        if (!l)
                return;
        pgw_addresses_free(l->addresses);
        pgw_free(l);
}

/* A burst of several seconds' worth is a quota of that many seconds. A smaller one cannot be said
 * in whole seconds, and what comes in one is. */
static size_t add_policy(char *out, size_t size, const char *name, const struct pgw_rate *rate)
{
        const uint64_t window_s = rate->burst > rate->per_s
                                      ? (rate->burst + rate->per_s - 1) / rate->per_s
                                      : 1,
                       quota = rate->burst > rate->per_s ? rate->burst : rate->per_s;

        return (size_t)snprintf(out, size, "\"%s\";q=%llu;w=%llu", name, (unsigned long long)quota,
                                (unsigned long long)window_s);
}

struct pgw_meter *pgw_meter_new(const struct pgw_rate *requests, const struct pgw_rate *keys)
{
        struct pgw_meter *m;
        size_t n = 0;

        if (!requests->per_s && !keys->per_s)
                return NULL;
        m = pgw_alloc(sizeof *m);
        m->holders = 1;
        m->requests = *requests;
        m->keys = *keys;
        if (requests->per_s)
                n = add_policy(m->policy, sizeof m->policy, PGW_LIMIT_REQUESTS, requests);
        if (requests->per_s && keys->per_s)
                n += (size_t)snprintf(m->policy + n, sizeof m->policy - n, ", ");
        if (keys->per_s)
                n += add_policy(m->policy + n, sizeof m->policy - n, PGW_LIMIT_KEYS, keys);
        PGW_ASSERT(n < sizeof m->policy);
        return m;
}

struct pgw_meter *pgw_meter_hold(struct pgw_meter *m)
{
        (void)__atomic_add_fetch(&m->holders, 1, __ATOMIC_RELAXED);
        return m;
}

void pgw_meter_drop(struct pgw_meter *m)
{
        if (m && __atomic_sub_fetch(&m->holders, 1, __ATOMIC_ACQ_REL) == 0)
                pgw_free(m);
}

bool pgw_limits_may_tell(uint64_t *told_us, uint64_t now_us)
{
        uint64_t told = __atomic_load_n(told_us, __ATOMIC_RELAXED);

        if (told && now_us < told + PGW_LIMITS_TELL_S * UINT64_C(1000000))
                return false;
        return __atomic_compare_exchange_n(told_us, &told, now_us, false, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED);
}
