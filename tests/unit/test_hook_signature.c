/* The signatures of webhooks: the vendors' own examples, the cases of the Standard Webhooks
 * libraries, and what must hold of every profile: nothing of what is signed can be changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/hmac.h"
#include "http/hook_signature.h"

#define NOW_MS      UINT64_C(1614265330000)
#define HEADERS_MAX 8

struct header {
        char name[40];
        char value[512];
};

/* A delivery that can be changed in every place. */
struct delivery {
        struct pgw_hook_signing signing;
        struct header headers[HEADERS_MAX];
        size_t header_count;
        char body[128];
        size_t body_size;
        const char *method, *path;
};

static size_t find(void *ctx, struct pgw_str name, struct pgw_str *ret)
{
        const struct delivery *d = ctx;
        size_t count = 0;

        for (size_t i = 0; i < d->header_count; i++)
                if (pgw_str_eq_z(name, d->headers[i].name) && count++ == 0)
                        *ret = pgw_str_z(d->headers[i].value);
        return count;
}

static enum pgw_hook_seal verify_at(struct delivery *d, uint64_t now_ms)
{
        const struct pgw_hook_message message = {
            .method = pgw_str_z(d->method),
            .path = pgw_str_z(d->path),
            .body = pgw_str_of(d->body, d->body_size),
            .header = find,
            .ctx = d,
        };

        return pgw_hook_verify(&d->signing, &message, now_ms, NULL);
}

static enum pgw_hook_seal verify(struct delivery *d)
{
        return verify_at(d, NOW_MS);
}

static struct delivery delivery_of(enum pgw_hook_profile profile, struct pgw_str secret,
                                   const char *body)
{
        struct delivery d = {.method = "POST", .path = "/v1/hooks/h"};

        d.signing.profile = profile;
        d.signing.secrets[0] = secret;
        d.signing.secret_count = 1;
        d.signing.tolerance_ms = 300000;
        d.body_size = strlen(body);
        memcpy(d.body, body, d.body_size);
        return d;
}

static void add(struct delivery *d, const char *name, const char *value)
{
        struct header *h = &d->headers[d->header_count++];

        snprintf(h->name, sizeof h->name, "%s", name);
        snprintf(h->value, sizeof h->value, "%s", value);
}

static char *value_of(struct delivery *d, const char *name)
{
        for (size_t i = 0; i < d->header_count; i++)
                if (!strcmp(d->headers[i].name, name))
                        return d->headers[i].value;
        fail_msg("there is no header %s", name);
        return NULL;
}

/* ---- the vendors' examples ---- */

/* The base64 of MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw. */
static struct pgw_str standard_key(void)
{
        static char key[64];
        size_t size = 0;

