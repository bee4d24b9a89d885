/* http/hook_map.h - what a delivery would have removed, by the rules of its hook.
 *
 * The rules are held against each event; what those that hold name is gathered, each selector once,
 * into the body of one invalidation. It is checked like any other body: by the contract, and by
 * what the hook's identity covers.
 */
#ifndef PGW_HTTP_HOOK_MAP_H
#define PGW_HTTP_HOOK_MAP_H

#include "http/hooks.h"

#define PGW_HOOK_EXPANSIONS_MAX 20000 /* texts and items of a delivery that are looked at */
#define PGW_HOOK_TEXTS_FACTOR   4     /* as many bytes of texts as an invalidation may have */
#define PGW_HOOK_TEXT_OVERHEAD  3     /* of a selector in a body, beside its bytes: `"",` */

struct pgw_hook_wish {
        bool rules;       /* what became of each is wanted too */
        size_t bytes_max; /* of the selectors of an invalidation: limits.body_bytes */
};

struct pgw_hook_mapped {
        json_t *invalidation; /* NULL: no rule held, or nothing was named */
        size_t held;          /* rules, of all events together */
        size_t missing;       /* selectors that could not be made */
        json_t *rules;        /* what became of each; NULL unless asked for */
};

/* PGW_E_TOO_LARGE, with the reason, when the bounds are passed: a small payload can name much, a
 * long text in each of many selectors, and what a client may not ask for a sender may not either.
 * How many selectors there may be is the contract's to say. */
enum pgw_err pgw_hook_map(const struct pgw_hook *, const struct pgw_cloud_events *,
                          const struct pgw_hook_wish *, struct pgw_fault *reterr_fault,
                          struct pgw_hook_mapped *ret) PGW_MUSTUSE;
void pgw_hook_mapped_fini(struct pgw_hook_mapped *);

/* The first text that the hook's `id` makes of the first event; empty when there is none, or it is
 * longer than PGW_HOOK_ID_MAX. Of CloudEvents their own ids, which are longer. */
enum pgw_err pgw_hook_delivery_id(const struct pgw_hook *, const struct pgw_cloud_events *,
                                  struct pgw_buf *out) PGW_MUSTUSE;

#endif
