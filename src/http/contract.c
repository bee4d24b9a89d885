/* Finding and checking: what happens for every request, without an allocation unless a
 * parameter must become a JSON value to be checked. */
#include "http/contract.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "http/contract_priv.h"

static bool route_matches(const struct pgw_route *route, struct pgw_str path,
                          struct pgw_path_params *params)
{
        params->count = 0;
        if (path.n == 0 || path.p[0] != '/')
                return false;
        path = pgw_str_of(path.p + 1, path.n - 1);
        for (size_t i = 0; i < route->segment_count; i++) {
                struct pgw_str segment, tail;
                const bool more = pgw_str_cut(path, '/', &segment, &tail);
                if (!more)
                        segment = path;
                if (more != (i + 1 < route->segment_count))
                        return false;
                if (route->segments[i].variable) {
                        if (segment.n == 0)
                                return false;
                        params->values[params->count++] = segment;
                } else if (!pgw_str_eq(segment, route->segments[i].text)) {
                        return false;
                }
                if (more)
                        path = tail;
        }
        return true;
}

enum pgw_err pgw_contract_find(const struct pgw_contract *c, struct pgw_str method,
                               struct pgw_str path, struct pgw_path_params *params,
                               const struct pgw_operation **ret_op, struct pgw_str *allow)
{
        if (pgw_str_eq(method, PGW_STR("HEAD")))
                method = PGW_STR("GET");
        for (size_t i = 0; i < c->route_count; i++) {
                const struct pgw_route *route = &c->routes[i];
                if (!route_matches(route, path, params))
                        continue;
                for (size_t k = 0; k < route->operation_count; k++)
                        if (pgw_str_eq_z(method, route->operations[k].method)) {
                                *ret_op = &route->operations[k].op;
                                return PGW_OK;
                        }
                *allow = pgw_str_z(route->allow);
                return PGW_E_METHOD;
        }
        return PGW_E_NO_ROUTE;
}

const struct pgw_operation *pgw_contract_operation(const struct pgw_contract *c, const char *id)
{
        for (size_t i = 0; i < c->route_count; i++)
                for (size_t k = 0; k < c->routes[i].operation_count; k++)
                        if (!strcmp(c->routes[i].operations[k].op.id, id))
                                return &c->routes[i].operations[k].op;
        pgw_panic("no operation %s", id);
}

const char *pgw_operation_media_type(const struct pgw_operation *op)
{
        return op->_parts->media_type;
}

bool pgw_operation_body_required(const struct pgw_operation *op)
{
        return op->_parts->body_required;
}

enum pgw_err pgw_operation_check_body(const struct pgw_operation *op, const json_t *body,
                                      struct pgw_violations *violations)
{
        return pgw_schema_check(op->_parts->body, body, "#", violations) ? PGW_OK : PGW_E_SCHEMA;
}

/* Percent-decode into the parameters' own text; '+' is a space in a query. False when it is not
 * encoded rightly. */
static bool decode(struct pgw_params *params, struct pgw_str from, bool plus, struct pgw_str *ret)
{
        char *out = params->_text + params->_used;
        size_t n = 0;

        for (size_t i = 0; i < from.n; i++) {
                char c = from.p[i];
                if (c == '%') {
                        if (i + 2 >= from.n || pgw_unhex(pgw_str_of(from.p + i + 1, 2), &c))
                                return false;
                        i += 2;
                } else if (c == '+' && plus) {
                        c = ' ';
                }
                out[n++] = c;
        }
        params->_used += n;
        *ret = pgw_str_of(out, n);
        return true;
}

/* A text as the JSON value that its schema wants; NULL when it cannot be one. */
static json_t *to_json(const struct pgw_schema *schema, struct pgw_str text)
{
        const bool negative = text.n && text.p[0] == '-';
        uint64_t number;

        if (pgw_schema_is_integer(schema)) {
                const struct pgw_str digits = negative ? pgw_str_of(text.p + 1, text.n - 1) : text;
                if (pgw_str_to_u64(digits, (uint64_t)INT64_MAX + negative, &number))
                        return NULL;
                return json_integer((json_int_t)(negative ? 0 - number : number));
        }
        if (pgw_schema_is_boolean(schema)) {
                if (pgw_str_eq_z(text, "true"))
                        return json_true();
                return pgw_str_eq_z(text, "false") ? json_false() : NULL;
        }
        if (pgw_schema_is_number(schema)) {
                json_t *value = json_loadb(text.p ? text.p : "", text.n, JSON_DECODE_ANY, NULL);
                if (json_is_number(value))
                        return value;
                json_decref(value);
                return NULL;
        }
        return json_stringn(text.p ? text.p : "", text.n);
}

static void point(char *out, size_t size, const struct pgw_param *p)
{
        static const char *const places[] = {"path", "query", "header"};

        snprintf(out, size, "#/%s/%s", places[p->place], p->name);
}

/* Also one that does not fit is there, not missing, and the only one of its name. */
static void note(struct pgw_params *params, const struct pgw_param *p, struct pgw_str value)
{
        PGW_ASSERT(params->_count < PGW_PARAMS_MAX);
        params->_items[params->_count].name = p->name;
        params->_items[params->_count++].value = value;
}

static bool take(const struct pgw_param *p, struct pgw_str value, struct pgw_params *params,
                 struct pgw_violations *violations)
{
        char pointer[96];
        bool fits = true;

