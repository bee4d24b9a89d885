/* Patterns: the rules and their corners. That Redis thinks the same is tested against Redis
 * itself, by tests/service/test_patterns.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "domain/glob.h"
#include "glob_model.h"

#define S(literal)                                                                                 \
        {                                                                                          \
                literal, sizeof literal - 1                                                        \
        }

static bool matches(struct pgw_str pattern, struct pgw_str key)
{
        /* Copies of exactly their size, so that reading past them is seen. */
        char *p = pgw_alloc(pattern.n ? pattern.n : 1), *k = pgw_alloc(key.n ? key.n : 1);

        if (pattern.n)
                memcpy(p, pattern.p, pattern.n);
        if (key.n)
                memcpy(k, key.p, key.n);
        struct pgw_glob *g = pgw_glob_new(pgw_str_of(p, pattern.n));
        pgw_free(p);
        const bool yes = pgw_glob_match(g, pgw_str_of(k, key.n));
        pgw_free(k);
        pgw_glob_free(g);
        return yes;
}

static void matches_as_redis_does(void **state)
{
        static const struct {
                struct pgw_str pattern, key;
                bool yes;
        } cases[] = {
            {S("user:*"), S("user:42"), true},
            {S("user:*"), S("user:"), true},
            {S("user:*"), S("user"), false},
            {S("user:?"), S("user:42"), false},
            {S("*"), S("anything"), true},
            {S("*:42"), S("a:42:42"), true},
            {S("*a*b"), S("xaxbxab"), true},
            {S("*a*b"), S("xaxbxa"), false},
            {S("a**b"), S("ab"), true},
            {S("a*"), S("a"), true},
            {S("a***"), S("a"), true},
            {S("h[ae]llo"), S("hallo"), true},
            {S("h[ae]llo"), S("hillo"), false},
            {S("h[^e]llo"), S("hallo"), true},
            {S("h[^e]llo"), S("hello"), false},
            {S("h[a-c]llo"), S("hbllo"), true},
            {S("h[c-a]llo"), S("hbllo"), true},
            {S("h[a-]llo"), S("h-llo"), false}, /* the range a..], not closed */
            {S("a[b-]"), S("a]"), true},
            {S("a[bc"), S("ac"), true},
            {S("a[bc"), S("ad"), false},
            {S("a["), S("a"), false},
            {S("a["), S("ab"), false},
            {S("a[^"), S("ab"), true},
            {S("a[]b"), S("ab"), false},
            {S("a[^]b"), S("axb"), true},
            {S("a[\\]]b"), S("a]b"), true},
            {S("a[\\"), S("a\\"), true},
            {S("a\\*"), S("a*"), true},
            {S("a\\*"), S("ab"), false},
            {S("a\\"), S("a\\"), true},
            {S("\\a"), S("a"), true},
            {S("A"), S("a"), false},
            {S("a\0b*"), S("a\0bc"), true},
            {S("a\0b"), S("a"), false},
            {S("\xff?"), S("\xff\xfe"), true},
            {S("[\x80-\xff]"), S("\x90"), true},
            {S("[a-\xff]"), S("b"), false}, /* signed: -1..97 */
            {S("[a-\xff]"), S("\x01"), true},
            {S(""), S(""), true},
            {S("*"), S(""), true},
            {S("**"), S(""), false},
            {S(""), S("a"), false},
            {S("?"), S(""), false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                if (matches(cases[i].pattern, cases[i].key) != cases[i].yes)
                        fail_msg("%s against %s", cases[i].pattern.p, cases[i].key.p);
}

/* What exponential matchers die of. */
static void costs_no_more_than_pattern_times_key(void **state)
{
        char pattern[256], key[4096];

        (void)state;
        for (size_t i = 0; i < sizeof pattern; i++)
                pattern[i] = i % 2 ? 'a' : '*';
        pattern[255] = 'b';
        memset(key, 'a', sizeof key);
        assert_false(matches(pgw_str_of(pattern, 256), pgw_str_of(key, sizeof key)));
        key[4095] = 'b';
        assert_true(matches(pgw_str_of(pattern, 256), pgw_str_of(key, sizeof key)));
}

static uint32_t next_random(uint32_t *seed)
{
        *seed = *seed * 1664525u + 1013904223u;
        return *seed >> 8;
}

/* Short keys and long ones, which are looked through in another way. */
static void agrees_with_the_model(void **state)
{
        static const char *const parts[] = {"*", "?", "[ab]", "[^b]", "a", "b", "ab", "aa", "\\a"};
        static char key[3000];
        uint32_t seed = 20261121;
        size_t matched = 0;

        (void)state;
        for (unsigned round = 0; round < 20000; round++) {
                char pattern[64];
                size_t n = 0, stars = 0;
                for (unsigned i = next_random(&seed) % 9 + 1; i > 0; i--) {
                        const char *part =
                            parts[next_random(&seed) % (sizeof parts / sizeof parts[0])];
                        stars += part[0] == '*';
                        if (part[0] != '*' || stars <= 2)
                                n += (size_t)snprintf(pattern + n, sizeof pattern - n, "%s", part);
                }
                const size_t key_n =
                    round % 100 ? next_random(&seed) % 14 : 500 + next_random(&seed) % 300;
                for (size_t i = 0; i < key_n; i++)
                        key[i] = next_random(&seed) % 8 ? 'a' : 'b';
                const struct pgw_str p = pgw_str_of(pattern, n), k = pgw_str_of(key, key_n);
                const bool yes = glob_model(p, k);
                matched += yes;
                if (matches(p, k) != yes)
                        fail_msg("%.*s against %.*s", (int)n, pattern, (int)key_n, key);
        }
        assert_in_range(matched, 1000, 19000);
}

/* A segment may be longer than a word of bits, and end at any bit of one. */
static void finds_long_segments_in_long_keys(void **state)
{
        static char key[5000];

        (void)state;
        for (size_t n = 1; n <= 300; n++) {
                char pattern[310] = "*";
                memset(pattern + 1, '?', n);
                pattern[n] = 'b';
                memset(key, 'a', sizeof key);
                pattern[n + 1] = '*';
                const struct pgw_str p = pgw_str_of(pattern, n + 2);
                assert_false(matches(p, pgw_str_of(key, sizeof key)));
                key[n - 1] = 'b';
                assert_true(matches(p, pgw_str_of(key, sizeof key)));
                key[n - 1] = 'a';
                if (n > 1)
                        key[n - 2] = 'b';
                assert_false(matches(p, pgw_str_of(key, sizeof key)));
                key[sizeof key - 1] = 'b';
                assert_true(matches(p, pgw_str_of(key, sizeof key)));
        }
}

static void tells_prefix_and_stars(void **state)
{
        static const struct {
                struct pgw_str pattern, prefix;
                size_t stars;
        } cases[] = {
            {S("user:*"), S("user:"), 1},
            {S("user:\\*x?*"), S("user:*x"), 1},
            {S("*"), S(""), 1},
            {S("a**b***c"), S("a"), 2},
            {S("plain"), S("plain"), 0},
            {S("x[ab]*"), S("x"), 1},
            {S(""), S(""), 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct pgw_glob *g = pgw_glob_new(cases[i].pattern);
                assert_true(pgw_str_eq(pgw_glob_prefix(g), cases[i].prefix));
                assert_true(pgw_str_eq(pgw_glob_text(g), cases[i].pattern));
                assert_int_equal(pgw_glob_stars(g), cases[i].stars);
                pgw_glob_free(g);
        }
        pgw_glob_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(matches_as_redis_does),
            cmocka_unit_test(costs_no_more_than_pattern_times_key),
            cmocka_unit_test(agrees_with_the_model),
            cmocka_unit_test(finds_long_segments_in_long_keys),
            cmocka_unit_test(tells_prefix_and_stars),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
