#include "http/scope.h"

#include <stdio.h>

static const char *const words[PGW_SCOPE_COUNT] = {
#define X(name, word, opens) word,
#include "tbl/scopes.h"
#undef X
};

const char *pgw_scope_word(enum pgw_scope scope)
{
        PGW_ASSERT((unsigned)scope < PGW_SCOPE_COUNT);
        return words[scope];
}

enum pgw_err pgw_scope_add(pgw_scope_set *set, struct pgw_str word)
{
        for (unsigned i = 0; i < PGW_SCOPE_COUNT; i++)
                if (pgw_str_eq_z(word, words[i])) {
                        *set |= (pgw_scope_set)1 << i;
                        return PGW_OK;
                }
        return PGW_E_INVALID;
}

void pgw_scope_words(pgw_scope_set set, char *out, size_t size)
{
        size_t n = 0;

        out[0] = '\0';
        for (unsigned i = 0; i < PGW_SCOPE_COUNT && n < size; i++)
                if (set >> i & 1)
                        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", words[i]);
}
