/* From the operator's file to hooks. Members are read in the order of their table, not in that of
 * the file: what a secret is depends on the profile. The pointer follows what is read, so that
 * whatever is refused has its line. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/identity_name.h"
#include "base/yaml_place.h"
#include "http/hook_check.h"
#include "http/hooks_priv.h"

#define PGW_SECRET_SIZE_MIN  16
#define PGW_HEADER_SIZE_MAX  60
#define PGW_PREFIX_TEXT_MAX  64
#define PGW_CHOICE_SIZE_MAX  1024
#define PGW_TARGETS_TEXT_MAX 160 /* of all their names in a message */

struct reader {
        const struct pgw_hooks_sources *sources;
        struct pgw_hooks *hooks;
        char pointer[256];
        struct pgw_fault *fault;
};

struct member {
        const char *name;
        bool is_needed;
        enum pgw_err (*read)(struct reader *, void *into, json_t *value);
};

/* Go to a member; with `leave` back again, unless there is a fault to point at. */
static size_t enter(struct reader *r, const char *name)
{
        const size_t n = strlen(r->pointer);

        snprintf(r->pointer + n, sizeof r->pointer - n, "/%s", name);
        return n;
}

static size_t enter_item(struct reader *r, size_t index)
{
        char text[24];

        snprintf(text, sizeof text, "%zu", index);
        return enter(r, text);
}

static enum pgw_err leave(struct reader *r, size_t n, enum pgw_err err)
{
        if (!err)
                r->pointer[n] = '\0';
        return err;
}

static struct pgw_str string_of(const json_t *value)
{
        return pgw_str_of(json_string_value(value), json_string_length(value));
}

static struct pgw_str copy_of(struct pgw_str text)
{
        return pgw_str_of(pgw_memdup(text.p, text.n), text.n);
}

static enum pgw_err want_text(struct reader *r, const json_t *value, size_t most,
                              struct pgw_str *ret)
{
        if (!json_is_string(value) || json_string_length(value) == 0 ||
            json_string_length(value) > most)
                return pgw_fault_config(r->fault,
                                        "must be a text of 1 to %zu bytes; put it in quotes", most);
        *ret = string_of(value);
        return PGW_OK;
}

static bool is_known(const struct member *members, size_t count, const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (!strcmp(members[i].name, name))
                        return true;
        return false;
}

static enum pgw_err refuse_member(struct reader *r, const struct member *members, size_t count,
                                  const char *name)
{
        char all[200] = "";
        size_t n = 0;

        for (size_t i = 0; i < count && n < sizeof all; i++)
                n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "",
                                      members[i].name);
        (void)enter(r, name);
        return pgw_fault_config(r->fault, "there is no member '%.30s'; there is %s", name, all);
}

static enum pgw_err read_members(struct reader *r, const struct member *members, size_t count,
                                 void *into, json_t *value)
{
        const char *key;
        json_t *member;
        enum pgw_err err = PGW_OK;

        if (!json_is_object(value))
                return pgw_fault_config(r->fault, "must be a mapping");
        json_object_foreach(value, key, member)
        {
                if (!is_known(members, count, key))
                        return refuse_member(r, members, count, key);
        }
        for (size_t i = 0; i < count && !err; i++) {
                member = json_object_get(value, members[i].name);
                if (!member && members[i].is_needed)
                        return pgw_fault_config(r->fault, "`%s` is missing", members[i].name);
                if (!member)
                        continue;
                const size_t n = enter(r, members[i].name);
                err = leave(r, n, members[i].read(r, into, member));
        }
        return err;
}

static enum pgw_err want_list(struct reader *r, const json_t *value, size_t most)
{
        if (json_is_array(value) && json_array_size(value) > 0 && json_array_size(value) <= most)
                return PGW_OK;
        return pgw_fault_config(r->fault, "must be a list of 1 to %zu", most);
}

static enum pgw_err read_template(struct reader *r, const json_t *value, struct pgw_template **ret)
{
        struct pgw_str text = {NULL, 0};
        enum pgw_err err = want_text(r, value, PGW_TEMPLATE_SIZE_MAX, &text);

        return err ? err : pgw_template_parse(text, r->fault, ret);
}

/* ---- rules ---- */

static enum pgw_err read_value(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook_condition *condition = into;

        return read_template(r, value, &condition->value);
}

