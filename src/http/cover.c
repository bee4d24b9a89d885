#include "http/cover.h"

#include <stdio.h>

#include <jansson.h>

#include "base/json.h"
#include "domain/glob.h"
#include "http/identify.h"
#include "http/selectors.h"
#include "http/targets.h"

#define OUTSIDE "is outside the prefixes that this credential covers"

static void violation(struct pgw_exchange *x, const char *member, size_t index)
{
        char pointer[48];

        snprintf(pointer, sizeof pointer, "#/%s/%zu", member, index);
        pgw_violations_add(&x->violations, pointer, OUTSIDE);
}

static bool covers_pattern(const struct pgw_identity *who, struct pgw_str pattern)
{
        struct pgw_glob *glob = pgw_glob_new(pattern);
        const bool is_covered = pgw_prefixes_cover(&who->keys, pgw_glob_prefix(glob));

        pgw_glob_free(glob);
        return is_covered;
}

static enum pgw_err check_keys(struct pgw_exchange *x)
{
        const size_t plain = json_array_size(pgw_json_get(x->body, "keys"));
        struct pgw_selectors keys;
        enum pgw_err err = pgw_selectors_keys(x, &keys);

        if (err)
                return err;
        for (size_t i = 0; i < keys.count; i++)
                if (!pgw_prefixes_cover(&x->who->keys, keys.items[i]))
                        violation(x, i < plain ? "keys" : "keys_base64", i < plain ? i : i - plain);
        return PGW_OK;
}

static void check_patterns(struct pgw_exchange *x)
{
        struct pgw_selectors patterns;

        pgw_selectors_texts(x, "patterns", &patterns);
        for (size_t i = 0; i < patterns.count; i++)
                if (!covers_pattern(x->who, patterns.items[i]))
                        violation(x, "patterns", i);
}

static void check_tags(struct pgw_exchange *x)
{
        struct pgw_selectors tags;

        pgw_selectors_texts(x, "tags", &tags);
        for (size_t i = 0; i < tags.count; i++)
                if (!pgw_prefixes_cover(&x->who->tags, tags.items[i]))
                        violation(x, "tags", i);
}

/* Which of the names was one too many does not matter: the set is what counts. */
static void check_targets(struct pgw_exchange *x, pgw_target_set set)
{
        const bool has_one = pgw_json_get(x->body, "target") != NULL;

        if (!(set & ~x->who->targets))
                return;
        if (has_one || pgw_json_get(x->body, "targets"))
                pgw_violations_add(&x->violations, has_one ? "#/target" : "#/targets",
                                   "names a target that this credential does not cover");
        else
                pgw_violations_add(&x->violations, "#/targets",
                                   "is missing, which means all targets; this credential does not "
                                   "cover all of them");
}

static void need(struct pgw_exchange *x, const char *member, enum pgw_scope scope)
{
        char pointer[32];

        if (!pgw_json_get(x->body, member) || pgw_identify_has(x, scope))
                return;
        snprintf(pointer, sizeof pointer, "#/%s", member);
        pgw_violations_add(&x->violations, pointer, "needs the scope %s", pgw_scope_word(scope));
}

static enum pgw_err check_scopes(struct pgw_exchange *x)
{
        need(x, "keys", PGW_SCOPE_PURGE_KEYS);
        need(x, "keys_base64", PGW_SCOPE_PURGE_KEYS);
        need(x, "patterns", PGW_SCOPE_PURGE_PATTERNS);
        need(x, "tags", PGW_SCOPE_PURGE_TAGS);
        return pgw_violations_count(&x->violations) ? PGW_E_SCOPE : PGW_OK;
}

static enum pgw_err verdict(const struct pgw_exchange *x)
{
        return pgw_violations_count(&x->violations) ? PGW_E_COVER : PGW_OK;
}

enum pgw_err pgw_cover_invalidation(struct pgw_exchange *x, pgw_target_set set)
{
        enum pgw_err err;

        if (!x->identities)
                return PGW_OK;
        err = check_scopes(x);
        if (!err)
                err = check_keys(x);
        if (err)
                return err;
        check_patterns(x);
        check_tags(x);
        check_targets(x, set);
        return verdict(x);
}

enum pgw_err pgw_cover_kinds(struct pgw_exchange *x, pgw_target_set set)
{
        const enum pgw_err err = check_scopes(x);

        check_targets(x, set);
        return err ? err : verdict(x);
}

enum pgw_err pgw_cover_tagging(struct pgw_exchange *x, pgw_target_set set)
{
        enum pgw_err err;

        if (!x->identities)
                return PGW_OK;
        err = check_keys(x);
        if (err)
                return err;
        check_tags(x);
        check_targets(x, set);
        return verdict(x);
}

enum pgw_err pgw_cover_tag(struct pgw_exchange *x, struct pgw_str tag,
                           const struct pgw_gateway_target *target)
{
        const size_t index = (size_t)(target - x->gateway->targets);

        if (!x->identities)
                return PGW_OK;
        if (!pgw_prefixes_cover(&x->who->tags, tag))
                pgw_violations_add(&x->violations, "#/query/tag", OUTSIDE);
        if (!pgw_targets_has(x->who->targets, index))
                pgw_violations_add(&x->violations, "#/query/target",
                                   "is a target that this credential does not cover");
        return verdict(x);
}

/* ---- requests that name no targets ---- */

void pgw_cover_narrow(struct pgw_exchange *x)
{
        const struct pgw_gateway *g = x->gateway;
        json_t *names;

        if (!x->identities || x->who->targets == PGW_TARGETS_ANY)
                return;
        names = json_array();
        for (size_t i = 0; i < g->links.target_count; i++)
                if (pgw_targets_has(x->who->targets, i))
                        json_array_append_new(names, json_string(g->targets[i].name));
        json_object_set_new(x->body, "targets", names);
}

/* ---- events ---- */

static bool keeps_key(const struct pgw_identity *who, struct pgw_str text)
{
        return who->scopes & PGW_SCOPE(PURGE_KEYS) && pgw_prefixes_cover(&who->keys, text);
}

static bool keeps_pattern(const struct pgw_identity *who, struct pgw_str text)
{
        return who->scopes & PGW_SCOPE(PURGE_PATTERNS) && covers_pattern(who, text);
}

static bool keeps_tag(const struct pgw_identity *who, struct pgw_str text)
{
        return who->scopes & PGW_SCOPE(PURGE_TAGS) && pgw_prefixes_cover(&who->tags, text);
}

static void trim(struct pgw_exchange *x, const char *member,
                 bool (*keeps)(const struct pgw_identity *, struct pgw_str))
{
        json_t *list = pgw_json_get(x->body, member);

        for (size_t i = json_array_size(list); i-- > 0;) {
                const json_t *item = json_array_get(list, i);
                if (!keeps(x->who, pgw_str_of(json_string_value(item), json_string_length(item))))
                        json_array_remove(list, i);
        }
        if (list && json_array_size(list) == 0)
                json_object_del(x->body, member);
}

enum pgw_err pgw_cover_trim(struct pgw_exchange *x)
{
        if (!x->identities)
                return PGW_OK;
        trim(x, "keys", keeps_key);
        trim(x, "patterns", keeps_pattern);
        trim(x, "tags", keeps_tag);
        pgw_cover_narrow(x);
        if (pgw_json_get(x->body, "keys") || pgw_json_get(x->body, "patterns") ||
            pgw_json_get(x->body, "tags"))
                return PGW_OK;
        pgw_violations_add(&x->violations, "#/selectors", "this credential covers none of them");
        return PGW_E_COVER;
}
