/* http/actor.h - who does something and from where, for the audit. */
#ifndef PGW_HTTP_ACTOR_H
#define PGW_HTTP_ACTOR_H

#include "http/exchange.h"

/* The address of the client, and behind a space the name of the identity when there is one; empty
 * without an audit. Valid as long as the exchange. The first call finds it out: it belongs before
 * anything that waits, because a client that has left has no address any more. */
struct pgw_str pgw_actor(struct pgw_exchange *);

/* Write the record of an act into `out`, which is made here and to be ended by who asked. `a` says
 * what is done; who does it and the request's id are added. `out`, or NULL without an audit. */
const struct pgw_buf *pgw_actor_record(struct pgw_exchange *, struct pgw_audit *a,
                                       struct pgw_buf *out);

#endif
