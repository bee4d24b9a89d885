/* http/hook_template.h - texts made of what a delivery holds.
 *
 *      product:{/id}                    the value at a JSON pointer (RFC 6901) of the payload
 *      {/items/ * /id}                  a text for each item (without the spaces); places that
 * stand under the same `*` go together {header:x-shopify-topic}         a header of the delivery
 *      {ce:type}                        an attribute of the CloudEvent
 *      a{{b}}                           braces themselves
 *
 * A value is a string that is not empty, an integer, true or false. A text for which one is missing
 * is not made, and counted: `user:{/id}*` without an id must not become `user:*`.
 *
 * How many texts come of a delivery, and how long they are, is the sender's doing, so who asks
 * gives a budget.
 *
 * Templates are read-only once they are made; any thread.
 */
#ifndef PGW_HTTP_HOOK_TEMPLATE_H
#define PGW_HTTP_HOOK_TEMPLATE_H

#include <jansson.h>

#include "http/cloud_event.h"

#define PGW_TEMPLATE_SIZE_MAX 1024
#define PGW_TEMPLATE_TEXT_MAX 16384 /* bytes of a text that comes of one */

struct pgw_template;

/* PGW_E_CONFIG with the reason. */
enum pgw_err pgw_template_parse(struct pgw_str text, struct pgw_fault *reterr_fault,
                                struct pgw_template **ret) PGW_MUSTUSE;

/* PGW_E_CONFIG with the reason, when in the patterns that come of it a value would not stand for
 * itself, whatever is done about its wildcards. */
enum pgw_err pgw_template_check_pattern(const struct pgw_template *,
                                        struct pgw_fault *reterr_fault) PGW_MUSTUSE;

void pgw_template_free(struct pgw_template *);

/* As it was written. */
struct pgw_str pgw_template_source(const struct pgw_template *);

struct pgw_template_budget {
        size_t texts; /* and items, that may still be looked at */
        size_t bytes; /* of texts, also of those for which a value is missing at the end */
};

struct pgw_template_output {
        bool is_pattern; /* wildcards in values stand for themselves */
        struct pgw_template_budget *budget;
        enum pgw_err (*each)(void *ctx, struct pgw_str text); /* an error ends it */
        void *ctx;
};

/* Every text once, in the order of the payload. PGW_E_TOO_LARGE when the budget is used up, or a
 * text is too long. *ret_missing counts those that could not be made. */
enum pgw_err pgw_template_expand(const struct pgw_template *, const struct pgw_cloud_event *,
                                 const struct pgw_template_output *,
                                 size_t *ret_missing) PGW_MUSTUSE;

#endif
