/* A set-associative table, as in a processor's cache: a hash names the set, and in it eight places
 * are looked through. A place is a tag and a bucket. Who takes a place writes the tag and leaves
 * the bucket as it is, which is why one store is enough: a full one is as good as new, another one
 * is inherited.
 *
 * Of two threads with a newcomer each that take the same place the first one's finds another at its
 * next request, and what was taken for it counts for the second: too little is let through, never
 * too much.
 */
#include "http/addresses.h"

#include <netinet/in.h>
#include <string.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "base/rand.h"
#include "base/sha256.h"

#define WAYS 8

struct place {
        uint64_t tag; /* atomic; 0: free */
        struct pgw_bucket bucket;
};

struct pgw_addresses {
        unsigned char key[PGW_ADDRESS_KEY_SIZE];
        size_t set_count; /* a power of two */
        struct place *places;
};

struct pgw_addresses *pgw_addresses_new(size_t count)
{
        struct pgw_addresses *a = pgw_alloc(sizeof *a);

        a->set_count = 1;
        while (a->set_count * WAYS < count)
                a->set_count *= 2;
        a->places = pgw_alloc(a->set_count * WAYS * sizeof *a->places);
        pgw_rand_bytes(a->key, sizeof a->key);
        return a;
}

void pgw_addresses_free(struct pgw_addresses *a)
{
        if (!a)
                return;
        pgw_free(a->places);
        pgw_free(a);
}

/* The bytes that tell an address from others; 0 for what is none. */
static size_t identity_of(const struct sockaddr *sa, unsigned char out[8])
{
        if (sa->sa_family == AF_INET) {
                memcpy(out, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
                return 4;
        }
        if (sa->sa_family != AF_INET6)
                return 0;
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6)) {
                memcpy(out, in6->s6_addr + 12, 4);
                return 4;
        }
        memcpy(out, in6->s6_addr, 8);
        return 8;
}

/* The place with this tag, or the one to be had: a free one, else that which has been full longest
 * or will be first. */
static struct place *look(struct place *set, uint64_t tag)
{
        struct place *best = NULL, *free_one = NULL;

        for (struct place *p = set; p < set + WAYS; p++) {
                const uint64_t found = __atomic_load_n(&p->tag, __ATOMIC_RELAXED);
                if (found == tag)
                        return p;
                if (found == 0)
                        free_one = p;
                else if (!best || pgw_bucket_is_fuller(&p->bucket, &best->bucket))
                        best = p;
        }
        return free_one ? free_one : best;
}

/* False for what is none. */
static bool hash_of(const unsigned char key[PGW_ADDRESS_KEY_SIZE], const struct sockaddr *sa,
                    unsigned char hash[PGW_SHA256_SIZE])
{
        unsigned char bytes[PGW_ADDRESS_KEY_SIZE + 8];
        const size_t n = identity_of(sa, bytes + PGW_ADDRESS_KEY_SIZE);

        memcpy(bytes, key, PGW_ADDRESS_KEY_SIZE);
        if (n)
                pgw_sha256_of(bytes, PGW_ADDRESS_KEY_SIZE + n, hash);
        return n > 0;
}

uint64_t pgw_address_hash(const unsigned char key[PGW_ADDRESS_KEY_SIZE], const struct sockaddr *sa)
{
        unsigned char hash[PGW_SHA256_SIZE];
        uint64_t first = 0;

        if (hash_of(key, sa, hash))
                memcpy(&first, hash, sizeof first);
        return first;
}

struct pgw_bucket *pgw_addresses_bucket(struct pgw_addresses *a, const struct sockaddr *sa)
{
        unsigned char hash[PGW_SHA256_SIZE];
        uint64_t set, tag;

        if (!hash_of(a->key, sa, hash))
                return NULL;
        memcpy(&set, hash, sizeof set);
        memcpy(&tag, hash + sizeof set, sizeof tag);
        tag |= 1;
        struct place *p = look(a->places + (set & (a->set_count - 1)) * WAYS, tag);
        __atomic_store_n(&p->tag, tag, __ATOMIC_RELAXED);
        return &p->bucket;
}
