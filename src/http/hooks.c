#include "http/hooks.h"

#include <string.h>

#include "base/alloc.h"
#include "http/hooks_priv.h"

size_t pgw_hooks_count(const struct pgw_hooks *hooks)
{
        return hooks->count;
}

const struct pgw_hook *pgw_hooks_find(const struct pgw_hooks *hooks, struct pgw_str name)
{
        for (size_t i = 0; hooks && i < hooks->count; i++)
                if (pgw_str_eq_z(name, hooks->all[i].name))
                        return &hooks->all[i];
        return NULL;
}

struct pgw_hooks *pgw_hooks_hold(struct pgw_hooks *hooks)
{
        if (hooks)
                (void)__atomic_add_fetch(&hooks->holders, 1, __ATOMIC_RELAXED);
        return hooks;
}

static void text_free(struct pgw_str text)
{
        pgw_free((char *)(uintptr_t)text.p);
}

static void rule_free(struct pgw_hook_rule *rule)
{
        for (size_t i = 0; i < rule->condition_count; i++) {
                struct pgw_hook_condition *condition = &rule->conditions[i];
                for (size_t k = 0; k < condition->choice_count; k++)
                        text_free(condition->choices[k]);
                pgw_free(condition->choices);
                pgw_template_free(condition->value);
        }
        pgw_free(rule->conditions);
        for (size_t kind = 0; kind < PGW_HOOK_KIND_COUNT; kind++) {
                for (size_t i = 0; i < rule->selectors[kind].count; i++)
                        pgw_template_free(rule->selectors[kind].items[i]);
                pgw_free(rule->selectors[kind].items);
        }
}

static void hook_free(struct pgw_hook *hook)
{
        for (size_t i = 0; i < hook->signing.secret_count; i++) {
                const struct pgw_str secret = hook->signing.secrets[i];
                explicit_bzero((char *)(uintptr_t)secret.p, secret.n);
                text_free(secret);
        }
        text_free(hook->signing.header);
        text_free(hook->signing.prefix);
        text_free(hook->as);
        pgw_free(hook->name);
        pgw_template_free(hook->id);
        for (size_t i = 0; i < hook->rule_count; i++)
                rule_free(&hook->rules[i]);
        pgw_free(hook->rules);
        json_decref(hook->job);
}

void pgw_hooks_drop(struct pgw_hooks *hooks)
{
        if (!hooks || __atomic_sub_fetch(&hooks->holders, 1, __ATOMIC_ACQ_REL) > 0)
                return;
        for (size_t i = 0; i < hooks->count; i++)
                hook_free(&hooks->all[i]);
        pgw_free(hooks->all);
        pgw_free(hooks);
}
