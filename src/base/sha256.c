/* OpenSSL's, which fails for want of memory only. */
#include "base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/alloc.h"
#include "base/panic.h"

struct pgw_sha256 {
        EVP_MD_CTX *md;
};

struct pgw_sha256 *pgw_sha256_new(void)
{
        struct pgw_sha256 *sha = pgw_alloc(sizeof *sha);

        sha->md = EVP_MD_CTX_new();
        PGW_ASSERT(sha->md && EVP_DigestInit_ex(sha->md, EVP_sha256(), NULL));
        return sha;
}

void pgw_sha256_add(struct pgw_sha256 *sha, const void *bytes, size_t size)
{
        PGW_ASSERT(EVP_DigestUpdate(sha->md, bytes, size));
}

void pgw_sha256_end(struct pgw_sha256 *sha, unsigned char out[PGW_SHA256_SIZE])
{
        unsigned size = 0;

        PGW_ASSERT(EVP_DigestFinal_ex(sha->md, out, &size));
        PGW_ASSERT(size == PGW_SHA256_SIZE);
        EVP_MD_CTX_free(sha->md);
        pgw_free(sha);
}

void pgw_sha256_of(const void *bytes, size_t size, unsigned char out[PGW_SHA256_SIZE])
{
        PGW_ASSERT(EVP_Digest(bytes, size, out, NULL, EVP_sha256(), NULL));
}

bool pgw_sha256_eq(const unsigned char a[PGW_SHA256_SIZE], const unsigned char b[PGW_SHA256_SIZE])
{
        return CRYPTO_memcmp(a, b, PGW_SHA256_SIZE) == 0;
}