/* A number or a truth is as good as its text: so are the values of a payload. */
static enum pgw_err read_choice(struct reader *r, struct pgw_hook_condition *condition,
                                const json_t *value)
{
        struct pgw_str *choice = &condition->choices[condition->choice_count];
        char text[24];

        if (json_is_string(value) && json_string_length(value) <= PGW_CHOICE_SIZE_MAX) {
                *choice = copy_of(string_of(value));
        } else if (json_is_integer(value)) {
                snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
                *choice = copy_of(pgw_str_z(text));
        } else if (json_is_boolean(value)) {
                *choice = copy_of(json_is_true(value) ? PGW_STR("true") : PGW_STR("false"));
        } else {
                return pgw_fault_config(
                    r->fault, "must be a text of at most %d bytes, an integer, true or false",
                    PGW_CHOICE_SIZE_MAX);
        }
        condition->choice_count++;
        return PGW_OK;
}

static enum pgw_err read_choices(struct reader *r, struct pgw_hook_condition *condition,
                                 enum pgw_hook_test test, json_t *value)
{
        enum pgw_err err = PGW_OK;

        if (condition->choice_count)
                return pgw_fault_config(r->fault,
                                        "a condition is one of equals, in, prefix and exists");
        condition->test = test;
        condition->choices = pgw_alloc(PGW_HOOK_CHOICES_MAX * sizeof *condition->choices);
        if (!json_is_array(value))
                return read_choice(r, condition, value);
        err = want_list(r, value, PGW_HOOK_CHOICES_MAX);
        for (size_t i = 0; i < json_array_size(value) && !err; i++) {
                const size_t n = enter_item(r, i);
                err = leave(r, n, read_choice(r, condition, json_array_get(value, i)));
        }
        return err;
}

static enum pgw_err read_equals(struct reader *r, void *into, json_t *value)
{
        if (json_is_array(value))
                return pgw_fault_config(r->fault, "must be one value; several stand in `in`");
        return read_choices(r, into, PGW_HOOK_IN, value);
}

static enum pgw_err read_in(struct reader *r, void *into, json_t *value)
{
        enum pgw_err err = want_list(r, value, PGW_HOOK_CHOICES_MAX);

        return err ? err : read_choices(r, into, PGW_HOOK_IN, value);
}

static enum pgw_err read_prefix(struct reader *r, void *into, json_t *value)
{
        return read_choices(r, into, PGW_HOOK_PREFIX, value);
}

static enum pgw_err read_exists(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook_condition *condition = into;

        if (!json_is_boolean(value))
                return pgw_fault_config(r->fault, "must be true or false");
        if (condition->choice_count)
                return pgw_fault_config(r->fault,
                                        "a condition is one of equals, in, prefix and exists");
        condition->test = json_is_true(value) ? PGW_HOOK_EXISTS : PGW_HOOK_ABSENT;
        return PGW_OK;
}

static enum pgw_err read_condition(struct reader *r, struct pgw_hook_condition *condition,
                                   json_t *value)
{
        static const struct member members[] = {
            {"value", true, read_value},    {"equals", false, read_equals}, {"in", false, read_in},
            {"prefix", false, read_prefix}, {"exists", false, read_exists},
        };

        if (json_is_object(value) && json_object_size(value) < 2)
                return pgw_fault_config(
                    r->fault, "a condition needs `value`, and one of equals, in, prefix and "
                              "exists");
        return read_members(r, members, sizeof members / sizeof members[0], condition, value);
}

static enum pgw_err read_when(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook_rule *rule = into;
        enum pgw_err err = want_list(r, value, PGW_HOOK_CONDITIONS_MAX);

        if (err)
                return err;
        rule->conditions = pgw_alloc(json_array_size(value) * sizeof *rule->conditions);
        for (size_t i = 0; i < json_array_size(value) && !err; i++) {
                const size_t n = enter_item(r, i);
                err = read_condition(r, &rule->conditions[rule->condition_count++],
                                     json_array_get(value, i));
                err = leave(r, n, err);
        }
        return err;
}

static enum pgw_err read_templates(struct reader *r, struct pgw_hook_rule *rule,
                                   enum pgw_hook_kind kind, json_t *value)
{
        struct pgw_hook_templates *list = &rule->selectors[kind];
        enum pgw_err err = want_list(r, value, PGW_HOOK_TEMPLATES_MAX);

