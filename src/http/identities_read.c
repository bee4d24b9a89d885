/* From the operator's file to identities. The pointer follows what is read, so that whatever is
 * refused has its line. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/api_key.h"
#include "base/yaml_place.h"
#include "http/identities_priv.h"

struct reader {
        struct pgw_identities *ids;
        const struct pgw_str *targets;
        size_t target_count;
        char pointer[128];
        struct pgw_fault *fault;
};

/* Scopes that say nothing without the list beside them. */
#define OF_KEYS    (PGW_SCOPE(PURGE_KEYS) | PGW_SCOPE(PURGE_PATTERNS) | PGW_SCOPE(TAGS_WRITE))
#define OF_TAGS    (PGW_SCOPE(PURGE_TAGS) | PGW_SCOPE(TAGS_READ) | PGW_SCOPE(TAGS_WRITE))
#define OF_TARGETS (OF_KEYS | OF_TAGS)

static struct pgw_str string_of(const json_t *value)
{
        return pgw_str_of(json_string_value(value), json_string_length(value));
}

/* ---- the members of an identity ---- */

static enum pgw_err read_name(struct reader *r, struct pgw_identity *who, struct pgw_str text)
{
        if (!pgw_identity_name_is_valid(text))
                return pgw_fault_config(r->fault,
                                        "a name has 1 to %d letters, digits, '-', '_' or '.'",
                                        PGW_IDENTITY_NAME_MAX);
        who->mark = pgw_identity_mark(text);
        struct pgw_identity **place = pgw_identities_place(r->ids, who->mark);
        if (*place && pgw_str_eq_z(text, (*place)->name))
                return pgw_fault_config(r->fault, "the name '%.*s' stands here twice", (int)text.n,
                                        text.p);
        /* Of files with 10,000 names it happens to one in 86. The two would see each other's jobs;
         * and a mark that were made of more than the name would change when others come and go. */
        if (*place)
                return pgw_fault_config(
                    r->fault,
                    "jobs of '%.*s' could not be told from those of '%s', by the chance of a "
                    "hash; give one of them another name",
                    (int)text.n, text.p, (*place)->name);
        *place = who;
        who->name = pgw_memdup(text.p, text.n);
        return PGW_OK;
}

/* Never shows the text: it may be the secret itself. */
static enum pgw_err read_key(struct reader *r, struct pgw_identity *who, struct pgw_str text)
{
        unsigned char hash[PGW_SHA256_SIZE];
        bool is_keyed;

        if (pgw_secret_hash_parse(text, &is_keyed, hash))
                return pgw_fault_config(r->fault,
                                        "not what `purgeway key` prints for this file: sha256: or "
                                        "hmac-sha256: and 64 hexadecimal digits");
        if (is_keyed && r->ids->pepper.n == 0)
                return pgw_fault_config(r->fault,
                                        "hmac-sha256: needs the setting identities.pepper");
        struct pgw_secret_slot *slot = pgw_identities_slot(r->ids, hash);
        if (slot->owner)
                return pgw_fault_config(r->fault, "the same key is that of '%s' already",
                                        slot->owner->name);
        memcpy(slot->hash, hash, sizeof hash);
        slot->owner = who;
        return PGW_OK;
}

static enum pgw_err read_certificate(struct reader *r, struct pgw_identity *who,
                                     struct pgw_str text)
{
        unsigned char hash[PGW_SHA256_SIZE];

        if (!pgw_tls_peer_name_is(text))
                return pgw_fault_config(
                    r->fault, "a name in a certificate begins with uri:, dns:, email: or subject: "
                              "and is printable ASCII");
        pgw_peer_name_hash(text, hash);
        struct pgw_secret_slot *slot = pgw_identities_slot(r->ids, hash);
        if (slot->owner)
                return pgw_fault_config(r->fault, "the same name is that of '%s' already",
                                        slot->owner->name);
        memcpy(slot->hash, hash, sizeof hash);
        slot->owner = who;
        return PGW_OK;
}

