/* io/tls_authorities.h - the authorities that a TLS context trusts, made ready for threads.
 *
 * OpenSSL decodes a certificate's extensions when they are first asked for and keeps them in it.
 * The authorities are the one thing of a context that the threads' handshakes share, so they are
 * decoded where one thread looks, and are only read afterwards.
 */
#ifndef PGW_IO_TLS_AUTHORITIES_H
#define PGW_IO_TLS_AUTHORITIES_H

struct ssl_ctx_st;

/* After they were loaded, before the context is used. */
void pgw_tls_settle_authorities(struct ssl_ctx_st *);

#endif
