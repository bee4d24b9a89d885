/* Any bytes as the URI of an event, as a template, as the address of a Redis, as a time. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/panic.h"
#include "http/uri_body.h"
#include "role/settings_url.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void try_event(const char *type, struct pgw_str uri, const char *template)
{
        struct pgw_violations violations = {._items = NULL};
        struct pgw_fault fault = {"", ""};
        json_t *selectors = json_array(), *groups = json_array(), *event = json_object(),
               *body = NULL;

        json_array_append_new(selectors, json_stringn(uri.p, uri.n));
        json_array_append_new(groups, json_string("g"));
        json_object_set_new(event, "type", json_string(type));
        json_object_set_new(event, "selectors", selectors);
        json_object_set_new(event, "groups", groups);
        if (json_array_size(selectors) == 1) {
                enum pgw_err err =
                    pgw_uri_body(event, template, "{host}{group}", &violations, &fault, &body);
                PGW_ASSERT(!err == (body != NULL));
        }
        json_decref(body);
        json_decref(event);
        pgw_violations_fini(&violations);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        static const char *const types[] = {"uri", "uri-prefix", "origin", "group", "other"};
        char *text = pgw_memdup((const char *)data, size);
        struct pgw_fault fault = {"", ""};
        struct pgw_redis_url url;
        uint64_t wall_ms;

        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
                try_event(types[i], pgw_str_of(text, size), "k:{path_query}");
        if (pgw_uri_template_check(text, false, &fault) == PGW_OK)
                try_event("uri", PGW_STR("https://h.example/a?b"), text);
        if (pgw_redis_url_parse(text, &url, &fault) == PGW_OK)
                PGW_ASSERT(url.unix_path[0] || url.seed_count);
        if (pgw_rfc3339_parse(pgw_str_of((const char *)data, size), &wall_ms) == PGW_OK)
                PGW_ASSERT(size >= 20);
        pgw_free(text);
        return 0;
}
