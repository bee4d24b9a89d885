/* The first byte says how long the pattern is, the rest is the key. What a pattern promises holds
 * for every key that it matches, a pattern without wildcards matches one key, and where the model
 * can say in time what is right it does. */
#include <string.h>

#include "../unit/glob_model.h"
#include "base/panic.h"
#include "domain/glob.h"

#define MODEL_STARS_MAX 2
#define MODEL_KEY_MAX   1024

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool has_any(struct pgw_str s, const char *bytes)
{
        for (size_t i = 0; i < s.n; i++)
                if (s.p[i] && strchr(bytes, s.p[i]))
                        return true;
        return false;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        if (size == 0)
                return 0;
        const size_t n = data[0] < size - 1 ? data[0] : size - 1;
        const struct pgw_str pattern = pgw_str_of((const char *)data + 1, n);
        const struct pgw_str key = pgw_str_of((const char *)data + 1 + n, size - 1 - n);
        struct pgw_glob *glob = pgw_glob_new(pattern);
        const struct pgw_str prefix = pgw_glob_prefix(glob), text = pgw_glob_text(glob);
        const bool matches = pgw_glob_match(glob, key);

        PGW_ASSERT(pgw_str_eq(text, pattern));
        PGW_ASSERT(prefix.n <= pattern.n && pgw_glob_stars(glob) <= pattern.n);
        if (matches)
                PGW_ASSERT(pgw_str_starts(key, prefix));
        if (!has_any(pattern, "*?[\\")) {
                PGW_ASSERT(pgw_str_eq(prefix, pattern));
                PGW_ASSERT(matches == pgw_str_eq(key, pattern));
        }
        if (pgw_glob_stars(glob) <= MODEL_STARS_MAX && key.n <= MODEL_KEY_MAX)
                PGW_ASSERT(matches == glob_model(pattern, key));
        pgw_glob_free(glob);
        return 0;
}
