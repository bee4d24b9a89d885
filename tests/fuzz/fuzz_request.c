/* Any bytes as the body of an invalidation: parsed, checked by the contract that is built in, and
 * made selectors of, as the exchange does. What passes has selectors within all bounds; what does
 * not says where it is wrong. */
#include <string.h>

#include <h2o.h>

#include "base/alloc.h"
#include "base/json.h"
#include "embed.h"
#include "http/accept.h"
#include "http/selectors.h"

#define KEYS_MAX 1000
#define KEY_MAX  4096

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const struct pgw_operation *operation(void)
{
        static struct pgw_contract *contract;
        const struct pgw_operation *op;
        struct pgw_path_params params;
        struct pgw_fault fault;
        struct pgw_str allow;

        if (!contract)
                PGW_ASSERT(!pgw_contract_load(
                    pgw_str_of(pgw_embed_openapi_yaml, pgw_embed_openapi_yaml_len),
                    pgw_gateway_operations, &fault, &contract));
        PGW_ASSERT(!pgw_contract_find(contract, PGW_STR("POST"), PGW_STR("/v1/invalidations"),
                                      &params, &op, &allow));
        return op;
}

static void check_accepted(struct pgw_exchange *x)
{
        struct pgw_selectors keys, patterns, tags;

        if (pgw_selectors_keys(x, &keys))
                return;
        pgw_selectors_texts(x, "patterns", &patterns);
        pgw_selectors_texts(x, "tags", &tags);
        PGW_ASSERT(keys.count + patterns.count + tags.count > 0);
        PGW_ASSERT(keys.count <= 2 * KEYS_MAX);
        for (size_t i = 0; i < keys.count; i++)
                PGW_ASSERT(keys.items[i].n > 0 && keys.items[i].n <= 4 * KEY_MAX);
}

static void understand(struct pgw_exchange *x)
{
        if (pgw_operation_check_body(operation(), x->body, &x->violations)) {
                PGW_ASSERT(pgw_violations_count(&x->violations) > 0);
                return;
        }
        /* Whether tags are taken is the target's to say, and there is none. */
        json_object_del(x->body, "tags");
        const enum pgw_err err = pgw_accept_understand(x);
        if (err == PGW_OK)
                check_accepted(x);
        else if (err == PGW_E_SCHEMA)
                PGW_ASSERT(pgw_violations_count(&x->violations) > 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        static struct pgw_gateway gateway = {
            .links = {.target_count = 1},
            .targets = {{.name = "default"}},
            .conf = {.patterns_allowed = true, .pattern_stars_max = 8, .pattern_prefix_min = 3},
        };
        struct pgw_exchange *x = pgw_alloc(sizeof *x);
        h2o_req_t *req = pgw_alloc(sizeof *req);
        struct pgw_fault fault = {"", ""};

        h2o_mem_init_pool(&req->pool);
        x->magic = PGW_EXCHANGE_MAGIC;
        x->gateway = &gateway;
        x->req = req;
        if (pgw_json_parse((const char *)data, size, &fault, &x->body) == PGW_OK)
                understand(x);
        else
                PGW_ASSERT(fault.detail[0]);
        json_decref(x->body);
        pgw_violations_fini(&x->violations);
        h2o_mem_clear_pool(&req->pool);
        pgw_free(req);
        pgw_free(x);
        return 0;
}
