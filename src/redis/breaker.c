#include "redis/breaker.h"

#include "base/rand.h"

/* What a server says of itself, and not of the command or the key. */
static bool is_refusal(enum pgw_err err)
{
        switch (err) {
        case PGW_E_REDIS_LOADING:
        case PGW_E_REDIS_BUSY:
        case PGW_E_REDIS_MASTERDOWN:
        case PGW_E_REDIS_CLUSTERDOWN:
        case PGW_E_REDIS_READONLY:
        case PGW_E_REDIS_MISCONF:
        case PGW_E_REDIS_NOREPLICAS:
        case PGW_E_REDIS_AUTH:
                return true;
        default:
                return false;
        }
}

static uint64_t pause_ms(unsigned trips)
{
        uint64_t bound_ms = PGW_BREAKER_PAUSE_MIN_MS;

        while (trips-- > 1 && bound_ms < PGW_BREAKER_PAUSE_MAX_MS)
                bound_ms *= 2;
        if (bound_ms > PGW_BREAKER_PAUSE_MAX_MS)
                bound_ms = PGW_BREAKER_PAUSE_MAX_MS;
        return bound_ms / 2 + pgw_rand_below((uint32_t)(bound_ms / 2) + 1);
}

bool pgw_breaker_is_open(const struct pgw_breaker *b, uint64_t now_ms)
{
        return b->err && (now_ms < b->until_ms || b->is_probing);
}

enum pgw_err pgw_breaker_ask(struct pgw_breaker *b, uint64_t now_ms)
{
        if (!b->err)
                return PGW_OK;
        if (pgw_breaker_is_open(b, now_ms))
                return b->err;
        b->is_probing = true;
        return PGW_OK;
}

static enum pgw_breaker_change open(struct pgw_breaker *b, enum pgw_err err, uint64_t now_ms)
{
        const bool was_open = b->err != PGW_OK;

        b->err = err;
        b->trips++;
        b->until_ms = now_ms + pause_ms(b->trips);
        b->is_probing = false;
        return was_open ? PGW_BREAKER_SAME : PGW_BREAKER_OPENED;
}

enum pgw_breaker_change pgw_breaker_note(struct pgw_breaker *b, enum pgw_err err, uint64_t now_ms)
{
        if (!is_refusal(err)) {
                const bool was_open = b->err != PGW_OK;
                *b = (struct pgw_breaker){.refusals = 0};
                return was_open ? PGW_BREAKER_CLOSED : PGW_BREAKER_SAME;
        }
        b->refusals++;
        /* Behind the one that opened it come the answers of those that were under way. */
        if (b->err ? b->is_probing : b->refusals >= PGW_BREAKER_REFUSALS)
                return open(b, err, now_ms);
        return PGW_BREAKER_SAME;
}
