/* Selectors are gathered in objects, whose members are the selectors: so each is there once, and in
 * the order in which it came. */
#include "http/hook_map.h"

#include <string.h>

#include "base/alloc.h"

static const char *const kinds[PGW_HOOK_KIND_COUNT] = {"keys", "patterns", "tags"};

struct gathering {
        json_t *sets[PGW_HOOK_KIND_COUNT];
        json_t *into; /* the set that texts go to */
        size_t unfit; /* texts that are no UTF-8, so cannot stand in a body */
        size_t room;  /* bytes of selectors that may still come */
        struct pgw_template_budget budget;
};

/* ---- conditions ---- */

struct trial {
        const struct pgw_hook_condition *condition;
        bool fits, is_there;
};

static enum pgw_err try_text(void *ctx, struct pgw_str text)
{
        struct trial *trial = ctx;
        const struct pgw_hook_condition *c = trial->condition;

        trial->is_there = true;
        for (size_t i = 0; i < c->choice_count; i++)
                trial->fits |= c->test == PGW_HOOK_PREFIX ? pgw_str_starts(text, c->choices[i])
                                                          : pgw_str_eq(text, c->choices[i]);
        return PGW_OK;
}

static enum pgw_err holds(const struct pgw_hook_condition *condition,
                          const struct pgw_cloud_event *event, struct pgw_template_budget *budget,
                          bool *ret)
{
        struct trial trial = {.condition = condition};
        const struct pgw_template_output out = {.budget = budget, .each = try_text, .ctx = &trial};
        size_t missing;
        const enum pgw_err err = pgw_template_expand(condition->value, event, &out, &missing);

        switch (condition->test) {
        case PGW_HOOK_EXISTS:
                *ret = trial.is_there;
                break;
        case PGW_HOOK_ABSENT:
                *ret = !trial.is_there;
                break;
        case PGW_HOOK_IN:
        case PGW_HOOK_PREFIX:
                *ret = trial.fits;
                break;
        }
        return err;
}

static enum pgw_err all_hold(const struct pgw_hook_rule *rule, const struct pgw_cloud_event *event,
                             struct pgw_template_budget *budget, bool *ret)
{
        enum pgw_err err = PGW_OK;

        *ret = true;
        for (size_t i = 0; i < rule->condition_count && *ret && !err; i++)
                err = holds(&rule->conditions[i], event, budget, ret);
        return err;
}

/* ---- selectors ---- */

static enum pgw_err gather_text(void *ctx, struct pgw_str text)
{
        struct gathering *g = ctx;
        const size_t had = json_object_size(g->into), size = text.n + PGW_HOOK_TEXT_OVERHEAD;

        if (json_object_setn_new(g->into, text.p, text.n, json_true()))
                g->unfit++;
        if (json_object_size(g->into) == had)
                return PGW_OK;
        if (size > g->room)
                return PGW_E_TOO_LARGE;
        g->room -= size;
        return PGW_OK;
}

static json_t *string_of(struct pgw_str text)
{
        return json_stringn(text.p, text.n);
}

/* Of many events the same may be missing in each. */
static void tell_once(json_t *missing, struct pgw_str source)
{
        for (size_t i = 0; i < json_array_size(missing); i++) {
                const json_t *told = json_array_get(missing, i);
                if (pgw_str_eq(source,
                               pgw_str_of(json_string_value(told), json_string_length(told))))
                        return;
        }
        json_array_append_new(missing, string_of(source));
}

static enum pgw_err gather(const struct pgw_hook_rule *rule, const struct pgw_cloud_event *event,
                           struct gathering *g, json_t *missing, size_t *count)
{
        enum pgw_err err = PGW_OK;

        for (size_t kind = 0; kind < PGW_HOOK_KIND_COUNT; kind++) {
                const struct pgw_hook_templates *list = &rule->selectors[kind];
                const struct pgw_template_output out = {.is_pattern = kind == PGW_HOOK_PATTERNS,
                                                        .budget = &g->budget,
                                                        .each = gather_text,
                                                        .ctx = g};
                g->into = g->sets[kind];
                for (size_t i = 0; i < list->count && !err; i++) {
                        size_t missed = 0;
                        g->unfit = 0;
                        err = pgw_template_expand(list->items[i], event, &out, &missed);
                        missed += g->unfit;
                        *count += missed;
                        if (missed && missing)
                                tell_once(missing, pgw_template_source(list->items[i]));
                }
        }
        return err;
}