static enum pgw_err read_scope(struct reader *r, struct pgw_identity *who, struct pgw_str text)
{
        char all[256];

        if (pgw_scope_add(&who->scopes, text) == PGW_OK)
                return PGW_OK;
        pgw_scope_words(~(pgw_scope_set)0, all, sizeof all);
        return pgw_fault_config(r->fault, "there is no such scope; there is %s", all);
}

static enum pgw_err add_prefix(struct reader *r, struct pgw_prefixes *prefixes, struct pgw_str text)
{
        if (text.n > PGW_PREFIX_SIZE_MAX)
                return pgw_fault_config(r->fault, "a prefix has at most %d bytes",
                                        PGW_PREFIX_SIZE_MAX);
        prefixes->items =
            pgw_realloc(prefixes->items, (prefixes->count + 1) * sizeof *prefixes->items);
        prefixes->items[prefixes->count++] = pgw_str_of(pgw_memdup(text.p, text.n), text.n);
        return PGW_OK;
}

static enum pgw_err read_key_prefix(struct reader *r, struct pgw_identity *who, struct pgw_str text)
{
        return add_prefix(r, &who->keys, text);
}

static enum pgw_err read_tag_prefix(struct reader *r, struct pgw_identity *who, struct pgw_str text)
{
        return add_prefix(r, &who->tags, text);
}

static enum pgw_err read_target(struct reader *r, struct pgw_identity *who, struct pgw_str text)
{
        if (pgw_str_eq_z(text, "*")) {
                who->targets = PGW_TARGETS_ANY;
                return PGW_OK;
        }
        for (size_t i = 0; i < r->target_count; i++)
                if (pgw_str_eq(text, r->targets[i])) {
                        who->targets |= (pgw_target_set)1 << i;
                        return PGW_OK;
                }
        return pgw_fault_config(r->fault, "'%.*s' is not the name of a target; \"*\" covers all",
                                text.n > PGW_TARGET_NAME_MAX ? PGW_TARGET_NAME_MAX : (int)text.n,
                                text.p);
}

typedef enum pgw_err item_f(struct reader *, struct pgw_identity *, struct pgw_str);

static const struct list {
        const char *name;
        size_t max;
        item_f *read;
} lists[] = {
    {"keys", PGW_IDENTITY_KEYS_MAX, read_key},
    {"certificates", PGW_IDENTITY_KEYS_MAX, read_certificate},
    {"scopes", PGW_SCOPE_COUNT, read_scope},
    {"key_prefixes", PGW_PREFIXES_MAX, read_key_prefix},
    {"tag_prefixes", PGW_PREFIXES_MAX, read_tag_prefix},
    {"targets", PGW_TARGETS_MAX, read_target},
};
#define LIST_COUNT (sizeof lists / sizeof lists[0])

static enum pgw_err read_list(struct reader *r, struct pgw_identity *who, const struct list *list,
                              const json_t *value)
{
        const size_t n = strlen(r->pointer), count = json_array_size(value);
        enum pgw_err err = PGW_OK;

        if (!json_is_array(value) || count > list->max)
                return pgw_fault_config(r->fault, "`%s` must be a list of at most %zu texts",
                                        list->name, list->max);
        for (size_t i = 0; i < count && !err; i++) {
                const json_t *item = json_array_get(value, i);
                snprintf(r->pointer + n, sizeof r->pointer - n, "/%zu", i);
                err = json_is_string(item)
                          ? list->read(r, who, string_of(item))
                          : pgw_fault_config(r->fault, "must be a text; put it in quotes");
        }
        if (!err)
                r->pointer[n] = '\0';
        return err;
}

/* ---- rates ---- */

