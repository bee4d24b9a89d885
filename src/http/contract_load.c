/* From the document to routes. Only what is understood is accepted: one media type for a
 * body, parameters of simple types in their default style, operations that this program
 * has. The document is kept, because schemas and names point into it.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/yaml.h"
#include "http/contract_priv.h"

#define PGW_ROUTES_MAX     256
#define PGW_OPERATIONS_MAX 256

struct loader {
        struct pgw_contract *contract;
        const char *const *names;
        bool bound[PGW_OPERATIONS_MAX];
        struct pgw_fault *fault;
};

static const struct {
        const char *key, *method;
} methods[] = {
    {"get", "GET"},       {"put", "PUT"},     {"post", "POST"},
    {"delete", "DELETE"}, {"patch", "PATCH"}, {"options", "OPTIONS"},
};

static enum pgw_err refuse(struct loader *l, const char *where, const char *what)
{
        pgw_fault_set(l->fault, where, "%s", what);
        return PGW_E_CONTRACT;
}

/* Follow one "$ref" to a component; schemas resolve their own. */
static const json_t *follow(struct loader *l, const json_t *node, const char *kind)
{
        const char *ref = json_string_value(json_object_get(node, "$ref"));
        char prefix[64];

        if (!ref)
                return node;
        const int n = snprintf(prefix, sizeof prefix, "#/components/%s/", kind);
        if (strncmp(ref, prefix, (size_t)n) != 0)
                return NULL;
        const json_t *components = json_object_get(l->contract->document, "components");
        return json_object_get(json_object_get(components, kind), ref + n);
}

