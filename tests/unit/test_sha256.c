/* SHA-256 against the examples of FIPS 180-2, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/sha256.h"

static void hashes(const char *text, size_t piece, const char *expected)
{
        struct pgw_sha256 *sha = pgw_sha256_new();
        unsigned char hash[PGW_SHA256_SIZE];
        char hex[PGW_HEX_SIZE(PGW_SHA256_SIZE) + 1] = "";

        for (size_t at = 0, n = strlen(text); at < n; at += piece)
                pgw_sha256_add(sha, text + at, n - at < piece ? n - at : piece);
        pgw_sha256_end(sha, hash);
        pgw_hex(hash, sizeof hash, hex);
        assert_string_equal(hex, expected);
}

static void hashes_the_examples(void **state)
{
        (void)state;
        hashes("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (size_t piece = 1; piece < 60; piece += 11) {
                hashes("abc", piece,
                       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
                hashes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", piece,
                       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(hashes_the_examples),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