static enum pgw_err read_number(struct reader *r, const json_t *value, uint64_t min, uint64_t max,
                                uint64_t *ret)
{
        const json_int_t number = json_integer_value(value);

        if (!json_is_integer(value) || number < (json_int_t)min || number > (json_int_t)max)
                return pgw_fault_config(r->fault, "must be a number from %llu to %llu",
                                        (unsigned long long)min, (unsigned long long)max);
        *ret = (uint64_t)number;
        return PGW_OK;
}

static enum pgw_err read_rate(struct reader *r, struct pgw_rate *rate, json_t *value)
{
        const size_t n = strlen(r->pointer);
        enum pgw_err err = PGW_OK;
        const char *key;
        json_t *member;

        if (!json_is_object(value) || !json_object_get(value, "per_s"))
                return pgw_fault_config(r->fault,
                                        "must be a mapping like {per_s: 200, burst: 400}");
        json_object_foreach(value, key, member)
        {
                snprintf(r->pointer + n, sizeof r->pointer - n, "/%s", key);
                if (strcmp(key, "per_s") == 0)
                        err = read_number(r, member, 0, PGW_RATE_MAX, &rate->per_s);
                else if (strcmp(key, "burst") == 0)
                        err = read_number(r, member, 1, PGW_BURST_MAX, &rate->burst);
                else
                        err = pgw_fault_config(
                            r->fault, "there is no member '%.40s'; there is per_s, burst", key);
                if (err)
                        return err;
        }
        r->pointer[n] = '\0';
        if (!rate->burst)
                rate->burst = rate->per_s;
        return PGW_OK;
}

static enum pgw_err refuse_member(struct reader *r, const char *name)
{
        return pgw_fault_config(
            r->fault,
            "there is no member '%.40s'; there is name, keys, certificates, scopes, "
            "key_prefixes, tag_prefixes, targets, rate, key_rate",
            name);
}

/* ---- an identity ---- */

static enum pgw_err need(struct reader *r, const struct pgw_identity *who, pgw_scope_set scopes,
                         const json_t *value, const char *list, const char *all)
{
        char words[128];

        if (!(who->scopes & scopes) || json_array_size(value))
                return PGW_OK;
        pgw_scope_words(who->scopes & scopes, words, sizeof words);
        return pgw_fault_config(r->fault, "%s needs `%s`; [%s] covers all", words, list, all);
}

static enum pgw_err check_lists(struct reader *r, const struct pgw_identity *who,
                                const json_t *value)
{
        enum pgw_err err =
            need(r, who, OF_KEYS, json_object_get(value, "key_prefixes"), "key_prefixes", "\"\"");

        if (!err)
                err = need(r, who, OF_TAGS, json_object_get(value, "tag_prefixes"), "tag_prefixes",
                           "\"\"");
        if (!err)
                err =
                    need(r, who, OF_TARGETS, json_object_get(value, "targets"), "targets", "\"*\"");
        return err;
}

static enum pgw_err read_members(struct reader *r, struct pgw_identity *who, json_t *value)
{
        const size_t n = strlen(r->pointer);
        enum pgw_err err = PGW_OK;
        const char *key;
        json_t *member;

        json_object_foreach(value, key, member)
        {
                size_t i = 0;
                while (i < LIST_COUNT && strcmp(key, lists[i].name) != 0)
                        i++;
                snprintf(r->pointer + n, sizeof r->pointer - n, "/%s", key);
                if (i < LIST_COUNT)
                        err = read_list(r, who, &lists[i], member);
                else if (strcmp(key, "rate") == 0)
                        err = read_rate(r, &who->rate, member);
                else if (strcmp(key, "key_rate") == 0)
                        err = read_rate(r, &who->key_rate, member);
                else if (strcmp(key, "name") != 0)
                        err = refuse_member(r, key);
                if (err)
                        return err;
        }
        r->pointer[n] = '\0';
        who->says_rate = json_object_get(value, "rate");
        who->says_key_rate = json_object_get(value, "key_rate");
        return check_lists(r, who, value);
}

