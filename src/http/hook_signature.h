/* http/hook_signature.h - whether a webhook's delivery comes from who knows the secret.
 *
 *      standard     webhook-id, webhook-timestamp, webhook-signature: `v1,` and base64 over
 *                   id.timestamp.body (Standard Webhooks), any of several
 *      github       x-hub-signature-256: `sha256=` and hex over the body
 *      stripe       stripe-signature: t=...,v1=... hex over t.body
 *      shopify      x-shopify-hmac-sha256: base64 over the body
 *      woocommerce  x-wc-webhook-signature: the same
 *      contentful   x-contentful-signature: hex over method, path, signed headers and body
 *      sanity       sanity-webhook-signature: t=...,v1=... base64url over t.body
 *      hmac         a header, a prefix and an encoding of the operator's choice, over the body
 *      token        a header that holds the secret itself
 *
 * All of them HMAC-SHA256. Signatures are compared as they are written, in constant time and with
 * every live secret: what is not written the one canonical way is no signature. The body is bytes;
 * whoever asks parses it afterwards.
 *
 * Pure. Any thread.
 */
#ifndef PGW_HTTP_HOOK_SIGNATURE_H
#define PGW_HTTP_HOOK_SIGNATURE_H

#include "base/sha256.h"
#include "base/str.h"

#define PGW_HOOK_SECRETS_MAX    8
#define PGW_HOOK_SECRET_MAX     512
#define PGW_HOOK_SIGNATURES_MAX 16 /* of one delivery */
#define PGW_HOOK_SIGNED_MAX     32 /* headers that a signature covers */
#define PGW_HOOK_ID_MAX         255

enum pgw_hook_profile {
#define X(name, word, id) PGW_HOOK_##name,
#include "tbl/hook_profiles.h"
#undef X
        PGW_HOOK_PROFILE_COUNT
};

enum pgw_hook_encoding { PGW_HOOK_HEX, PGW_HOOK_BASE64, PGW_HOOK_BASE64URL };

/* How the deliveries of a hook are signed. */
struct pgw_hook_signing {
        enum pgw_hook_profile profile;
        struct pgw_str header; /* lower case; of `hmac` and `token` */
        struct pgw_str prefix; /* what stands before the signature, or the token */
        enum pgw_hook_encoding encoding;
        struct pgw_str secrets[PGW_HOOK_SECRETS_MAX]; /* as keys, decoded */
        size_t secret_count;
        uint64_t tolerance_ms; /* how far a delivery's time may be from ours, either way */
};

/* How many headers of this name (lower case) there are, and the first one. */
typedef size_t pgw_hook_header_f(void *ctx, struct pgw_str name, struct pgw_str *ret);

struct pgw_hook_message {
        struct pgw_str method, path; /* with its query */
        struct pgw_str body;
        pgw_hook_header_f *header;
        void *ctx;
};

enum pgw_hook_seal {
        PGW_SEAL_GOOD,
        PGW_SEAL_NONE,   /* no signature */
        PGW_SEAL_BAD,    /* not by one of the secrets, or not written as the profile has it */
        PGW_SEAL_OUTSIDE /* good, but of another time */
};

/* *ret_secret, which may be NULL, is the index of the secret of a good one. */
enum pgw_hook_seal pgw_hook_verify(const struct pgw_hook_signing *, const struct pgw_hook_message *,
                                   uint64_t now_wall_ms, size_t *ret_secret);

/* The hash of what the sender signed, of one that is known to be good; false when no time is in
 * it, and so the same bytes may well be signed twice. It does not depend on the secret, because a
 * delivery may be signed with several, and any of them could be left out on the way. */
bool pgw_hook_signed_hash(const struct pgw_hook_signing *, const struct pgw_hook_message *,
                          unsigned char ret[PGW_SHA256_SIZE]);

#endif
