#include "http/targets.h"

#include <stdio.h>
#include <string.h>

#include <h2o.h>
#include <jansson.h>

#include "base/json.h"
#include "http/selectors.h"

static pgw_target_set all_of(const struct pgw_gateway *g)
{
        return (pgw_target_set)(((uint64_t)1 << g->links.target_count) - 1);
}

/* What there is, for whoever named what is not. */
static void refuse(struct pgw_exchange *x, const char *pointer)
{
        const struct pgw_gateway *g = x->gateway;
        char names[160] = "";
        size_t n = 0;

        for (size_t i = 0; i < g->links.target_count && n < sizeof names; i++)
                n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "",
                                      g->targets[i].name);
        pgw_violations_add(&x->violations, pointer, "is not the name of a target; there is %s",
                           names);
}

static pgw_target_set find(struct pgw_exchange *x, struct pgw_str name, const char *pointer)
{
        const struct pgw_gateway *g = x->gateway;

        for (size_t i = 0; i < g->links.target_count; i++)
                if (pgw_str_eq_z(name, g->targets[i].name))
                        return (pgw_target_set)1 << i;
        refuse(x, pointer);
        return 0;
}

pgw_target_set pgw_targets_of_body(struct pgw_exchange *x)
{
        const bool has_one = pgw_json_get(x->body, "target") != NULL,
                   has_list = pgw_json_get(x->body, "targets") != NULL;
        struct pgw_selectors names;
        pgw_target_set set = 0;
        char pointer[32];

        if (has_one && has_list)
                pgw_violations_add(&x->violations, "#/target", "does not go with `targets`");
        if (has_one)
                return find(x, pgw_selectors_text(x, "target"), "#/target");
        if (!has_list)
                return all_of(x->gateway);
        pgw_selectors_texts(x, "targets", &names);
        for (size_t i = 0; i < names.count; i++) {
                snprintf(pointer, sizeof pointer, "#/targets/%zu", i);
                set |= find(x, names.items[i], pointer);
        }
        return set;
}

const struct pgw_gateway_target *pgw_targets_of_query(struct pgw_exchange *x)
{
        const struct pgw_str name = pgw_params_get(&x->params, "target");

        if (!pgw_params_has(&x->params, "target"))
                return &x->gateway->targets[0];
        for (size_t i = 0; i < x->gateway->links.target_count; i++)
                if (pgw_str_eq_z(name, x->gateway->targets[i].name))
                        return &x->gateway->targets[i];
        refuse(x, "#/query/target");
        return NULL;
}

/* All that a worker has, whatever there is then. Who names each target, or is let in at those of
 * today, means no other: a worker may know more of them than we do, or have more by the time. */
static bool means_all(const struct pgw_exchange *x)
{
        return !pgw_json_get(x->body, "target") && !pgw_json_get(x->body, "targets") &&
               (!x->identities || x->who->targets == PGW_TARGETS_ANY);
}

struct pgw_str pgw_targets_names(struct pgw_exchange *x, pgw_target_set set)
{
        const struct pgw_gateway *g = x->gateway;
        char names[PGW_TARGETS_MAX * (PGW_TARGET_NAME_MAX + 1)];
        size_t n = 0;

        if (means_all(x))
                return PGW_STR("");
        for (size_t i = 0; i < g->links.target_count; i++)
                if (pgw_targets_has(set, i))
                        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? "," : "",
                                              g->targets[i].name);
        return pgw_exchange_keep(x, pgw_str_of(names, n));
}
