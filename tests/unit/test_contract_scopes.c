/* The contract says which scopes open an operation, or the program does not start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "http/contract.h"

#define DOC(list) "openapi: 3.0.3\npaths:\n  /a:\n    get:\n      operationId: a\n" list

static const char *const names[] = {"a", NULL};

static enum pgw_err load(const char *text, struct pgw_fault *fault, struct pgw_contract **ret)
{
        return pgw_contract_load(pgw_str_z(text), names, fault, ret);
}

static pgw_scope_set scopes_of(const char *text)
{
        const struct pgw_operation *op = NULL;
        struct pgw_contract *contract = NULL;
        struct pgw_path_params params;
        struct pgw_fault fault = {"", ""};
        struct pgw_str allow;

        if (load(text, &fault, &contract))
                fail_msg("%s: %s", fault.pointer, fault.detail);
        assert_int_equal(
            pgw_contract_find(contract, PGW_STR("HEAD"), PGW_STR("/a"), &params, &op, &allow),
            PGW_OK);
        const pgw_scope_set scopes = op->scopes;
        pgw_contract_free(contract);
        return scopes;
}

static void an_operation_without_scopes_stops_the_start(void **state)
{
        static const struct {
                const char *text, *words;
        } cases[] = {
            {DOC(""), "has no x-purgeway-scopes"},
            {DOC("      x-purgeway-scopes:\n"), "has no x-purgeway-scopes"},
            {DOC("      x-purgeway-scopes: purge:keys\n"), "has no x-purgeway-scopes"},
            {DOC("      x-purgeway-scopes: {a: b}\n"), "has no x-purgeway-scopes"},
            {DOC("      x-purgeway-scopes: ['purge:nothing']\n"), "no scope 'purge:nothing'"},
            {DOC("      x-purgeway-scopes: ['purge:keys', 'Purge:keys']\n"),
             "no scope 'Purge:keys'"},
            {DOC("      x-purgeway-scopes: [1]\n"), "no scope ''"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct pgw_fault fault = {"", ""};
                struct pgw_contract *none = NULL;
                assert_int_equal(load(cases[i].text, &fault, &none), PGW_E_CONTRACT);
                assert_string_equal(fault.pointer, "GET /a");
                if (!strstr(fault.detail, cases[i].words))
                        fail_msg("%s: %s", cases[i].text, fault.detail);
                assert_null(none);
        }
}

static void the_contract_has_the_scopes(void **state)
{
        (void)state;
        assert_int_equal(scopes_of(DOC("      x-purgeway-scopes: []\n")), 0);
        assert_int_equal(scopes_of(DOC("      x-purgeway-scopes: [purge:keys, 'jobs:read']\n")),
                         PGW_SCOPE(PURGE_KEYS) | PGW_SCOPE(JOBS_READ));
}

static void every_scope_is_found_by_its_word(void **state)
{
        char words[256], small[8];

        (void)state;
        for (unsigned i = 0; i < PGW_SCOPE_COUNT; i++) {
                pgw_scope_set set = 0;
                assert_int_equal(pgw_scope_add(&set, pgw_str_z(pgw_scope_word((enum pgw_scope)i))),
                                 PGW_OK);
                assert_int_equal(set, (pgw_scope_set)1 << i);
                pgw_scope_words(set, words, sizeof words);
                assert_string_equal(words, pgw_scope_word((enum pgw_scope)i));
        }
        pgw_scope_words(PGW_SCOPE(PURGE_KEYS) | PGW_SCOPE(PURGE_TAGS), words, sizeof words);
        assert_string_equal(words, "purge:keys, purge:tags");
        pgw_scope_words(PGW_SCOPE(PURGE_KEYS) | PGW_SCOPE(PURGE_TAGS), small, sizeof small);
        assert_string_equal(small, "purge:k");
        pgw_scope_words(0, words, sizeof words);
        assert_string_equal(words, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_operation_without_scopes_stops_the_start),
            cmocka_unit_test(the_contract_has_the_scopes),
            cmocka_unit_test(every_scope_is_found_by_its_word),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
