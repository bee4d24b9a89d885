#include "http/pace.h"

/* After so long everything is paid, at any rate that is one; and no product overflows. */
#define PGW_PACE_MEMORY_MS 3600000
#define PGW_PACE_OWED_MAX  (UINT64_C(1) << 50)

uint64_t pgw_pace_take(struct pgw_pace *p, uint64_t n, uint64_t per_s, uint64_t burst,
                       uint64_t now_ms)
{
        const uint64_t passed_ms = now_ms - p->at_ms;
        const uint64_t paid =
            passed_ms > PGW_PACE_MEMORY_MS ? PGW_PACE_OWED_MAX : passed_ms * per_s / 1000;

        p->at_ms = now_ms;
        p->owed = (p->owed > paid ? p->owed - paid : 0) + n;
        if (p->owed > PGW_PACE_OWED_MAX)
                p->owed = PGW_PACE_OWED_MAX;
        return p->owed > burst ? ((p->owed - burst) * 1000 + per_s - 1) / per_s : 0;
}
