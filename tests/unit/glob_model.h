/* The matcher of Redis (stringmatchlen), told once more in the plainest way, to hold ours against.
 * It takes its time: for short patterns with few stars. */
#ifndef PGW_UNIT_GLOB_MODEL_H
#define PGW_UNIT_GLOB_MODEL_H

#include "base/str.h"

static int model_signed(char c)
{
        return (unsigned char)c < 128 ? c : (unsigned char)c - 256;
}

/* One byte against the set that begins behind its bracket; `*p` goes behind the set. */
static bool model_set(const char **p, const char *end, char c)
{
        const bool negated = *p < end && **p == '^';
        bool found = false;

        if (negated)
                (*p)++;
        for (; *p < end && **p != ']'; (*p)++) {
                if (**p == '\\' && end - *p >= 2) {
                        (*p)++;
                        found = found || **p == c;
                } else if (end - *p >= 3 && (*p)[1] == '-') {
                        int from = model_signed(**p), to = model_signed((*p)[2]);
                        if (from > to) {
                                const int swap = from;
                                from = to;
                                to = swap;
                        }
                        *p += 2;
                        found = found || (from <= model_signed(c) && model_signed(c) <= to);
                } else {
                        found = found || **p == c;
                }
        }
        if (*p < end)
                (*p)++;
        return found != negated;
}

static bool model_matches(const char *p, const char *end, const char *key, const char *key_end)
{
        while (p < end) {
                if (*p == '*') {
                        while (p < end && *p == '*')
                                p++;
                        for (; key <= key_end; key++)
                                if (model_matches(p, end, key, key_end))
                                        return true;
                        return false;
                }
                if (key == key_end)
                        return false;
                if (*p == '?') {
                        p++;
                } else if (*p == '[') {
                        p++;
                        if (!model_set(&p, end, *key))
                                return false;
                } else {
                        if (*p == '\\' && end - p >= 2)
                                p++;
                        if (*p++ != *key)
                                return false;
                }
                key++;
        }
        return key == key_end;
}

static bool glob_model(struct pgw_str pattern, struct pgw_str key)
{
        if (key.n == 0)
                return pattern.n == 0 || pgw_str_eq(pattern, PGW_STR("*"));
        return model_matches(pattern.p, pattern.p + pattern.n, key.p, key.p + key.n);
}

#endif
