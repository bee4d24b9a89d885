/* From a delivery to the body of an invalidation: CloudEvents in their forms, conditions, selectors
 * that are there once, and the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/hook_map.h"

static const char *type, *specversion;

static size_t header(void *ctx, struct pgw_str name, struct pgw_str *ret)
{
        (void)ctx;
        if (pgw_str_eq_z(name, "content-type") && type)
                *ret = pgw_str_z(type);
        else if (pgw_str_eq_z(name, "ce-specversion") && specversion)
                *ret = pgw_str_z(specversion);
        else if (pgw_str_eq_z(name, "ce-id") || pgw_str_eq_z(name, "ce-source"))
                *ret = PGW_STR("a%20b");
        else if (pgw_str_eq_z(name, "ce-type"))
                *ret = PGW_STR("com.x");
        else
                return 0;
        return 1;
}

static enum pgw_err secret(void *ctx, struct pgw_str reference, struct pgw_buf *out,
                           struct pgw_fault *fault)
{
        (void)ctx;
        (void)fault;
        return pgw_buf_add_str(out, reference);
}

static struct pgw_hooks *hooks_of(const char *rules)
{
        const struct pgw_hooks_sources sources = {.path = "f", .secret = secret};
        struct pgw_fault fault = {"", ""};
        struct pgw_hooks *hooks;
        char text[2048];

        snprintf(text, sizeof text,
                 "{hooks: [{name: h, profile: github, secrets: [0123456789abcdefg], id: \"{/id}\", "
                 "job: {tags_match: all}, rules: %s}]}",
                 rules);
        if (pgw_hooks_read(&sources, pgw_str_z(text), &fault, &hooks))
                fail_msg("%s: %s", fault.pointer, fault.detail);
        return hooks;
}

struct outcome {
        enum pgw_err err;
        char body[1024], id[256];
        size_t held, missing;
};

static size_t bytes_max = 1000;

static struct outcome map(const char *rules, const char *payload)
{
        struct pgw_hooks *hooks = hooks_of(rules);
        const struct pgw_hook *hook = pgw_hooks_find(hooks, PGW_STR("h"));
        const struct pgw_hook_message message = {.body = pgw_str_z(payload), .header = header};
        struct outcome outcome = {.body = "", .id = ""};
        struct pgw_cloud_events events;
        struct pgw_hook_mapped mapped;
        struct pgw_buf id;
        const struct pgw_hook_wish wish = {.bytes_max = bytes_max};

        outcome.err = pgw_cloud_events_read(&message, NULL, &events);
        if (!outcome.err) {
                pgw_buf_init(&id, sizeof outcome.id);
                assert_int_equal(pgw_hook_delivery_id(hook, &events, &id), PGW_OK);
                snprintf(outcome.id, sizeof outcome.id, "%.*s", (int)id.n, id.n ? id.p : "");
                pgw_buf_fini(&id);
                outcome.err = pgw_hook_map(hook, &events, &wish, NULL, &mapped);
                outcome.held = mapped.held;
                outcome.missing = mapped.missing;
                if (mapped.invalidation)
                        outcome.body[json_dumpb(mapped.invalidation, outcome.body,
                                                sizeof outcome.body - 1,
                                                JSON_COMPACT | JSON_SORT_KEYS)] = '\0';
                pgw_hook_mapped_fini(&mapped);
                pgw_cloud_events_fini(&events);
        }
        pgw_hooks_drop(hooks);
        return outcome;
}

static void makes(const char *rules, const char *payload, const char *body, const char *id)
{
        const struct outcome outcome = map(rules, payload);

        assert_int_equal(outcome.err, PGW_OK);
        assert_string_equal(outcome.body, body);
        assert_string_equal(outcome.id, id);
}

#define KEYS "[{keys: [\"k:{/k}\"]}]"

static void each_selector_is_there_once(void **state)
{
        (void)state;
        type = specversion = NULL;
        makes(
            "[{keys: [\"k:{/a/*}\", \"k:2\"]}, {keys: [\"k:1\"], tags: [\"t\"]}]",
            "{\"id\": 7, \"a\": [2, 1, 2]}",
            "{\"keys\":[\"k:2\",\"k:1\"],\"reason\":\"webhook h\",\"tags\":[\"t\"],\"tags_match\":"
            "\"all\"}",
            "7");
        makes(KEYS, "{\"k\": \"\\u0000\"}", "{\"keys\":[\"k:\\u0000\"],\"reason\":\"webhook h\"}",
              "");
}

static void conditions_must_all_hold(void **state)
{
        const char *rules =
            "[{when: [{value: \"{/t/*}\", in: [a, 7, true]}, {value: \"{/p}\", prefix: "
            "x}, {value: \"{/no}\", exists: false}, {value: \"{/p}\", exists: true}], "
            "keys: [k]}]";

        (void)state;
        assert_int_equal(map(rules, "{\"t\": [1, 7], \"p\": \"xy\"}").held, 1);
        assert_int_equal(map(rules, "{\"t\": {\"m\": true}, \"p\": \"x\"}").held, 1);
        assert_int_equal(map(rules, "{\"t\": [1], \"p\": \"xy\"}").held, 0);
        assert_int_equal(map(rules, "{\"t\": [], \"p\": \"xy\"}").held, 0);
        assert_int_equal(map(rules, "{\"p\": \"xy\"}").held, 0);
        assert_int_equal(map(rules, "{\"t\": [7], \"p\": \"y\"}").held, 0);
        assert_int_equal(map(rules, "{\"t\": [7], \"p\": \"x\", \"no\": 1}").held, 0);
        assert_int_equal(map(rules, "7").held, 0);
}

static void what_names_nothing_is_no_body(void **state)
{
        const struct outcome outcome = map(KEYS, "{\"k\": null}");

        (void)state;
        assert_int_equal(outcome.err, PGW_OK);
        assert_string_equal(outcome.body, "");
        assert_int_equal(outcome.held, 1);
        assert_int_equal(outcome.missing, 1);
}

static void cloud_events_in_their_forms(void **state)
{
        const char *rules = "[{keys: [\"{ce:type}:{/k}\"]}]";
        const char *body = "{\"keys\":[\"com.x:1\"],\"reason\":\"webhook h\"}";

        (void)state;
        type = NULL;
        specversion = "1.0";
        makes(rules, "{\"k\": 1}", body, "a b a b");
        specversion = NULL;
        type = "Application/CloudEvents+JSON; charset=utf-8";
        makes(rules,
              "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"com.x\",\"data\":{"
              "\"k\":"
              "1}}",
              body, "s i");
        makes(rules,
              "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"com.x\",\"data_"
              "base64\":"
              "\"eyJrIjoxfQ==\"}",
              body, "s i");
        type = "application/cloudevents-batch+json";
        makes(rules,
              "[{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"com.x\",\"data\":"
              "{\"k\":"
              "1}},{\"specversion\":\"1.0\",\"id\":\"j\",\"source\":\"s\",\"type\":\"com.x\"}]",
              body, "s i s j");
        makes(rules, "[]", "", "");
        assert_int_equal(map(rules, "{}").err, PGW_E_EVENT);
        assert_int_equal(map(rules, "[{}]").err, PGW_E_EVENT);
        assert_int_equal(map(rules, "[").err, PGW_E_JSON);
        type = "text/plain";
        assert_int_equal(map(rules, "{}").err, PGW_E_MEDIA_TYPE);
        type = NULL;
        specversion = "0.3";
        assert_int_equal(map(rules, "{}").err, PGW_E_EVENT);
        specversion = NULL;
}

/* However many stars: the texts of all rules together are counted. */
static void bounds(void **state)
{
        char payload[4096] = "[";
        size_t n = 1;

        (void)state;
        for (int i = 0; i < 200; i++)
                n += (size_t)snprintf(payload + n, sizeof payload - n, "%s1", i ? "," : "");
        payload[n] = ']';
        makes("[{keys: [\"a{/*}\"]}]", payload, "{\"keys\":[\"a1\"],\"reason\":\"webhook h\"}", "");
        char twice[sizeof payload * 2 + 32];
        snprintf(twice, sizeof twice, "{\"a\": %s, \"b\": %s}", payload, payload);
        assert_int_equal(map("[{keys: [\"{/a/*}{/b/*}\"]}]", twice).err, PGW_E_TOO_LARGE);
        assert_int_equal(
            map("[{when: [{value: \"{/a/*}{/b/*}\", equals: x}], keys: [k]}]", twice).err,
            PGW_E_TOO_LARGE);
}

/* What is made is bounded as what a client may send is; the same selector twice is one. */
static void bytes_are_bounded(void **state)
{
        const char *rules = "[{keys: [\"{/k}:{/a/*}\"], tags: [\"{/k}\"]}]";

        (void)state;
        bytes_max = 20;
        assert_int_equal(map(rules, "{\"k\": \"xy\", \"a\": [1, 2]}").err, PGW_OK);
        assert_int_equal(map(rules, "{\"k\": \"xy\", \"a\": [1, 1, 2, 2, 1]}").err, PGW_OK);
        assert_int_equal(map(rules, "{\"k\": \"xy\", \"a\": [1, 2, 3]}").err, PGW_E_TOO_LARGE);
        assert_int_equal(map(rules, "{\"k\": \"xyz\", \"a\": [1, 2]}").err, PGW_E_TOO_LARGE);
        bytes_max = 1000;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(each_selector_is_there_once),
            cmocka_unit_test(conditions_must_all_hold),
            cmocka_unit_test(what_names_nothing_is_no_body),
            cmocka_unit_test(cloud_events_in_their_forms),
            cmocka_unit_test(bounds),
            cmocka_unit_test(bytes_are_bounded),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
