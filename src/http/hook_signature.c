/* Every profile comes down to three things: the pieces of the message that was signed, the
 * signatures that came, and the time that the sender gives. A header that is missing, comes twice
 * or is written otherwise than its sender writes it ends the matter; whether the time is near
 * enough is asked only of what is signed, so that nobody learns of it who cannot sign. */
#include "http/hook_signature.h"

#include <string.h>

#include "base/codec.h"
#include "base/hmac.h"

#define PGW_SIGNATURE_TEXT_MAX PGW_HEX_SIZE(PGW_HMAC_SIZE)
#define PGW_PIECES_MAX         (8 + 4 * PGW_HOOK_SIGNED_MAX)
#define PGW_TIME_MAX           (UINT64_MAX / 1000)

struct claim {
        const struct pgw_hook_message *message;
        struct pgw_str pieces[PGW_PIECES_MAX];
        size_t piece_count;
        enum pgw_hook_encoding encoding;
        struct pgw_str signatures[PGW_HOOK_SIGNATURES_MAX];
        size_t signature_count;
        bool has_time;
        uint64_t time_ms;
};

static void add_piece(struct claim *c, struct pgw_str piece)
{
        PGW_ASSERT(c->piece_count < PGW_PIECES_MAX);
        c->pieces[c->piece_count++] = piece;
}

static enum pgw_hook_seal add_signature(struct claim *c, struct pgw_str text)
{
        if (c->signature_count == PGW_HOOK_SIGNATURES_MAX)
                return PGW_SEAL_BAD;
        c->signatures[c->signature_count++] = text;
        return PGW_SEAL_GOOD;
}

static enum pgw_hook_seal header(const struct claim *c, struct pgw_str name, struct pgw_str *ret)
{
        const struct pgw_hook_message *m = c->message;

        switch (m->header(m->ctx, name, ret)) {
        case 0:
                return PGW_SEAL_NONE;
        case 1:
                return ret->n ? PGW_SEAL_GOOD : PGW_SEAL_BAD;
        default:
                return PGW_SEAL_BAD;
        }
}

/* The same, of one that must be there when there is a signature. */
static enum pgw_hook_seal beside(const struct claim *c, struct pgw_str name, struct pgw_str *ret)
{
        const enum pgw_hook_seal seal = header(c, name, ret);

        return seal == PGW_SEAL_NONE ? PGW_SEAL_BAD : seal;
}

static enum pgw_hook_seal set_time(struct claim *c, struct pgw_str text, uint64_t unit_ms)
{
        uint64_t time;

        if (pgw_str_to_u64(text, PGW_TIME_MAX, &time))
                return PGW_SEAL_BAD;
        c->has_time = true;
        c->time_ms = time * unit_ms;
        return PGW_SEAL_GOOD;
}

/* Take the first item off a list; false when it is the last one. What stands behind a last mark is
 * an item too, an empty one. */
static bool next_of(struct pgw_str *list, char mark, struct pgw_str *ret)
{
        if (pgw_str_cut(*list, mark, ret, list))
                return true;
        *ret = *list;
        return false;
}

/* ---- the profiles ---- */

/* "v1,<base64> v1,<base64>"; what is of another version is not for us. */
static enum pgw_hook_seal split_versions(struct claim *c, struct pgw_str list)
{
        enum pgw_hook_seal seal = PGW_SEAL_GOOD;
        struct pgw_str one, version, text;

        for (bool has_more = true; seal == PGW_SEAL_GOOD && has_more;) {
                has_more = next_of(&list, ' ', &one);
                if (!pgw_str_cut(one, ',', &version, &text))
                        return PGW_SEAL_BAD;
                if (pgw_str_eq_z(version, "v1"))
                        seal = add_signature(c, text);
        }
        return seal;
}

/* The dots between the parts say nothing when a part has some: then another message could be cut
 * the same way. */
static enum pgw_hook_seal read_standard(struct claim *c)
{
        struct pgw_str id, time, list, head, tail;
        enum pgw_hook_seal seal = header(c, PGW_STR("webhook-signature"), &list);

        if (seal == PGW_SEAL_GOOD)
                seal = beside(c, PGW_STR("webhook-id"), &id);
        if (seal == PGW_SEAL_GOOD)
                seal = beside(c, PGW_STR("webhook-timestamp"), &time);
        if (seal == PGW_SEAL_GOOD)
                seal = set_time(c, time, 1000);
        if (seal != PGW_SEAL_GOOD)
                return seal;
        if (id.n > PGW_HOOK_ID_MAX || pgw_str_cut(id, '.', &head, &tail))
                return PGW_SEAL_BAD;
        add_piece(c, id);
        add_piece(c, PGW_STR("."));
        add_piece(c, time);
        add_piece(c, PGW_STR("."));
        add_piece(c, c->message->body);
        c->encoding = PGW_HOOK_BASE64;
        return split_versions(c, list);
}

