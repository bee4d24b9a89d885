/* io/tls_peer.h - what a certificate calls its owner.
 *
 *      uri:spiffe://example.org/shop      subject alternative names, as they stand there
 *      dns:shop.example.org
 *      email:shop@example.org
 *      subject:CN=shop,O=Example          the subject by RFC 2253, as openssl prints it with
 *                                         -nameopt RFC2253
 *
 * A name with a byte that is not printable ASCII is left out: whoever compares names as texts
 * would see another one.
 */
#ifndef PGW_IO_TLS_PEER_H
#define PGW_IO_TLS_PEER_H

#include "base/str.h"

#define PGW_PEER_NAMES_MAX     16
#define PGW_PEER_NAME_SIZE_MAX 512 /* with its kind; longer ones are left out */

struct x509_st;

typedef void pgw_peer_name_f(void *ctx, struct pgw_str name);

/* Tell the first PGW_PEER_NAMES_MAX names, in the order above. Each is valid during its call. */
void pgw_tls_peer_names(struct x509_st *certificate, pgw_peer_name_f *tell, void *ctx);

/* Whether a text could be such a name: one of the kinds, and something behind it. */
bool pgw_tls_peer_name_is(struct pgw_str text);

#endif
