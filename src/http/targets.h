/* http/targets.h - which targets a request means. */
#ifndef PGW_HTTP_TARGETS_H
#define PGW_HTTP_TARGETS_H

#include "http/exchange.h"

/* By the members `target` and `targets` of the body; all when there is neither. What is not a
 * target here is added to the violations. */
pgw_target_set pgw_targets_of_body(struct pgw_exchange *);

/* By the query's `target`; the first when there is none, NULL when it is added to the
 * violations. */
const struct pgw_gateway_target *pgw_targets_of_query(struct pgw_exchange *);

/* Their names for an entry; empty when the request names none and its sender covers any. Kept as
 * long as the request. */
struct pgw_str pgw_targets_names(struct pgw_exchange *, pgw_target_set);

static inline bool pgw_targets_has(pgw_target_set set, size_t index)
{
        return set >> index & 1;
}

#endif
