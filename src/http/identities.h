/* http/identities.h - who may do what, as the operator's file says.
 *
 *      identities:
 *        - name: shop
 *          keys: ["sha256:9f86d0..."]         hashes of secrets (base/api_key.h), all of them live
 *          certificates: ["dns:shop.internal"] names in certificates of clients (io/tls_peer.h)
 *          scopes: [purge:keys, purge:tags]   tbl/scopes.h
 *          key_prefixes: ["user:"]            what keys must begin with; "" covers all
 *          tag_prefixes: ["tenant:7:"]
 *          targets: [default]                 "*" covers all
 *          rate: {per_s: 200, burst: 400}     of requests; burst is per_s when it is not said
 *          key_rate: {per_s: 5000}            of removed keys
 *
 * Whatever is not said is not allowed. An identity with a scope that needs a list must have the
 * list, so that nothing is open by having been left out. All that is not known is refused with its
 * line.
 *
 * A rate of 0 is no limit; one that is not said is that of the settings.
 *
 * A set of identities is read-only and counted: who reads a new file hands out another set, and the
 * old one goes with the last request that was let in by it. Any thread.
 */
#ifndef PGW_HTTP_IDENTITIES_H
#define PGW_HTTP_IDENTITIES_H

#include "base/identity_name.h"
#include "domain/target.h"
#include "http/limits.h"
#include "http/peer.h"
#include "http/scope.h"

#define PGW_IDENTITIES_MAX      16384
#define PGW_IDENTITY_KEYS_MAX   16
#define PGW_PREFIXES_MAX        256
#define PGW_PREFIX_SIZE_MAX     512
#define PGW_IDENTITIES_FILE_MAX (16u << 20)

struct pgw_prefixes {
        struct pgw_str *items;
        size_t count;
};

struct pgw_identity {
        char *name;
        uint32_t mark; /* of the name; no two identities of a set have the same */
        pgw_scope_set scopes;
        struct pgw_prefixes keys, tags;
        pgw_target_set targets;
        bool says_rate, says_key_rate;
        struct pgw_rate rate, key_rate;
        struct pgw_meter *meter; /* NULL: there is nothing to count */
};

struct pgw_identities;

/* Read a file's bytes; `path` is for the fault, `targets` are the names that there are, in the
 * order of their bits, `pepper` is copied and may be empty (base/api_key.h). PGW_E_CONFIG with
 * "FILE:LINE" and the reason. */
enum pgw_err pgw_identities_read(const char *path, struct pgw_str bytes,
                                 const struct pgw_str *targets, size_t target_count,
                                 struct pgw_str pepper, struct pgw_fault *reterr_fault,
                                 struct pgw_identities **ret) PGW_MUSTUSE;

/* One more, and one less, who needs the set; NULL is allowed. */
struct pgw_identities *pgw_identities_hold(struct pgw_identities *);
void pgw_identities_drop(struct pgw_identities *);

/* Give each identity its meter, with these rates where it says none. Who was in the set `before`
 * (NULL: there was none) with the same rates goes on with its old one. Once, before anybody is let
 * in by the set. */
void pgw_identities_meter(struct pgw_identities *, const struct pgw_identities *before,
                          const struct pgw_rate *rate, const struct pgw_rate *key_rate);

size_t pgw_identities_count(const struct pgw_identities *);

/* Whose secret it is; NULL: nobody's. Takes as long for one that is not known, and for none
 * (the empty text or one that is too long), as for one that is. Valid as long as the set. */
const struct pgw_identity *pgw_identities_find(const struct pgw_identities *,
                                               struct pgw_str secret);

/* The one of a name; NULL: there is none. Valid as long as the set. */
const struct pgw_identity *pgw_identities_named(const struct pgw_identities *, struct pgw_str name);

/* Whose name it is that the peer's certificate has; the first that somebody has. NULL: nobody's. */
const struct pgw_identity *pgw_identities_find_peer(const struct pgw_identities *,
                                                    const struct pgw_peer *);

/* What stands for a name in the ids of its jobs. */
uint32_t pgw_identity_mark(struct pgw_str name);

/* One of the prefixes is that of `text`. */
bool pgw_prefixes_cover(const struct pgw_prefixes *, struct pgw_str text);

#endif
