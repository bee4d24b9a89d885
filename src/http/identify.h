/* http/identify.h - who asks, and whether they may ask that.
 *
 * A client is known by its certificate (TLS), or by a secret, which goes first. A secret comes as
 * `Authorization: Bearer SECRET` or as `X-API-Key: SECRET`, once. No secret, one of another form
 * and one that nobody has are the same to whoever sent it.
 */
#ifndef PGW_HTTP_IDENTIFY_H
#define PGW_HTTP_IDENTIFY_H

#include "http/exchange.h"

/* Set who asks. PGW_E_CREDENTIALS when that is nobody who is known, PGW_E_SCOPE when they have none
 * of the scopes that open the operation. What anybody may ask is as with pgw_identify_sender().
 * Without identities nobody is looked for, but PGW_E_HOST tells of a name that leads here by
 * somebody else's doing. */
enum pgw_err pgw_identify(struct pgw_exchange *) PGW_MUSTUSE;

/* Set who sends what needs no credential, or what no operation takes, if that can be seen.
 * PGW_E_CREDENTIALS when a secret is shown that nobody has. */
enum pgw_err pgw_identify_sender(struct pgw_exchange *) PGW_MUSTUSE;

/* Count a refusal for who asked; others are not counted. */
void pgw_identify_count(enum pgw_err);

/* Whether who asks has a scope; everybody has all of them without identities. */
bool pgw_identify_has(const struct pgw_exchange *, enum pgw_scope);

/* The mark of who asks, for the ids of what they begin; NULL without a name. */
const uint32_t *pgw_identify_mark(const struct pgw_exchange *);

/* Whether who asks may see a job, or a group of jobs, with this mark in its id: their own, and with
 * jobs:read all. What they may not see is to be as unknown as what there is not; since this needs
 * the id alone, not even the time it takes says whether there is such a job. */
bool pgw_identify_sees(const struct pgw_exchange *, uint32_t mark);

#endif