        assert_int_equal(pgw_unbase64(PGW_STR("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), key, &size),
                         PGW_OK);
        return pgw_str_of(key, size);
}

static struct delivery standard(void)
{
        struct delivery d =
            delivery_of(PGW_HOOK_STANDARD, standard_key(), "{\"test\": 2432232314}");

        add(&d, "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
        add(&d, "webhook-timestamp", "1614265330");
        add(&d, "webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        return d;
}

static struct delivery github(void)
{
        struct delivery d =
            delivery_of(PGW_HOOK_GITHUB, PGW_STR("It's a Secret to Everybody"), "Hello, World!");

        add(&d, "x-hub-signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
        return d;
}

static struct delivery sanity(void)
{
        struct delivery d = delivery_of(PGW_HOOK_SANITY, PGW_STR("test"), "{\"_id\":\"resume\"}");

        d.signing.tolerance_ms = UINT64_C(86400000) * 365;
        add(&d, "sanity-webhook-signature",
            "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0");
        return d;
}

/* ---- those without a published one, signed here ---- */

static void mac_of(const struct delivery *d, const char *head, unsigned char mac[PGW_HMAC_SIZE])
{
        const struct pgw_str pieces[] = {pgw_str_z(head), pgw_str_of(d->body, d->body_size)};

        pgw_hmac_sha256(d->signing.secrets[0], pieces, 2, mac);
}

static void add_signed(struct delivery *d, const char *name, const char *head, const char *prefix,
                       enum pgw_hook_encoding encoding)
{
        unsigned char mac[PGW_HMAC_SIZE];
        char text[65] = "", value[256];

        mac_of(d, head, mac);
        if (encoding == PGW_HOOK_HEX)
                pgw_hex(mac, sizeof mac, text);
        else if (encoding == PGW_HOOK_BASE64)
                pgw_base64(mac, sizeof mac, text);
        else
                pgw_base64url(mac, sizeof mac, text);
        snprintf(value, sizeof value, "%s%s", prefix, text);
        add(d, name, value);
}

static struct delivery stripe(void)
{
        struct delivery d =
            delivery_of(PGW_HOOK_STRIPE, PGW_STR("whsec_0123456789abcdef"), "{\"id\":\"evt_1\"}");

        add_signed(&d, "stripe-signature", "1614265330.", "t=1614265330,v1=", PGW_HOOK_HEX);
        return d;
}

static struct delivery shopify(void)
{
        struct delivery d = delivery_of(PGW_HOOK_SHOPIFY, PGW_STR("hush hush hush"), "{\"id\":1}");

        add_signed(&d, "x-shopify-hmac-sha256", "", "", PGW_HOOK_BASE64);
        return d;
}

static struct delivery woocommerce(void)
{
        struct delivery d =
            delivery_of(PGW_HOOK_WOOCOMMERCE, PGW_STR("hush hush hush"), "{\"id\":1}");

        add_signed(&d, "x-wc-webhook-signature", "", "", PGW_HOOK_BASE64);
        return d;
}

static struct delivery contentful(void)
{
        struct delivery d =
            delivery_of(PGW_HOOK_CONTENTFUL, PGW_STR("0123456789abcdef"), "{\"sys\":{}}");
        const char *list = "x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic";
        char head[512];

        add(&d, "x-contentful-signed-headers", list);
        add(&d, "x-contentful-timestamp", "1614265330000");
        add(&d, "x-contentful-topic", "Entry.publish");
        snprintf(head, sizeof head,
                 "POST\n/v1/hooks/h\nx-contentful-signed-headers:%s;"
                 "x-contentful-timestamp:1614265330000;x-contentful-topic:Entry.publish\n",
                 list);
        add_signed(&d, "x-contentful-signature", head, "", PGW_HOOK_HEX);
        return d;
}

static struct delivery own(void)
{
        struct delivery d = delivery_of(PGW_HOOK_HMAC, PGW_STR("hush hush hush"), "body");

        d.signing.header = PGW_STR("x-own");
        d.signing.prefix = PGW_STR("v0=");
        d.signing.encoding = PGW_HOOK_BASE64URL;
        add_signed(&d, "x-own", "", "v0=", PGW_HOOK_BASE64URL);
        return d;
}

static struct delivery token(void)
{
        struct delivery d = delivery_of(PGW_HOOK_TOKEN, PGW_STR("hush hush hush"), "");

        d.signing.header = PGW_STR("authorization");
        d.signing.prefix = PGW_STR("Bearer ");
        add(&d, "authorization", "Bearer hush hush hush");
        return d;
}

static struct delivery (*const all[])(void) = {standard,    github,     sanity, stripe, shopify,
                                               woocommerce, contentful, own,    token};
#define ALL (sizeof all / sizeof all[0])

/* ---- what holds of all ---- */

static void accepts_what_is_signed(void **state)
{
        (void)state;
        for (size_t i = 0; i < ALL; i++) {
                struct delivery d = all[i]();
                assert_int_equal(verify(&d), PGW_SEAL_GOOD);
        }
}

/* The name of a scheme means the same in any case. */
static bool is_case_of_a_scheme(const struct delivery *d, size_t at, int bit)
{
        return d->signing.profile == PGW_HOOK_TOKEN && at < strlen("Bearer") && bit == 5;
}

static void refuses_every_change_of_a_header(void **state)
{
        (void)state;
        for (size_t i = 0; i < ALL; i++) {
                const struct delivery good = all[i]();
                for (size_t h = 0; h < good.header_count; h++) {
                        const size_t n = strlen(good.headers[h].value);
                        for (size_t at = 0; at < n; at++)
                                for (int bit = 0; bit < 8; bit++) {
                                        struct delivery d = good;
                                        d.headers[h].value[at] ^= (char)(1 << bit);
                                        assert_int_equal(verify(&d) == PGW_SEAL_GOOD,
                                                         is_case_of_a_scheme(&d, at, bit));
                                }
                }
        }
}

static void refuses_headers_that_are_cut_or_longer(void **state)
{
        static const char *const ends[] = {" ", ",", "=", "A", "0", "\t", ", v1", ",t=1"};

        (void)state;
        for (size_t i = 0; i < ALL; i++) {
                const struct delivery good = all[i]();
                for (size_t h = 0; h < good.header_count; h++) {
                        const size_t n = strlen(good.headers[h].value);
                        for (size_t size = 0; size < n; size++) {
                                struct delivery d = good;
                                d.headers[h].value[size] = '\0';
                                assert_int_not_equal(verify(&d), PGW_SEAL_GOOD);
                        }
                        for (size_t e = 0; e < sizeof ends / sizeof ends[0]; e++) {
                                struct delivery d = good;
                                snprintf(d.headers[h].value + n, sizeof d.headers[h].value - n,
                                         "%s", ends[e]);
                                assert_int_not_equal(verify(&d), PGW_SEAL_GOOD);
                        }
                }
        }
}

static void refuses_headers_that_are_missing_or_twice(void **state)
{
        (void)state;
        for (size_t i = 0; i < ALL; i++) {
                const struct delivery good = all[i]();
                for (size_t h = 0; h < good.header_count; h++) {
                        struct delivery d = good;
                        d.headers[h].name[0] = '-';
                        assert_int_not_equal(verify(&d), PGW_SEAL_GOOD);
                        d = good;
                        d.headers[d.header_count++] = good.headers[h];
                        assert_int_equal(verify(&d), PGW_SEAL_BAD);
                }
                struct delivery bare = good;
                bare.header_count = 0;
                assert_int_equal(verify(&bare), PGW_SEAL_NONE);
        }
}

static void refuses_every_change_of_the_body(void **state)
{
        (void)state;
        for (size_t i = 0; i < ALL; i++) {
                const struct delivery good = all[i]();
                if (good.signing.profile == PGW_HOOK_TOKEN)
                        continue;
                for (size_t at = 0; at < good.body_size; at++)
                        for (int bit = 0; bit < 8; bit++) {
                                struct delivery d = good;
                                d.body[at] ^= (char)(1 << bit);
                                assert_int_equal(verify(&d), PGW_SEAL_BAD);
                        }
                for (size_t size = 0; size <= good.body_size + 1; size++) {
                        struct delivery d = good;
                        d.body_size = size;
                        assert_int_equal(verify(&d),
                                         size == good.body_size ? PGW_SEAL_GOOD : PGW_SEAL_BAD);
                }
        }
}

static void refuses_other_secrets(void **state)
{
        (void)state;
        for (size_t i = 0; i < ALL; i++) {
                struct delivery d = all[i]();
                const struct pgw_str good = d.signing.secrets[0];
                char other[64];
                memcpy(other, good.p, good.n);
                other[good.n - 1] ^= 1;
                d.signing.secrets[0] = pgw_str_of(other, good.n);
                assert_int_equal(verify(&d), PGW_SEAL_BAD);
                d.signing.secrets[0] = pgw_str_of(good.p, good.n - 1);
                assert_int_equal(verify(&d), PGW_SEAL_BAD);
                d.signing.secret_count = 0;
                assert_int_equal(verify(&d), PGW_SEAL_BAD);
        }
}

static void takes_any_live_secret_and_says_which(void **state)
{
        (void)state;
        for (size_t i = 0; i < ALL; i++) {
                struct delivery d = all[i]();
                struct pgw_hook_message message = {pgw_str_z(d.method), pgw_str_z(d.path),
                                                   pgw_str_of(d.body, d.body_size), find, &d};
                size_t which = 99;
                d.signing.secrets[2] = d.signing.secrets[0];
                d.signing.secrets[0] = d.signing.secrets[1] = PGW_STR("another one");
                d.signing.secret_count = 3;
                assert_int_equal(pgw_hook_verify(&d.signing, &message,
                                                 d.signing.profile == PGW_HOOK_SANITY
                                                     ? UINT64_C(1633519811129)
                                                     : NOW_MS,
                                                 &which),
                                 PGW_SEAL_GOOD);
                assert_int_equal(which, 2);
        }
}

/* Of credentials in the header that is for them, and of no other. */
static void schemes_have_any_case(void **state)
{
        static const struct {
                const char *header, *prefix, *value;
                enum pgw_hook_seal seal;
        } cases[] = {
            {"authorization", "Bearer ", "bEARER a token of the tests", PGW_SEAL_GOOD},
            {"authorization", "Bearer ", "Bearer A token of the tests", PGW_SEAL_BAD},
            {"authorization", "Bearer ", "Bearer", PGW_SEAL_BAD},
            {"authorization", "Bearer ", "Basic a token of the tests", PGW_SEAL_BAD},
            {"x-token", "Bearer ", "Bearer a token of the tests", PGW_SEAL_GOOD},
            {"x-token", "Bearer ", "bearer a token of the tests", PGW_SEAL_BAD},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct delivery d =
                    delivery_of(PGW_HOOK_TOKEN, PGW_STR("a token of the tests"), "{}");
                d.signing.header = pgw_str_z(cases[i].header);
                d.signing.prefix = pgw_str_z(cases[i].prefix);
                add(&d, cases[i].header, cases[i].value);
                assert_int_equal(verify_at(&d, NOW_MS), cases[i].seal);
        }
}

static bool hash(struct delivery *d, unsigned char out[PGW_SHA256_SIZE])
{
        const struct pgw_hook_message message = {pgw_str_z(d->method), pgw_str_z(d->path),
                                                 pgw_str_of(d->body, d->body_size), find, d};

        return pgw_hook_signed_hash(&d->signing, &message, out);
}

/* The signature, and who made it, is left out: of several that fit any may go on the way. */
static void knows_what_was_signed(void **state)
{
        struct delivery (*const timed[])(void) = {standard, stripe, contentful, sanity};
        unsigned char first[PGW_SHA256_SIZE], other[PGW_SHA256_SIZE];

        (void)state;
        for (size_t i = 0; i < 4; i++) {
                struct delivery d = timed[i]();
                assert_true(hash(&d, first));
                add(&d, "x-not-signed", "1");
                d.signing.secrets[0] = PGW_STR("another one");
                assert_true(hash(&d, other));
                assert_memory_equal(first, other, sizeof first);
                d.body[0] ^= 1;
                assert_true(hash(&d, other));
                assert_true(memcmp(first, other, sizeof first));
        }
        struct delivery d = standard();
        assert_true(hash(&d, first));
        value_of(&d, "webhook-timestamp")[9] ^= 1;
        assert_true(hash(&d, other));
        assert_true(memcmp(first, other, sizeof first));
        d = github();
        assert_false(hash(&d, first));
}

static void knows_the_window(void **state)
{
        struct delivery (*const timed[])(void) = {standard, stripe, contentful};

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                struct delivery d = timed[i]();
                assert_int_equal(verify_at(&d, NOW_MS - 300000), PGW_SEAL_GOOD);
                assert_int_equal(verify_at(&d, NOW_MS + 300000), PGW_SEAL_GOOD);
                assert_int_equal(verify_at(&d, NOW_MS - 300001), PGW_SEAL_OUTSIDE);
                assert_int_equal(verify_at(&d, NOW_MS + 300001), PGW_SEAL_OUTSIDE);
                assert_int_equal(verify_at(&d, 0), PGW_SEAL_OUTSIDE);
                assert_int_equal(verify_at(&d, UINT64_MAX), PGW_SEAL_OUTSIDE);
                /* Who cannot sign does not learn about the time. */
                d.signing.secrets[0] = PGW_STR("another one");
                assert_int_equal(verify_at(&d, 0), PGW_SEAL_BAD);
        }
}

/* ---- lists of signatures ---- */

static enum pgw_hook_seal with_signature(const char *value)
{
        struct delivery d = standard();

        snprintf(value_of(&d, "webhook-signature"), 512, "%s", value);
        return verify(&d);
}

#define GOOD "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define BAD  "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="

static void standard_takes_one_of_several(void **state)
{
        (void)state;
        assert_int_equal(with_signature(BAD), PGW_SEAL_BAD);
        assert_int_equal(with_signature(BAD " v2" GOOD " " GOOD " " BAD), PGW_SEAL_GOOD);
        assert_int_equal(with_signature("v1a,abc " GOOD), PGW_SEAL_GOOD);
        assert_int_equal(with_signature("v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
                         PGW_SEAL_BAD);
        assert_int_equal(with_signature(GOOD " nothing"), PGW_SEAL_BAD);
        assert_int_equal(with_signature(GOOD " " GOOD " " GOOD " " GOOD), PGW_SEAL_GOOD);
        assert_int_equal(with_signature("  " GOOD), PGW_SEAL_BAD);
        assert_int_equal(with_signature(GOOD "  " GOOD), PGW_SEAL_BAD);
}

static void standard_bounds_the_list(void **state)
{
        struct delivery d = standard();
        char *value = value_of(&d, "webhook-signature");
        size_t n = 0;

        (void)state;
        for (int i = 0; i < PGW_HOOK_SIGNATURES_MAX; i++)
                n += (size_t)snprintf(value + n, 512 - n, "v1,x ");
        snprintf(value + n, 512 - n, "%s", GOOD);
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
        snprintf(value + n - 5, 512 - n, "%s", GOOD);
        assert_int_equal(verify(&d), PGW_SEAL_GOOD);
}

/* "a.1" and "2" would be signed like "a" and "1" with a body that begins with "2.". */
static void standard_takes_no_id_with_a_dot(void **state)
{
        struct delivery d = standard();
        unsigned char mac[PGW_HMAC_SIZE];
        char text[64] = "v1,";

        (void)state;
        snprintf(value_of(&d, "webhook-id"), 512, "a.b");
        mac_of(&d, "a.b.1614265330.", mac);
        pgw_base64(mac, sizeof mac, text + 3);
        snprintf(value_of(&d, "webhook-signature"), 512, "%s", text);
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
}

static void stripe_takes_one_of_several(void **state)
{
        struct delivery d = stripe();
        char good[512], *value = value_of(&d, "stripe-signature");

        (void)state;
        memcpy(good, value, sizeof good);
        const char *signature = strstr(good, "v1=");
        snprintf(value, 512, "t=1614265330,v1=00,%s,v0=11", signature);
        assert_int_equal(verify(&d), PGW_SEAL_GOOD);
        snprintf(value, 512, "%s,t=1614265330", signature);
        assert_int_equal(verify(&d), PGW_SEAL_GOOD);
        snprintf(value, 512, "t=1614265330,%s,t=1614265330", signature);
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
        snprintf(value, 512, "%s", signature);
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
        snprintf(value, 512, "t=-1,%s", signature);
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
        snprintf(value, 512, "t=99999999999999999999999,%s", signature);
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
}

static void contentful_signs_method_and_path(void **state)
{
        struct delivery d = contentful();

        (void)state;
        d.path = "/v1/hooks/other";
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
        d = contentful();
        d.method = "PUT";
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
}

static void hexadecimal_is_small(void **state)
{
        struct delivery d = github();

        (void)state;
        for (char *c = value_of(&d, "x-hub-signature-256") + 7; *c; c++)
                if (*c >= 'a' && *c <= 'f')
                        *c = (char)(*c & ~0x20);
        assert_int_equal(verify(&d), PGW_SEAL_BAD);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(accepts_what_is_signed),
            cmocka_unit_test(refuses_every_change_of_a_header),
            cmocka_unit_test(refuses_headers_that_are_cut_or_longer),
            cmocka_unit_test(refuses_headers_that_are_missing_or_twice),
            cmocka_unit_test(refuses_every_change_of_the_body),
            cmocka_unit_test(refuses_other_secrets),
            cmocka_unit_test(takes_any_live_secret_and_says_which),
            cmocka_unit_test(schemes_have_any_case),
            cmocka_unit_test(knows_what_was_signed),
            cmocka_unit_test(knows_the_window),
            cmocka_unit_test(standard_takes_one_of_several),
            cmocka_unit_test(standard_bounds_the_list),
            cmocka_unit_test(standard_takes_no_id_with_a_dot),
            cmocka_unit_test(stripe_takes_one_of_several),
            cmocka_unit_test(contentful_signs_method_and_path),
            cmocka_unit_test(hexadecimal_is_small),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
