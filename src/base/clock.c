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

/* Two or four digits at the front, which are taken away. */
static bool take_digits(struct pgw_str *text, size_t count, int max, int *ret)
{
        int value = 0;

        if (text->n < count)
                return false;
        for (size_t i = 0; i < count; i++) {
                if (text->p[i] < '0' || text->p[i] > '9')
                        return false;
                value = value * 10 + (text->p[i] - '0');
        }
        *text = pgw_str_of(text->p + count, text->n - count);
        *ret = value;
        return value <= max;
}

static bool take_char(struct pgw_str *text, const char *any_of)
{
        if (text->n == 0 || !text->p[0] || !strchr(any_of, text->p[0]))
                return false;
        *text = pgw_str_of(text->p + 1, text->n - 1);
        return true;
}

static bool take_fraction(struct pgw_str *text, unsigned *ret_ms)
{
        unsigned ms = 0, scale = 100;
        size_t n = 0;

        *ret_ms = 0;
        if (!take_char(text, "."))
                return true;
        for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++, scale /= 10)
                ms += (unsigned)(text->p[n] - '0') * scale;
        *text = pgw_str_of(text->p + n, text->n - n);
        *ret_ms = ms;
        return n > 0;
}

static bool take_offset(struct pgw_str *text, int *ret_minutes)
{
        int hours, minutes;

        *ret_minutes = 0;
        if (take_char(text, "Zz"))
                return true;
        const bool is_behind = text->n && text->p[0] == '-';
        if (!take_char(text, "+-") || !take_digits(text, 2, 23, &hours) || !take_char(text, ":") ||
            !take_digits(text, 2, 59, &minutes))
                return false;
        *ret_minutes = (hours * 60 + minutes) * (is_behind ? -1 : 1);
        return true;
}

static int days_of(int year, int month)
{
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return days[month - 1] + (month == 2 && is_leap);
}

enum pgw_err pgw_rfc3339_parse(struct pgw_str text, uint64_t *ret_wall_ms)
{
        struct tm tm = {.tm_isdst = 0};
        int year, month, offset;
        unsigned ms;

        if (!take_digits(&text, 4, 9999, &year) || !take_char(&text, "-") ||
            !take_digits(&text, 2, 12, &month) || !take_char(&text, "-") ||
            !take_digits(&text, 2, 31, &tm.tm_mday) || !take_char(&text, "Tt ") ||
            !take_digits(&text, 2, 23, &tm.tm_hour) || !take_char(&text, ":") ||
            !take_digits(&text, 2, 59, &tm.tm_min) || !take_char(&text, ":") ||
            !take_digits(&text, 2, 60, &tm.tm_sec) || !take_fraction(&text, &ms) ||
            !take_offset(&text, &offset) || text.n || month < 1 || tm.tm_mday < 1)
                return PGW_E_INVALID;
        tm.tm_year = year - 1900;
        tm.tm_mon = month - 1;
        if (tm.tm_mday > days_of(year, month))
                return PGW_E_INVALID;
        const time_t seconds = timegm(&tm);
        if (year < 1970 || seconds - offset * 60 < 0)
                return PGW_E_INVALID;
        *ret_wall_ms = (uint64_t)(seconds - offset * 60) * 1000 + ms;
        return PGW_OK;
}