        note(params, p, value);
        point(pointer, sizeof pointer, p);
        if (!(p->may_be_empty && value.n == 0)) {
                json_t *json = to_json(p->schema, value);
                if (!json) {
                        pgw_violations_add(violations, pointer, "must be %s",
                                           pgw_schema_is_integer(p->schema)   ? "a whole number"
                                           : pgw_schema_is_boolean(p->schema) ? "true or false"
                                           : pgw_schema_is_number(p->schema)  ? "a number"
                                                                              : "UTF-8 text");
                        return false;
                }
                fits = pgw_schema_check(p->schema, json, pointer, violations);
                json_decref(json);
        }
        return fits;
}

static const struct pgw_param *find_param(const struct pgw_operation_parts *parts,
                                          enum pgw_param_place place, struct pgw_str name)
{
        for (size_t i = 0; i < parts->param_count; i++)
                if (parts->params[i].place == place && pgw_str_eq_z(name, parts->params[i].name))
                        return &parts->params[i];
        return NULL;
}

static bool take_pair(const struct pgw_operation_parts *parts, struct pgw_str pair,
                      struct pgw_params *params, struct pgw_violations *violations)
{
        struct pgw_str name = pair, value = {"", 0};

        (void)pgw_str_cut(pair, '=', &name, &value);
        const struct pgw_param *p = find_param(parts, PGW_IN_QUERY, name);
        if (!p) {
                pgw_violations_add(violations, "#/query",
                                   "'%.*s' is not a parameter of this operation",
                                   (int)(name.n < 40 ? name.n : 40), name.p);
                return false;
        }
        if (pgw_params_has(params, p->name)) {
                pgw_violations_add(violations, "#/query", "'%s' may be given once", p->name);
                return false;
        }
        if (!decode(params, value, true, &value)) {
                note(params, p, PGW_STR(""));
                pgw_violations_add(violations, "#/query",
                                   "the value of '%s' is not percent-encoded rightly", p->name);
                return false;
        }
        return take(p, value, params, violations);
}

static bool take_query(const struct pgw_operation_parts *parts, struct pgw_str query,
                       struct pgw_params *params, struct pgw_violations *violations)
{
        bool fits = true;

        while (query.n) {
                struct pgw_str pair = query, rest = {NULL, 0};
                (void)pgw_str_cut(query, '&', &pair, &rest);
                if (pair.n)
                        fits &= take_pair(parts, pair, params, violations);
                query = rest;
        }
        return fits;
}

static bool take_other(const struct pgw_param *p, const struct pgw_path_params *path,
                       pgw_header_f *header, void *ctx, struct pgw_params *params,
                       struct pgw_violations *violations)
{
        struct pgw_str value;
        char pointer[96];

        if (p->place == PGW_IN_PATH) {
                if (decode(params, path->values[p->segment], false, &value))
                        return take(p, value, params, violations);
                point(pointer, sizeof pointer, p);
                pgw_violations_add(violations, pointer, "is not percent-encoded rightly");
                return false;
        }
        if (p->place == PGW_IN_HEADER) {
                value = header(ctx, pgw_str_z(p->header));
                if (value.p)
                        return take(p, value, params, violations);
        }
        /* A query was taken already; a header of its name has been looked for above. */
        if (!p->required || (p->place == PGW_IN_QUERY && pgw_params_has(params, p->name)))
                return true;
        point(pointer, sizeof pointer, p);
        pgw_violations_add(violations, pointer, "is missing");
        return false;
}

enum pgw_err pgw_operation_check_params(const struct pgw_operation *op,
                                        const struct pgw_path_params *path, struct pgw_str query,
                                        pgw_header_f *header, void *ctx, struct pgw_params *ret,
                                        struct pgw_violations *violations)
{
        const struct pgw_operation_parts *parts = op->_parts;
        size_t size = query.n;

        for (size_t i = 0; i < path->count; i++)
                size += path->values[i].n;
        if (size)
                ret->_text = pgw_alloc(size);
        bool fits = take_query(parts, query, ret, violations);
        for (size_t i = 0; i < parts->param_count; i++)
                fits &= take_other(&parts->params[i], path, header, ctx, ret, violations);
        return fits ? PGW_OK : PGW_E_SCHEMA;
}

void pgw_params_fini(struct pgw_params *params)
{
        pgw_free(params->_text);
        *params = (struct pgw_params){._count = 0};
}

bool pgw_params_has(const struct pgw_params *params, const char *name)
{
        for (size_t i = 0; i < params->_count; i++)
                if (!strcmp(params->_items[i].name, name))
                        return true;
        return false;
}

struct pgw_str pgw_params_get(const struct pgw_params *params, const char *name)
{
        for (size_t i = 0; i < params->_count; i++)
                if (!strcmp(params->_items[i].name, name))
                        return params->_items[i].value;
        return (struct pgw_str){NULL, 0};
}

enum pgw_err pgw_params_get_u64(const struct pgw_params *params, const char *name, uint64_t *ret)
{
        const struct pgw_str value = pgw_params_get(params, name);

        return value.p ? pgw_str_to_u64(value, UINT64_MAX, ret) : PGW_E_INVALID;
}

struct pgw_str pgw_contract_yaml(const struct pgw_contract *c)
{
        return pgw_str_of(c->yaml, c->yaml_size);
}

struct pgw_str pgw_contract_json(const struct pgw_contract *c)
{
        return pgw_str_z(c->json);
}
