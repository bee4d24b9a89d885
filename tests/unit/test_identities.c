/* The file of identities: what is taken, every refusal with its line, and who is found by what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/api_key.h"
#include "http/identities.h"

/* Of "one", "two" and "three". */
#define ONE   "sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define TWO   "sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
#define THREE "sha256:8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f"

#define HEAD "identities:\n"
#define SHOP "  - name: shop\n"

static const struct pgw_str targets[] = {{"default", 7}, {"eu", 2}};

static struct pgw_str pepper; /* empty, but where a test is about it */

static enum pgw_err load(struct pgw_str text, struct pgw_fault *fault, struct pgw_identities **ret)
{
        return pgw_identities_read("ids.yaml", text, targets, 2, pepper, fault, ret);
}

static struct pgw_identities *loaded(const char *text)
{
        struct pgw_identities *ids = NULL;
        struct pgw_fault fault = {"", ""};

        if (load(pgw_str_z(text), &fault, &ids))
                fail_msg("%s: %s\n%s", fault.pointer, fault.detail, text);
        return ids;
}

static void refused_text(struct pgw_str text, unsigned line, const char *words)
{
        struct pgw_identities *none = NULL;
        struct pgw_fault fault = {"", ""};
        char where[32];

        assert_int_equal(load(text, &fault, &none), PGW_E_CONFIG);
        snprintf(where, sizeof where, "ids.yaml:%u", line);
        if (strcmp(fault.pointer, where) != 0 || !strstr(fault.detail, words))
                fail_msg("%s: %s, not %s: %s\n%.300s", fault.pointer, fault.detail, where, words,
                         text.p);
        assert_null(none);
        assert_int_equal(load(text, NULL, &none), PGW_E_CONFIG);
}

static void refused(const char *text, unsigned line, const char *words)
{
        refused_text(pgw_str_z(text), line, words);
}

/* ---- what is taken ---- */

static void an_identity_has_what_the_file_says(void **state)
{
        struct pgw_identities *ids = loaded(HEAD SHOP "    keys: ['" ONE "', '" TWO "']\n"
                                                      "    scopes: [purge:keys, 'tags:read']\n"
                                                      "    key_prefixes: ['user:', 'a']\n"
                                                      "    tag_prefixes: ['t:']\n"
                                                      "    targets: [eu]\n"
                                                      "  - keys: ['" THREE "']\n"
                                                      "    name: ops-2.x_Y\n"
                                                      "    scopes: [queues:read]\n"
                                                      "  - name: idle\n");
        const struct pgw_identity *shop = pgw_identities_find(ids, PGW_STR("one"));

        (void)state;
        assert_int_equal(pgw_identities_count(ids), 3);
        assert_non_null(shop);
        assert_string_equal(shop->name, "shop");
        assert_int_equal(shop->mark, pgw_identity_mark(PGW_STR("shop")));
        assert_int_equal(shop->scopes, PGW_SCOPE(PURGE_KEYS) | PGW_SCOPE(TAGS_READ));
        assert_int_equal(shop->targets, 2);
        assert_true(pgw_prefixes_cover(&shop->keys, PGW_STR("user:42")));
        assert_false(pgw_prefixes_cover(&shop->tags, PGW_STR("user:42")));
        assert_ptr_equal(pgw_identities_find(ids, PGW_STR("two")), shop);
        const struct pgw_identity *ops = pgw_identities_find(ids, PGW_STR("three"));
        assert_string_equal(ops->name, "ops-2.x_Y");
        assert_int_equal(ops->targets, 0);
        assert_false(pgw_prefixes_cover(&ops->keys, PGW_STR("")));
        pgw_identities_drop(ids);
}

static void a_star_covers_all_targets(void **state)
{
        struct pgw_identities *ids = loaded(HEAD SHOP "    keys: ['" ONE "']\n"
                                                      "    scopes: [purge:tags]\n"
                                                      "    tag_prefixes: ['']\n"
                                                      "    targets: ['*']\n");

        (void)state;
        assert_int_equal(pgw_identities_find(ids, PGW_STR("one"))->targets, ~(pgw_target_set)0);
        pgw_identities_drop(ids);
}

static void nobody_may_be_let_in(void **state)
{
        struct pgw_identities *ids = loaded(HEAD "  []\n");

        (void)state;
        assert_int_equal(pgw_identities_count(ids), 0);
        assert_null(pgw_identities_find(ids, PGW_STR("one")));
        pgw_identities_drop(ids);
}

