/* An average that is moved towards each new rate by the share of the time it stands for. */
#include "domain/drain.h"

void pgw_drain_note(struct pgw_drain *d, uint64_t ended, uint64_t now_ms)
{
        const uint64_t since_ms = now_ms - d->at_ms;

        if (d->has_base && ended >= d->ended) {
                if (since_ms == 0)
                        return;
                const double rate = (double)(ended - d->ended) * 1000 / (double)since_ms,
                             share = (double)since_ms / (double)(since_ms + PGW_DRAIN_MEMORY_MS);
                d->per_s = d->is_known ? d->per_s + (rate - d->per_s) * share : rate;
                d->is_known = true;
        }
        d->has_base = true;
        d->ended = ended;
        d->at_ms = now_ms;
}

uint64_t pgw_drain_per_1000s(const struct pgw_drain *d)
{
        const double rate = d->per_s * 1000;

        if (!d->is_known)
                return PGW_DRAIN_UNKNOWN;
        return (uint64_t)(rate < PGW_DRAIN_MAX ? rate : PGW_DRAIN_MAX);
}
