/* io/tls_client.h - what we are as a TLS client.
 *
 * TLS 1.2 and later. Unless told otherwise the server must show a certificate that an
 * authority we trust has signed and that carries the name we went to. One context serves
 * any number of connections of any number of threads; it is read-only once made.
 */
#ifndef PGW_IO_TLS_CLIENT_H
#define PGW_IO_TLS_CLIENT_H

#include <stdbool.h>

#include "base/err.h"

struct pgw_tls_client;
struct ssl_ctx_st;

struct pgw_tls_client_conf {
        const char *authority_path;   /* PEM; NULL: the authorities of the system */
        const char *certificate_path; /* PEM, to show to the server; NULL: none */
        const char *key_path;         /* of the certificate; NULL without one */
        const char *server_name;      /* that the certificate must carry, a DNS name or an IP
                                       * address; NULL: the host that is connected to */
        bool unverified;              /* trust whoever answers: against eavesdroppers only */
};

/* PGW_E_CONFIG with the file and the reason. The texts are not needed afterwards. */
enum pgw_err pgw_tls_client_new(const struct pgw_tls_client_conf *, struct pgw_fault *reterr_fault,
                                struct pgw_tls_client **ret) PGW_MUSTUSE;

/* After the last connection made under it was closed. NULL is allowed. */
void pgw_tls_client_free(struct pgw_tls_client *);

#define PGW_TLS_REASON_MAX 160

/* One connection's part, which io/stream.c keeps: who is expected, and why it was refused. An
 * h2o socket that shakes hands under the context has it as the first field of its `data`. */
struct pgw_tls_peer {
        const char *name;                /* that the certificate must carry; "": none is known */
        char reason[PGW_TLS_REASON_MAX]; /* "": OpenSSL's queue of errors says it */
};

struct ssl_ctx_st *pgw_tls_client_ssl(const struct pgw_tls_client *);

/* The name that the certificate of a server reached at `host` must carry. */
const char *pgw_tls_client_name(const struct pgw_tls_client *, const char *host);

/* What to send as server name indication: `name`, or "" (nothing) for an address. */
const char *pgw_tls_client_sni(const char *name);

/* The last error of this thread's OpenSSL, or `otherwise`. Static text; empties the queue. */
const char *pgw_tls_client_last_error(const char *otherwise);

#endif
