/* http/peer.h - who the other end of a connection is, by its certificate.
 *
 * What is kept of the names (io/tls_peer.h) is a hash of each, which is what identities are found
 * by. No secret that a client could show has such a hash: something that no secret may hold is
 * hashed with the name.
 */
#ifndef PGW_HTTP_PEER_H
#define PGW_HTTP_PEER_H

#include "base/sha256.h"
#include "io/tls_peer.h"

/* Zeroed at first. */
struct pgw_peer {
        unsigned char (*names)[PGW_SHA256_SIZE];
        size_t count;
};

/* The hash of a name; host names and addresses of mail are the same in any case of letters. */
void pgw_peer_name_hash(struct pgw_str name, unsigned char out[PGW_SHA256_SIZE]);

void pgw_peer_add(struct pgw_peer *, struct pgw_str name);
void pgw_peer_fini(struct pgw_peer *);

#endif
