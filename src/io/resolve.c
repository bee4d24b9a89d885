/* A thin coat over h2o's resolver, so that nobody above this floor sees its queue. */
#include "io/resolve.h"

#include <netdb.h>
#include <string.h>

#include <h2o.h>
#include <h2o/hostinfo.h>
#include <h2o/multithread.h>

#include "base/alloc.h"

struct pgw_resolver {
        h2o_multithread_queue_t *queue;
        h2o_multithread_receiver_t receiver;
};

struct pgw_lookup {
        h2o_hostinfo_getaddr_req_t *req;
        pgw_resolve_f *done;
        void *ctx;
};

struct pgw_resolver *pgw_resolver_new(struct pgw_loop *loop)
{
        struct pgw_resolver *r = pgw_alloc(sizeof *r);

        r->queue = h2o_multithread_create_queue(pgw_loop_h2o(loop));
        h2o_multithread_register_receiver(r->queue, &r->receiver, h2o_hostinfo_getaddr_receiver);
        return r;
}

void pgw_resolver_free(struct pgw_resolver *r)
{
        if (!r)
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
        if (err || !res)
                lookup->done(lookup->ctx, PGW_E_REDIS_CONNECT, NULL, 0);
        else
                lookup->done(lookup->ctx, PGW_OK, res->ai_addr, res->ai_addrlen);
        pgw_free(lookup);
}

struct pgw_lookup *pgw_resolve(struct pgw_resolver *r, struct pgw_str host, struct pgw_str port,
                               pgw_resolve_f *done, void *ctx)
{
        struct pgw_lookup *lookup = pgw_alloc(sizeof *lookup);

        lookup->done = done;
        lookup->ctx = ctx;
        lookup->req = h2o_hostinfo_getaddr(
            &r->receiver, h2o_iovec_init(host.p, host.n), h2o_iovec_init(port.p, port.n), AF_UNSPEC,
            SOCK_STREAM, IPPROTO_TCP, AI_ADDRCONFIG | AI_NUMERICSERV, on_address, lookup);
        return lookup;
}

void pgw_lookup_cancel(struct pgw_lookup *lookup)
{
        if (!lookup)
                return;
        h2o_hostinfo_getaddr_cancel(lookup->req);
        pgw_free(lookup);
}
