/* http/hooks.h - which webhooks there are, and what becomes of their deliveries.
 *
 *      hooks:
 *        - name: shop                          POST /v1/hooks/shop
 *          profile: shopify                    tbl/hook_profiles.h
 *          secrets: ["file:/etc/purgeway/shop.secret", "env:SHOP_SECRET"]     all of them live
 *          as: shop                            the identity whose scopes and prefixes hold
 *          rules:
 *            - when:                           all of these
 *                - value: "{header:x-shopify-topic}"
 *                  in: [products/update, products/delete]
 *              tags: ["product:{/id}"]         templates (http/hook_template.h)
 *          job: {priority: high}               other members of an invalidation
 *
 * What the rules that hold name is one invalidation. All that is not known is refused with its
 * line, and so is what no delivery could ever come through with (http/hook_check.h). Secrets are
 * held in memory only, and wiped.
 *
 * A set is read-only and counted, as identities are (http/identities.h). Any thread.
 */
#ifndef PGW_HTTP_HOOKS_H
#define PGW_HTTP_HOOKS_H

#include "base/identity_name.h"
#include "http/hook_signature.h"
#include "http/hook_template.h"
#include "http/identities.h"

#define PGW_HOOKS_MAX           256
#define PGW_HOOK_NAME_MAX       PGW_IDENTITY_NAME_MAX /* a hook is named as an identity is */
#define PGW_HOOK_RULES_MAX      64
#define PGW_HOOK_CONDITIONS_MAX 16 /* of a rule */
#define PGW_HOOK_CHOICES_MAX    64 /* of a condition */
#define PGW_HOOK_TEMPLATES_MAX  32 /* of a kind, of a rule */
#define PGW_HOOKS_FILE_MAX      (4u << 20)
#define PGW_HOOK_TOLERANCE_S    300
#define PGW_HOOK_TOLERANCE_MAX  86400

enum pgw_hook_test { PGW_HOOK_IN, PGW_HOOK_PREFIX, PGW_HOOK_EXISTS, PGW_HOOK_ABSENT };

/* One of the texts that `value` makes is one of the choices, or begins with one; or there is one
 * at all, or none. */
struct pgw_hook_condition {
        struct pgw_template *value;
        enum pgw_hook_test test;
        struct pgw_str *choices;
        size_t choice_count;
};

enum pgw_hook_kind { PGW_HOOK_KEYS, PGW_HOOK_PATTERNS, PGW_HOOK_TAGS, PGW_HOOK_KIND_COUNT };

struct pgw_hook_templates {
        struct pgw_template **items;
        size_t count;
};

struct pgw_hook_rule {
        struct pgw_hook_condition *conditions;
        size_t condition_count;
        struct pgw_hook_templates selectors[PGW_HOOK_KIND_COUNT];
};

struct pgw_hook {
        char *name;
        struct pgw_str as; /* the identity it acts as; empty: none */
        struct pgw_hook_signing signing;
        struct pgw_template *id;
        struct pgw_hook_rule *rules;
        size_t rule_count;
        json_t *job; /* members of every invalidation; NULL: none */
};

struct pgw_hooks;
struct pgw_contract;

/* The secret that a reference ("env:NAME", "file:PATH") names, into `out`; PGW_E_CONFIG with the
 * reason, never with the secret. */
typedef enum pgw_err pgw_hook_secret_f(void *ctx, struct pgw_str reference, struct pgw_buf *out,
                                       struct pgw_fault *reterr_fault);

struct pgw_hooks_sources {
        const char *path;                        /* for faults */
        const struct pgw_identities *identities; /* a hook must act as one of them; NULL: none */
        const struct pgw_contract *contract;     /* NULL: what goes into a body is not held to it */
        const struct pgw_str *targets;
        size_t target_count;
        pgw_hook_secret_f *secret;
        void *ctx;
};

/* Read a file's bytes. PGW_E_CONFIG with "FILE:LINE" and the reason. */
enum pgw_err pgw_hooks_read(const struct pgw_hooks_sources *, struct pgw_str bytes,
                            struct pgw_fault *reterr_fault, struct pgw_hooks **ret) PGW_MUSTUSE;

/* One more, and one less, who needs the set; NULL is allowed. */
struct pgw_hooks *pgw_hooks_hold(struct pgw_hooks *);
void pgw_hooks_drop(struct pgw_hooks *);

size_t pgw_hooks_count(const struct pgw_hooks *);

/* NULL: there is none, or there are no hooks at all. Valid as long as the set. */
const struct pgw_hook *pgw_hooks_find(const struct pgw_hooks *, struct pgw_str name);

#endif
