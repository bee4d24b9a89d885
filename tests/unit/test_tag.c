/* The keys of tags: what a tag may hold, and that no tag names another's key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "domain/tag.h"
#include "domain/target_check.h"

static void spells_tags(void **state)
{
        static const struct {
                struct pgw_str tag;
                const char *key;
        } cases[] = {
            {{"tenant:7", 8}, "purgeway:tag:{tenant:7}"},
            {{"a b", 3}, "purgeway:tag:{a%20b}"},
            {{"{x}%", 4}, "purgeway:tag:{%7Bx%7D%25}"},
            {{"\0\r\n\x7f", 4}, "purgeway:tag:{%00%0D%0A%7F}"},
            {{"\xc3\xa4\xff", 3}, "purgeway:tag:{\xc3\xa4\xff}"},
            {{"", 0}, "purgeway:tag:{}"},
        };
        char key[PGW_TAG_KEY_MAX];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_true(pgw_str_eq_z(pgw_tag_key(cases[i].tag, key), cases[i].key));
}

static void has_room_for_the_longest(void **state)
{
        char tag[PGW_TAG_MAX], key[PGW_TAG_KEY_MAX], name[PGW_ASIDE_MAX];
        const struct pgw_job_id id = {.nonce = 1};

        (void)state;
        memset(tag, '{', sizeof tag);
        const struct pgw_str longest = pgw_aside_name(&id, PGW_ASIDES_OF_JOB - 1, name);
        assert_int_equal(longest.n, PGW_ASIDE_MAX);
        const struct pgw_str aside = pgw_tag_aside_key(pgw_str_of(tag, sizeof tag), longest, key);
        assert_int_equal(aside.n, PGW_TAG_KEY_MAX);
        assert_memory_equal(aside.p + aside.n - PGW_ASIDE_MAX - 2, "}:", 2);
        assert_memory_equal(aside.p + aside.n - 3, ".99", 3);
}

static void tells_what_is_set_aside_apart(void **state)
{
        char key[PGW_TAG_KEY_MAX], name[PGW_ASIDE_MAX];
        const struct pgw_job_id id = {.nonce = 1};
        const struct pgw_str tag = PGW_STR("t");

        (void)state;
        assert_true(pgw_str_eq_z(pgw_tag_asides_key(tag, key), "purgeway:tag:{t}:aside"));
        assert_int_equal(pgw_aside_name(&id, 0, name).n, PGW_JOB_ID_SIZE);
        assert_true(pgw_str_eq_z(pgw_tag_aside_key(tag, PGW_STR(PGW_ASIDE_IN_DOUBT), key),
                                 "purgeway:tag:{t}:prune"));
}

static void judges_targets_by_what_they_evict(void **state)
{
        static const struct {
                const char *info;
                enum pgw_tags_policy policy;
        } cases[] = {
            {"# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", PGW_TAGS_MAY_END},
            {"maxmemory:100\r\nmaxmemory_policy:noeviction\r\n", PGW_TAGS_MAY_END},
            {"maxmemory:100\r\nmaxmemory_policy:volatile-ttl\r\n", PGW_TAGS_STAY},
            {"maxmemory:100\r\nmaxmemory_policy:allkeys-lfu\r\n", PGW_TAGS_REFUSED},
            {"maxmemory:100\r\nmaxmemory_policy:something-new\r\n", PGW_TAGS_REFUSED},
            {"maxmemory:100\r\n", PGW_TAGS_UNKNOWN},
            {"", PGW_TAGS_UNKNOWN},
        };
        char name[32];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_int_equal(pgw_target_judge(pgw_str_z(cases[i].info), name), cases[i].policy);
        pgw_target_judge(pgw_str_z(cases[2].info), name);
        assert_string_equal(name, "volatile-ttl");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(spells_tags),
            cmocka_unit_test(has_room_for_the_longest),
            cmocka_unit_test(tells_what_is_set_aside_apart),
            cmocka_unit_test(judges_targets_by_what_they_evict),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
