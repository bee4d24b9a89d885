#include "http/peer.h"

#include <ctype.h>

#include "base/alloc.h"

/* A secret is printable; this is not. */
static const char domain[] = "\0a name in a certificate";

static bool is_of_any_case(struct pgw_str name)
{
        return pgw_str_starts(name, PGW_STR("dns:")) || pgw_str_starts(name, PGW_STR("email:"));
}

void pgw_peer_name_hash(struct pgw_str name, unsigned char out[PGW_SHA256_SIZE])
{
        const bool any_case = is_of_any_case(name);
        struct pgw_sha256 *hash = pgw_sha256_new();

        pgw_sha256_add(hash, domain, sizeof domain);
        for (size_t i = 0; i < name.n; i++) {
                const char c = any_case ? (char)tolower((unsigned char)name.p[i]) : name.p[i];
                pgw_sha256_add(hash, &c, 1);
        }
        pgw_sha256_end(hash, out);
}

void pgw_peer_add(struct pgw_peer *peer, struct pgw_str name)
{
        if (peer->count == PGW_PEER_NAMES_MAX)
                return;
        if (!peer->names)
                peer->names = pgw_alloc(PGW_PEER_NAMES_MAX * sizeof *peer->names);
        pgw_peer_name_hash(name, peer->names[peer->count++]);
}

void pgw_peer_fini(struct pgw_peer *peer)
{
        pgw_free(peer->names);
        *peer = (struct pgw_peer){NULL, 0};
}
