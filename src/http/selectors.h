/* http/selectors.h - keys, patterns and tags of a request's body as slices of bytes.
 *
 * The slices point into the body, or into the request's pool when they were base64; they
 * live as long as the request. What cannot be a selector is added to the violations.
 */
#ifndef PGW_HTTP_SELECTORS_H
#define PGW_HTTP_SELECTORS_H

#include <jansson.h>

#include "http/exchange.h"

struct pgw_selectors {
        struct pgw_str *items;
        size_t count;
};

/* The keys in the members `keys` and `keys_base64` of the body. A key of the service's own is a
 * violation. */
enum pgw_err pgw_selectors_keys(struct pgw_exchange *, struct pgw_selectors *ret) PGW_MUSTUSE;

/* The texts in an array of the body; none when there is no such member. */
void pgw_selectors_texts(struct pgw_exchange *, const char *member, struct pgw_selectors *ret);

/* A text of the body, or empty. */
struct pgw_str pgw_selectors_text(const struct pgw_exchange *, const char *member);

#endif
