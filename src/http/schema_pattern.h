/* http/schema_pattern.h - the regular expressions of schemas (`pattern`).
 *
 * ECMA 262 as far as PCRE2 speaks it; searched for, not anchored. Bounded in steps, so
 * that no text can hold a thread. Read-only after compiling; any thread may match.
 */
#ifndef PGW_HTTP_SCHEMA_PATTERN_H
#define PGW_HTTP_SCHEMA_PATTERN_H

#include "base/str.h"

struct pgw_pattern;

/* PGW_E_CONTRACT with the reason when it cannot be compiled. */
enum pgw_err pgw_pattern_new(struct pgw_str source, struct pgw_fault *reterr_fault,
                             struct pgw_pattern **ret) PGW_MUSTUSE;
void pgw_pattern_free(struct pgw_pattern *);

/* `text` must be UTF-8, as every JSON string is. */
bool pgw_pattern_matches(const struct pgw_pattern *, struct pgw_str text);
const char *pgw_pattern_source(const struct pgw_pattern *);

#endif
