/* io/resolve.h - names to addresses, off the loop's thread.
 *
 * A name server that does not answer must not stop an event loop, so look-ups run on
 * h2o's pool of resolver threads and come back as a callback of the loop.
 */
#ifndef PGW_IO_RESOLVE_H
#define PGW_IO_RESOLVE_H

#include <sys/socket.h>

#include "base/str.h"
#include "io/loop.h"

struct pgw_resolver; /* one per loop */
struct pgw_lookup;   /* one look-up under way */

/* PGW_OK with the first address, or PGW_E_REDIS_CONNECT with `addr` NULL. */
typedef void pgw_resolve_f(void *ctx, enum pgw_err, const struct sockaddr *addr, socklen_t size);

struct pgw_resolver *pgw_resolver_new(struct pgw_loop *);
/* All look-ups must have been answered or cancelled. May turn the loop. */
void pgw_resolver_free(struct pgw_resolver *);

/* Start a look-up of a TCP address; both texts are copied. The callback comes once,
 * later, unless pgw_lookup_cancel() is called before. */
struct pgw_lookup *pgw_resolve(struct pgw_resolver *, struct pgw_str host, struct pgw_str port,
                               pgw_resolve_f *, void *ctx);
void pgw_lookup_cancel(struct pgw_lookup *);

#endif
