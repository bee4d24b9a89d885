/* domain/history.h - why a job was tried more than once.
 *
 * Field l of an entry: a list of texts (the form of field k, domain/invalidation.h), one for each
 * try that did not succeed and each target that it did not succeed at:
 *      <attempt> <when it ended, wall ms> <target, or "-"> <error code>
 * The oldest and the newest are kept, PGW_HISTORY_MAX of them.
 */
#ifndef PGW_DOMAIN_HISTORY_H
#define PGW_DOMAIN_HISTORY_H

#include "base/buf.h"

#define PGW_HISTORY_MAX       20
#define PGW_HISTORY_BYTES_MAX 8192

struct pgw_failure {
        uint64_t attempt;
        uint64_t at_ms;
        struct pgw_str target; /* "-": none in particular */
        enum pgw_err error;
};

/* Append what is worth keeping of `old`, so that there is room for `more` behind it. */
enum pgw_err pgw_history_keep(struct pgw_buf *out, struct pgw_str old, size_t more) PGW_MUSTUSE;

enum pgw_err pgw_history_add(struct pgw_buf *out, const struct pgw_failure *) PGW_MUSTUSE;

/* Take the next one off `*rest`; its text points into it. PGW_E_NO_JOB at the end, PGW_E_CODEC when
 * it cannot be read. */
enum pgw_err pgw_history_next(struct pgw_str *rest, struct pgw_failure *ret) PGW_MUSTUSE;

#endif