/* The name comes first, wherever it stands: others are told by it. */
static enum pgw_err read_identity(struct reader *r, struct pgw_identity *who, json_t *value)
{
        const json_t *name = json_object_get(value, "name");

        if (!json_is_object(value))
                return pgw_fault_config(r->fault, "an identity must be a mapping with a `name`");
        if (!json_is_string(name))
                return pgw_fault_config(r->fault, "an identity needs a `name`, a text");
        const size_t n = strlen(r->pointer);
        snprintf(r->pointer + n, sizeof r->pointer - n, "/name");
        enum pgw_err err = read_name(r, who, string_of(name));
        if (err)
                return err;
        r->pointer[n] = '\0';
        return read_members(r, who, value);
}

/* ---- the file ---- */

static size_t slots_for(size_t count)
{
        size_t slots = 4;

        while (slots < (count + 1) * 2)
                slots *= 2;
        return slots;
}

static size_t secrets_of(const json_t *list)
{
        size_t secrets = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                const json_t *who = json_array_get(list, i);
                secrets += json_array_size(json_object_get(who, "keys")) +
                           json_array_size(json_object_get(who, "certificates"));
        }
        return secrets;
}

static enum pgw_err read_all(struct reader *r, json_t *document)
{
        const json_t *list = json_object_get(document, "identities");
        enum pgw_err err = PGW_OK;
        const char *key;
        json_t *member;

        json_object_foreach(document, key, member)
        {
                if (strcmp(key, "identities") == 0)
                        continue;
                snprintf(r->pointer, sizeof r->pointer, "/%s", key);
                return pgw_fault_config(r->fault, "there is no member '%.40s'; there is identities",
                                        key);
        }
        /* An empty file is more likely one that is just being written than the wish to let nobody
         * in; who has that wish can write it. */
        snprintf(r->pointer, sizeof r->pointer, "/identities");
        if (!json_is_array(list) || json_array_size(list) > PGW_IDENTITIES_MAX)
                return pgw_fault_config(r->fault,
                                        "`identities` must be there, a list of at most %d",
                                        PGW_IDENTITIES_MAX);
        const size_t count = json_array_size(list);
        r->ids->all = pgw_alloc((count + 1) * sizeof *r->ids->all);
        r->ids->mark_count = slots_for(count);
        r->ids->by_mark = pgw_alloc(r->ids->mark_count * sizeof(struct pgw_identity *));
        r->ids->slot_count = slots_for(secrets_of(list));
        r->ids->slots = pgw_alloc(r->ids->slot_count * sizeof *r->ids->slots);
        for (size_t i = 0; i < count && !err; i++) {
                struct pgw_identity *who = &r->ids->all[r->ids->count++];
                snprintf(r->pointer, sizeof r->pointer, "/identities/%zu", i);
                err = read_identity(r, who, json_array_get(list, i));
        }
        return err;
}

enum pgw_err pgw_identities_read(const char *path, struct pgw_str bytes,
                                 const struct pgw_str *targets, size_t target_count,
                                 struct pgw_str pepper, struct pgw_fault *fault,
                                 struct pgw_identities **ret)
{
        struct pgw_fault own = {"", ""};
        struct reader r = {.targets = targets, .target_count = target_count, .fault = &own};
        struct pgw_yaml_lines *lines = NULL;
        json_t *document = NULL;
        enum pgw_err err = pgw_yaml_load(bytes.p, bytes.n, &own, &document, &lines);

        r.ids = pgw_alloc(sizeof *r.ids);
        r.ids->holders = 1;
        if (pepper.n)
                r.ids->pepper = pgw_str_of(pgw_memdup(pepper.p, pepper.n), pepper.n);
        if (!err)
                err = read_all(&r, document);
        if (err) {
                pgw_yaml_place(r.fault, path, lines, r.pointer);
                pgw_identities_drop(r.ids);
                if (fault)
                        *fault = own;
        } else {
                *ret = r.ids;
        }
        json_decref(document);
        pgw_yaml_lines_free(lines);
        return err;
}
