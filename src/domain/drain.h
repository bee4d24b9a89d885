/* domain/drain.h - how fast jobs end lately.
 *
 * A pure value that is told now and then how many jobs have ended so far. It forgets: what was
 * ten seconds ago counts a third of what is now, so that the rate follows when workers
 * come and go, and does not jump with each batch.
 */
#ifndef PGW_DOMAIN_DRAIN_H
#define PGW_DOMAIN_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#define PGW_DRAIN_MEMORY_MS 10000
#define PGW_DRAIN_UNKNOWN   UINT64_MAX
#define PGW_DRAIN_MAX       1e15 /* of a thousand seconds; no server is so fast, but it may say so */

struct pgw_drain {
        bool has_base, is_known;
        uint64_t ended, at_ms;
        double per_s;
};

/* `ended` jobs have ended up to `now_ms` (monotonic). A number lower than the last one is a new
 * beginning and says nothing about the rate. */
void pgw_drain_note(struct pgw_drain *, uint64_t ended, uint64_t now_ms);

/* Jobs of a thousand seconds, or PGW_DRAIN_UNKNOWN before there is anything to compare. */
uint64_t pgw_drain_per_1000s(const struct pgw_drain *);

#endif
