/* A coat over h2o's resolver, so that nobody above this floor sees its queue. Addresses that need
 * no look-up do not go there.
 *
 * A look-up that was given up still comes back, from a thread of its own, so a resolver that
 * ends waits for those. One that a name server keeps for too long is left to the end of the
 * process, with what it will touch.
 */
#include "io/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include <h2o.h>
#include <h2o/hostinfo.h>
#include <h2o/multithread.h>

#include "base/alloc.h"

#define PGW_RESOLVER_PATIENCE_MS 2000

struct pgw_resolver {
        struct pgw_loop *loop;
        h2o_multithread_queue_t *queue;
        h2o_multithread_receiver_t receiver;
        size_t under_way; /* in threads of h2o */
};

struct pgw_lookup {
        struct pgw_resolver *resolver;
        pgw_resolve_f *done; /* NULL: given up */
        void *ctx;
        struct sockaddr_storage address; /* of one that needs no look-up */
        socklen_t size;                  /* 0: one that does */
        struct pgw_deferred answer;
};

struct pgw_resolver *pgw_resolver_new(struct pgw_loop *loop)
{
        struct pgw_resolver *r = pgw_alloc(sizeof *r);

        r->loop = loop;
        r->queue = h2o_multithread_create_queue(pgw_loop_h2o(loop));
        h2o_multithread_register_receiver(r->queue, &r->receiver, h2o_hostinfo_getaddr_receiver);
        return r;
}

void pgw_resolver_free(struct pgw_resolver *r)
{
        if (!r)
                return;
        const uint64_t until_ms = pgw_loop_now_ms(r->loop) + PGW_RESOLVER_PATIENCE_MS;
        while (r->under_way && pgw_loop_now_ms(r->loop) < until_ms)
                pgw_loop_turn(r->loop, 10);
        if (r->under_way)
                return;
        h2o_multithread_unregister_receiver(r->queue, &r->receiver);
        h2o_multithread_destroy_queue(r->queue);
        pgw_free(r);
}

static void on_address(h2o_hostinfo_getaddr_req_t *req, const char *err, struct addrinfo *res,
                       void *ctx)
{
        struct pgw_lookup *lookup = ctx;

        (void)req;
        lookup->resolver->under_way--;
        if (lookup->done && (err || !res))
                lookup->done(lookup->ctx, PGW_E_REDIS_CONNECT, NULL, 0);
        else if (lookup->done)
                lookup->done(lookup->ctx, PGW_OK, res->ai_addr, res->ai_addrlen);
        pgw_free(lookup);
}

static void on_answer(struct pgw_deferred *d)
{
        struct pgw_lookup *lookup = PGW_CONTAINER(d, struct pgw_lookup, answer);

        lookup->done(lookup->ctx, PGW_OK, (const struct sockaddr *)&lookup->address, lookup->size);
        pgw_free(lookup);
}

/* An address as it is, not a name. */
static bool is_address(struct pgw_str host, struct pgw_str port, struct pgw_lookup *lookup)
{
        struct sockaddr_in *v4 = (struct sockaddr_in *)&lookup->address;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&lookup->address;
        char text[INET6_ADDRSTRLEN];
        uint64_t number;

        if (host.n >= sizeof text || pgw_str_to_u64(port, UINT16_MAX, &number))
                return false;
        memcpy(text, host.p, host.n);
        text[host.n] = '\0';
        if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons((uint16_t)number);
                lookup->size = sizeof *v4;
        } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
                v6->sin6_family = AF_INET6;
                v6->sin6_port = htons((uint16_t)number);
                lookup->size = sizeof *v6;
        }
        return lookup->size > 0;
}

struct pgw_lookup *pgw_resolve(struct pgw_resolver *r, struct pgw_str host, struct pgw_str port,
                               pgw_resolve_f *done, void *ctx)
{
        struct pgw_lookup *lookup = pgw_alloc(sizeof *lookup);

        lookup->resolver = r;
        lookup->done = done;
        lookup->ctx = ctx;
        pgw_deferred_init(&lookup->answer, on_answer);
        if (is_address(host, port, lookup)) {
                pgw_loop_defer(r->loop, &lookup->answer);
                return lookup;
        }
        r->under_way++;
        (void)h2o_hostinfo_getaddr(&r->receiver, h2o_iovec_init(host.p, host.n),
                                   h2o_iovec_init(port.p, port.n), AF_UNSPEC, SOCK_STREAM,
                                   IPPROTO_TCP, AI_ADDRCONFIG | AI_NUMERICSERV, on_address, lookup);
        return lookup;
}

void pgw_lookup_cancel(struct pgw_lookup *lookup)
{
        if (!lookup)
                return;
        lookup->done = NULL;
        if (lookup->size == 0)
                return; /* it comes back */
        pgw_loop_undefer(lookup->resolver->loop, &lookup->answer);
        pgw_free(lookup);
}
