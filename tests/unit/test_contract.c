/* The contract: which operation a request is, which contracts stop the start, and how parameters
 * and bodies are checked. The contracts are small ones of this file's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "http/contract.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OPEN         ", x-purgeway-scopes: []}" /* whoever can ask may */

static const struct pgw_str nothing;

static const char things[] =
    "openapi: 3.0.3\n"
    "info: {title: Things, version: '1'}\n"
    "paths:\n"
    "  /:\n"
    "    get: {operationId: get_root" OPEN "\n"
    "  /v1/things:\n"
    "    summary: Many\n"
    "    description: of them\n"
    "    x-note: {frobnicate: 1}\n"
    "    get:\n"
    "      operationId: list_things\n      x-purgeway-scopes: []\n"
    "      parameters:\n"
    "        - $ref: '#/components/parameters/Limit'\n"
    "        - {name: name, in: query, schema: {type: string, maxLength: 5}}\n"
    "        - {name: text, in: query, schema: {type: string}}\n"
    "        - {name: offset, in: query, schema: {type: integer}}\n"
    "        - {name: verbose, in: query, allowEmptyValue: true, schema: {type: boolean}}\n"
    "        - {name: X-Tenant, in: header, required: true, schema: {minLength: 1}}\n"
    "        - {name: If-Match, in: header, schema: {type: string, pattern: '^\"'}}\n"
    "    post:\n      operationId: create_thing\n      x-purgeway-scopes: []\n"
    "      requestBody:\n"
    "        required: true\n"
    "        content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}\n"
    "  /v1/things/latest:\n"
    "    get: {operationId: get_latest" OPEN "\n"
    "  /v1/things/{thing_id}:\n"
    "    parameters:\n"
    "      - {name: thing_id, in: path, required: true, schema: {type: string, maxLength: 8}}\n"
    "    get: {operationId: get_thing" OPEN "\n"
    "    put:\n      operationId: put_thing\n      x-purgeway-scopes: []\n"
    "      requestBody: {$ref: '#/components/requestBodies/Thing'}\n"
    "  /v1/{kind}/of/{owner_id}:\n"
    "    delete:\n      operationId: delete_all\n      x-purgeway-scopes: []\n"
    "      parameters:\n"
    "        - {name: owner_id, in: path, required: true, schema: {type: integer}}\n"
    "        - {name: kind, in: path, required: true, schema: {type: string}}\n"
    "        - {name: sure, in: query, required: true, schema: {type: boolean}}\n"
    "components:\n"
    "  parameters:\n"
    "    Limit: {name: limit, in: query, schema: {$ref: '#/components/schemas/Limit'}}\n"
    "  requestBodies:\n"
    "    Thing:\n"
    "      content:\n"
    "        application/merge-patch+json:\n"
    "          schema: {$ref: '#/components/schemas/Thing'}\n"
    "  schemas:\n"
    "    Limit: {type: integer, minimum: 1, maximum: 100}\n"
    "    Thing:\n"
    "      type: object\n"
    "      required: [name]\n"
    "      additionalProperties: false\n"
    "      properties:\n"
    "        name: {type: string, minLength: 1}\n"
    "        parts: {type: array, items: {$ref: '#/components/schemas/Thing'}}\n";

static const char *const names[] = {"put_thing",    "get_root",   "list_things", "get_thing",
                                    "create_thing", "get_latest", "delete_all",  NULL};

static const char *const a[] = {"a", NULL};

static struct pgw_contract *contract;
static struct pgw_violations violations;
static struct pgw_params params;

/* From memory of exactly its size, which is gone afterwards. */
static enum pgw_err load(const char *text, const char *const *operations, struct pgw_fault *fault,
                         struct pgw_contract **ret)
{
        const size_t size = strlen(text);
        char *copy = malloc(size ? size : 1);

        assert_non_null(copy);
        memcpy(copy, text, size);
        const enum pgw_err err = pgw_contract_load(pgw_str_of(copy, size), operations, fault, ret);
        free(copy);
        return err;
}

static void load_good(const char *text, const char *const *operations)
{
        struct pgw_fault fault = {"", ""};

        pgw_contract_free(contract);
        contract = NULL;
        if (load(text, operations, &fault, &contract))
                fail_msg("%s: %s", fault.pointer, fault.detail);
        assert_non_null(contract);
}

