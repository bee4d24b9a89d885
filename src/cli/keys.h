/* cli/keys.h - many keys as few request bodies.
 *
 * Keys are bytes. Those that are UTF-8 go as text, the others as base64. A request
 * holds at most 1000 keys and, by a margin, fits into the gateway's default body limit.
 * Pure.
 */
#ifndef PGW_CLI_KEYS_H
#define PGW_CLI_KEYS_H

#include <jansson.h>
#include <stddef.h>

#include "base/str.h"

#define PGW_CLI_KEYS_MAX       1000
#define PGW_CLI_BODY_BYTES_MAX 1000000

/* A place in a text of keys. */
struct pgw_cli_key_reader {
        struct pgw_str rest;
        char separator;
};

/* The next key that is not empty; false at the end. Nothing else is cut off a key: a
 * carriage return before the line end belongs to it. */
bool pgw_cli_key_next(struct pgw_cli_key_reader *, struct pgw_str *ret_key);

/* What a key adds to a body at most, in bytes. */
size_t pgw_cli_key_cost(struct pgw_str key);

/* A body in the making: {"keys": [...], "keys_base64": [...]}. */
struct pgw_cli_batch {
        json_t *keys, *keys_base64; /* owned */
        size_t key_count;
        size_t cost;
};

void pgw_cli_batch_init(struct pgw_cli_batch *);
void pgw_cli_batch_fini(struct pgw_cli_batch *);

/* False when the batch is full: send it and ask again with an empty one. An empty batch
 * takes any key; the gateway judges it. */
bool pgw_cli_batch_add(struct pgw_cli_batch *, struct pgw_str key) PGW_MUSTUSE;

/* The body, to be released with json_decref; the batch is empty again. `priority` and
 * `reason` are UTF-8; each may be NULL. */
json_t *pgw_cli_batch_take(struct pgw_cli_batch *, const char *priority, const char *reason);

#endif
