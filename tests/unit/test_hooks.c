/* The file of webhooks: what it takes, and the secrets that it makes keys of. The service tests
 * have its mistakes with their lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/hooks.h"

/* "x:TEXT" is the secret TEXT. */
static enum pgw_err secret(void *ctx, struct pgw_str reference, struct pgw_buf *out,
                           struct pgw_fault *fault)
{
        (void)ctx;
        if (!pgw_str_starts(reference, PGW_STR("x:"))) {
                pgw_fault_set(fault, "", "not here");
                return PGW_E_CONFIG;
        }
        return pgw_buf_add(out, reference.p + 2, reference.n - 2);
}

static enum pgw_err read_text(const char *text, struct pgw_fault *fault, struct pgw_hooks **ret)
{
        const struct pgw_str targets[] = {PGW_STR("default")};
        const struct pgw_hooks_sources sources = {
            .path = "f", .targets = targets, .target_count = 1, .secret = secret};

        return pgw_hooks_read(&sources, pgw_str_z(text), fault, ret);
}

#define RULES "    rules: [{keys: [\"a\"]}]\n"

static void reads_all_members(void **state)
{
        struct pgw_hooks *hooks;

        (void)state;
        assert_int_equal(
            read_text("hooks:\n"
                      "  - name: one\n"
                      "    rules:\n"
                      "      - when:\n"
                      "          - {value: \"{/a}\", equals: 7}\n"
                      "          - {value: \"{/a}\", in: [true, \"x\"]}\n"
                      "          - {value: \"{/a}\", prefix: [\"p\", \"q\"]}\n"
                      "          - {value: \"{/a}\", exists: false}\n"
                      "        keys: [\"a\", \"b\"]\n"
                      "        patterns: [\"abc*\"]\n"
                      "        tags: [\"t\"]\n"
                      "    job: {targets: [default], priority: low, delay_ms: 5, dry_run: true}\n"
                      "    secrets: [\"x:0123456789abcdef\", \"x:0123456789abcdefg\"]\n"
                      "    header: X-Own\n"
                      "    encoding: base64\n"
                      "    tolerance_s: 60\n"
                      "    id: \"{/id}\"\n"
                      "    as: shop\n"
                      "    profile: hmac\n"
                      "  - name: two\n"
                      "    profile: token\n"
                      "    secrets: [\"x:0123456789abcdef\"]\n" RULES,
                      NULL, &hooks),
            PGW_OK);
        assert_int_equal(pgw_hooks_count(hooks), 2);
        const struct pgw_hook *one = pgw_hooks_find(hooks, PGW_STR("one"));
        assert_true(pgw_str_eq_z(one->signing.header, "x-own"));
        assert_int_equal(one->signing.encoding, PGW_HOOK_BASE64);
        assert_int_equal(one->signing.tolerance_ms, 60000);
        assert_int_equal(one->signing.secret_count, 2);
        assert_true(pgw_str_eq_z(one->signing.secrets[1], "0123456789abcdefg"));
        assert_true(pgw_str_eq_z(one->as, "shop"));
        assert_true(pgw_str_eq_z(pgw_template_source(one->id), "{/id}"));
        assert_int_equal(one->rule_count, 1);
        assert_int_equal(one->rules[0].condition_count, 4);
        assert_true(pgw_str_eq_z(one->rules[0].conditions[0].choices[0], "7"));
        assert_true(pgw_str_eq_z(one->rules[0].conditions[1].choices[0], "true"));
        assert_int_equal(one->rules[0].conditions[2].choice_count, 2);
        assert_int_equal(one->rules[0].conditions[3].test, PGW_HOOK_ABSENT);
        assert_int_equal(one->rules[0].selectors[PGW_HOOK_KEYS].count, 2);
        const struct pgw_hook *two = pgw_hooks_find(hooks, PGW_STR("two"));
        assert_true(pgw_str_eq_z(two->signing.header, "authorization"));
        assert_true(pgw_str_eq_z(two->signing.prefix, "Bearer "));
        assert_int_equal(two->signing.tolerance_ms, 300000);
        assert_null(pgw_hooks_find(hooks, PGW_STR("tw")));
        assert_null(pgw_hooks_find(NULL, PGW_STR("two")));
        pgw_hooks_drop(hooks);
}

