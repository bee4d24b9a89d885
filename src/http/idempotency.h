/* http/idempotency.h - the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07).
 *
 * A request that carries one can be sent again as often as its sender likes: it is one job. What a
 * request asks for is its operation and its body, however that was written down: other spaces, or a
 * form in place of JSON, are the same request.
 */
#ifndef PGW_HTTP_IDEMPOTENCY_H
#define PGW_HTTP_IDEMPOTENCY_H

#include "http/exchange.h"

#define PGW_IDEMPOTENCY_KEY_MAX 255

/* The key of such a header: a string of RFC 8941 ("..." with \" and \\), or the same bare, without
 * spaces, commas, semicolons, quotes and backslashes. Printable ASCII, 1 to 255 characters;
 * otherwise PGW_E_INVALID. Pure; `out` is its room. */
enum pgw_err pgw_idempotency_key(struct pgw_str header, char out[PGW_IDEMPOTENCY_KEY_MAX],
                                 struct pgw_str *ret) PGW_MUSTUSE;

/* Read the header and the body, as it was sent, into x->once. PGW_E_SCHEMA with a violation when
 * the header is none; nothing happens when there is no header. */
enum pgw_err pgw_idempotency_understand(struct pgw_exchange *) PGW_MUSTUSE;

#endif