static enum pgw_err load_param(struct loader *l, const struct pgw_route *route, const json_t *given,
                               const char *where, struct pgw_param *p)
{
        const json_t *node = follow(l, given, "parameters");
        const char *in = json_string_value(json_object_get(node, "in"));
        const char *name = json_string_value(json_object_get(node, "name"));

        if (!in || !name || strlen(name) >= sizeof p->header)
                return refuse(l, where,
                              "a parameter needs `name` and `in`, or its reference leads nowhere");
        p->name = name;
        p->required = json_is_true(json_object_get(node, "required"));
        p->may_be_empty = json_is_true(json_object_get(node, "allowEmptyValue"));
        for (size_t i = 0; name[i]; i++)
                p->header[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
        if (!strcmp(in, "query")) {
                p->place = PGW_IN_QUERY;
        } else if (!strcmp(in, "header")) {
                p->place = PGW_IN_HEADER;
        } else if (!strcmp(in, "path")) {
                bool found = false;
                p->place = PGW_IN_PATH;
                for (size_t i = 0, k = 0; i < route->segment_count; i++) {
                        if (!route->segments[i].variable)
                                continue;
                        if (pgw_str_eq_z(route->segments[i].text, name)) {
                                p->segment = k;
                                found = true;
                        }
                        k++;
                }
                if (!found)
                        return refuse(l, where, "a path parameter does not stand in the path");
        } else {
                return refuse(l, where, "a parameter must be in path, query or header");
        }
        return pgw_schemas_compile(l->contract->schemas, json_object_get(node, "schema"), where,
                                   l->fault, &p->schema);
}

static enum pgw_err load_params(struct loader *l, const struct pgw_route *route, const json_t *list,
                                const char *where, struct pgw_operation_parts *parts)
{
        for (size_t i = 0; i < json_array_size(list); i++) {
                struct pgw_param *p;
                if (parts->param_count == PGW_PARAMS_MAX)
                        return refuse(l, where, "too many parameters");
                parts->params =
                    pgw_realloc(parts->params, (parts->param_count + 1) * sizeof *parts->params);
                p = &parts->params[parts->param_count];
                memset(p, 0, sizeof *p);
                enum pgw_err err = load_param(l, route, json_array_get(list, i), where, p);
                if (err)
                        return err;
                parts->param_count++;
        }
        return PGW_OK;
}

static enum pgw_err load_body(struct loader *l, const json_t *operation, const char *where,
                              struct pgw_operation_parts *parts)
{
        const json_t *given = json_object_get(operation, "requestBody");
        const json_t *body = given ? follow(l, given, "requestBodies") : NULL;
        json_t *content = json_object_get(body, "content");

        if (!given)
                return PGW_OK;
        if (json_object_size(content) != 1)
                return refuse(l, where, "a body must have exactly one media type");
        void *only = json_object_iter(content);
        parts->media_type = json_object_iter_key(only);
        parts->body_required = json_is_true(json_object_get(body, "required"));
        return pgw_schemas_compile(l->contract->schemas,
                                   json_object_get(json_object_iter_value(only), "schema"), where,
                                   l->fault, &parts->body);
}

static enum pgw_err bind(struct loader *l, const json_t *operation, const char *where,
                         struct pgw_operation *op)
{
        const char *id = json_string_value(json_object_get(operation, "operationId"));

        if (!id)
                return refuse(l, where, "the operation has no operationId");
        for (unsigned i = 0; l->names[i]; i++) {
                PGW_ASSERT(i < PGW_OPERATIONS_MAX);
                if (strcmp(id, l->names[i]) != 0)
                        continue;
                if (l->bound[i]) {
                        pgw_fault_set(l->fault, where, "the operationId '%.80s' stands here twice",
                                      id);
                        return PGW_E_CONTRACT;
                }
                l->bound[i] = true;
                op->id = l->names[i];
                op->handler = i;
                return PGW_OK;
        }
        pgw_fault_set(l->fault, where, "this program has no operation '%.80s'", id);
        return PGW_E_CONTRACT;
}

static enum pgw_err load_scopes(struct loader *l, const json_t *operation, const char *where,
                                pgw_scope_set *ret)
{
        const json_t *list = json_object_get(operation, "x-purgeway-scopes"), *word;
        size_t i;

        if (!json_is_array(list))
                return refuse(l, where,
                              "the operation has no x-purgeway-scopes, a list of the scopes that "
                              "open it; the empty list opens it to everybody");
        json_array_foreach(list, i, word)
        {
                const char *text = json_string_value(word);
                if (!text || pgw_scope_add(ret, pgw_str_z(text)) != PGW_OK) {
                        pgw_fault_set(l->fault, where,
                                      "x-purgeway-scopes: there is no scope '%.40s'",
                                      text ? text : "");
                        return PGW_E_CONTRACT;
                }
        }
        return PGW_OK;
}

static enum pgw_err load_operation(struct loader *l, struct pgw_route *route, const json_t *item,
                                   const json_t *operation, const char *method, const char *path)
{
        struct pgw_operation *op = &route->operations[route->operation_count].op;
        char where[128];

        snprintf(where, sizeof where, "%s %.100s", method, path);
        enum pgw_err err = bind(l, operation, where, op);
        if (err)
                return err;
        route->operations[route->operation_count++].method = method;
        op->_parts = pgw_alloc(sizeof *op->_parts);
        err = load_scopes(l, operation, where, &op->scopes);
        if (!err)
                err = load_params(l, route, json_object_get(item, "parameters"), where, op->_parts);
        if (!err)
                err = load_params(l, route, json_object_get(operation, "parameters"), where,
                                  op->_parts);
        return err ? err : load_body(l, operation, where, op->_parts);
}

static enum pgw_err split_path(struct loader *l, struct pgw_route *route, const char *path)
{
        struct pgw_str rest = pgw_str_z(path), segment;
        size_t variables = 0;

        if (path[0] != '/')
                return refuse(l, path, "a path must begin with '/'");
        rest = pgw_str_of(rest.p + 1, rest.n - 1);
        for (bool more = true; more;) {
                struct pgw_str tail;
                if (route->segment_count == PGW_SEGMENTS_MAX)
                        return refuse(l, path, "the path has too many segments");
                more = pgw_str_cut(rest, '/', &segment, &tail);
                if (!more)
                        segment = rest;
                const bool variable =
                    segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
                if (variable) {
                        segment = pgw_str_of(segment.p + 1, segment.n - 2);
                        if (++variables > PGW_PATH_PARAMS_MAX)
                                return refuse(l, path, "the path has too many variables");
                } else if (segment.n && (memchr(segment.p, '{', segment.n))) {
                        return refuse(l, path, "a variable must fill its segment");
                }
                route->segments[route->segment_count].text = segment;
                route->segments[route->segment_count++].variable = variable;
                if (more)
                        rest = tail;
        }
        return PGW_OK;
}

static void write_allow(struct pgw_route *route)
{
        size_t n = 0;

        for (size_t i = 0; i < route->operation_count; i++) {
                const char *method = route->operations[i].method;
                n += (size_t)snprintf(route->allow + n, sizeof route->allow - n, "%s%s%s",
                                      n ? ", " : "", method, strcmp(method, "GET") ? "" : ", HEAD");
        }
}

static enum pgw_err load_path(struct loader *l, const char *path, const json_t *item)
{
        struct pgw_contract *c = l->contract;
        const char *key;
        json_t *value;

        if (c->route_count == PGW_ROUTES_MAX)
                return refuse(l, path, "too many paths");
        c->routes = pgw_realloc(c->routes, (c->route_count + 1) * sizeof *c->routes);
        struct pgw_route *route = &c->routes[c->route_count++];
        memset(route, 0, sizeof *route);
        enum pgw_err err = split_path(l, route, path);

        json_object_foreach((json_t *)(uintptr_t)item, key, value)
        {
                size_t i = 0;
                while (i < sizeof methods / sizeof methods[0] && strcmp(key, methods[i].key) != 0)
                        i++;
                if (i < sizeof methods / sizeof methods[0] && !err)
                        err = load_operation(l, route, item, value, methods[i].method, path);
                else if (!err && strcmp(key, "parameters") && strcmp(key, "summary") &&
                         strcmp(key, "description") && strncmp(key, "x-", 2))
                        err = refuse(l, path, "a path has an entry that is not supported");
        }
        write_allow(route);
        return err;
}

/* Every named schema is compiled, used or not, so that a mistake in one is found. */
static enum pgw_err load_components(struct loader *l)
{
        const json_t *components = json_object_get(l->contract->document, "components");
        const char *name;
        json_t *node;

        json_object_foreach(json_object_get(components, "schemas"), name, node)
        {
                const struct pgw_schema *schema;
                char where[128];
                snprintf(where, sizeof where, "#/components/schemas/%.90s", name);
                enum pgw_err err =
                    pgw_schemas_compile(l->contract->schemas, node, where, l->fault, &schema);
                if (err)
                        return err;
        }
        return PGW_OK;
}

static enum pgw_err load_all(struct loader *l)
{
        const json_t *document = l->contract->document;
        const char *version = json_string_value(json_object_get(document, "openapi"));
        const char *path;
        json_t *item;

        if (!version || strncmp(version, "3.0.", 4) != 0)
                return refuse(l, "openapi", "the contract must be OpenAPI 3.0");
        enum pgw_err err = load_components(l);
        json_object_foreach(json_object_get(document, "paths"), path, item)
        {
                if (!err)
                        err = load_path(l, path, item);
        }
        for (unsigned i = 0; l->names[i] && !err; i++)
                if (!l->bound[i]) {
                        pgw_fault_set(l->fault, "paths", "the contract lacks the operation '%s'",
                                      l->names[i]);
                        err = PGW_E_CONTRACT;
                }
        return err;
}

static size_t variables_of(const struct pgw_route *route)
{
        size_t count = 0;

        for (size_t i = 0; i < route->segment_count; i++)
                count += route->segments[i].variable;
        return count;
}

/* A path without variables goes before one with them, wherever it stands in the file (OpenAPI
 * 3.0, Paths Object). There are few. */
static void sort_routes(struct pgw_contract *c)
{
        for (size_t i = 1; i < c->route_count; i++) {
                const struct pgw_route moved = c->routes[i];
                size_t k = i;
                for (; k > 0 && variables_of(&c->routes[k - 1]) > variables_of(&moved); k--)
                        c->routes[k] = c->routes[k - 1];
                c->routes[k] = moved;
        }
}

enum pgw_err pgw_contract_load(struct pgw_str bytes, const char *const *names,
                               struct pgw_fault *fault, struct pgw_contract **ret)
{
        struct pgw_contract *c = pgw_alloc(sizeof *c);
        struct loader l = {.contract = c, .names = names, .fault = fault};
        enum pgw_err err = pgw_yaml_load(bytes.p, bytes.n, fault, &c->document, NULL);

        if (!err) {
                c->yaml = pgw_memdup(bytes.p, bytes.n);
                c->yaml_size = bytes.n;
                c->schemas = pgw_schemas_new(c->document);
                err = load_all(&l);
        }
        if (!err) {
                sort_routes(c);
                const size_t size = json_dumpb(c->document, NULL, 0, JSON_COMPACT);
                c->json = pgw_alloc(size + 1);
                PGW_ASSERT(json_dumpb(c->document, c->json, size, JSON_COMPACT) == size);
        }
        if (err) {
                pgw_contract_free(c);
                return err;
        }
        *ret = c;
        return PGW_OK;
}

void pgw_contract_free(struct pgw_contract *c)
{
        if (!c)
                return;
        for (size_t i = 0; i < c->route_count; i++)
                for (size_t k = 0; k < c->routes[i].operation_count; k++) {
                        struct pgw_operation_parts *parts = c->routes[i].operations[k].op._parts;
                        if (parts)
                                pgw_free(parts->params);
                        pgw_free(parts);
                }
        pgw_free(c->routes);
        pgw_schemas_free(c->schemas);
        json_decref(c->document);
        pgw_free(c->yaml);
        pgw_free(c->json);
        pgw_free(c);
}
