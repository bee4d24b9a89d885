/* Secrets are found by their hash: where it lies is decided by its first bytes, whether it is the
 * one by all of them. Nothing about a hash that is not known helps to find a secret, but comparing
 * takes the same time anyway. */
#include "http/identities.h"

#include <string.h>

#include "base/alloc.h"
#include "base/api_key.h"
#include "http/identities_priv.h"

/* Hashed in place of a secret that did not come. */
static const char filler[PGW_API_KEY_SIZE];

struct pgw_secret_slot *pgw_identities_slot(const struct pgw_identities *ids,
                                            const unsigned char hash[PGW_SHA256_SIZE])
{
        uint64_t at;

        memcpy(&at, hash, sizeof at);
        for (;; at++) {
                struct pgw_secret_slot *slot = &ids->slots[at & (ids->slot_count - 1)];
                if (!slot->owner || pgw_sha256_eq(slot->hash, hash))
                        return slot;
        }
}

struct pgw_identity **pgw_identities_place(const struct pgw_identities *ids, uint32_t mark)
{
        for (size_t at = mark;; at++) {
                struct pgw_identity **place = &ids->by_mark[at & (ids->mark_count - 1)];
                if (!*place || (*place)->mark == mark)
                        return place;
        }
}

const struct pgw_identity *pgw_identities_find(const struct pgw_identities *ids,
                                               struct pgw_str secret)
{
        const bool is_none = secret.n == 0 || secret.n > PGW_SECRET_SIZE_MAX;
        unsigned char hash[PGW_SHA256_SIZE];

        if (is_none)
                secret = pgw_str_of(filler, sizeof filler);
        pgw_secret_hash(secret, PGW_STR(""), hash);
        const struct pgw_identity *owner = pgw_identities_slot(ids, hash)->owner;
        /* Both kinds are looked for, whichever it is of. */
        pgw_secret_hash(secret, ids->pepper, hash);
        const struct pgw_identity *keyed = pgw_identities_slot(ids, hash)->owner;
        explicit_bzero(hash, sizeof hash);
        if (!owner)
                owner = keyed;
        return is_none ? NULL : owner;
}

const struct pgw_identity *pgw_identities_named(const struct pgw_identities *ids,
                                                struct pgw_str name)
{
        const struct pgw_identity *who = *pgw_identities_place(ids, pgw_identity_mark(name));

        return who && pgw_str_eq_z(name, who->name) ? who : NULL;
}

const struct pgw_identity *pgw_identities_find_peer(const struct pgw_identities *ids,
                                                    const struct pgw_peer *peer)
{
        const struct pgw_identity *who = NULL;

        for (size_t i = 0; i < peer->count && !who; i++)
                who = pgw_identities_slot(ids, peer->names[i])->owner;
        return who;
}

uint32_t pgw_identity_mark(struct pgw_str name)
{
        unsigned char hash[PGW_SHA256_SIZE];
        uint32_t mark;

        pgw_sha256_of(name.p, name.n, hash);
        memcpy(&mark, hash, sizeof mark);
        return mark;
}

bool pgw_prefixes_cover(const struct pgw_prefixes *prefixes, struct pgw_str text)
{
        for (size_t i = 0; i < prefixes->count; i++)
                if (pgw_str_starts(text, prefixes->items[i]))
                        return true;
        return false;
}

static bool is_same(const struct pgw_rate *a, const struct pgw_rate *b)
{
        return a->per_s == b->per_s && (a->per_s == 0 || a->burst == b->burst);
}

/* NULL when they had none, or had another. Marks are the same only for the same name. */
static struct pgw_meter *meter_before(const struct pgw_identities *before,
                                      const struct pgw_identity *who)
{
        const struct pgw_identity *was = before ? *pgw_identities_place(before, who->mark) : NULL;

        if (!was || !was->meter || strcmp(was->name, who->name) != 0 ||
            !is_same(&was->meter->requests, &who->rate) ||
            !is_same(&was->meter->keys, &who->key_rate))
                return NULL;
        return was->meter;
}

void pgw_identities_meter(struct pgw_identities *ids, const struct pgw_identities *before,
                          const struct pgw_rate *rate, const struct pgw_rate *key_rate)
{
        for (struct pgw_identity *who = ids->all; who < ids->all + ids->count; who++) {
                if (!who->says_rate)
                        who->rate = *rate;
                if (!who->says_key_rate)
                        who->key_rate = *key_rate;
                struct pgw_meter *was = meter_before(before, who);
                who->meter = was ? pgw_meter_hold(was) : pgw_meter_new(&who->rate, &who->key_rate);
        }
}

size_t pgw_identities_count(const struct pgw_identities *ids)
{
        return ids->count;
}

struct pgw_identities *pgw_identities_hold(struct pgw_identities *ids)
{
        if (ids)
                (void)__atomic_add_fetch(&ids->holders, 1, __ATOMIC_RELAXED);
        return ids;
}

static void prefixes_free(struct pgw_prefixes *prefixes)
{
        for (size_t i = 0; i < prefixes->count; i++)
                pgw_free((char *)(uintptr_t)prefixes->items[i].p);
        pgw_free(prefixes->items);
}

void pgw_identities_drop(struct pgw_identities *ids)
{
        if (!ids || __atomic_sub_fetch(&ids->holders, 1, __ATOMIC_ACQ_REL) > 0)
                return;
        for (size_t i = 0; i < ids->count; i++) {
                pgw_free(ids->all[i].name);
                prefixes_free(&ids->all[i].keys);
                prefixes_free(&ids->all[i].tags);
                pgw_meter_drop(ids->all[i].meter);
        }
        pgw_free(ids->all);
        pgw_free(ids->slots);
        if (ids->pepper.p)
                explicit_bzero((char *)(uintptr_t)ids->pepper.p, ids->pepper.n);
        pgw_free((char *)(uintptr_t)ids->pepper.p);
        pgw_free(ids->by_mark);
        pgw_free(ids);
}