static void standard_secrets_are_base64(void **state)
{
        static const char *const good[] = {"whsec_MDEyMzQ1Njc4OWFiY2RlZg==",
                                           "MDEyMzQ1Njc4OWFiY2RlZg=="},
                                 *const bad[] = {"whsec_MDEyMzQ1Njc4OWFiY2RlZg",
                                                 "whsec_MDEyMzQ1Njc4OWFiY2Rl", "whsec_",
                                                 "whpk_MDEyMzQ1Njc4OWFiY2RlZg=="};
        char text[256];
        struct pgw_hooks *hooks;
        struct pgw_fault fault = {"", ""};

        (void)state;
        for (size_t i = 0; i < 2; i++) {
                snprintf(
                    text, sizeof text,
                    "hooks:\n  - name: a\n    profile: standard\n    secrets: [\"x:%s\"]\n" RULES,
                    good[i]);
                assert_int_equal(read_text(text, &fault, &hooks), PGW_OK);
                assert_true(pgw_str_eq_z(pgw_hooks_find(hooks, PGW_STR("a"))->signing.secrets[0],
                                         "0123456789abcdef"));
                pgw_hooks_drop(hooks);
        }
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                snprintf(
                    text, sizeof text,
                    "hooks:\n  - name: a\n    profile: standard\n    secrets: [\"x:%s\"]\n" RULES,
                    bad[i]);
                assert_int_equal(read_text(text, &fault, &hooks), PGW_E_CONFIG);
                assert_string_equal(fault.pointer, "f:4");
                assert_null(strstr(fault.detail, "MDEy"));
        }
}

static void short_and_strange_secrets_are_refused(void **state)
{
        struct pgw_hooks *hooks;
        struct pgw_fault fault = {"", ""};

        (void)state;
        assert_int_equal(read_text("hooks:\n  - name: a\n    profile: github\n"
                                   "    secrets: [\"x:0123456789abcde\"]\n" RULES,
                                   &fault, &hooks),
                         PGW_E_CONFIG);
        assert_non_null(strstr(fault.detail, "at least 16"));
        assert_int_equal(read_text("hooks:\n  - name: a\n    profile: github\n"
                                   "    secrets: [\"0123456789abcdef\"]\n" RULES,
                                   &fault, &hooks),
                         PGW_E_CONFIG);
        assert_string_equal(fault.pointer, "f:4");
}

static void no_hooks_are_hooks_but_nothing_is_not(void **state)
{
        struct pgw_hooks *hooks;
        struct pgw_fault fault = {"", ""};

        (void)state;
        assert_int_equal(read_text("hooks: []", &fault, &hooks), PGW_OK);
        assert_int_equal(pgw_hooks_count(hooks), 0);
        assert_ptr_equal(pgw_hooks_hold(hooks), hooks);
        pgw_hooks_drop(hooks);
        pgw_hooks_drop(hooks);
        pgw_hooks_drop(NULL);
        assert_int_equal(read_text("", &fault, &hooks), PGW_E_CONFIG);
        assert_int_equal(read_text("[]", &fault, &hooks), PGW_E_CONFIG);
        assert_int_equal(read_text("hooks:\n  - 7", &fault, &hooks), PGW_E_CONFIG);
        assert_int_equal(read_text("hooks: {", &fault, &hooks), PGW_E_CONFIG);
        assert_memory_equal(fault.pointer, "f:", 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_all_members),
            cmocka_unit_test(standard_secrets_are_base64),
            cmocka_unit_test(short_and_strange_secrets_are_refused),
            cmocka_unit_test(no_hooks_are_hooks_but_nothing_is_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