/* ---- who is found ---- */

static void what_is_not_known_finds_nobody(void **state)
{
        struct pgw_identities *ids = loaded(HEAD SHOP "    keys: ['" ONE "']\n");
        char longest[PGW_SECRET_SIZE_MAX + 1];

        (void)state;
        memset(longest, 'x', sizeof longest);
        assert_null(pgw_identities_find(ids, PGW_STR("")));
        assert_null(pgw_identities_find(ids, PGW_STR("on")));
        assert_null(pgw_identities_find(ids, PGW_STR("one ")));
        assert_null(pgw_identities_find(ids, PGW_STR("One")));
        assert_null(pgw_identities_find(ids, PGW_STR(ONE)));
        assert_null(pgw_identities_find(ids, pgw_str_of(longest, sizeof longest)));
        assert_non_null(pgw_identities_find(ids, PGW_STR("one")));
        pgw_identities_drop(ids);
}

/* What is hashed when no secret came must not be somebody's secret. */
static void nobody_has_the_secret_that_did_not_come(void **state)
{
        static const char zeros[PGW_API_KEY_SIZE];
        char hash[PGW_SECRET_HASH_CHARS], text[256];

        (void)state;
        const size_t n = pgw_secret_hash_text(pgw_str_of(zeros, sizeof zeros), pepper, hash);
        snprintf(text, sizeof text, HEAD SHOP "    keys: ['%.*s']\n", (int)n, hash);
        struct pgw_identities *ids = loaded(text);
        assert_null(pgw_identities_find(ids, PGW_STR("")));
        pgw_identities_drop(ids);
}

static void many_are_all_found(void **state)
{
        enum { COUNT = 1000, ROOM = COUNT * 120 + 32 };
        char *text = pgw_alloc(ROOM), name[16], hash[PGW_SECRET_HASH_CHARS];
        size_t n = (size_t)snprintf(text, ROOM, HEAD);

        (void)state;
        for (int i = 0; i < COUNT; i++) {
                snprintf(name, sizeof name, "n%d", i);
                const size_t size = pgw_secret_hash_text(pgw_str_z(name), pepper, hash);
                n += (size_t)snprintf(text + n, ROOM - n, "  - name: %s\n    keys: ['%.*s']\n",
                                      name, (int)size, hash);
        }
        struct pgw_identities *ids = loaded(text);
        for (int i = 0; i < COUNT; i++) {
                snprintf(name, sizeof name, "n%d", i);
                assert_string_equal(pgw_identities_find(ids, pgw_str_z(name))->name, name);
        }
        pgw_identities_drop(ids);
        pgw_free(text);
}

/* Keyed hashes and others may stand beside one another, while keys are replaced. */
static void keyed_hashes_are_found_with_the_pepper_only(void **state)
{
        char text[256], hash[PGW_SECRET_HASH_CHARS];
        const struct pgw_str right = PGW_STR("a pepper of the tests, long enough");

        (void)state;
        const size_t n = pgw_secret_hash_text(PGW_STR("two"), right, hash);
        snprintf(text, sizeof text, HEAD SHOP "    keys: ['" ONE "', '%.*s']\n", (int)n, hash);
        refused(text, 3, "needs the setting identities.pepper");
        pepper = right;
        struct pgw_identities *ids = loaded(text);
        assert_non_null(pgw_identities_find(ids, PGW_STR("one")));
        assert_non_null(pgw_identities_find(ids, PGW_STR("two")));
        assert_null(pgw_identities_find(ids, PGW_STR("three")));
        assert_null(pgw_identities_find(ids, PGW_STR("")));
        pgw_identities_drop(ids);
        pepper = PGW_STR("another pepper of the tests, as long");
        ids = loaded(text);
        assert_non_null(pgw_identities_find(ids, PGW_STR("one")));
        assert_null(pgw_identities_find(ids, PGW_STR("two")));
        pgw_identities_drop(ids);
        pepper = PGW_STR("");
}