        if (err)
                return err;
        list->items = pgw_alloc(json_array_size(value) * sizeof *list->items);
        for (size_t i = 0; i < json_array_size(value) && !err; i++) {
                const size_t n = enter_item(r, i);
                err = read_template(r, json_array_get(value, i), &list->items[i]);
                if (!err)
                        list->count++;
                if (!err && kind == PGW_HOOK_PATTERNS)
                        err = pgw_template_check_pattern(list->items[i], r->fault);
                err = leave(r, n, err);
        }
        return err;
}

static enum pgw_err read_keys(struct reader *r, void *into, json_t *value)
{
        return read_templates(r, into, PGW_HOOK_KEYS, value);
}

static enum pgw_err read_patterns(struct reader *r, void *into, json_t *value)
{
        return read_templates(r, into, PGW_HOOK_PATTERNS, value);
}

static enum pgw_err read_tags(struct reader *r, void *into, json_t *value)
{
        return read_templates(r, into, PGW_HOOK_TAGS, value);
}

static enum pgw_err read_rule(struct reader *r, struct pgw_hook_rule *rule, json_t *value)
{
        static const struct member members[] = {
            {"when", false, read_when},
            {"keys", false, read_keys},
            {"patterns", false, read_patterns},
            {"tags", false, read_tags},
        };
        enum pgw_err err =
            read_members(r, members, sizeof members / sizeof members[0], rule, value);

        if (!err && rule->selectors[PGW_HOOK_KEYS].count +
                            rule->selectors[PGW_HOOK_PATTERNS].count +
                            rule->selectors[PGW_HOOK_TAGS].count ==
                        0)
                err = pgw_fault_config(r->fault, "a rule needs `keys`, `patterns` or `tags`");
        return err;
}

static enum pgw_err read_rules(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook *hook = into;
        enum pgw_err err = want_list(r, value, PGW_HOOK_RULES_MAX);

        if (err)
                return err;
        hook->rules = pgw_alloc(json_array_size(value) * sizeof *hook->rules);
        for (size_t i = 0; i < json_array_size(value) && !err; i++) {
                const size_t n = enter_item(r, i);
                err = read_rule(r, &hook->rules[hook->rule_count++], json_array_get(value, i));
                err = leave(r, n, err);
        }
        return err;
}

/* ---- what else an invalidation has ---- */

static enum pgw_err want_target(struct reader *r, const json_t *value)
{
        const struct pgw_hooks_sources *sources = r->sources;
        char all[PGW_TARGETS_TEXT_MAX] = "";
        size_t n = 0;

        if (!json_is_string(value))
                return pgw_fault_config(r->fault, "must be the name of a target");
        for (size_t i = 0; i < sources->target_count; i++) {
                const struct pgw_str one = sources->targets[i];
                if (pgw_str_eq(string_of(value), one))
                        return PGW_OK;
                if (n < sizeof all)
                        n += (size_t)snprintf(all + n, sizeof all - n, "%s%.*s", i ? ", " : "",
                                              (int)one.n, one.p);
        }
        return pgw_fault_config(r->fault, "there is no target '%.30s'; there is %s",
                                json_string_value(value), all);
}

static enum pgw_err read_targets(struct reader *r, void *into, json_t *value)
{
        enum pgw_err err = want_list(r, value, PGW_TARGETS_MAX);

        (void)into;
        for (size_t i = 0; i < json_array_size(value) && !err; i++) {
                const size_t n = enter_item(r, i);
                err = leave(r, n, want_target(r, json_array_get(value, i)));
        }
        return err;
}

static enum pgw_err want_one_of(struct reader *r, const json_t *value, const char *const *words)
{
        char all[64] = "";
        size_t n = 0;

        for (size_t i = 0; words[i]; i++) {
                if (pgw_str_eq_z(string_of(value), words[i]))
                        return PGW_OK;
                n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", words[i]);
        }
        return pgw_fault_config(r->fault, "must be one of %s", all);
}

static enum pgw_err read_priority(struct reader *r, void *into, json_t *value)
{
        static const char *const words[] = {"high", "normal", "low", NULL};

        (void)into;
        return want_one_of(r, value, words);
}

static enum pgw_err read_mode(struct reader *r, void *into, json_t *value)
{
        static const char *const words[] = {"hard", "soft", "tombstone", NULL};

