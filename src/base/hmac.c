/* OpenSSL's, which fails for want of memory only. It takes no key that is not there at all, but one
 * of no bytes. */
#include "base/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/panic.h"

void pgw_hmac_sha256(struct pgw_str key, const struct pgw_str *pieces, size_t count,
                     unsigned char out[PGW_HMAC_SIZE])
{
        char digest[] = "SHA256";
        const OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
            OSSL_PARAM_construct_end(),
        };
        EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
        EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
        const unsigned char *bytes = (const unsigned char *)(key.n ? key.p : "");
        size_t size = 0;

        PGW_ASSERT(ctx && EVP_MAC_init(ctx, bytes, key.n, params));
        for (size_t i = 0; i < count; i++)
                PGW_ASSERT(EVP_MAC_update(ctx, (const unsigned char *)pieces[i].p, pieces[i].n));
        PGW_ASSERT(EVP_MAC_final(ctx, out, &size, PGW_HMAC_SIZE));
        PGW_ASSERT(size == PGW_HMAC_SIZE);
        EVP_MAC_CTX_free(ctx);
        EVP_MAC_free(mac);
}

bool pgw_secret_eq(struct pgw_str a, struct pgw_str b)
{
        return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}
