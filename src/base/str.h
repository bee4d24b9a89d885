/* base/str.h - a slice of bytes that somebody else owns.
 *
 * Not terminated, may hold NULs, may be empty; `p` may be NULL only when `n` is 0.
 */
#ifndef PGW_BASE_STR_H
#define PGW_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pgw_str {
        const char *p;
        size_t n;
};

#define PGW_STR(literal) ((struct pgw_str){(literal), sizeof(literal) - 1})

struct pgw_str pgw_str_z(const char *text); /* NULL gives the empty slice */
struct pgw_str pgw_str_of(const char *bytes, size_t size);

bool pgw_str_eq(struct pgw_str, struct pgw_str);
bool pgw_str_eq_z(struct pgw_str, const char *text);
bool pgw_str_starts(struct pgw_str, struct pgw_str prefix);

/* ASCII only, whatever the locale. */
bool pgw_str_eq_nocase(struct pgw_str, struct pgw_str);

/* Split at the first `at`: *ret_head before it, *ret_tail behind it. False and both
 * untouched when there is none. */
bool pgw_str_cut(struct pgw_str, char at, struct pgw_str *ret_head, struct pgw_str *ret_tail);

/* What follows the first place where `needle` stands; false and untouched when there is none. */
bool pgw_str_find(struct pgw_str, struct pgw_str needle, struct pgw_str *ret_tail);

/* Without the spaces and tabs at both ends. */
struct pgw_str pgw_str_trim(struct pgw_str);

/* The largest integer that every reader of JSON takes as it is. */
#define PGW_JSON_INTEGER_MAX UINT64_C(9007199254740991)

/* Decimal digits only, at least one, value at most `max`; else PGW_E_INVALID. */
enum pgw_err pgw_str_to_u64(struct pgw_str, uint64_t max, uint64_t *ret) PGW_MUSTUSE;

/* Write `value` in decimal to `out` (20 bytes suffice, not terminated); returns the length. */
size_t pgw_u64_text(uint64_t value, char out[20]);

#endif