/* "t=<time>,v1=<signature>", more signatures, and members that are not known. */
static enum pgw_hook_seal read_timed(struct claim *c, struct pgw_str name, uint64_t unit_ms,
                                     enum pgw_hook_encoding encoding)
{
        struct pgw_str list, one, key, value, time = {NULL, 0};
        enum pgw_hook_seal seal = header(c, name, &list);

        for (bool has_more = true; seal == PGW_SEAL_GOOD && has_more;) {
                has_more = next_of(&list, ',', &one);
                if (!pgw_str_cut(one, '=', &key, &value) || value.n == 0)
                        return PGW_SEAL_BAD;
                if (pgw_str_eq_z(key, "v1")) {
                        seal = add_signature(c, value);
                } else if (pgw_str_eq_z(key, "t")) {
                        seal = time.n ? PGW_SEAL_BAD : set_time(c, value, unit_ms);
                        time = value;
                }
        }
        if (seal == PGW_SEAL_GOOD && time.n == 0)
                return PGW_SEAL_BAD;
        add_piece(c, time);
        add_piece(c, PGW_STR("."));
        add_piece(c, c->message->body);
        c->encoding = encoding;
        return seal;
}

/* What stands before credentials is the name of their scheme, in any case (RFC 9110, 11.1). */
static bool has_prefix(struct pgw_str value, struct pgw_str name, struct pgw_str prefix)
{
        return pgw_str_eq_z(name, "authorization")
                   ? value.n >= prefix.n && pgw_str_eq_nocase(pgw_str_of(value.p, prefix.n), prefix)
                   : pgw_str_starts(value, prefix);
}

/* The signature and nothing else, over the body and nothing else. */
static enum pgw_hook_seal read_plain(struct claim *c, struct pgw_str name, struct pgw_str prefix,
                                     enum pgw_hook_encoding encoding)
{
        struct pgw_str value;
        const enum pgw_hook_seal seal = header(c, name, &value);

        if (seal != PGW_SEAL_GOOD)
                return seal;
        if (!has_prefix(value, name, prefix))
                return PGW_SEAL_BAD;
        add_piece(c, c->message->body);
        c->encoding = encoding;
        return add_signature(c, pgw_str_of(value.p + prefix.n, value.n - prefix.n));
}

/* "name:value" of each, separated by semicolons. The list of names and the time are among them, so
 * neither can be changed. */
static enum pgw_hook_seal add_signed_headers(struct claim *c, struct pgw_str list)
{
        bool has_list = false, has_time = false;
        struct pgw_str name, value;

        bool has_more = true;
        for (size_t i = 0; has_more; i++) {
                has_more = next_of(&list, ',', &name);
                if (i == PGW_HOOK_SIGNED_MAX || name.n == 0 ||
                    c->message->header(c->message->ctx, name, &value) != 1)
                        return PGW_SEAL_BAD;
                has_list = has_list || pgw_str_eq_z(name, "x-contentful-signed-headers");
                has_time = has_time || pgw_str_eq_z(name, "x-contentful-timestamp");
                if (i > 0)
                        add_piece(c, PGW_STR(";"));
                add_piece(c, name);
                add_piece(c, PGW_STR(":"));
                add_piece(c, value);
        }
        return has_list && has_time ? PGW_SEAL_GOOD : PGW_SEAL_BAD;
}

static enum pgw_hook_seal read_contentful(struct claim *c)
{
        struct pgw_str signature, list, time;
        enum pgw_hook_seal seal = header(c, PGW_STR("x-contentful-signature"), &signature);

        if (seal == PGW_SEAL_GOOD)
                seal = beside(c, PGW_STR("x-contentful-signed-headers"), &list);
        if (seal == PGW_SEAL_GOOD)
                seal = beside(c, PGW_STR("x-contentful-timestamp"), &time);
        if (seal == PGW_SEAL_GOOD)
                seal = set_time(c, time, 1);
        if (seal != PGW_SEAL_GOOD)
                return seal;
        add_piece(c, c->message->method);
        add_piece(c, PGW_STR("\n"));
        add_piece(c, c->message->path);
        add_piece(c, PGW_STR("\n"));
        seal = add_signed_headers(c, list);
        add_piece(c, PGW_STR("\n"));
        add_piece(c, c->message->body);
        c->encoding = PGW_HOOK_HEX;
        return seal == PGW_SEAL_GOOD ? add_signature(c, signature) : seal;
}

