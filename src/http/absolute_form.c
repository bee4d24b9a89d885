#include "http/absolute_form.h"

#include <string.h>

#define PGW_PORT_DIGITS_MAX 5

static bool is_alnum(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 3986, section 3.2.2. What an address in brackets may hold is looked at, not what it says. */
static bool is_host(struct pgw_str s)
{
        const bool is_literal = s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
        const char *others = is_literal ? ":." : "-._~%!$&'()*+,;=";

        if (is_literal)
                s = pgw_str_of(s.p + 1, s.n - 2);
        for (size_t i = 0; i < s.n; i++)
                if (!is_alnum(s.p[i]) && !(s.p[i] && strchr(others, s.p[i])))
                        return false;
        return s.n > 0;
}

static bool is_authority(struct pgw_str s)
{
        size_t n = s.n;

        while (n > 0 && s.p[n - 1] >= '0' && s.p[n - 1] <= '9')
                n--;
        if (n == 0 || s.p[n - 1] != ':')
                return is_host(s);
        return s.n - n <= PGW_PORT_DIGITS_MAX && is_host(pgw_str_of(s.p, n - 1));
}

bool pgw_absolute_form(struct pgw_str target, struct pgw_str *ret_authority,
                       struct pgw_str *ret_path)
{
        struct pgw_str scheme, rest;
        size_t n = 0;

        if (!pgw_str_cut(target, ':', &scheme, &rest) || !pgw_str_starts(rest, PGW_STR("//")) ||
            (!pgw_str_eq_nocase(scheme, PGW_STR("http")) &&
             !pgw_str_eq_nocase(scheme, PGW_STR("https"))))
                return false;
        rest = pgw_str_of(rest.p + 2, rest.n - 2);
        while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
                n++;
        if (!is_authority(pgw_str_of(rest.p, n)))
                return false;
        *ret_authority = pgw_str_of(rest.p, n);
        *ret_path = pgw_str_of(rest.p + n, rest.n - n);
        return true;
}
