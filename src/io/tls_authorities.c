#include "io/tls_authorities.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

void pgw_tls_settle_authorities(SSL_CTX *ctx)
{
        STACK_OF(X509_OBJECT) *known = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));

        for (int i = 0; i < sk_X509_OBJECT_num(known); i++) {
                X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, i));
                if (authority)
                        X509_check_purpose(authority, -1, 0);
        }
}
