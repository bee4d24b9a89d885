/* io/resolve.h - names to addresses, off the loop's thread.
 *
 * A name server that does not answer must stop neither an event loop nor who asks for another
 * name, so each name is looked up by a thread of its own, and the answer comes as a callback of
 * the loop. Whoever asks for a name that is being looked up waits for the same answer. One that
 * came after all who waited for it had given up is kept for a few seconds: else a name server
 * that is slower than they are patient would be asked for ever, and never heard.
 *
 * A loop looks up PGW_LOOKUPS_MAX names at once; further ones wait for their turn.
 */
#ifndef PGW_IO_RESOLVE_H
#define PGW_IO_RESOLVE_H

#include <sys/socket.h>

#include "base/str.h"
#include "io/loop.h"

#define PGW_LOOKUPS_MAX   8
#define PGW_ADDRESSES_MAX 8 /* of one name; what is beyond is not looked at */

struct pgw_resolver; /* one per loop */
struct pgw_lookup;   /* one who waits for an answer */

struct pgw_address {
        struct sockaddr_storage sa;
        socklen_t size;
};

/* PGW_OK with at least one address, in the order in which they are to be tried, or
 * PGW_E_REDIS_CONNECT with none. They are valid until it returns. */
typedef void pgw_resolve_f(void *ctx, enum pgw_err, const struct pgw_address *, size_t count);

struct pgw_resolver *pgw_resolver_new(struct pgw_loop *);
/* All look-ups must have been answered or cancelled. Waits for no name server. */
void pgw_resolver_free(struct pgw_resolver *);

/* Start a look-up of a TCP address; both texts are copied. The callback comes once,
 * later, unless pgw_lookup_cancel() is called before. */
struct pgw_lookup *pgw_resolve(struct pgw_resolver *, struct pgw_str host, struct pgw_str port,
                               pgw_resolve_f *, void *ctx);
void pgw_lookup_cancel(struct pgw_lookup *);

#endif
