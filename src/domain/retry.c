#include "domain/retry.h"

#include "base/rand.h"

uint64_t pgw_retry_bound_ms(const struct pgw_retry_conf *conf, enum pgw_err_class class, uint64_t n)
{
        const unsigned factor = class == PGW_CLASS_TIMEOUT || class == PGW_CLASS_REFUSED ? 4 : 2;
        uint64_t bound_ms = conf->base_ms;

        while (n-- > 0 && bound_ms < conf->cap_ms)
                bound_ms *= factor;
        return bound_ms < conf->cap_ms ? bound_ms : conf->cap_ms;
}

static bool uses_up(enum pgw_err_class class)
{
        return class == PGW_CLASS_CONNECTION || class == PGW_CLASS_TIMEOUT;
}

enum pgw_retry_verdict pgw_retry_judge(const struct pgw_retry_conf *conf, enum pgw_err err,
                                       struct pgw_tries *tries, uint64_t *ret_pause_ms)
{
        const enum pgw_err_class class = pgw_err_class(err);

        if (class == PGW_CLASS_PERMANENT)
                return PGW_RETRY_FAILED;
        uint64_t *count = uses_up(class) ? &tries->used : &tries->waited;
        const uint64_t bound_ms = pgw_retry_bound_ms(conf, class, (*count)++);
        if (uses_up(class) && conf->tries_max && tries->used >= conf->tries_max)
                return PGW_RETRY_DEAD;
        *ret_pause_ms = pgw_rand_below((uint32_t)bound_ms + 1);
        return PGW_RETRY_AGAIN;
}
