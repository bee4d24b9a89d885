/* A table of chains by a hash of the keys. Chosen keys can make a chain long; it has no more
 * members than a worker holds jobs. */
#include "work/twins.h"

#include <string.h>

#include "base/alloc.h"

#define PGW_TWINS_BUCKETS 1024 /* a power of two */

/* Equal ones. Its keys are those of a member. */
struct pgw_twin_kind {
        struct pgw_twin_kind *next;
        uint64_t hash;
        struct pgw_str keys;
        struct pgw_twin *waiting; /* not sent; others join it */
        struct pgw_str waiting_keys;
        struct pgw_twin *sent;
};

struct pgw_twins {
        struct pgw_twin_kind *buckets[PGW_TWINS_BUCKETS];
};

static uint64_t hash_of(struct pgw_str keys)
{
        uint64_t hash = 14695981039346656037u;

        for (size_t i = 0; i < keys.n; i++)
                hash = (hash ^ (unsigned char)keys.p[i]) * 1099511628211u;
        return hash ^ hash >> 32;
}

static struct pgw_twin_kind **place_of(struct pgw_twins *twins, uint64_t hash)
{
        return &twins->buckets[hash & (PGW_TWINS_BUCKETS - 1)];
}

static struct pgw_twin_kind *find(struct pgw_twins *twins, uint64_t hash, struct pgw_str keys)
{
        struct pgw_twin_kind *kind = *place_of(twins, hash);

        while (kind && (kind->hash != hash || !pgw_str_eq(kind->keys, keys)))
                kind = kind->next;
        return kind;
}

static struct pgw_twin_kind *kind_new(struct pgw_twins *twins, uint64_t hash, struct pgw_str keys)
{
        struct pgw_twin_kind **place = place_of(twins, hash), *kind = pgw_alloc(sizeof *kind);

        kind->hash = hash;
        kind->keys = keys;
        kind->next = *place;
        *place = kind;
        return kind;
}

static void kind_free(struct pgw_twins *twins, struct pgw_twin_kind *kind)
{
        struct pgw_twin_kind **place = place_of(twins, kind->hash);

        while (*place != kind)
                place = &(*place)->next;
        *place = kind->next;
        pgw_free(kind);
}

struct pgw_twins *pgw_twins_new(void)
{
        return pgw_alloc(sizeof(struct pgw_twins));
}

void pgw_twins_free(struct pgw_twins *twins)
{
        for (size_t i = 0; i < PGW_TWINS_BUCKETS; i++)
                while (twins->buckets[i])
                        kind_free(twins, twins->buckets[i]);
        pgw_free(twins);
}

enum pgw_twin_verdict pgw_twins_enter(struct pgw_twins *twins, struct pgw_twin *twin,
                                      struct pgw_str keys)
{
        const uint64_t hash = hash_of(keys);
        struct pgw_twin_kind *kind = find(twins, hash, keys);

        PGW_ASSERT(!twin->_kind && !pgw_link_is_on(&twin->_link));
        if (kind && kind->waiting) {
                pgw_list_append(&kind->waiting->_joined, &twin->_link);
                return PGW_TWIN_JOINED;
        }
        const bool is_first = !kind;
        if (is_first)
                kind = kind_new(twins, hash, keys);
        pgw_list_init(&twin->_joined);
        twin->_kind = kind;
        kind->waiting = twin;
        kind->waiting_keys = keys;
        return is_first ? PGW_TWIN_GO : PGW_TWIN_HOLD;
}

void pgw_twins_sent(struct pgw_twin *twin)
{
        struct pgw_twin_kind *kind = twin->_kind;

        if (kind->sent == twin)
                return;
        PGW_ASSERT(kind->waiting == twin && !kind->sent);
        kind->sent = twin;
        kind->waiting = NULL;
}

struct pgw_twin *pgw_twins_leave(struct pgw_twins *twins, struct pgw_twin *twin)
{
        struct pgw_twin_kind *kind = twin->_kind;
        const bool was_sent = kind->sent == twin;

        PGW_ASSERT(twin->_joined.count == 0);
        twin->_kind = NULL;
        if (was_sent)
                kind->sent = NULL;
        else
                kind->waiting = NULL;
        if (!kind->sent && !kind->waiting) {
                kind_free(twins, kind);
                return NULL;
        }
        if (!was_sent)
                return NULL;
        kind->keys = kind->waiting_keys;
        return kind->waiting;
}

struct pgw_twin *pgw_twins_next(struct pgw_twin *leader)
{
        struct pgw_link *link = pgw_list_first(&leader->_joined);

        if (!link)
                return NULL;
        pgw_list_remove(&leader->_joined, link);
        return PGW_CONTAINER(link, struct pgw_twin, _link);
}
