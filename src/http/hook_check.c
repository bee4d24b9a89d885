/* The body is held against the contract and the rest like that of a request, in an exchange that
 * nobody began. Of the selectors only their kinds are known. */
#include "http/hook_check.h"

#include <stdio.h>
#include <string.h>

#include <h2o.h>

#include "base/alloc.h"
#include "http/accept.h"
#include "http/cover.h"

static const char *const kinds[PGW_HOOK_KIND_COUNT] = {"keys", "patterns", "tags"};

static json_t *sample_of(const struct pgw_hook *hook, const struct pgw_hook_rule *rule)
{
        json_t *body = hook->job ? json_deep_copy(hook->job) : json_object();

        for (size_t kind = 0; kind < PGW_HOOK_KIND_COUNT; kind++)
                if (rule->selectors[kind].count)
                        json_object_set_new(body, kinds[kind], json_pack("[s]", "sample"));
        if (rule->selectors[PGW_HOOK_TAGS].count == 0)
                json_object_del(body, "tags_match");
        return body;
}

static enum pgw_err check_contract(struct pgw_exchange *x, const struct pgw_contract *contract)
{
        return contract ? pgw_operation_check_body(
                              pgw_contract_operation(contract, "create_invalidation"), x->body,
                              &x->violations)
                        : PGW_OK;
}

/* All when the job names none. */
static pgw_target_set targets_of(const json_t *body, const struct pgw_hooks_sources *from)
{
        const json_t *names = json_object_get(body, "targets"), *name;
        pgw_target_set set = names ? 0 : ((pgw_target_set)1 << from->target_count) - 1;
        size_t i;

        json_array_foreach(names, i, name)
        {
                for (size_t t = 0; t < from->target_count; t++)
                        if (pgw_str_eq_z(from->targets[t], json_string_value(name)))
                                set |= (pgw_target_set)1 << t;
        }
        return set;
}

static enum pgw_err check_body(struct pgw_exchange *x, const struct pgw_hook *hook,
                               const struct pgw_hooks_sources *from)
{
        enum pgw_err err = check_contract(x, from->contract);

        if (!err)
                err = pgw_accept_check_members(x);
        if (err || !from->identities)
                return err;
        x->identities = (struct pgw_identities *)(uintptr_t)from->identities;
        x->who = pgw_identities_named(from->identities, hook->as);
        return x->who ? pgw_cover_kinds(x, targets_of(x->body, from)) : PGW_OK;
}

/* "#/keys/0" is a selector of the rule, "#/hold_ms" a member of the job. */
static void place_of(const char *pointer, size_t rule, char out[PGW_HOOK_PLACE_MAX])
{
        struct pgw_str member = pgw_str_z(pointer + strcspn(pointer, "/")), rest;

        snprintf(out, PGW_HOOK_PLACE_MAX, "/job%s", member.p);
        if (member.n)
                member = pgw_str_of(member.p + 1, member.n - 1);
        (void)pgw_str_cut(member, '/', &member, &rest);
        for (size_t kind = 0; kind < PGW_HOOK_KIND_COUNT; kind++)
                if (pgw_str_eq_z(member, kinds[kind]))
                        snprintf(out, PGW_HOOK_PLACE_MAX, "/rules/%zu/%s", rule, kinds[kind]);
}

static enum pgw_err refuse(const struct pgw_exchange *x, size_t rule, struct pgw_fault *fault,
                           char place[PGW_HOOK_PLACE_MAX])
{
        if (pgw_violations_count(&x->violations) == 0) {
                place[0] = '\0';
                return pgw_fault_config(fault, "no invalidation can come of it");
        }
        const struct pgw_violation *first = pgw_violations_at(&x->violations, 0);

        place_of(first->pointer, rule, place);
        if (x->who)
                return pgw_fault_config(fault, "is not what the identity '%s' may do: %s",
                                        x->who->name, first->detail);
        return pgw_fault_config(fault, "every delivery would be refused: `%s` %s",
                                first->pointer + strspn(first->pointer, "#/"), first->detail);
}

enum pgw_err pgw_hook_check(const struct pgw_hook *hook, const struct pgw_hooks_sources *from,
                            struct pgw_fault *fault, char place[PGW_HOOK_PLACE_MAX])
{
        enum pgw_err err = PGW_OK;

        for (size_t i = 0; i < hook->rule_count && !err; i++) {
                struct pgw_exchange *x = pgw_alloc(sizeof *x);
                h2o_req_t *req = pgw_alloc(sizeof *req);
                h2o_mem_init_pool(&req->pool);
                x->req = req;
                x->body = sample_of(hook, &hook->rules[i]);
                if (check_body(x, hook, from))
                        err = refuse(x, i, fault, place);
                json_decref(x->body);
                pgw_violations_fini(&x->violations);
                h2o_mem_clear_pool(&req->pool);
                pgw_free(req);
                pgw_free(x);
        }
        return err;
}
