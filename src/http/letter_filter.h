/* http/letter_filter.h - which dead letters are meant.
 *
 * The same members select them in a query and in a body; a letter must fit all that are given.
 */
#ifndef PGW_HTTP_LETTER_FILTER_H
#define PGW_HTTP_LETTER_FILTER_H

#include "domain/letter.h"
#include "http/exchange.h"

/* Texts point into the request. Empty, and zero: anything. */
struct pgw_letter_filter {
        struct pgw_str code, error_class, status, target, tag, request_id, client;
        uint64_t after_ms, before_ms; /* when it was buried, wall; exclusive */
};

/* PGW_E_SCHEMA, with a violation, for a time that is none. */
enum pgw_err pgw_letter_filter_read(struct pgw_exchange *,
                                    struct pgw_letter_filter *ret) PGW_MUSTUSE;

bool pgw_letter_filter_is_empty(const struct pgw_letter_filter *);
bool pgw_letter_filter_fits(const struct pgw_letter_filter *, const struct pgw_letter *);

#endif