        (void)into;
        if (pgw_str_eq_z(string_of(value), "versioned"))
                return pgw_fault_config(r->fault, "`versioned` needs a version with each request, "
                                                  "and a hook has none");
        return want_one_of(r, value, words);
}

static enum pgw_err read_match(struct reader *r, void *into, json_t *value)
{
        static const char *const words[] = {"any", "all", NULL};

        (void)into;
        return want_one_of(r, value, words);
}

static enum pgw_err read_number(struct reader *r, void *into, json_t *value)
{
        (void)into;
        if (!json_is_integer(value) || json_integer_value(value) < 1)
                return pgw_fault_config(r->fault, "must be a number of milliseconds");
        return PGW_OK;
}

static enum pgw_err read_numbers(struct reader *r, void *into, json_t *value)
{
        (void)into;
        if (!json_is_array(value))
                return pgw_fault_config(r->fault, "must be a list of milliseconds");
        for (size_t i = 0; i < json_array_size(value); i++)
                if (!json_is_integer(json_array_get(value, i)))
                        return pgw_fault_config(r->fault, "must be a list of milliseconds");
        return PGW_OK;
}

static enum pgw_err read_flag(struct reader *r, void *into, json_t *value)
{
        (void)into;
        return json_is_boolean(value) ? PGW_OK
                                      : pgw_fault_config(r->fault, "must be true or false");
}

static enum pgw_err read_job(struct reader *r, void *into, json_t *value)
{
        static const struct member members[] = {
            {"targets", false, read_targets},    {"priority", false, read_priority},
            {"mode", false, read_mode},          {"tags_match", false, read_match},
            {"soft_ttl_ms", false, read_number}, {"hold_ms", false, read_number},
            {"delay_ms", false, read_number},    {"rebounds_ms", false, read_numbers},
            {"dry_run", false, read_flag},
        };
        struct pgw_hook *hook = into;
        enum pgw_err err =
            read_members(r, members, sizeof members / sizeof members[0], NULL, value);

        if (!err)
                hook->job = json_deep_copy(value);
        return err;
}

/* ---- a hook ---- */

static enum pgw_err read_name(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook *hook = into;
        const struct pgw_str text = string_of(value);

        if (!json_is_string(value) || !pgw_identity_name_is_valid(text))
                return pgw_fault_config(r->fault,
                                        "a name has 1 to %d letters, digits, '-', '_' or '.'",
                                        PGW_HOOK_NAME_MAX);
        for (const struct pgw_hook *other = r->hooks->all; other < hook; other++)
                if (pgw_str_eq_z(text, other->name))
                        return pgw_fault_config(r->fault, "the name '%s' stands here twice",
                                                other->name);
        hook->name = pgw_memdup(text.p, text.n);
        return PGW_OK;
}

static const struct {
        const char *word, *id;
} profiles[] = {
#define X(name, word, id) {word, id},
#include "tbl/hook_profiles.h"
#undef X
};

static enum pgw_err read_profile(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook *hook = into;
        char all[160] = "";
        size_t n = 0;

        for (unsigned i = 0; i < PGW_HOOK_PROFILE_COUNT; i++) {
                if (pgw_str_eq_z(string_of(value), profiles[i].word)) {
                        hook->signing.profile = (enum pgw_hook_profile)i;
                        return PGW_OK;
                }
                n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "",
                                      profiles[i].word);
        }
        return pgw_fault_config(r->fault, "there is no such profile; there is %s", all);
}

/* The other profiles know their headers. */
static enum pgw_err want_open_profile(struct reader *r, const struct pgw_hook *hook)
{
        if (hook->signing.profile == PGW_HOOK_HMAC || hook->signing.profile == PGW_HOOK_TOKEN)
                return PGW_OK;
        return pgw_fault_config(r->fault, "goes with the profiles hmac and token only");
}

static enum pgw_err read_header(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook *hook = into;
        struct pgw_str text = {NULL, 0};
        enum pgw_err err = want_open_profile(r, hook);

        if (!err)
                err = want_text(r, value, PGW_HEADER_SIZE_MAX, &text);
        if (err)
                return err;
        char *lower = pgw_memdup(text.p, text.n);
        hook->signing.header = pgw_str_of(lower, text.n);
        for (size_t i = 0; i < text.n; i++) {
                if (lower[i] >= 'A' && lower[i] <= 'Z')
                        lower[i] = (char)(lower[i] | 0x20);
                if (!((lower[i] >= 'a' && lower[i] <= 'z') ||
                      (lower[i] >= '0' && lower[i] <= '9') || lower[i] == '-' || lower[i] == '_'))
                        return pgw_fault_config(r->fault,
                                                "a header has letters, digits, '-' and '_'");
        }
        return PGW_OK;
}

