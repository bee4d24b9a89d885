/* http/charge.h - what a request costs, and who pays.
 *
 *      a request of an identity      1 of its requests; with n items in it n
 *      what it removes               1 of the identity's and of the gateway's keys for each key,
 *                                    limits.tag_keys for each tag, limits.pattern_keys for each
 *                                    pattern, on however many targets
 *      a webhook's delivery          10 of its address when its signature is not good, else what a
 *                                    request of the identity would cost that the hook acts as
 *      a request of nobody known     1 of its address, 10 with a credential that is not known
 *      what no operation takes       the same; its fields are not looked at if they cannot be read
 *
 * The request is charged before its body is looked at, and stays charged: that much work it was.
 * Items and keys are charged before the queue sees them, all or nothing, and given back when they
 * were refused there. What would cost more than a burst is refused for good.
 *
 * Addresses are charged only where there are identities. An address whose bucket is empty is
 * refused in place of its unknown credentials; those that are known are let in all the same,
 * because a proxy's address is that of everybody behind it. limits.address_first has it the other
 * way round. What probes ask is never charged.
 */
#ifndef PGW_HTTP_CHARGE_H
#define PGW_HTTP_CHARGE_H

#include "http/exchange.h"

/* Before who asks is looked for. PGW_E_RATE, or PGW_OK. */
enum pgw_err pgw_charge_first(struct pgw_exchange *) PGW_MUSTUSE;

/* The request itself; `verdict` is what was found about who asks. Gives PGW_E_RATE, or that; where
 * no credential is needed PGW_OK for one that is not known. */
enum pgw_err pgw_charge_request(struct pgw_exchange *, enum pgw_err verdict) PGW_MUSTUSE;

/* The same two of a delivery, whose sender is known only by its body: those above leave it alone
 * where there is such a webhook. A stranger pays for his guess; who signs is let in whatever others
 * behind the same address have used up. */
enum pgw_err pgw_charge_delivery_first(struct pgw_exchange *) PGW_MUSTUSE;
enum pgw_err pgw_charge_stranger(struct pgw_exchange *, enum pgw_err verdict) PGW_MUSTUSE;

/* How many keys the selectors of an invalidation count as, as its body names them. */
uint64_t pgw_charge_of(const struct pgw_exchange *, const struct json_t *body);

/* Items beyond the first, which the request itself was charged for, and keys. PGW_E_RATE, which
 * names all limits that were reached and tells when all of it will be let in, or PGW_E_BURST; then
 * nothing of this is charged. */
enum pgw_err pgw_charge(struct pgw_exchange *, uint64_t items, uint64_t keys) PGW_MUSTUSE;

/* The same back. */
void pgw_charge_back(struct pgw_exchange *, uint64_t items, uint64_t keys);

/* The names of the limits for which a request was refused, as members of a JSON list. */
enum pgw_err pgw_charge_reached(const struct pgw_exchange *, struct pgw_buf *out) PGW_MUSTUSE;

/* Say in the answer what is left; nothing where nothing is limited. Not once its client is gone. */
void pgw_charge_tell(struct pgw_exchange *);

#endif
