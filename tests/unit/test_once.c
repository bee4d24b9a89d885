/* The records of requests that may be repeated, as they stand in Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/once.h"

static struct pgw_once named(const char *scope, struct pgw_str key)
{
        struct pgw_once once = {.name = ""};

        pgw_once_name(&once, pgw_str_z(scope), key);
        return once;
}

static bool is_same(const struct pgw_once *a, const struct pgw_once *b)
{
        return memcmp(a->name, b->name, sizeof a->name) == 0;
}

/* printf '\0abc' | sha256sum, its first 16 bytes in base64url. */
static void names_a_key_by_its_hash(void **state)
{
        const struct pgw_once once = named("", PGW_STR("abc"));

        (void)state;
        assert_memory_equal(once.name, "YJ9uNtJAVYUYjVz9dh9AfA", sizeof once.name);
}

static void tells_scopes_and_keys_apart(void **state)
{
        const struct pgw_once all[] = {
            named("", PGW_STR("abc")),
            named("a", PGW_STR("bc")),
            named("ab", PGW_STR("c")),
            named("abc", PGW_STR("")),
        };

        (void)state;
        for (size_t i = 0; i < 4; i++)
                for (size_t k = 0; k < i; k++)
                        assert_false(is_same(&all[i], &all[k]));
}

static void names_each_item_of_a_batch(void **state)
{
        struct pgw_once batch = named("", PGW_STR("batch")), first, second, again;

        (void)state;
        memset(batch.fingerprint, 'f', sizeof batch.fingerprint);
        pgw_once_item(&batch, 0, &first);
        pgw_once_item(&batch, 1, &second);
        pgw_once_item(&batch, 1, &again);
        assert_true(is_same(&second, &again));
        assert_false(is_same(&first, &second));
        assert_false(is_same(&first, &batch));
        assert_memory_equal(second.fingerprint, batch.fingerprint, sizeof batch.fingerprint);
}

/* What the script makes of it: the id as it was known, and the entry's. */
static void reads_what_it_wrote(void **state)
{
        const struct pgw_job_id id = {PGW_LANE_LOW, 0, {0, 0}, 0x0102030405060708u};
        const struct pgw_job_id later = {
            PGW_LANE_NORMAL, PGW_PARTITION_LATER, {1763700000000u, 7}, 0x0102030405060708u};
        char text[PGW_JOB_ID_SIZE + sizeof " 1763700000000-12"];
        struct pgw_job_id back;

        (void)state;
        pgw_once_job_text(&id, text);
        strcpy(text + PGW_JOB_ID_SIZE, " 1763700000000-12");
        assert_int_equal(pgw_once_job_read(pgw_str_z(text), &back), PGW_OK);
        assert_int_equal(back.lane, id.lane);
        assert_int_equal(back.nonce, id.nonce);
        assert_int_equal(back.entry.ms, 1763700000000u);
        assert_int_equal(back.entry.seq, 12);

        pgw_once_job_text(&later, text);
        assert_int_equal(pgw_once_job_read(pgw_str_of(text, PGW_JOB_ID_SIZE), &back), PGW_OK);
        assert_memory_equal(&back, &later, sizeof back);
}

static void refuses_records_that_are_none(void **state)
{
        const struct pgw_job_id id = {PGW_LANE_LOW, 0, {0, 0}, 1};
        const struct pgw_job_id later = {PGW_LANE_LOW, PGW_PARTITION_LATER, {5, 5}, 1};
        static const char *const tails[] = {"", " ", " 5", " 5-", " -5", " 5-5 ", "5-5"};
        char text[PGW_JOB_ID_SIZE + 8];
        struct pgw_job_id back;

        (void)state;
        for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
                pgw_once_job_text(&id, text);
                strcpy(text + PGW_JOB_ID_SIZE, tails[i]);
                assert_int_equal(pgw_once_job_read(pgw_str_z(text), &back), PGW_E_CODEC);
        }
        pgw_once_job_text(&later, text);
        strcpy(text + PGW_JOB_ID_SIZE, " 5-5");
        assert_int_equal(pgw_once_job_read(pgw_str_z(text), &back), PGW_E_CODEC);
        assert_int_equal(pgw_once_job_read(PGW_STR(""), &back), PGW_E_CODEC);
}

static void knows_another_name(void **state)
{
        struct pgw_once once = named("a", PGW_STR("b"));
        const struct pgw_once same = named("c", PGW_STR("d"));

        (void)state;
        assert_int_equal(once.other_ttl_ms, 0);
        pgw_once_also(&once, PGW_STR("c"), PGW_STR("d"), 7);
        assert_int_equal(once.other_ttl_ms, 7);
        assert_memory_equal(once.other, same.name, sizeof same.name);
        assert_true(memcmp(once.name, once.other, sizeof once.name));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(names_a_key_by_its_hash),
            cmocka_unit_test(tells_scopes_and_keys_apart),
            cmocka_unit_test(names_each_item_of_a_batch),
            cmocka_unit_test(knows_another_name),
            cmocka_unit_test(reads_what_it_wrote),
            cmocka_unit_test(refuses_records_that_are_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