static enum pgw_err read_sign_prefix(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook *hook = into;
        struct pgw_str text = {NULL, 0};
        enum pgw_err err = want_open_profile(r, hook);

        if (!err)
                err = want_text(r, value, PGW_PREFIX_TEXT_MAX, &text);
        if (!err)
                hook->signing.prefix = copy_of(text);
        return err;
}

static enum pgw_err read_encoding(struct reader *r, void *into, json_t *value)
{
        static const char *const words[] = {"hex", "base64", "base64url", NULL};
        struct pgw_hook *hook = into;
        enum pgw_err err = want_one_of(r, value, words);

        if (!err && hook->signing.profile != PGW_HOOK_HMAC)
                err = pgw_fault_config(r->fault, "goes with the profile hmac only");
        for (unsigned i = 0; words[i] && !err; i++)
                if (pgw_str_eq_z(string_of(value), words[i]))
                        hook->signing.encoding = (enum pgw_hook_encoding)i;
        return err;
}

static enum pgw_err read_tolerance(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook *hook = into;
        const json_int_t seconds = json_integer_value(value);

        if (!json_is_integer(value) || seconds < 1 || seconds > PGW_HOOK_TOLERANCE_MAX)
                return pgw_fault_config(r->fault, "must be 1 to %d seconds",
                                        PGW_HOOK_TOLERANCE_MAX);
        hook->signing.tolerance_ms = (uint64_t)seconds * 1000;
        return PGW_OK;
}

/* What Standard Webhooks call a secret is the key in base64. */
static enum pgw_err decode_secret(struct reader *r, struct pgw_buf *secret)
{
        const struct pgw_str prefix = PGW_STR("whsec_");
        struct pgw_str text = pgw_buf_str(secret);
        char key[PGW_HOOK_SECRET_MAX + 3];
        size_t size = 0;
        enum pgw_err err = PGW_OK;

        if (pgw_str_starts(text, prefix))
                text = pgw_str_of(text.p + prefix.n, text.n - prefix.n);
        if (pgw_unbase64(text, key, &size))
                err = pgw_fault_config(r->fault,
                                       "the secret of profile standard is base64, behind whsec_");
        explicit_bzero(secret->p, secret->n);
        pgw_buf_clear(secret);
        if (!err)
                err = pgw_buf_add(secret, key, size);
        explicit_bzero(key, sizeof key);
        return err;
}

static enum pgw_err read_secret(struct reader *r, struct pgw_hook *hook, const json_t *value)
{
        struct pgw_buf secret;

        if (!json_is_string(value))
                return pgw_fault_config(r->fault,
                                        "must be a text like \"file:PATH\" or \"env:NAME\"");
        pgw_buf_init(&secret, PGW_HOOK_SECRET_MAX);
        enum pgw_err err = r->sources->secret(r->sources->ctx, string_of(value), &secret, r->fault);
        if (!err && hook->signing.profile == PGW_HOOK_STANDARD)
                err = decode_secret(r, &secret);
        if (!err && secret.n < PGW_SECRET_SIZE_MIN)
                err = pgw_fault_config(r->fault, "a secret has at least %d bytes",
                                       PGW_SECRET_SIZE_MIN);
        if (!err)
                hook->signing.secrets[hook->signing.secret_count++] = copy_of(pgw_buf_str(&secret));
        if (secret.n)
                explicit_bzero(secret.p, secret.n);
        pgw_buf_fini(&secret);
        return err;
}

static enum pgw_err read_secrets(struct reader *r, void *into, json_t *value)
{
        enum pgw_err err = want_list(r, value, PGW_HOOK_SECRETS_MAX);

        for (size_t i = 0; i < json_array_size(value) && !err; i++) {
                const size_t n = enter_item(r, i);
                err = leave(r, n, read_secret(r, into, json_array_get(value, i)));
        }
        return err;
}

static enum pgw_err read_id(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook *hook = into;

        return read_template(r, value, &hook->id);
}

static enum pgw_err read_as(struct reader *r, void *into, json_t *value)
{
        struct pgw_hook *hook = into;
        struct pgw_str text = {NULL, 0};
        enum pgw_err err = want_text(r, value, PGW_IDENTITY_NAME_MAX, &text);