static int set_up(void **state)
{
        (void)state;
        load_good(things, names);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        pgw_violations_fini(&violations);
        pgw_contract_free(contract);
        contract = NULL;
        return 0;
}

/* ---- routes ---- */

static struct pgw_path_params path_params;

static const struct pgw_operation *find(const char *method, const char *path)
{
        const struct pgw_operation *op = NULL;
        struct pgw_str allow = nothing;

        const enum pgw_err err = pgw_contract_find(contract, pgw_str_z(method), pgw_str_z(path),
                                                   &path_params, &op, &allow);
        if (err)
                fail_msg("%s %s: %s", method, path, pgw_err_name(err));
        assert_null(allow.p);
        return op;
}

static void finds_operations(void **state)
{
        static const struct {
                const char *method, *path, *id;
                const char *values[2];
        } cases[] = {
            {"GET", "/", "get_root", {NULL}},
            {"GET", "/v1/things", "list_things", {NULL}},
            {"POST", "/v1/things", "create_thing", {NULL}},
            {"GET", "/v1/things/42", "get_thing", {"42"}},
            {"PUT", "/v1/things/a%2Fb", "put_thing", {"a%2Fb"}},
            {"GET", "/v1/things/latest", "get_latest", {NULL}},
            {"GET", "/v1/things/Latest", "get_thing", {"Latest"}},
            {"GET", "/v1/things/{thing_id}", "get_thing", {"{thing_id}"}},
            {"DELETE", "/v1/things/of/7", "delete_all", {"things", "7"}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct pgw_operation *op = find(cases[i].method, cases[i].path);
                assert_string_equal(op->id, cases[i].id);
                assert_string_equal(names[op->handler], cases[i].id);
                size_t count = 0;
                while (count < 2 && cases[i].values[count])
                        count++;
                assert_int_equal(path_params.count, count);
                for (size_t k = 0; k < count; k++)
                        assert_true(pgw_str_eq_z(path_params.values[k], cases[i].values[k]));
        }
}

static void finds_for_head_what_get_does(void **state)
{
        (void)state;
        assert_ptr_equal(find("HEAD", "/v1/things"), find("GET", "/v1/things"));
        assert_ptr_equal(find("HEAD", "/v1/things/42"), find("GET", "/v1/things/42"));
        assert_true(pgw_str_eq_z(path_params.values[0], "42"));
}

static void refuse_to_find(const char *method, struct pgw_str path, enum pgw_err expected,
                           const char *allowed)
{
        const struct pgw_operation *op = NULL;
        struct pgw_str allow = nothing;
        char *copy = malloc(path.n ? path.n : 1);

        assert_non_null(copy);
        if (path.n)
                memcpy(copy, path.p, path.n);
        const enum pgw_err err = pgw_contract_find(
            contract, pgw_str_z(method), pgw_str_of(copy, path.n), &path_params, &op, &allow);
        free(copy);
        if (err != expected || !pgw_str_eq_z(allow, allowed))
                fail_msg("%s %.*s: %s, Allow: %.*s", method, (int)path.n, path.p, pgw_err_name(err),
                         (int)allow.n, allow.p);
        assert_null(op);
}

static void knows_what_is_not_there(void **state)
{
        struct pgw_str path,
            rest = PGW_STR(
                "v1/things * // /v1 /v1/ /v1/thing /v1/thingss /V1/things /v1/things/ //v1/things "
                "/v1//things /v1/things/42/ /v1/things/42/x /v1//of/7 /v1/x/of/ /v1/x/of/7/8 "
                "/v1/%74hings /v1/{kind}/of ");

        (void)state;
        while (pgw_str_cut(rest, ' ', &path, &rest))
                refuse_to_find("GET", path, PGW_E_NO_ROUTE, "");
        refuse_to_find("GET", PGW_STR("/v1/things\0"), PGW_E_NO_ROUTE, "");
        refuse_to_find("FROBNICATE", PGW_STR("/v1/nothing"), PGW_E_NO_ROUTE, "");
        refuse_to_find("GET", nothing, PGW_E_NO_ROUTE, "");
}

static void names_the_methods_that_are_there(void **state)
{
        static const struct {
                const char *method, *path, *allow;
        } cases[] = {
            {"DELETE", "/v1/things", "GET, HEAD, POST"},
            {"get", "/v1/things", "GET, HEAD, POST"},
            {"OPTIONS", "/v1/things/42", "GET, HEAD, PUT"},
            {"POST", "/", "GET, HEAD"},
            {"GET", "/v1/x/of/7", "DELETE"},
            {"HEAD", "/v1/x/of/7", "DELETE"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                refuse_to_find(cases[i].method, pgw_str_z(cases[i].path), PGW_E_METHOD,
                               cases[i].allow);
}

static void allows_every_method_at_once(void **state)
{
        static const char *const all[] = {"a", "b", "c", "d", "e", "f", NULL};

        (void)state;
        load_good("openapi: 3.0.0\npaths:\n  /a:\n"
                  "    get: {operationId: a" OPEN "\n    put: {operationId: b" OPEN "\n"
                  "    post: {operationId: c" OPEN "\n    delete: {operationId: d" OPEN "\n"
                  "    patch: {operationId: e" OPEN "\n    options: {operationId: "
                  "f, x-purgeway-scopes: []}\n",
                  all);
        refuse_to_find("TRACE", PGW_STR("/a"), PGW_E_METHOD,
                       "GET, HEAD, PUT, POST, DELETE, PATCH, OPTIONS");
        assert_string_equal(find("PATCH", "/a")->id, "e");
}

/* OpenAPI 3.0, Paths Object: a path without variables is matched before those with them,
 * wherever it stands. */
static void finds_a_literal_before_a_variable(void **state)
{
        static const char *const both[] = {"one", "latest", NULL};

        (void)state;
        load_good("openapi: 3.0.3\npaths:\n  /things/{id}:\n    get: {operationId: one" OPEN "\n"
                  "  /things/latest:\n    get: {operationId: latest" OPEN "\n",
                  both);
        assert_string_equal(find("GET", "/things/42")->id, "one");
        assert_string_equal(find("GET", "/things/latest")->id, "latest");
}

/* ---- contracts that stop the start ---- */

#define GET_A "  /a:\n    get:\n      operationId: a\n      x-purgeway-scopes: []\n"
#define DOC   "openapi: 3.0.3\npaths:\n"

struct refused {
        const char *text, *pointer, *words;
};

static void refuses_to_load(const struct refused *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct pgw_fault fault = {"", ""};
                struct pgw_contract *none = NULL;
                const enum pgw_err err = load(cases[i].text, a, &fault, &none);
                if (err != PGW_E_CONTRACT || strcmp(fault.pointer, cases[i].pointer) != 0 ||
                    !strstr(fault.detail, cases[i].words))
                        fail_msg("%s\n%s: %s: %s", cases[i].text, pgw_err_name(err), fault.pointer,
                                 fault.detail);
                assert_null(none);
                assert_int_equal(load(cases[i].text, a, NULL, &none), PGW_E_CONTRACT);
        }
}

static void wants_openapi_3_0(void **state)
{
        static const struct refused cases[] = {
            {"", "openapi", "OpenAPI 3.0"},
            {"paths: {}\n", "openapi", "OpenAPI 3.0"},
            {"[1]", "openapi", "OpenAPI 3.0"},
            {"openapi: 3.1.0\npaths:\n" GET_A, "openapi", "OpenAPI 3.0"},
            {"openapi: 3.0\npaths:\n" GET_A, "openapi", "OpenAPI 3.0"},
        };
        struct pgw_fault fault = {"", ""};
        struct pgw_contract *none = NULL;

        (void)state;
        refuses_to_load(cases, COUNT(cases));
        assert_int_equal(load(DOC GET_A "  /b: [\n", names, &fault, &none), PGW_E_CONFIG);
        assert_non_null(strstr(fault.detail, "line "));
        assert_int_equal(load(DOC GET_A GET_A, names, &fault, &none), PGW_E_CONFIG);
        assert_non_null(strstr(fault.detail, "'/a' stands here twice"));
        assert_null(none);
}

static void binds_each_operation_to_one_function(void **state)
{
        static const struct refused cases[] = {
            {DOC "  /a:\n    get: {}\n", "GET /a", "no operationId"},
            {DOC "  /a:\n    get:\n", "GET /a", "no operationId"},
            {DOC GET_A "  /b:\n    put: {operationId: b}\n", "PUT /b", "no operation 'b'"},
            {DOC GET_A "  /b:\n    put: {operationId: A}\n", "PUT /b", "no operation 'A'"},
            {DOC GET_A "  /b:\n    put: {operationId: a}\n", "PUT /b", "'a' stands here twice"},
            {DOC GET_A "    post: {operationId: a}\n", "POST /a", "'a' stands here twice"},
            {"openapi: 3.0.3\n", "paths", "lacks the operation 'a'"},
        };

        (void)state;
        refuses_to_load(cases, COUNT(cases));
}

#define AT(path) DOC "  " path ":\n    get: {operationId: a" OPEN "\n"

static void refuses_paths_it_cannot_match(void **state)
{
        static const struct refused cases[] = {
            {AT("a"), "a", "begin with '/'"},
            {AT("''"), "", "begin with '/'"},
            {AT("/a{b}"), "/a{b}", "fill its segment"},
            {AT("/{a}b"), "/{a}b", "fill its segment"},
            {AT("/{}"), "/{}", "fill its segment"},
            {AT("/{a"), "/{a", "fill its segment"},
            {AT("/{a}/{b}/{c}/{d}/{e}"), "/{a}/{b}/{c}/{d}/{e}", "too many variables"},
            {AT("/1/2/3/4/5/6/7/8/9/10/11/12/"), "/1/2/3/4/5/6/7/8/9/10/11/12/",
             "too many segments"},
            {DOC GET_A "    trace: {operationId: b}\n", "/a", "not supported"},
            {DOC GET_A "    servers: []\n", "/a", "not supported"},
            {DOC GET_A "    $ref: '#/x'\n", "/a", "not supported"},
        };

        (void)state;
        refuses_to_load(cases, COUNT(cases));
        load_good(AT("/{a}/{b}/{c}/{d}/5/6/7/8/9/10/11/12"), a);
        find("GET", "/1/2/3/4/5/6/7/8/9/10/11/12");
        assert_int_equal(path_params.count, 4);
        assert_true(pgw_str_eq_z(path_params.values[3], "4"));
}

#define PARAM(text) DOC GET_A "      parameters: [" text "]\n"
#define SEVENTEENTH "{name: q, in: query, schema: {}}"
#define FOUR(name)                                                                                 \
        "{name: " name "1, in: query, schema: {}}, {name: " name "2, in: query, schema: {}}, "     \
        "{name: " name "3, in: query, schema: {}}, {name: " name "4, in: query, schema: {}}, "
#define SIXTEEN FOUR("a") FOUR("b") FOUR("c") FOUR("d")

static void refuses_parameters_it_cannot_check(void **state)
{
        static const struct refused cases[] = {
            {PARAM("{in: query, schema: {}}"), "GET /a", "needs `name` and `in`"},
            {PARAM("{name: q, schema: {}}"), "GET /a", "needs `name` and `in`"},
            {PARAM("{$ref: '#/components/parameters/Q'}"), "GET /a", "leads nowhere"},
            {PARAM("{$ref: '#/components/schemas/Q'}"), "GET /a", "leads nowhere"},
            {PARAM("{name: q, in: cookie, schema: {}}"), "GET /a", "path, query or header"},
            {PARAM("{name: q, in: path, schema: {}}"), "GET /a", "does not stand in the path"},
            {PARAM("{name: q, in: query}"), "GET /a", "must be a mapping"},
            {PARAM("{name: q, in: query, schema: {frobnicate: 1}}"), "GET /a", "'frobnicate'"},
            {PARAM(SIXTEEN SEVENTEENTH), "GET /a", "too many parameters"},
            {DOC GET_A "    parameters: [{name: q, in: query}]\n", "GET /a", "must be a mapping"},
        };

        (void)state;
        refuses_to_load(cases, COUNT(cases));
}

#define BODY(text)                                                                                 \
        DOC "  /a:\n    post:\n      operationId: a\n      x-purgeway-scopes: []\n      "          \
            "requestBody: " text "\n"

static void refuses_bodies_it_cannot_check(void **state)
{
        static const struct refused cases[] = {
            {BODY("{}"), "POST /a", "exactly one media type"},
            {BODY("{content: {}}"), "POST /a", "exactly one media type"},
            {BODY("{content: {a/b: {schema: {}}, c/d: {schema: {}}}}"), "POST /a",
             "exactly one media type"},
            {BODY("{$ref: '#/components/requestBodies/B'}"), "POST /a", "exactly one media type"},
            {BODY("{content: {a/b: {}}}"), "POST /a", "must be a mapping"},
            {BODY("{content: {a/b: {schema: {frobnicate: 1}}}}"), "POST /a", "'frobnicate'"},
            {BODY("{content: {a/b: {schema: {$ref: '#/nowhere'}}}}"), "POST /a", "'#/nowhere'"},
        };

        (void)state;
        refuses_to_load(cases, COUNT(cases));
}

#define UNUSED(text) DOC GET_A "components: {schemas: {A: {}, B: " text "}}\n"
#define B            "#/components/schemas/B"

/* A rule that nobody refers to would still be believed by its reader. */
static void refuses_mistakes_in_schemas_that_nobody_uses(void **state)
{
        static const struct refused cases[] = {
            {UNUSED("{frobnicate: 1}"), B, "'frobnicate'"},
            {UNUSED("{not: {format: x}}"), B, "`format`"},
            {UNUSED("{pattern: '('}"), B, "pattern"},
            {UNUSED("{$ref: '#/components/schemas/C'}"), B, "leads nowhere"},
        };

        (void)state;
        refuses_to_load(cases, COUNT(cases));
}

/* ---- parameters ---- */

/* The header that came, if any. */
static const char *sent_name, *sent_value;

static struct pgw_str header(void *ctx, struct pgw_str name)
{
        assert_ptr_equal(ctx, &contract);
        for (size_t i = 0; i < name.n; i++)
                assert_false(name.p[i] >= 'A' && name.p[i] <= 'Z');
        return sent_name && pgw_str_eq_z(name, sent_name) ? pgw_str_z(sent_value) : nothing;
}

/* With the query in memory of exactly its size, until the next call. */
static enum pgw_err check(const struct pgw_operation *op, const char *query)
{
        static char *copy;
        const size_t n = strlen(query);

        free(copy);
        copy = n ? malloc(n) : NULL;
        if (n)
                memcpy(copy, query, n);
        pgw_violations_fini(&violations);
        pgw_params_fini(&params);
        const enum pgw_err err = pgw_operation_check_params(
            op, &path_params, pgw_str_of(copy, n), header, &contract, &params, &violations);
        assert_int_equal(err, pgw_violations_count(&violations) ? PGW_E_SCHEMA : PGW_OK);
        return err;
}

/* Of list_things, with the header that it needs. */
static void check_list(const char *query)
{
        sent_name = "x-tenant";
        sent_value = "t";
        (void)check(find("GET", "/v1/things"), query);
}

static bool told(const char *pointer, const char *words)
{
        for (size_t i = 0; i < pgw_violations_count(&violations); i++) {
                const struct pgw_violation *v = pgw_violations_at(&violations, i);
                if (!strncmp(v->pointer, pointer, strlen(pointer)) && strstr(v->detail, words))
                        return true;
        }
        return false;
}

static void reads_parameters_of_the_query(void **state)
{
        static const struct {
                const char *query, *name;
                struct pgw_str value;
        } cases[] = {
            {"limit=5", "limit", {"5", 1}},
            {"limit=%35%30", "limit", {"50", 2}},
            {"limit=007", "limit", {"007", 3}},
            {"&&limit=5&", "limit", {"5", 1}},
            {"name=x&limit=100&text=y", "limit", {"100", 3}},
            {"offset=-5", "offset", {"-5", 2}},
            {"offset=-9223372036854775807", "offset", {"-9223372036854775807", 20}},
            {"offset=9223372036854775807", "offset", {"9223372036854775807", 19}},
            {"name=", "name", {"", 0}},
            {"name", "name", {"", 0}},
            {"name=a+b", "name", {"a b", 3}},
            {"name=a%2Bb", "name", {"a+b", 3}},
            {"name=a=b", "name", {"a=b", 3}},
            {"name=%26%3D%25", "name", {"&=%", 3}},
            {"name=a%00b", "name", {"a\0b", 3}},
            {"name=%c3%a4%C3%A4", "name", {"\xc3\xa4\xc3\xa4", 4}},
            {"verbose", "verbose", {"", 0}},
            {"verbose=true", "verbose", {"true", 4}},
            {"verbose=%66alse", "verbose", {"false", 5}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                check_list(cases[i].query);
                if (pgw_violations_count(&violations))
                        fail_msg("%s: %s", cases[i].query,
                                 pgw_violations_at(&violations, 0)->detail);
                assert_true(pgw_params_has(&params, cases[i].name));
                const struct pgw_str value = pgw_params_get(&params, cases[i].name);
                assert_non_null(value.p);
                assert_true(pgw_str_eq(value, cases[i].value));
        }
}

static void refuses_other_queries(void **state)
{
        static const struct {
                const char *pointer, *words;
                const char *queries[8];
        } cases[] = {
            {"#/query", "'frob' is not a parameter", {"frob=1", "frob", "frob=%"}},
            {"#/query", "'' is not a parameter", {"=1", "="}},
            {"#/query", "' is not a parameter", {"Limit=5", "limi=5", "thing_id=5", "X-Tenant=5"}},
            {"#/query", "'limit' may be given once", {"limit=5&limit=5", "limit=5&name&limit=6"}},
            {"#/query", "'name' may be given once", {"name=&name=", "name&name"}},
            {"#/query",
             "'name' is not percent-encoded",
             {"name=%", "name=%4", "name=%4g", "name=% 41", "name=%+1", "name=%%41"}},
            {"#/query/name", "UTF-8", {"name=%ff", "name=%c3"}},
            {"#/query/name", "at most 5", {"name=abcdef", "name=%c3%a4%c3%a4%c3%a4bcd"}},
            {"#/query/limit", "at least 1", {"limit=0", "limit=-1"}},
            {"#/query/limit", "at most 100", {"limit=101"}},
            {"#/query/limit",
             "whole number",
             {"limit=", "limit", "limit=x", "limit=5x", "limit=5.0", "limit=0x5"}},
            {"#/query/limit", "whole number", {"limit=+5", "limit=%2B5", "limit=5+", "limit=5%00"}},
            {"#/query/offset",
             "whole number",
             {"offset=-", "offset=--5", "offset=9223372036854775808",
              "offset=-9223372036854775809"}},
            {"#/query/verbose", "true or false", {"verbose=1", "verbose=True", "verbose=true+"}},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                for (size_t k = 0; cases[i].queries[k]; k++) {
                        check_list(cases[i].queries[k]);
                        if (pgw_violations_count(&violations) != 1 ||
                            !told(cases[i].pointer, cases[i].words))
                                fail_msg("%s: %zu violations", cases[i].queries[k],
                                         pgw_violations_count(&violations));
                }
}

static void takes_every_whole_number_of_64_bits(void **state)
{
        (void)state;
        check_list("offset=-9223372036854775808");
        assert_int_equal(pgw_violations_count(&violations), 0);
}

/* The head of the request is what bounds it. */
static void has_room_for_the_text_of_all_parameters(void **state)
{
        enum { SIZE = 5000 };
        char query[3 * SIZE + 20];

        (void)state;
        snprintf(query, sizeof query, "name=00000&text=%0*d", SIZE, 0);
        check_list(query);
        assert_int_equal(pgw_violations_count(&violations), 0);
        assert_int_equal(pgw_params_get(&params, "text").n, SIZE);
        size_t n = (size_t)snprintf(query, sizeof query, "text=");
        for (int i = 0; i < SIZE; i++)
                n += (size_t)snprintf(query + n, sizeof query - n, "%%41");
        check_list(query);
        assert_int_equal(pgw_violations_count(&violations), 0);
        assert_int_equal(pgw_params_get(&params, "text").n, SIZE);
}

static void reads_headers_by_their_names_in_lower_case(void **state)
{
        const struct pgw_operation *op = find("GET", "/v1/things");

        (void)state;
        sent_name = "x-tenant";
        sent_value = "a%20b+c";
        assert_int_equal(check(op, ""), PGW_OK);
        assert_true(pgw_str_eq_z(pgw_params_get(&params, "X-Tenant"), "a%20b+c"));
        sent_value = "";
        assert_int_equal(check(op, ""), PGW_E_SCHEMA);
        assert_true(told("#/header/X-Tenant", "at least 1"));
        sent_name = NULL;
        assert_int_equal(check(op, ""), PGW_E_SCHEMA);
        assert_int_equal(pgw_violations_count(&violations), 1);
        assert_true(told("#/header/X-Tenant", "is missing"));
        sent_name = "if-match";
        sent_value = "x";
        assert_int_equal(check(op, ""), PGW_E_SCHEMA);
        assert_int_equal(pgw_violations_count(&violations), 2);
        assert_true(told("#/header/If-Match", "pattern"));
        assert_true(told("#/header/X-Tenant", "is missing"));
}

static void reads_variables_of_the_path(void **state)
{
        const struct pgw_operation *op = find("GET", "/v1/things/a%2Fb+%c3%a4");

        (void)state;
        assert_int_equal(check(op, ""), PGW_OK);
        assert_true(pgw_str_eq_z(pgw_params_get(&params, "thing_id"), "a/b+\xc3\xa4"));
        static const struct {
                const char *path, *words;
        } bad[] = {{"/v1/things/123456789", "at most 8"},
                   {"/v1/things/%", "percent-encoded"},
                   {"/v1/things/a%2", "percent-encoded"},
                   {"/v1/things/%zz", "percent-encoded"},
                   {"/v1/things/%ff", "UTF-8"}};
        for (size_t i = 0; i < COUNT(bad); i++) {
                assert_int_equal(check(find("GET", bad[i].path), ""), PGW_E_SCHEMA);
                assert_true(told("#/path/thing_id", bad[i].words));
        }
        /* Each by its name, in whatever order they are declared. */
        op = find("DELETE", "/v1/cats/of/7");
        assert_int_equal(check(op, "sure=true"), PGW_OK);
        assert_true(pgw_str_eq_z(pgw_params_get(&params, "kind"), "cats"));
        assert_true(pgw_str_eq_z(pgw_params_get(&params, "owner_id"), "7"));
}

static void tells_all_that_is_wrong(void **state)
{
        const struct pgw_operation *op = find("DELETE", "/v1/%/of/x");

        (void)state;
        assert_int_equal(check(op, "frob=1"), PGW_E_SCHEMA);
        assert_int_equal(pgw_violations_count(&violations), 4);
        assert_true(told("#/query", "'frob'"));
        assert_true(told("#/query/sure", "is missing"));
        assert_true(told("#/path/kind", "percent-encoded"));
        assert_true(told("#/path/owner_id", "whole number"));
}

static void gives_numbers_and_knows_what_did_not_come(void **state)
{
        uint64_t number = 99;

        (void)state;
        check_list("limit=007&offset=-1&name=x");
        assert_int_equal(pgw_params_get_u64(&params, "limit", &number), PGW_OK);
        assert_int_equal(number, 7);
        assert_int_equal(pgw_params_get_u64(&params, "offset", &number), PGW_E_INVALID);
        assert_int_equal(pgw_params_get_u64(&params, "name", &number), PGW_E_INVALID);
        assert_int_equal(pgw_params_get_u64(&params, "text", &number), PGW_E_INVALID);
        assert_int_equal(number, 7);
        assert_false(pgw_params_has(&params, "text"));
        assert_null(pgw_params_get(&params, "text").p);
        /* What came before is forgotten. */
        check_list("");
        assert_false(pgw_params_has(&params, "limit"));
        assert_true(pgw_params_has(&params, "X-Tenant"));
}

static void takes_all_parameters_at_once(void **state)
{
        (void)state;
        assert_int_equal(PGW_PARAMS_MAX, 16);
        load_good(PARAM(SIXTEEN), a);
        assert_int_equal(check(find("GET", "/a"), "a1=1&a2=2&a3=3&a4=4&b1=5&b2=6&b3=7&b4=8&"
                                                  "c1=9&c2=10&c3=11&c4=12&d1=13&d2=14&d3=15&d4=16"),
                         PGW_OK);
        assert_true(pgw_str_eq_z(pgw_params_get(&params, "a1"), "1"));
        assert_true(pgw_str_eq_z(pgw_params_get(&params, "d4"), "16"));
}

/* Name and place together make a parameter. */
static void does_not_take_a_query_for_a_header_of_its_name(void **state)
{
        (void)state;
        load_good(PARAM("{name: tenant, in: query, schema: {type: string}}, "
                        "{name: tenant, in: header, required: true, schema: {type: string}}"),
                  a);
        sent_name = NULL;
        assert_int_equal(check(find("GET", "/a"), "tenant=x"), PGW_E_SCHEMA);
        assert_true(told("#/header/tenant", "is missing"));
}

/* Or the contract must not load: nobody could ever give one that fits. */
static void reads_decimal_parameters_if_it_takes_them(void **state)
{
        static const char text[] = PARAM("{name: ratio, in: query, schema: {type: number}}");
        struct pgw_contract *none = NULL;

        (void)state;
        if (load(text, a, NULL, &none) == PGW_E_CONTRACT)
                return;
        pgw_contract_free(none);
        load_good(text, a);
        assert_int_equal(check(find("GET", "/a"), "ratio=0.5"), PGW_OK);
        assert_int_equal(check(find("GET", "/a"), "ratio=x"), PGW_E_SCHEMA);
}

/* ---- bodies and copies ---- */

static void checks_bodies(void **state)
{
        static const struct {
                const char *body, *pointer, *words;
        } cases[] = {
            {"{\"name\":\"x\"}", NULL, NULL},
            {"{\"name\":\"x\",\"parts\":[{\"name\":\"y\"}]}", NULL, NULL},
            {"[]", "#", "must be an object"},
            {"{}", "#", "`name` is missing"},
            {"{\"name\":1}", "#/name", "must be a string"},
            {"{\"name\":\"x\",\"frob\":1}", "#/frob", "not a member"},
            {"{\"name\":\"x\",\"parts\":[{\"name\":\"y\"},{\"name\":\"\"}]}", "#/parts/1/name",
             "at least 1"},
        };
        const struct pgw_operation *op = find("POST", "/v1/things");

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                json_t *body = json_loads(cases[i].body, JSON_DECODE_ANY, NULL);
                pgw_violations_fini(&violations);
                assert_int_equal(pgw_operation_check_body(op, body, &violations),
                                 cases[i].pointer ? PGW_E_SCHEMA : PGW_OK);
                assert_int_equal(pgw_violations_count(&violations), cases[i].pointer ? 1 : 0);
                if (cases[i].pointer)
                        assert_true(told(cases[i].pointer, cases[i].words));
                json_decref(body);
        }
}

static void knows_the_media_type_of_bodies(void **state)
{
        (void)state;
        const struct pgw_operation *op = find("POST", "/v1/things");
        assert_string_equal(pgw_operation_media_type(op), "application/json");
        assert_true(pgw_operation_body_required(op));
        op = find("PUT", "/v1/things/42");
        assert_string_equal(pgw_operation_media_type(op), "application/merge-patch+json");
        assert_false(pgw_operation_body_required(op));
        op = find("GET", "/v1/things");
        assert_null(pgw_operation_media_type(op));
        assert_false(pgw_operation_body_required(op));
}

static void keeps_the_file_as_it_was_and_as_json(void **state)
{
        const struct pgw_str yaml = pgw_contract_yaml(contract), text = pgw_contract_json(contract);
        json_t *value = NULL;

        (void)state;
        assert_true(pgw_str_eq_z(yaml, things));
        assert_int_equal(pgw_json_parse(text.p, text.n, NULL, &value), PGW_OK);
        assert_string_equal(json_string_value(json_object_get(value, "openapi")), "3.0.3");
        json_t *paths = json_object_get(value, "paths");
        assert_int_equal(json_object_size(paths), 5);
        assert_non_null(json_object_get(paths, "/v1/things/{thing_id}"));
        /* JSON is YAML, so that the copy is a contract, too: the same one. */
        char *copy = strndup(text.p, text.n);
        assert_non_null(copy);
        load_good(copy, names);
        assert_true(pgw_str_eq_z(pgw_contract_yaml(contract), copy));
        assert_true(pgw_str_eq_z(pgw_contract_json(contract), copy));
        assert_string_equal(find("GET", "/v1/things/42")->id, "get_thing");
        free(copy);
        json_decref(value);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
            CASE(finds_operations),
            CASE(finds_for_head_what_get_does),
            CASE(knows_what_is_not_there),
            CASE(names_the_methods_that_are_there),
            CASE(allows_every_method_at_once),
            CASE(finds_a_literal_before_a_variable),
            CASE(wants_openapi_3_0),
            CASE(binds_each_operation_to_one_function),
            CASE(refuses_paths_it_cannot_match),
            CASE(refuses_parameters_it_cannot_check),
            CASE(refuses_bodies_it_cannot_check),
            CASE(refuses_mistakes_in_schemas_that_nobody_uses),
            CASE(reads_parameters_of_the_query),
            CASE(refuses_other_queries),
            CASE(takes_every_whole_number_of_64_bits),
            CASE(has_room_for_the_text_of_all_parameters),
            CASE(reads_headers_by_their_names_in_lower_case),
            CASE(reads_variables_of_the_path),
            CASE(tells_all_that_is_wrong),
            CASE(gives_numbers_and_knows_what_did_not_come),
            CASE(takes_all_parameters_at_once),
            CASE(does_not_take_a_query_for_a_header_of_its_name),
            CASE(reads_decimal_parameters_if_it_takes_them),
            CASE(checks_bodies),
            CASE(knows_the_media_type_of_bodies),
            CASE(keeps_the_file_as_it_was_and_as_json),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
