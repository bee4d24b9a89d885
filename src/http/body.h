/* http/body.h - what a request brings becomes values, checked by the contract.
 *
 * Most bodies are small, and are read at once. A large one takes milliseconds (a megabyte about
 * eight, bench/README.md), in which nobody else on the loop would be served: it is read beside the
 * loop (io/aside.h), from a copy, because its client may leave meanwhile. So are those of many
 * values, or of some once their connection has had its share of the loop (pgw_front_may_read()).
 * Such bodies wait for each other, not others for them.
 */
#ifndef PGW_HTTP_BODY_H
#define PGW_HTTP_BODY_H

#include "http/exchange.h"

#define PGW_BODY_LARGE 16384 /* bytes, from which on it is read beside the loop */

/* The room `read`: x->params and x->body, or why not. */
enum pgw_step pgw_body_read(struct pgw_exchange *);

#endif
