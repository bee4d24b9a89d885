#include "base/api_key.h"

#include <string.h>

#include "base/codec.h"
#include "base/hmac.h"
#include "base/rand.h"

#define RANDOM_SIZE 32
#define CHECK_SIZE  4
#define PREFIX_SIZE (sizeof PGW_API_KEY_PREFIX - 1)

_Static_assert(PREFIX_SIZE + PGW_BASE64URL_SIZE(RANDOM_SIZE + CHECK_SIZE) == PGW_API_KEY_SIZE,
               "no bits are left over");

/* Not the hash that is kept: that one is of the text. */
static void check(const unsigned char random[RANDOM_SIZE], unsigned char out[CHECK_SIZE])
{
        unsigned char hash[PGW_SHA256_SIZE];

        pgw_sha256_of(random, RANDOM_SIZE, hash);
        memcpy(out, hash, CHECK_SIZE);
}

void pgw_api_key_make(char out[PGW_API_KEY_SIZE])
{
        unsigned char bytes[RANDOM_SIZE + CHECK_SIZE];

        pgw_rand_bytes(bytes, RANDOM_SIZE);
        check(bytes, bytes + RANDOM_SIZE);
        memcpy(out, PGW_API_KEY_PREFIX, PREFIX_SIZE);
        (void)pgw_base64url(bytes, sizeof bytes, out + PREFIX_SIZE);
        explicit_bzero(bytes, sizeof bytes);
}

bool pgw_api_key_is_whole(struct pgw_str text)
{
        unsigned char bytes[RANDOM_SIZE + CHECK_SIZE + 3], wanted[CHECK_SIZE];
        size_t size = 0;
        bool is_whole = false;

        if (text.n != PGW_API_KEY_SIZE || !pgw_str_starts(text, PGW_STR(PGW_API_KEY_PREFIX)))
                return false;
        const struct pgw_str rest = pgw_str_of(text.p + PREFIX_SIZE, text.n - PREFIX_SIZE);
        if (pgw_unbase64url(rest, bytes, &size) == PGW_OK && size == RANDOM_SIZE + CHECK_SIZE) {
                check(bytes, wanted);
                is_whole = memcmp(bytes + RANDOM_SIZE, wanted, CHECK_SIZE) == 0;
        }
        explicit_bzero(bytes, sizeof bytes);
        return is_whole;
}

void pgw_secret_hash(struct pgw_str secret, struct pgw_str pepper,
                     unsigned char out[PGW_SHA256_SIZE])
{
        if (pepper.n)
                pgw_hmac_sha256(pepper, &secret, 1, out);
        else
                pgw_sha256_of(secret.p, secret.n, out);
}

size_t pgw_secret_hash_text(struct pgw_str secret, struct pgw_str pepper,
                            char out[PGW_SECRET_HASH_CHARS])
{
        const struct pgw_str word =
            pepper.n ? PGW_STR(PGW_SECRET_KEYED_WORD) : PGW_STR(PGW_SECRET_HASH_WORD);
        unsigned char hash[PGW_SHA256_SIZE];

        pgw_secret_hash(secret, pepper, hash);
        memcpy(out, word.p, word.n);
        pgw_hex(hash, sizeof hash, out + word.n);
        return word.n + 2 * sizeof hash;
}

enum pgw_err pgw_secret_hash_parse(struct pgw_str text, bool *ret_keyed,
                                   unsigned char out[PGW_SHA256_SIZE])
{
        const bool is_keyed = pgw_str_starts(text, PGW_STR(PGW_SECRET_KEYED_WORD));
        const struct pgw_str word =
            is_keyed ? PGW_STR(PGW_SECRET_KEYED_WORD) : PGW_STR(PGW_SECRET_HASH_WORD);

        if (text.n != word.n + 2 * PGW_SHA256_SIZE || !pgw_str_starts(text, word))
                return PGW_E_INVALID;
        *ret_keyed = is_keyed;
        return pgw_unhex(pgw_str_of(text.p + word.n, text.n - word.n), out);
}
