/* One question per name, however many wait for its answer. It is asked by a thread that nobody
 * can hurry, so who ends first decides what becomes of the question (`end`): the thread, which
 * then posts it to the loop, or the resolver, which leaves it to the thread to free.
 *
 * A pool of threads would be less to start and more to get wrong: a name is looked up when a
 * connection is made, which is rare.
 */
#include "io/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "io/timer.h"

#define PGW_NAME_MAX       255
#define PGW_ANSWER_KEPT_MS 5000

struct pgw_resolver {
        struct pgw_loop *loop;
        struct pgw_list questions;
        size_t asking; /* questions with a thread */
};

enum stage {
        WAITING, /* for a thread */
        ASKING,
        KEPT /* answered, and nobody was there */
};

enum end { OPEN, ANSWERED, GIVEN_UP };

struct question {
        /* of the loop */
        struct pgw_resolver *resolver;
        struct pgw_link link;
        struct pgw_list lookups; /* that wait for it */
        enum stage stage;
        struct pgw_timer expiry; /* of one that is KEPT */
        pthread_t thread;
        /* of the thread, until it has answered */
        enum end end; /* atomic */
        struct pgw_loop *loop;
        struct pgw_posted answered;
        char host[PGW_NAME_MAX + 1], port[8];
        size_t count; /* 0: it has no address */
        struct pgw_address addresses[PGW_ADDRESSES_MAX];
};

struct pgw_lookup {
        struct pgw_resolver *resolver;
        struct question *question; /* that it waits for; NULL: the answer is here */
        struct pgw_link link;
        pgw_resolve_f *done;
        void *ctx;
        struct pgw_deferred answer;
        size_t count;
        struct pgw_address addresses[PGW_ADDRESSES_MAX];
};

/* ---- on its own thread ---- */

static void look_up(struct question *q)
{
        const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                       .ai_socktype = SOCK_STREAM,
                                       .ai_protocol = IPPROTO_TCP,
                                       .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
        struct addrinfo *found;

        if (getaddrinfo(q->host, q->port, &hints, &found))
                return;
        for (struct addrinfo *a = found; a && q->count < PGW_ADDRESSES_MAX; a = a->ai_next) {
                struct pgw_address *address = &q->addresses[q->count];
                if (a->ai_addrlen > sizeof address->sa)
                        continue;
                memcpy(&address->sa, a->ai_addr, a->ai_addrlen);
                address->size = a->ai_addrlen;
                q->count++;
        }
        freeaddrinfo(found);
}

/* True for who was first. */
static bool end(struct question *q, enum end how)
{
        enum end open = OPEN;

        return __atomic_compare_exchange_n(&q->end, &open, how, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_ACQUIRE);
}

static void *thread_main(void *ctx)
{
        struct question *q = ctx;

        look_up(q);
        if (end(q, ANSWERED))
                pgw_loop_post(q->loop, &q->answered);
        else
                pgw_free(q);
        return NULL;
}

/* ---- on the loop's ---- */

static void forget(struct question *q)
{
        pgw_timer_disarm(q->loop, &q->expiry);
        pgw_list_remove(&q->resolver->questions, &q->link);
        pgw_free(q);
}

static void on_expiry(struct pgw_timer *timer)
{
        forget(PGW_CONTAINER(timer, struct question, expiry));
}

static void tell(struct pgw_lookup *lookup, const struct pgw_address *addresses, size_t count)
{
        lookup->done(lookup->ctx, count ? PGW_OK : PGW_E_REDIS_CONNECT, addresses, count);
        pgw_free(lookup);
}

static void ask_waiting(struct pgw_resolver *r)
{
        struct pgw_link *link = pgw_list_first(&r->questions);

        for (; link && r->asking < PGW_LOOKUPS_MAX; link = pgw_list_next(&r->questions, link)) {
                struct question *q = PGW_CONTAINER(link, struct question, link);
                if (q->stage != WAITING)
                        continue;
                /* Without a thread it waits for the end of another's, or to be asked again. */
                if (pthread_create(&q->thread, NULL, thread_main, q))
                        return;
                q->stage = ASKING;
                r->asking++;
        }
}

static void on_answered(struct pgw_posted *posted)
{
        struct question *q = PGW_CONTAINER(posted, struct question, answered);
        struct pgw_resolver *r = q->resolver;
        struct pgw_link *link;

        pthread_join(q->thread, NULL);
        r->asking--;
        if (q->lookups.count == 0 && q->count) {
                q->stage = KEPT;
                pgw_timer_arm(q->loop, &q->expiry, pgw_loop_now_ms(q->loop) + PGW_ANSWER_KEPT_MS);
                ask_waiting(r);
                return;
        }
        /* Whoever asks from a callback asks anew. */
        pgw_list_remove(&r->questions, &q->link);
        while ((link = pgw_list_first(&q->lookups))) {
                pgw_list_remove(&q->lookups, link);
                tell(PGW_CONTAINER(link, struct pgw_lookup, link), q->addresses, q->count);
        }
        pgw_free(q);
        ask_waiting(r);
}

