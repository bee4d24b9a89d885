/* http/identities_priv.h - what identities_read.c makes and identities.c uses. */
#ifndef PGW_HTTP_IDENTITIES_PRIV_H
#define PGW_HTTP_IDENTITIES_PRIV_H

#include "base/sha256.h"
#include "http/identities.h"

struct pgw_secret_slot {
        unsigned char hash[PGW_SHA256_SIZE];
        const struct pgw_identity *owner; /* NULL: free */
};

struct pgw_identities {
        unsigned holders; /* atomic */
        size_t count;
        struct pgw_identity *all;
        size_t slot_count; /* a power of two, at least twice the secrets */
        struct pgw_secret_slot *slots;
        struct pgw_str pepper; /* empty: none */
        size_t mark_count;     /* a power of two, at least twice the identities */
        struct pgw_identity **by_mark;
};

/* The slot of a hash: its own, or the free one where it belongs. */
struct pgw_secret_slot *pgw_identities_slot(const struct pgw_identities *,
                                            const unsigned char hash[PGW_SHA256_SIZE]);

/* The place of a mark: its identity stands there, or NULL where it belongs. */
struct pgw_identity **pgw_identities_place(const struct pgw_identities *, uint32_t mark);

#endif