static enum pgw_err apply(const struct pgw_hook *hook, size_t index,
                          const struct pgw_cloud_event *event, struct gathering *g,
                          struct pgw_hook_mapped *ret)
{
        const struct pgw_hook_rule *rule = &hook->rules[index];
        json_t *told = json_array_get(ret->rules, index);
        bool does_hold = false;
        enum pgw_err err = all_hold(rule, event, &g->budget, &does_hold);

        if (err || !does_hold)
                return err;
        ret->held++;
        if (told)
                json_object_set_new(told, "held", json_true());
        return gather(rule, event, g, json_object_get(told, "missing"), &ret->missing);
}

static json_t *untold_rules(size_t count)
{
        json_t *rules = json_array();

        for (size_t i = 0; i < count; i++)
                json_array_append_new(rules, json_pack("{s:I, s:b, s:[]}", "rule", (json_int_t)i,
                                                       "held", 0, "missing"));
        return rules;
}

/* NULL when there is no selector. */
static json_t *body_of(const struct pgw_hook *hook, struct gathering *g)
{
        json_t *body = hook->job ? json_deep_copy(hook->job) : json_object();
        size_t count = 0;

        for (size_t kind = 0; kind < PGW_HOOK_KIND_COUNT; kind++) {
                if (json_object_size(g->sets[kind]) == 0)
                        continue;
                json_t *list = json_array();
                for (void *at = json_object_iter(g->sets[kind]); at;
                     at = json_object_iter_next(g->sets[kind], at))
                        json_array_append_new(list,
                                              string_of(pgw_str_of(json_object_iter_key(at),
                                                                   json_object_iter_key_len(at))));
                count += json_array_size(list);
                json_object_set_new(body, kinds[kind], list);
        }
        if (count == 0) {
                json_decref(body);
                return NULL;
        }
        if (json_object_size(g->sets[PGW_HOOK_TAGS]) == 0)
                json_object_del(body, "tags_match");
        json_object_set_new(body, "reason", json_sprintf("webhook %s", hook->name));
        return body;
}

enum pgw_err pgw_hook_map(const struct pgw_hook *hook, const struct pgw_cloud_events *events,
                          const struct pgw_hook_wish *wish, struct pgw_fault *fault,
                          struct pgw_hook_mapped *ret)
{
        struct gathering g = {
            .room = wish->bytes_max,
            .budget = {PGW_HOOK_EXPANSIONS_MAX, PGW_HOOK_TEXTS_FACTOR * wish->bytes_max},
        };
        enum pgw_err err = PGW_OK;

        *ret = (struct pgw_hook_mapped){.held = 0};
        if (wish->rules)
                ret->rules = untold_rules(hook->rule_count);
        for (size_t kind = 0; kind < PGW_HOOK_KIND_COUNT; kind++)
                g.sets[kind] = json_object();
        for (size_t i = 0; i < events->count && !err; i++)
                for (size_t k = 0; k < hook->rule_count && !err; k++)
                        err = apply(hook, k, &events->items[i], &g, ret);
        if (!err)
                ret->invalidation = body_of(hook, &g);
        else
                pgw_fault_set(fault, "",
                              "The rules make more of this delivery than %d texts, than the %zu "
                              "bytes of limits.body_bytes, or one text of more than %d bytes.",
                              PGW_HOOK_EXPANSIONS_MAX, wish->bytes_max, PGW_TEMPLATE_TEXT_MAX);
        for (size_t kind = 0; kind < PGW_HOOK_KIND_COUNT; kind++)
                json_decref(g.sets[kind]);
        return err;
}

void pgw_hook_mapped_fini(struct pgw_hook_mapped *mapped)
{
        json_decref(mapped->invalidation);
        json_decref(mapped->rules);
        *mapped = (struct pgw_hook_mapped){.held = 0};
}

/* ---- by what a delivery is known ---- */

static enum pgw_err take_first(void *ctx, struct pgw_str text)
{
        struct pgw_buf *out = ctx;

        if (out->n == 0 && text.n <= PGW_HOOK_ID_MAX)
                return pgw_buf_add_str(out, text);
        return PGW_OK;
}

enum pgw_err pgw_hook_delivery_id(const struct pgw_hook *hook,
                                  const struct pgw_cloud_events *events, struct pgw_buf *out)
{
        struct pgw_template_budget budget = {PGW_HOOK_EXPANSIONS_MAX,
                                             PGW_HOOK_EXPANSIONS_MAX * PGW_HOOK_ID_MAX};
        const struct pgw_template_output output = {
            .budget = &budget, .each = take_first, .ctx = out};
        size_t missing;

        if (events->count == 0)
                return PGW_OK;
        if (events->items[0].form != PGW_CLOUD_NONE)
                return pgw_cloud_events_id(events, out);
        return pgw_template_expand(hook->id, &events->items[0], &output, &missing);
}