static enum pgw_hook_seal read_claim(struct claim *c, const struct pgw_hook_signing *s)
{
        switch (s->profile) {
        case PGW_HOOK_STANDARD:
                return read_standard(c);
        case PGW_HOOK_GITHUB:
                return read_plain(c, PGW_STR("x-hub-signature-256"), PGW_STR("sha256="),
                                  PGW_HOOK_HEX);
        case PGW_HOOK_STRIPE:
                return read_timed(c, PGW_STR("stripe-signature"), 1000, PGW_HOOK_HEX);
        case PGW_HOOK_SHOPIFY:
                return read_plain(c, PGW_STR("x-shopify-hmac-sha256"), PGW_STR(""),
                                  PGW_HOOK_BASE64);
        case PGW_HOOK_WOOCOMMERCE:
                return read_plain(c, PGW_STR("x-wc-webhook-signature"), PGW_STR(""),
                                  PGW_HOOK_BASE64);
        case PGW_HOOK_CONTENTFUL:
                return read_contentful(c);
        case PGW_HOOK_SANITY:
                return read_timed(c, PGW_STR("sanity-webhook-signature"), 1, PGW_HOOK_BASE64URL);
        case PGW_HOOK_HMAC:
                return read_plain(c, s->header, s->prefix, s->encoding);
        case PGW_HOOK_TOKEN:
        case PGW_HOOK_PROFILE_COUNT:
                break;
        }
        PGW_ASSERT(s->profile == PGW_HOOK_TOKEN);
        return read_plain(c, s->header, s->prefix, PGW_HOOK_HEX);
}

/* ---- holding it against the secrets ---- */

static size_t encode(enum pgw_hook_encoding encoding, const unsigned char mac[PGW_HMAC_SIZE],
                     char out[PGW_SIGNATURE_TEXT_MAX])
{
        switch (encoding) {
        case PGW_HOOK_BASE64:
                return pgw_base64(mac, PGW_HMAC_SIZE, out);
        case PGW_HOOK_BASE64URL:
                return pgw_base64url(mac, PGW_HMAC_SIZE, out);
        case PGW_HOOK_HEX:
                break;
        }
        pgw_hex(mac, PGW_HMAC_SIZE, out);
        return PGW_HEX_SIZE(PGW_HMAC_SIZE);
}

/* Of tokens the hashes are compared, which have one length. */
static bool is_token(struct pgw_str secret, struct pgw_str token)
{
        unsigned char a[PGW_SHA256_SIZE], b[PGW_SHA256_SIZE];

        pgw_sha256_of(secret.p, secret.n, a);
        pgw_sha256_of(token.p, token.n, b);
        return pgw_sha256_eq(a, b);
}

/* All signatures are looked at, whichever fits. */
static bool is_signed_by(const struct claim *c, const struct pgw_hook_signing *s,
                         struct pgw_str secret)
{
        unsigned char mac[PGW_HMAC_SIZE];
        char text[PGW_SIGNATURE_TEXT_MAX];
        bool fits = false;

        if (s->profile == PGW_HOOK_TOKEN)
                return is_token(secret, c->signatures[0]);
        pgw_hmac_sha256(secret, c->pieces, c->piece_count, mac);
        const struct pgw_str wanted = pgw_str_of(text, encode(c->encoding, mac, text));
        for (size_t i = 0; i < c->signature_count; i++)
                fits |= pgw_secret_eq(wanted, c->signatures[i]);
        explicit_bzero(mac, sizeof mac);
        explicit_bzero(text, sizeof text);
        return fits;
}

static bool is_near(const struct claim *c, const struct pgw_hook_signing *s, uint64_t now_ms)
{
        const uint64_t off = c->time_ms > now_ms ? c->time_ms - now_ms : now_ms - c->time_ms;

        return !c->has_time || off <= s->tolerance_ms;
}

enum pgw_hook_seal pgw_hook_verify(const struct pgw_hook_signing *s,
                                   const struct pgw_hook_message *message, uint64_t now_ms,
                                   size_t *ret_secret)
{
        struct claim c = {.message = message};
        const enum pgw_hook_seal seal = read_claim(&c, s);
        size_t found = s->secret_count;

        if (seal != PGW_SEAL_GOOD)
                return seal;
        for (size_t i = 0; i < s->secret_count; i++)
                if (is_signed_by(&c, s, s->secrets[i]))
                        found = i;
        if (found == s->secret_count)
                return PGW_SEAL_BAD;
        if (ret_secret)
                *ret_secret = found;
        return is_near(&c, s, now_ms) ? PGW_SEAL_GOOD : PGW_SEAL_OUTSIDE;
}

bool pgw_hook_signed_hash(const struct pgw_hook_signing *s, const struct pgw_hook_message *message,
                          unsigned char ret[PGW_SHA256_SIZE])
{
        struct claim c = {.message = message};
        struct pgw_sha256 *sha;

        if (read_claim(&c, s) != PGW_SEAL_GOOD || !c.has_time)
                return false;
        sha = pgw_sha256_new();
        for (size_t i = 0; i < c.piece_count; i++)
                pgw_sha256_add(sha, c.pieces[i].p, c.pieces[i].n);
        pgw_sha256_end(sha, ret);
        return true;
}
