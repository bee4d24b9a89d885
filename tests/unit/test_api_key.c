/* API keys: how they look, and that a broken one is told from a whole one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/api_key.h"

/* Of 32 zero bytes. */
#define ZEROS "pgw_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABmaHqt"

static void keys_are_whole_and_never_the_same(void **state)
{
        char one[PGW_API_KEY_SIZE], other[PGW_API_KEY_SIZE];

        (void)state;
        for (int i = 0; i < 1000; i++) {
                pgw_api_key_make(one);
                pgw_api_key_make(other);
                assert_memory_equal(one, PGW_API_KEY_PREFIX, 4);
                assert_memory_not_equal(one, other, sizeof one);
                assert_true(pgw_api_key_is_whole(pgw_str_of(one, sizeof one)));
                for (size_t k = 4; k < sizeof one; k++)
                        assert_non_null(
                            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_",
                                   one[k]));
        }
}

static void the_form_is_fixed(void **state)
{
        (void)state;
        assert_true(pgw_api_key_is_whole(PGW_STR(ZEROS)));
}

static void every_other_character_breaks_a_key(void **state)
{
        char key[PGW_API_KEY_SIZE];

        (void)state;
        pgw_api_key_make(key);
        for (size_t i = 0; i < sizeof key; i++) {
                const char was = key[i];
                for (int c = 0; c < 256; c++) {
                        key[i] = (char)c;
                        if (key[i] != was)
                                assert_false(pgw_api_key_is_whole(pgw_str_of(key, sizeof key)));
                }
                key[i] = was;
        }
        assert_true(pgw_api_key_is_whole(pgw_str_of(key, sizeof key)));
}

static void cut_and_longer_ones_are_broken(void **state)
{
        char key[PGW_API_KEY_SIZE + 4];

        (void)state;
        pgw_api_key_make(key);
        memset(key + PGW_API_KEY_SIZE, 'A', 4);
        for (size_t n = 0; n <= sizeof key; n++)
                assert_int_equal(pgw_api_key_is_whole(pgw_str_of(key, n)), n == PGW_API_KEY_SIZE);
}

static void hashes_are_written_and_read(void **state)
{
        static const char *const bad[] = {
            "",
            "sha256:",
            "sha256:00",
            "sha512:" ZEROS,
            ZEROS,
            "SHA256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a080",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0g",
        };
        unsigned char read[PGW_SHA256_SIZE], wanted[PGW_SHA256_SIZE];
        char text[PGW_SECRET_HASH_CHARS];
        bool is_keyed;

        (void)state;
        size_t n = pgw_secret_hash_text(PGW_STR("test"), PGW_STR(""), text);
        assert_int_equal(n, 71);
        assert_memory_equal(
            text, "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", n);
        assert_int_equal(pgw_secret_hash_parse(pgw_str_of(text, n), &is_keyed, read), PGW_OK);
        assert_false(is_keyed);
        pgw_sha256_of("test", 4, wanted);
        assert_true(pgw_sha256_eq(read, wanted));
        wanted[PGW_SHA256_SIZE - 1] ^= 1;
        assert_false(pgw_sha256_eq(read, wanted));
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(pgw_secret_hash_parse(pgw_str_z(bad[i]), &is_keyed, read),
                                 PGW_E_INVALID);
}

/* RFC 4231, test case 2. */
static void with_a_pepper_it_is_keyed(void **state)
{
        static const char wanted[] =
            "hmac-sha256:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        const struct pgw_str secret = PGW_STR("what do ya want for nothing?");
        unsigned char read[PGW_SHA256_SIZE], again[PGW_SHA256_SIZE];
        char text[PGW_SECRET_HASH_CHARS];
        bool is_keyed = false;

        (void)state;
        assert_int_equal(pgw_secret_hash_text(secret, PGW_STR("Jefe"), text), sizeof wanted - 1);
        assert_memory_equal(text, wanted, sizeof wanted - 1);
        assert_int_equal(pgw_secret_hash_parse(pgw_str_z(wanted), &is_keyed, read), PGW_OK);
        assert_true(is_keyed);
        pgw_secret_hash(secret, PGW_STR("Jefe"), again);
        assert_true(pgw_sha256_eq(read, again));
        pgw_secret_hash(secret, PGW_STR(""), again);
        assert_false(pgw_sha256_eq(read, again));
        for (size_t cut = 1; cut < sizeof wanted; cut++)
                assert_int_equal(pgw_secret_hash_parse(pgw_str_of(wanted, sizeof wanted - 1 - cut),
                                                       &is_keyed, read),
                                 PGW_E_INVALID);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(keys_are_whole_and_never_the_same),
            cmocka_unit_test(with_a_pepper_it_is_keyed),
            cmocka_unit_test(the_form_is_fixed),
            cmocka_unit_test(every_other_character_breaks_a_key),
            cmocka_unit_test(cut_and_longer_ones_are_broken),
            cmocka_unit_test(hashes_are_written_and_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