/* Its thread may free it as soon as it is given up. */
static void abandon(struct question *q)
{
        const pthread_t thread = q->thread;

        pgw_list_remove(&q->resolver->questions, &q->link);
        if (end(q, GIVEN_UP)) {
                pthread_detach(thread);
                return;
        }
        pthread_join(thread, NULL);
        pgw_loop_unpost(q->loop, &q->answered);
        pgw_free(q);
}

struct pgw_resolver *pgw_resolver_new(struct pgw_loop *loop)
{
        struct pgw_resolver *r = pgw_alloc(sizeof *r);

        r->loop = loop;
        pgw_list_init(&r->questions);
        return r;
}

void pgw_resolver_free(struct pgw_resolver *r)
{
        struct pgw_link *link;

        if (!r)
                return;
        while ((link = pgw_list_first(&r->questions))) {
                struct question *q = PGW_CONTAINER(link, struct question, link);
                PGW_ASSERT(q->lookups.count == 0);
                if (q->stage == ASKING)
                        abandon(q);
                else
                        forget(q);
        }
        pgw_free(r);
}

static struct question *find(struct pgw_resolver *r, struct pgw_str host, struct pgw_str port)
{
        struct pgw_link *link = pgw_list_first(&r->questions);

        for (; link; link = pgw_list_next(&r->questions, link)) {
                struct question *q = PGW_CONTAINER(link, struct question, link);
                if (pgw_str_eq_z(host, q->host) && pgw_str_eq_z(port, q->port))
                        return q;
        }
        return NULL;
}

/* NULL for what is longer than any name. */
static struct question *add(struct pgw_resolver *r, struct pgw_str host, struct pgw_str port)
{
        struct question *q;

        if (host.n > PGW_NAME_MAX || port.n >= sizeof q->port)
                return NULL;
        q = pgw_alloc(sizeof *q);
        q->resolver = r;
        q->loop = r->loop;
        pgw_list_init(&q->lookups);
        pgw_timer_init(&q->expiry, on_expiry);
        pgw_posted_init(&q->answered, on_answered);
        memcpy(q->host, host.p, host.n);
        memcpy(q->port, port.p, port.n);
        pgw_list_append(&r->questions, &q->link);
        return q;
}

static void on_answer(struct pgw_deferred *d)
{
        struct pgw_lookup *lookup = PGW_CONTAINER(d, struct pgw_lookup, answer);

        tell(lookup, lookup->addresses, lookup->count);
}

/* An address as it is, not a name. */
static bool is_address(struct pgw_str host, struct pgw_str port, struct pgw_address *ret)
{
        struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->sa;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->sa;
        char text[INET6_ADDRSTRLEN];
        uint64_t number;

        if (host.n >= sizeof text || pgw_str_to_u64(port, UINT16_MAX, &number))
                return false;
        memcpy(text, host.p, host.n);
        text[host.n] = '\0';
        if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons((uint16_t)number);
                ret->size = sizeof *v4;
        } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
                v6->sin6_family = AF_INET6;
                v6->sin6_port = htons((uint16_t)number);
                ret->size = sizeof *v6;
        }
        return ret->size > 0;
}

static void wait_for(struct pgw_lookup *lookup, struct question *q)
{
        lookup->question = q;
        pgw_list_append(&q->lookups, &lookup->link);
        ask_waiting(q->resolver);
}

struct pgw_lookup *pgw_resolve(struct pgw_resolver *r, struct pgw_str host, struct pgw_str port,
                               pgw_resolve_f *done, void *ctx)
{
        struct pgw_lookup *lookup = pgw_alloc(sizeof *lookup);
        struct question *q;

        lookup->resolver = r;
        lookup->done = done;
        lookup->ctx = ctx;
        pgw_deferred_init(&lookup->answer, on_answer);
        lookup->count = is_address(host, port, &lookup->addresses[0]);
        if (lookup->count == 0) {
                q = find(r, host, port);
                q = q ? q : add(r, host, port);
                if (q && q->stage != KEPT) {
                        wait_for(lookup, q);
                        return lookup;
                }
                if (q) {
                        lookup->count = q->count;
                        memcpy(lookup->addresses, q->addresses, sizeof q->addresses);
                }
        }
        pgw_loop_defer(r->loop, &lookup->answer);
        return lookup;
}

void pgw_lookup_cancel(struct pgw_lookup *lookup)
{
        if (!lookup)
                return;
        struct question *q = lookup->question;
        if (q) {
                pgw_list_remove(&q->lookups, &lookup->link);
                if (q->lookups.count == 0 && q->stage == WAITING)
                        forget(q);
        } else {
                pgw_loop_undefer(lookup->resolver->loop, &lookup->answer);
        }
        pgw_free(lookup);
}
