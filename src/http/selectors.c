/* Text is taken where the parser put it; only base64 is copied. */
#include "http/selectors.h"

#include <stdio.h>

#include <h2o.h>

#include "base/codec.h"
#include "base/json.h"
#include "domain/keyspace.h"

static struct pgw_str text_at(const json_t *array, size_t index)
{
        const json_t *value = json_array_get(array, index);

        return pgw_str_of(json_string_value(value), json_string_length(value));
}

static void violation(struct pgw_exchange *x, const char *member, size_t index, const char *detail)
{
        char pointer[48];

        snprintf(pointer, sizeof pointer, "#/%s/%zu", member, index);
        pgw_violations_add(&x->violations, pointer, "%s", detail);
}

static void check_own(struct pgw_exchange *x, const char *member, size_t index, struct pgw_str key)
{
        if (pgw_str_starts(key, PGW_STR(PGW_KEYS_OWN)))
                violation(x, member, index,
                          "keys that begin with `" PGW_KEYS_OWN "` are the service's own");
}

static void decode(struct pgw_exchange *x, const json_t *encoded, struct pgw_str *out)
{
        for (size_t i = 0; i < json_array_size(encoded); i++) {
                const struct pgw_str text = text_at(encoded, i);
                char *bytes = h2o_mem_alloc_pool(&x->req->pool, text.n / 4 * 3 + 3);
                size_t size = 0;
                if (pgw_unbase64(text, bytes, &size) || size == 0)
                        violation(x, "keys_base64", i,
                                  "must be standard base64 with padding (RFC 4648 section 4) of "
                                  "at least one byte");
                out[i] = pgw_str_of(bytes, size);
                check_own(x, "keys_base64", i, out[i]);
        }
}

enum pgw_err pgw_selectors_keys(struct pgw_exchange *x, struct pgw_selectors *ret)
{
        const json_t *plain = pgw_json_get(x->body, "keys");
        const json_t *encoded = pgw_json_get(x->body, "keys_base64");
        const size_t plain_n = json_array_size(plain),
                     before = pgw_violations_count(&x->violations);

        ret->count = plain_n + json_array_size(encoded);
        ret->items = h2o_mem_alloc_pool(&x->req->pool, ret->count * sizeof *ret->items);
        for (size_t i = 0; i < plain_n; i++) {
                ret->items[i] = text_at(plain, i);
                check_own(x, "keys", i, ret->items[i]);
        }
        decode(x, encoded, ret->items + plain_n);
        return pgw_violations_count(&x->violations) > before ? PGW_E_SCHEMA : PGW_OK;
}

void pgw_selectors_texts(struct pgw_exchange *x, const char *member, struct pgw_selectors *ret)
{
        const json_t *texts = pgw_json_get(x->body, member);

        ret->count = json_array_size(texts);
        ret->items = h2o_mem_alloc_pool(&x->req->pool, ret->count * sizeof *ret->items);
        for (size_t i = 0; i < ret->count; i++)
                ret->items[i] = text_at(texts, i);
}

struct pgw_str pgw_selectors_text(const struct pgw_exchange *x, const char *member)
{
        const json_t *value = pgw_json_get(x->body, member);

        return pgw_str_of(json_string_value(value), json_string_length(value));
}
