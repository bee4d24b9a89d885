#include "io/tls_peer.h"

#include <string.h>

#include <openssl/x509v3.h>

struct teller {
        pgw_peer_name_f *tell;
        void *ctx;
        size_t count;
};

static const struct kind {
        int type;
        const char *prefix;
} kinds[] = {{GEN_URI, "uri:"}, {GEN_DNS, "dns:"}, {GEN_EMAIL, "email:"}};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

#define SUBJECT "subject:"

static bool is_printable(struct pgw_str text)
{
        for (size_t i = 0; i < text.n; i++)
                if (text.p[i] < 0x20 || text.p[i] > 0x7e)
                        return false;
        return text.n > 0;
}

static void tell(struct teller *t, const char *prefix, struct pgw_str text)
{
        char name[PGW_PEER_NAME_SIZE_MAX];
        const size_t n = strlen(prefix);

        if (t->count == PGW_PEER_NAMES_MAX || !is_printable(text) || text.n > sizeof name - n)
                return;
        memcpy(name, prefix, n);
        memcpy(name + n, text.p, text.n);
        t->count++;
        t->tell(t->ctx, pgw_str_of(name, n + text.n));
}

static void tell_alternatives(struct teller *t, const X509 *certificate)
{
        GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

        for (size_t k = 0; k < KIND_COUNT; k++)
                for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
                        int type;
                        const ASN1_IA5STRING *text =
                            GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
                        if (type == kinds[k].type)
                                tell(t, kinds[k].prefix,
                                     pgw_str_of((const char *)ASN1_STRING_get0_data(text),
                                                (size_t)ASN1_STRING_length(text)));
                }
        GENERAL_NAMES_free(names);
}

static void tell_subject(struct teller *t, X509 *certificate)
{
        BIO *out = BIO_new(BIO_s_mem());
        char *text = NULL;

        if (out &&
            X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
                const long n = BIO_get_mem_data(out, &text);
                tell(t, SUBJECT, pgw_str_of(text, n > 0 ? (size_t)n : 0));
        }
        BIO_free(out);
}

void pgw_tls_peer_names(X509 *certificate, pgw_peer_name_f *f, void *ctx)
{
        struct teller t = {.tell = f, .ctx = ctx};

        tell_alternatives(&t, certificate);
        tell_subject(&t, certificate);
}

bool pgw_tls_peer_name_is(struct pgw_str text)
{
        if (text.n > PGW_PEER_NAME_SIZE_MAX || !is_printable(text))
                return false;
        for (size_t k = 0; k < KIND_COUNT; k++)
                if (pgw_str_starts(text, pgw_str_z(kinds[k].prefix)))
                        return text.n > strlen(kinds[k].prefix);
        return pgw_str_starts(text, PGW_STR(SUBJECT)) && text.n > sizeof SUBJECT - 1;
}
