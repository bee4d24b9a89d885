/* Splitting by count and by size: the contract allows 1000 keys a request, and 1000
 * keys of 4096 bytes would pass the gateway's body limit long before.
 */
#include "cli/keys.h"

#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "cli/value.h"

bool pgw_cli_key_next(struct pgw_cli_key_reader *reader, struct pgw_str *ret_key)
{
        while (reader->rest.n) {
                struct pgw_str key = reader->rest, rest = PGW_STR("");
                pgw_str_cut(key, reader->separator, &key, &rest);
                reader->rest = rest;
                if (key.n) {
                        *ret_key = key;
                        return true;
                }
        }
        return false;
}

size_t pgw_cli_key_cost(struct pgw_str key)
{
        size_t cost = sizeof "\"\"," - 1;

        if (!pgw_utf8_is_valid(key))
                return cost + PGW_BASE64_SIZE(key.n);
        for (size_t i = 0; i < key.n; i++) {
                const unsigned char c = (unsigned char)key.p[i];
                cost += c < ' ' ? sizeof "\\u0000" - 1 : c == '"' || c == '\\' ? 2 : 1;
        }
        return cost;
}

void pgw_cli_batch_init(struct pgw_cli_batch *batch)
{
        *batch = (struct pgw_cli_batch){.keys = pgw_cli_array(), .keys_base64 = pgw_cli_array()};
}

void pgw_cli_batch_fini(struct pgw_cli_batch *batch)
{
        json_decref(batch->keys);
        json_decref(batch->keys_base64);
        *batch = (struct pgw_cli_batch){0};
}

static json_t *base64_value(struct pgw_str key)
{
        char *text = pgw_alloc(PGW_BASE64_SIZE(key.n) + 1);
        const size_t n = pgw_base64(key.p, key.n, text);
        json_t *value = json_stringn(text, n);

        pgw_free(text);
        return value;
}

bool pgw_cli_batch_add(struct pgw_cli_batch *batch, struct pgw_str key)
{
        const size_t cost = pgw_cli_key_cost(key);

        if (batch->key_count == PGW_CLI_KEYS_MAX ||
            (batch->key_count > 0 && batch->cost + cost > PGW_CLI_BODY_BYTES_MAX))
                return false;
        if (pgw_utf8_is_valid(key))
                pgw_cli_add(batch->keys, json_stringn_nocheck(key.p, key.n));
        else
                pgw_cli_add(batch->keys_base64, base64_value(key));
        batch->key_count++;
        batch->cost += cost;
        return true;
}

json_t *pgw_cli_batch_take(struct pgw_cli_batch *batch, const char *priority, const char *reason)
{
        json_t *body = pgw_cli_object();

        if (json_array_size(batch->keys))
                pgw_cli_set(body, "keys", json_incref(batch->keys));
        if (json_array_size(batch->keys_base64))
                pgw_cli_set(body, "keys_base64", json_incref(batch->keys_base64));
        pgw_cli_set_text(body, "priority", priority);
        pgw_cli_set_text(body, "reason", reason);
        pgw_cli_batch_fini(batch);
        pgw_cli_batch_init(batch);
        return body;
}
