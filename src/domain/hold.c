#include "domain/hold.h"

#include <string.h>

#define HEAD "purgeway:hold:"

_Static_assert(sizeof HEAD - 1 + 2 <= PGW_HOLD_MARKER_MORE, "the head and two braces");

enum kind { TAGGED, PLAIN, NEITHER };

static enum kind kind_of(struct pgw_str key)
{
        const char *open = key.n ? memchr(key.p, '{', key.n) : NULL;

        if (!open)
                return key.n && memchr(key.p, '}', key.n) ? NEITHER : PLAIN;
        const size_t left = key.n - (size_t)(open + 1 - key.p);
        const char *close = left ? memchr(open + 1, '}', left) : NULL;
        return close && close > open + 1 ? TAGGED : NEITHER;
}

bool pgw_hold_is_possible(struct pgw_str key)
{
        return key.n > 0 && kind_of(key) != NEITHER;
}

size_t pgw_hold_marker(struct pgw_str key, char *out)
{
        const enum kind kind = kind_of(key);
        size_t n = sizeof HEAD - 1;

        if (!pgw_hold_is_possible(key))
                return 0;
        memcpy(out, HEAD, n);
        if (kind == PLAIN)
                out[n++] = '{';
        memcpy(out + n, key.p, key.n);
        n += key.n;
        if (kind == PLAIN)
                out[n++] = '}';
        return n;
}
