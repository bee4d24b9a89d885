/* The only file that asks the system for the time. */
#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "base/panic.h"

#define PGW_WALL_MS_MAX 253402300799999ull /* 9999-12-31T23:59:59.999Z */

static uint64_t clock_us(clockid_t id)
{
        struct timespec ts;

        PGW_ASSERT(clock_gettime(id, &ts) == 0);
        return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t pgw_mono_us(void)
{
        return clock_us(CLOCK_MONOTONIC);
}

uint64_t pgw_mono_ms(void)
{
        return pgw_mono_us() / 1000u;
}

uint64_t pgw_wall_ms(void)
{
        return clock_us(CLOCK_REALTIME) / 1000u;
}

static void digits(char *out, int count, unsigned value)
{
        for (int i = count - 1; i >= 0; i--) {
                out[i] = (char)('0' + value % 10);
                value /= 10;
        }
}

void pgw_rfc3339(uint64_t wall_ms, char out[PGW_RFC3339_SIZE])
{
        if (wall_ms > PGW_WALL_MS_MAX)
                wall_ms = PGW_WALL_MS_MAX;
        const time_t seconds = (time_t)(wall_ms / 1000u);
        struct tm tm;

        PGW_ASSERT(gmtime_r(&seconds, &tm) != NULL);
        memcpy(out, "0000-00-00T00:00:00.000Z", PGW_RFC3339_SIZE);
        digits(out, 4, (unsigned)tm.tm_year + 1900u);
        digits(out + 5, 2, (unsigned)tm.tm_mon + 1u);
        digits(out + 8, 2, (unsigned)tm.tm_mday);
        digits(out + 11, 2, (unsigned)tm.tm_hour);
        digits(out + 14, 2, (unsigned)tm.tm_min);
        digits(out + 17, 2, (unsigned)tm.tm_sec);
        digits(out + 20, 3, (unsigned)(wall_ms % 1000u));
}
