/* io/tls.h - what we are as a TLS server.
 *
 * TLS 1.2 and later, ALPN for h2 and http/1.1, no renegotiation, no session tickets.
 * A context is read-only once made; connections keep what they began with, so another
 * one can take its place while they go on.
 */
#ifndef PGW_IO_TLS_H
#define PGW_IO_TLS_H

#include <stdbool.h>

#include "base/err.h"
#include "io/tls_peer.h"

struct pgw_tls_server;
struct ssl_ctx_st;

struct pgw_tls_server_conf {
        bool http2;
        /* One side said close_notify: the peer, and sends nothing more that may be read; or we
         * (`sent`), and the socket is about to close. `socket` is the h2o_socket_t. NULL: nobody
         * wants to know. */
        void (*on_close_notify)(void *socket, bool sent);
        /* Clients are asked for a certificate of these authorities (PEM); one of others, or one
         * that is no more valid, ends the handshake. NULL: they are not asked. */
        const char *authority_path;
        bool needs_certificate; /* no certificate ends it, too */
        /* A name of the client's certificate, at the end of the handshake; several names, several
         * calls. `socket` as above. */
        void (*on_peer_name)(void *socket, struct pgw_str name);
};

/* PGW_E_CONFIG with the file and the reason. */
enum pgw_err pgw_tls_server_new(const char *certificate_path, const char *key_path,
                                const struct pgw_tls_server_conf *, struct pgw_fault *reterr_fault,
                                struct pgw_tls_server **ret) PGW_MUSTUSE;

/* One more, and one less, who needs it; it is made with one. NULL is allowed. A connection needs
 * it from h2o_socket_ssl_handshake on: there is no SSL object that would hold the context before
 * the client's first bytes. Any thread. */
struct pgw_tls_server *pgw_tls_server_hold(struct pgw_tls_server *);
void pgw_tls_server_drop(struct pgw_tls_server *);

struct ssl_ctx_st *pgw_tls_server_ssl(struct pgw_tls_server *);

#endif