static void a_set_lives_as_long_as_somebody_holds_it(void **state)
{
        struct pgw_identities *ids = loaded(HEAD SHOP "    keys: ['" ONE "']\n");

        (void)state;
        assert_ptr_equal(pgw_identities_hold(ids), ids);
        pgw_identities_drop(ids);
        assert_non_null(pgw_identities_find(ids, PGW_STR("one")));
        pgw_identities_drop(ids);
        assert_null(pgw_identities_hold(NULL));
        pgw_identities_drop(NULL);
}

static void prefixes_cover_what_begins_with_one_of_them(void **state)
{
        struct pgw_str two[] = {{"user:", 5}, {"a\0b", 3}}, all[] = {{"", 0}};
        const struct pgw_prefixes none = {NULL, 0}, some = {two, 2}, every = {all, 1};

        (void)state;
        assert_true(pgw_prefixes_cover(&some, PGW_STR("user:")));
        assert_true(pgw_prefixes_cover(&some, PGW_STR("user:1")));
        assert_true(pgw_prefixes_cover(&some, PGW_STR("a\0bc")));
        assert_false(pgw_prefixes_cover(&some, PGW_STR("a\0c")));
        assert_false(pgw_prefixes_cover(&some, PGW_STR("a")));
        assert_false(pgw_prefixes_cover(&some, PGW_STR("user")));
        assert_false(pgw_prefixes_cover(&some, PGW_STR("USER:1")));
        assert_false(pgw_prefixes_cover(&some, PGW_STR(" user:1")));
        assert_false(pgw_prefixes_cover(&some, PGW_STR("")));
        assert_false(pgw_prefixes_cover(&none, PGW_STR("")));
        assert_false(pgw_prefixes_cover(&none, PGW_STR("user:1")));
        assert_true(pgw_prefixes_cover(&every, PGW_STR("")));
        assert_true(pgw_prefixes_cover(&every, PGW_STR("\xff")));
}

/* ---- rates and what was used of them ---- */

static const struct pgw_rate no_rate = {0, 0}, usual = {50, 70};

static const struct pgw_identity *metered(struct pgw_identities *ids,
                                          const struct pgw_identities *before)
{
        pgw_identities_meter(ids, before, &usual, &no_rate);
        return pgw_identities_find(ids, PGW_STR("one"));
}

