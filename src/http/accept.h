/* http/accept.h - from the body of an invalidation to a job in the queue.
 *
 * The body is x->body: that of a request, or one of many in a request.
 */
#ifndef PGW_HTTP_ACCEPT_H
#define PGW_HTTP_ACCEPT_H

#include "http/exchange.h"

#define PGW_DELAY_MAX_MS UINT64_C(2592000000) /* 30 days */

/* What is to be said beyond the contract: PGW_E_SCHEMA with violations, or a refusal of its own. */
enum pgw_err pgw_accept_understand(struct pgw_exchange *) PGW_MUSTUSE;

/* The same and, before that, what the contract says of an invalidation: for a body that was made
 * here of something else. */
enum pgw_err pgw_accept_check(struct pgw_exchange *) PGW_MUSTUSE;

/* What of it does not depend on the selectors: how members go together. PGW_E_SCHEMA with
 * violations. Needs no gateway. */
enum pgw_err pgw_accept_check_members(struct pgw_exchange *) PGW_MUSTUSE;

/* Put it into the queue, unless `once` says that it is there; NULL: it cannot. `done` comes once,
 * later, if and only if PGW_OK is returned; the body is not needed any more by then. Refusals at
 * once are counted here, later ones by the caller. */
enum pgw_err pgw_accept(struct pgw_exchange *, const struct pgw_once *once, pgw_intake_f *done,
                        void *ctx) PGW_MUSTUSE;

void pgw_accept_count(const struct pgw_exchange *, const struct pgw_intake_job *);
void pgw_accept_count_refusal(enum pgw_err);

#endif
