/* http/front.h - where connections come in, and how long they may stay.
 *
 * libh2o parses HTTP; everything around it is ours: accepting with a cap, the TLS
 * handshake, telling HTTP/2 from HTTP/1.1, looking at frames and heads before the library
 * relies on them (guard_h2, guard_h1), and a sweep on monotonic time that ends what is
 * too slow, too idle or too greedy. A connection is only ever ended by shutting its
 * socket down; the library then frees what it holds by itself.
 *
 * One front per thread, used on that thread only.
 */
#ifndef PGW_HTTP_FRONT_H
#define PGW_HTTP_FRONT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "http/peer.h"
#include "io/loop.h"
#include "io/tls.h"

struct pgw_front;
struct st_h2o_req_t;

struct pgw_front_listener {
        int fd; /* listening; becomes the front's */
        bool is_tls;
};

struct pgw_front_conf {
        const struct pgw_front_listener *listeners;
        size_t listener_count;
        struct pgw_tls_server *tls; /* NULL without TLS listeners */
        bool http2;
        size_t connections_max;
        uint64_t bodies_total_max; /* on all of its connections */
        uint64_t bytes_per_s;      /* that one connection may bring */
        size_t header_bytes_max;
        size_t body_bytes_max;
        size_t bodies_bytes_max; /* on one connection at a time */
        size_t streams_max;
        uint64_t request_ms;
        uint64_t idle_ms;
        uint64_t handshake_ms;

        /* Called for every request. `err` is PGW_OK, or why it must be refused; with PGW_E_HTTP
         * its header fields must not be read. `detail` is static, NULL without an error. */
        int (*on_request)(void *ctx, struct st_h2o_req_t *, enum pgw_err err, const char *detail);
        /* Called for what the library refuses by itself, as it is about to say so: makes the head
         * of the answer, and gives the body, which lives as long as the request. */
        struct pgw_str (*on_refusal)(void *ctx, struct st_h2o_req_t *, enum pgw_err err,
                                     const char *detail);
        /* Called for an HTTP/1 request that has not arrived in time: appends the whole answer, as
         * it goes over the connection. With an error nothing is said. */
        enum pgw_err (*on_late)(void *ctx, enum pgw_err why, struct pgw_str target,
                                uint64_t request_ms, struct pgw_buf *out);
        void *ctx;
};

struct pgw_front *pgw_front_start(struct pgw_loop *, const struct pgw_front_conf *);

/* New connections use this from now on. */
void pgw_front_set_tls(struct pgw_front *, struct pgw_tls_server *);

/* Accept what is waiting already, then nothing more; answer what comes on connections that
 * are open and close each after it. */
void pgw_front_drain(struct pgw_front *);

/* No connection is open. */
bool pgw_front_is_idle(const struct pgw_front *);

/* End every connection and free. Turns the loop until the library has let go of them, which for
 * HTTP/1 it does only with an answer. False, and nothing is freed, when it has not in a while: call
 * again once what those requests wait for has ended. */
bool pgw_front_stop(struct pgw_front *);

/* A request that may take longer than request_ms, until then (monotonic). */
void pgw_front_request_extend(struct st_h2o_req_t *, uint64_t until_ms);

/* Its request_ms begin now, whatever it was given before. */
void pgw_front_request_renew(struct st_h2o_req_t *);

/* It has cost as much as so many bytes more, which its connection could as well have brought. */
void pgw_front_charge(struct st_h2o_req_t *, uint64_t bytes);

/* Whether a body of about so many values may be read on the loop: each connection has a share of
 * the loop's time for that, and no body much at once. Otherwise it is to be read beside it. */
bool pgw_front_may_read(struct st_h2o_req_t *, uint64_t values);

/* Nothing more comes from its client, which has closed the connection, or its side of it. */
bool pgw_front_has_left(struct st_h2o_req_t *);

/* Every answer begins with this. */
void pgw_front_before_answer(struct st_h2o_req_t *);

/* Who sends it, by the certificate of its connection; without one nobody has these names. */
const struct pgw_peer *pgw_front_peer(struct st_h2o_req_t *);

/* For the TLS context: a name of the peer of this h2o_socket_t. */
void pgw_front_on_peer_name(void *socket, struct pgw_str name);

/* For the TLS context: the peer of this h2o_socket_t has said its last word, or we have. */
void pgw_front_on_close_notify(void *socket, bool sent);

#endif