static void rates_are_those_of_the_file_or_of_the_settings(void **state)
{
        static const struct {
                const char *text, *policy;
        } cases[] = {
            {"", "\"invalidate\";q=70;w=2"},
            {"    rate: {per_s: 200}\n", "\"invalidate\";q=200;w=1"},
            {"    rate: {per_s: 200, burst: 50}\n", "\"invalidate\";q=200;w=1"},
            {"    rate: {burst: 400, per_s: 200}\n    key_rate: {per_s: 3}\n",
             "\"invalidate\";q=400;w=2, \"keys\";q=3;w=1"},
            {"    rate: {per_s: 0}\n    key_rate: {per_s: 3, burst: 10}\n", "\"keys\";q=10;w=4"},
            {"    rate: {per_s: 10000000, burst: 100000000}\n"
             "    key_rate: {per_s: 10000000, burst: 100000000}\n",
             "\"invalidate\";q=100000000;w=10, \"keys\";q=100000000;w=10"},
            {"    rate: {per_s: 0}\n", NULL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char text[512];
                snprintf(text, sizeof text, HEAD SHOP "    keys: ['" ONE "']\n%s", cases[i].text);
                struct pgw_identities *ids = loaded(text);
                const struct pgw_identity *who = metered(ids, NULL);
                if (cases[i].policy)
                        assert_string_equal(who->meter->policy, cases[i].policy);
                else
                        assert_null(who->meter);
                pgw_identities_drop(ids);
        }
}

/* Who was there with the same rates goes on as they were; the order and the rest may change. */
static void a_new_file_fills_no_bucket(void **state)
{
        const char *const same = HEAD "  - name: other\n" SHOP "    keys: ['" ONE "', '" TWO "']\n",
                          *const changed =
                              HEAD SHOP "    keys: ['" ONE "']\n    rate: {per_s: 9}\n",
                          *const renamed = HEAD "  - name: store\n    keys: ['" ONE "']\n";
        struct pgw_identities *old = loaded(HEAD SHOP "    keys: ['" ONE "']\n");
        const struct pgw_identity *was = metered(old, NULL);
        struct pgw_meter *meter = pgw_meter_hold(was->meter);

        (void)state;
        assert_true(pgw_bucket_take(&meter->request_bucket, &meter->requests, 70, 1, NULL));
        struct pgw_identities *fresh = loaded(same);
        assert_ptr_equal(metered(fresh, old)->meter, meter);
        pgw_identities_drop(old);
        assert_false(pgw_bucket_take(&meter->request_bucket, &meter->requests, 1, 1, NULL));
        for (size_t i = 0; i < 2; i++) {
                struct pgw_identities *other = loaded(i ? changed : renamed);
                assert_ptr_not_equal(metered(other, fresh)->meter, meter);
                pgw_identities_drop(other);
        }
        pgw_identities_drop(fresh);
        pgw_meter_drop(meter);
}

static void rates_are_numbers_within_bounds(void **state)
{
        (void)state;
        refused(HEAD SHOP "    rate: 200\n", 3, "must be a mapping like {per_s: 200, burst: 400}");
        refused(HEAD SHOP "    rate: {burst: 2}\n", 3, "must be a mapping like");
        refused(HEAD SHOP "    key_rate:\n      per_s: -1\n", 4, "from 0 to 10000000");
        refused(HEAD SHOP "    key_rate:\n      per_s: 10000001\n", 4, "from 0 to 10000000");
        refused(HEAD SHOP "    rate:\n      per_s: 1.5\n", 4, "must be a number");
        refused(HEAD SHOP "    rate:\n      per_s: '7'\n", 4, "must be a number");
        refused(HEAD SHOP "    rate:\n      per_s: 7\n      burst: 0\n", 5, "from 1 to 100000000");
        refused(HEAD SHOP "    rate:\n      per_s: 7\n      per_m: 0\n", 5, "no member 'per_m'");
}

/* ---- what is refused ---- */

static void the_file_must_have_identities_and_nothing_else(void **state)
{
        (void)state;
        refused("", 1, "`identities` must be there");
        refused("{}", 1, "`identities` must be there");
        refused("[]", 1, "`identities` must be there");
        refused("identities:\n", 1, "a list of at most 16384");
        refused("\nidentities: {a: b}\n", 2, "a list of at most 16384");
        refused("identities: []\n\nidentites: []\n", 3, "no member 'identites'");
        refused("identities: []\na/b~c: 1\n", 1, "no member 'a/b~c'");
        refused("identities: [\n", 2, "column 1: ");
        refused(HEAD SHOP "    name: shop\n", 3, "the key 'name' stands here twice");
        refused(HEAD "  - &a x\n", 2, "anchors, aliases and tags");
}

static void an_identity_has_a_name_of_its_own(void **state)
{
        (void)state;
        refused(HEAD "  - shop\n", 2, "must be a mapping with a `name`");
        refused(HEAD "  - scopes: []\n", 2, "needs a `name`");
        refused(HEAD "  - name: 7\n", 2, "needs a `name`");
        refused(HEAD "  - name: ''\n", 2, "a name has 1 to 64");
        refused(HEAD "  - name: 'a b'\n", 2, "a name has 1 to 64");
        refused(HEAD "  - name: \"a\\0b\"\n", 2, "a name has 1 to 64");
        refused(HEAD
                "  - name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
                2, "a name has 1 to 64");
        refused(HEAD SHOP "  - name: other\n  - keys: []\n    name: shop\n", 5,
                "the name 'shop' stands here twice");
        /* The SHA-256 of both begins with 11d8f049. */
        refused(HEAD "  - name: shop-42391\n  - name: shop-68519\n", 3,
                "jobs of 'shop-68519' could not be told from those of 'shop-42391'");
}

static void members_are_known(void **state)
{
        (void)state;
        refused(HEAD SHOP "    scope: []\n", 3, "no member 'scope'; there is name, keys, ");
        refused(HEAD SHOP "    keys: []\n    a/b: 1\n", 2, "no member 'a/b'");
}

static void keys_are_hashes_of_one_identity_each(void **state)
{
        (void)state;
        refused(HEAD SHOP "    keys: pgw_x\n", 3, "`keys` must be a list of at most 16");
        refused(HEAD SHOP "    keys:\n      - '" ONE "'\n      - 7\n", 5, "must be a text");
        refused(HEAD SHOP "    keys:\n      - pgw_secret\n", 4, "not what `purgeway key` prints");
        refused(HEAD SHOP "    keys: ['" ONE "0']\n", 3, "not what `purgeway key` prints");
        refused(HEAD SHOP "    keys: ['" ONE "', '" ONE "']\n", 3, "that of 'shop' already");
        refused(HEAD SHOP "    keys: ['" ONE "']\n  - name: b\n    keys:\n    - '" ONE "'\n", 6,
                "that of 'shop' already");
        refused(HEAD SHOP "    keys: ['1','2','3','4','5','6','7','8','9','0','1','2','3','4','5',"
                          "'6','7']\n",
                3, "at most 16");
}

/* Somebody will put the key itself there, and complaints are logged. */
static void a_secret_in_the_wrong_place_is_not_shown(void **state)
{
        struct pgw_identities *none = NULL;
        struct pgw_fault fault = {"", ""};

        (void)state;
        assert_int_equal(load(PGW_STR(HEAD SHOP "    keys: [pgw_topsecret]\n"), &fault, &none),
                         PGW_E_CONFIG);
        assert_null(strstr(fault.detail, "topsecret"));
}

static void scopes_are_known_and_have_what_they_need(void **state)
{
        (void)state;
        refused(HEAD SHOP "    scopes: all\n", 3, "`scopes` must be a list");
        refused(HEAD SHOP "    scopes: [purge:all]\n", 3, "no such scope; there is purge:keys, ");
        refused(HEAD SHOP "    scopes: [purge:keys]\n    targets: ['*']\n", 2,
                "purge:keys needs `key_prefixes`; [\"\"] covers all");
        refused(HEAD SHOP "    scopes: [purge:patterns]\n    key_prefixes: []\n", 2,
                "purge:patterns needs `key_prefixes`");
        refused(HEAD SHOP "    scopes: [purge:tags]\n    key_prefixes: ['']\n", 2,
                "purge:tags needs `tag_prefixes`");
        refused(HEAD SHOP "    scopes: [tags:read]\n    tag_prefixes: ['']\n", 2,
                "tags:read needs `targets`; [\"*\"] covers all");
        refused(HEAD SHOP "    scopes: [tags:write]\n    tag_prefixes: ['']\n    targets: [eu]\n",
                2, "tags:write needs `key_prefixes`");
}

static void prefixes_and_targets_are_texts_that_can_be(void **state)
{
        char text[1024];

        (void)state;
        refused(HEAD SHOP "    key_prefixes: user\n", 3, "must be a list of at most 256");
        refused(HEAD SHOP "    key_prefixes:\n      - a\n      - true\n", 5, "must be a text");
        refused(HEAD SHOP "    tag_prefixes: [1]\n", 3, "must be a text");
        snprintf(text, sizeof text, HEAD SHOP "    tag_prefixes: ['%0513d']\n", 0);
        refused(text, 3, "at most 512 bytes");
        refused(HEAD SHOP "    targets: [default, us]\n", 3, "'us' is not the name of a target");
        refused(HEAD SHOP "    targets: ['']\n", 3, "'' is not the name of a target");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_identity_has_what_the_file_says),
            cmocka_unit_test(a_star_covers_all_targets),
            cmocka_unit_test(nobody_may_be_let_in),
            cmocka_unit_test(what_is_not_known_finds_nobody),
            cmocka_unit_test(nobody_has_the_secret_that_did_not_come),
            cmocka_unit_test(many_are_all_found),
            cmocka_unit_test(keyed_hashes_are_found_with_the_pepper_only),
            cmocka_unit_test(a_set_lives_as_long_as_somebody_holds_it),
            cmocka_unit_test(prefixes_cover_what_begins_with_one_of_them),
            cmocka_unit_test(the_file_must_have_identities_and_nothing_else),
            cmocka_unit_test(an_identity_has_a_name_of_its_own),
            cmocka_unit_test(members_are_known),
            cmocka_unit_test(keys_are_hashes_of_one_identity_each),
            cmocka_unit_test(a_secret_in_the_wrong_place_is_not_shown),
            cmocka_unit_test(scopes_are_known_and_have_what_they_need),
            cmocka_unit_test(prefixes_and_targets_are_texts_that_can_be),
            cmocka_unit_test(rates_are_those_of_the_file_or_of_the_settings),
            cmocka_unit_test(a_new_file_fills_no_bucket),
            cmocka_unit_test(rates_are_numbers_within_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
