/* http/identify.h - who asks, and whether they may ask that.
 *
 * A secret comes as `Authorization: Bearer SECRET` or as `X-API-Key: SECRET`, once. No secret, one
 * of another form and one that nobody has are the same to whoever sent it.
 */
#ifndef PGW_HTTP_IDENTIFY_H
#define PGW_HTTP_IDENTIFY_H

#include "http/exchange.h"

/* Set who asks. PGW_E_CREDENTIALS when that is nobody who is known, PGW_E_SCOPE when they have none
 * of the scopes that open the operation. Without identities, and where anybody may ask, nobody is
 * looked for. */
enum pgw_err pgw_identify(struct pgw_exchange *) PGW_MUSTUSE;

/* Whether who asks has a scope; everybody has all of them without identities. */
bool pgw_identify_has(const struct pgw_exchange *, enum pgw_scope);

#endif
