/* Slices: arithmetic on bytes that nobody here owns. */
#include "base/str.h"

#include <string.h>

struct pgw_str pgw_str_z(const char *text)
{
        return (struct pgw_str){text, text ? strlen(text) : 0};
}

struct pgw_str pgw_str_of(const char *bytes, size_t size)
{
        return (struct pgw_str){bytes, size};
}

bool pgw_str_eq(struct pgw_str a, struct pgw_str b)
{
        return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool pgw_str_eq_z(struct pgw_str a, const char *text)
{
        return pgw_str_eq(a, pgw_str_z(text));
}

bool pgw_str_starts(struct pgw_str s, struct pgw_str prefix)
{
        return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool pgw_str_eq_nocase(struct pgw_str a, struct pgw_str b)
{
        if (a.n != b.n)
                return false;
        for (size_t i = 0; i < a.n; i++)
                if (a.p[i] != b.p[i] && lower(a.p[i]) != lower(b.p[i]))
                        return false;
        return true;
}

bool pgw_str_cut(struct pgw_str s, char at, struct pgw_str *ret_head, struct pgw_str *ret_tail)
{
        const char *found = s.n ? memchr(s.p, at, s.n) : NULL;

        if (!found)
                return false;
        const size_t head = (size_t)(found - s.p);
        *ret_head = pgw_str_of(s.p, head);
        *ret_tail = pgw_str_of(found + 1, s.n - head - 1);
        return true;
}

bool pgw_str_find(struct pgw_str s, struct pgw_str needle, struct pgw_str *ret_tail)
{
        const char *at = s.n && needle.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;

        if (!at)
                return false;
        at += needle.n;
        *ret_tail = pgw_str_of(at, (size_t)(s.p + s.n - at));
        return true;
}

struct pgw_str pgw_str_trim(struct pgw_str s)
{
        while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
                s.p++;
                s.n--;
        }
        while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
                s.n--;
        return s;
}

enum pgw_err pgw_str_to_u64(struct pgw_str s, uint64_t max, uint64_t *ret)
{
        uint64_t value = 0;

        if (s.n == 0)
                return PGW_E_INVALID;
        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return PGW_E_INVALID;
                const uint64_t digit = (uint64_t)(s.p[i] - '0');
                if (value > (UINT64_MAX - digit) / 10)
                        return PGW_E_INVALID;
                value = value * 10 + digit;
        }
        if (value > max)
                return PGW_E_INVALID;
        *ret = value;
        return PGW_OK;
}

size_t pgw_u64_text(uint64_t value, char out[20])
{
        char reversed[20];
        size_t n = 0;

        do {
                reversed[n++] = (char)('0' + value % 10);
                value /= 10;
        } while (value);
        for (size_t i = 0; i < n; i++)
                out[i] = reversed[n - 1 - i];
        return n;
}