        if (!err && r->sources->identities && !pgw_identities_named(r->sources->identities, text))
                err = pgw_fault_config(r->fault, "there is no identity '%.60s'",
                                       json_string_value(value));
        if (!err)
                hook->as = copy_of(text);
        return err;
}

static enum pgw_err complete(struct reader *r, struct pgw_hook *hook)
{
        struct pgw_hook_signing *s = &hook->signing;

        if (s->profile == PGW_HOOK_HMAC && s->header.n == 0)
                return pgw_fault_config(r->fault,
                                        "the profile hmac needs the `header` of its signature");
        if (s->profile == PGW_HOOK_TOKEN && s->header.n == 0) {
                s->header = copy_of(PGW_STR("authorization"));
                if (s->prefix.n == 0)
                        s->prefix = copy_of(PGW_STR("Bearer "));
        }
        if (s->tolerance_ms == 0)
                s->tolerance_ms = (uint64_t)PGW_HOOK_TOLERANCE_S * 1000;
        if (r->sources->identities && hook->as.n == 0)
                return pgw_fault_config(
                    r->fault, "where there are identities a hook needs `as`, the name of one: "
                              "its scopes and prefixes hold");
        if (hook->id)
                return PGW_OK;
        return pgw_template_parse(pgw_str_z(profiles[s->profile].id), r->fault, &hook->id);
}

static enum pgw_err check(struct reader *r, const struct pgw_hook *hook)
{
        char place[PGW_HOOK_PLACE_MAX];
        const enum pgw_err err = pgw_hook_check(hook, r->sources, r->fault, place);

        if (err && place[0])
                (void)enter(r, place + 1);
        return err;
}

static enum pgw_err read_hook(struct reader *r, struct pgw_hook *hook, json_t *value)
{
        static const struct member members[] = {
            {"name", true, read_name},
            {"profile", true, read_profile},
            {"header", false, read_header},
            {"prefix", false, read_sign_prefix},
            {"encoding", false, read_encoding},
            {"secrets", true, read_secrets},
            {"tolerance_s", false, read_tolerance},
            {"id", false, read_id},
            {"as", false, read_as},
            {"rules", true, read_rules},
            {"job", false, read_job},
        };
        enum pgw_err err =
            read_members(r, members, sizeof members / sizeof members[0], hook, value);

        if (!err)
                err = complete(r, hook);
        return err ? err : check(r, hook);
}

static enum pgw_err read_hooks(struct reader *r, void *into, json_t *value)
{
        enum pgw_err err = PGW_OK;

        (void)into;
        if (!json_is_array(value) || json_array_size(value) > PGW_HOOKS_MAX)
                return pgw_fault_config(r->fault, "must be a list of at most %d", PGW_HOOKS_MAX);
        r->hooks->all = pgw_alloc((json_array_size(value) + 1) * sizeof *r->hooks->all);
        for (size_t i = 0; i < json_array_size(value) && !err; i++) {
                const size_t n = enter_item(r, i);
                err = read_hook(r, &r->hooks->all[r->hooks->count++], json_array_get(value, i));
                err = leave(r, n, err);
        }
        return err;
}

enum pgw_err pgw_hooks_read(const struct pgw_hooks_sources *sources, struct pgw_str bytes,
                            struct pgw_fault *fault, struct pgw_hooks **ret)
{
        /* An empty file is more likely one that is just being written than the wish for none. */
        static const struct member members[] = {{"hooks", true, read_hooks}};
        struct pgw_fault own = {"", ""};
        struct reader r = {.sources = sources, .fault = &own};
        struct pgw_yaml_lines *lines = NULL;
        json_t *document = NULL;
        enum pgw_err err = pgw_yaml_load(bytes.p, bytes.n, &own, &document, &lines);

        r.hooks = pgw_alloc(sizeof *r.hooks);
        r.hooks->holders = 1;
        if (!err)
                err = read_members(&r, members, 1, NULL, document);
        if (err) {
                pgw_yaml_place(&own, sources->path, lines, r.pointer);
                pgw_hooks_drop(r.hooks);
                if (fault)
                        *fault = own;
        } else {
                *ret = r.hooks;
        }
        json_decref(document);
        pgw_yaml_lines_free(lines);
        return err;
}
