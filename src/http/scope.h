/* http/scope.h - sets of scopes (tbl/scopes.h). */
#ifndef PGW_HTTP_SCOPE_H
#define PGW_HTTP_SCOPE_H

#include "base/str.h"

enum pgw_scope {
#define X(name, word, opens) PGW_SCOPE_##name,
#include "tbl/scopes.h"
#undef X
        PGW_SCOPE_COUNT
};

/* Bits, the first scope's the lowest. */
typedef uint32_t pgw_scope_set;
_Static_assert(PGW_SCOPE_COUNT <= 32, "one bit each");

#define PGW_SCOPE(name) ((pgw_scope_set)1 << PGW_SCOPE_##name)

/* "purge:keys". Static. */
const char *pgw_scope_word(enum pgw_scope);

/* Add the scope of a word to the set; PGW_E_INVALID when there is none. */
enum pgw_err pgw_scope_add(pgw_scope_set *, struct pgw_str word) PGW_MUSTUSE;

/* The words of a set, separated by ", ", cut to the size. */
void pgw_scope_words(pgw_scope_set, char *out, size_t size);

#endif
