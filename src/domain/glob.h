/* domain/glob.h - patterns over keys, exactly as Redis reads them.
 *
 *      *       any bytes, none as well         ?       one byte
 *      [ab]    one of these bytes              [a-z]   one in the range
 *      [^a]    one byte that is none of these  \x      the byte x itself
 *
 * Bytes, not characters; anchored at both ends; case matters. "Exactly" means the matcher
 * of Redis 7 with its corners: a set that is not closed ends with the pattern, a range may
 * be written backwards and compares signed bytes, and the empty key matches nothing but
 * "*" and "". Compiled once, matched often, without recursion.
 */
#ifndef PGW_DOMAIN_GLOB_H
#define PGW_DOMAIN_GLOB_H

#include "base/str.h"

struct pgw_glob;

/* Every sequence of bytes is a pattern. */
struct pgw_glob *pgw_glob_new(struct pgw_str pattern);
void pgw_glob_free(struct pgw_glob *); /* NULL is allowed */

bool pgw_glob_match(const struct pgw_glob *, struct pgw_str key);

/* The pattern's bytes as they were given. */
struct pgw_str pgw_glob_text(const struct pgw_glob *);

/* The literal bytes that every match begins with, unescaped. */
struct pgw_str pgw_glob_prefix(const struct pgw_glob *);

/* How many `*` there are, neighbours counting as one: what matching costs grows with them. */
size_t pgw_glob_stars(const struct pgw_glob *);

#endif
