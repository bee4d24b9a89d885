/* Any bytes as the headers of a delivery, for each profile: no signature is good that was not made
 * with the secret. The first byte chooses the profile; then come lines, "name: value", up to an
 * empty one, and the body.
 */
#include <string.h>

#include "http/hook_signature.h"

#define HEADERS_MAX 16

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct headers {
        struct pgw_str names[HEADERS_MAX], values[HEADERS_MAX];
        size_t count;
};

static size_t find(void *ctx, struct pgw_str name, struct pgw_str *ret)
{
        const struct headers *h = ctx;
        size_t count = 0;

        for (size_t i = 0; i < h->count; i++)
                if (pgw_str_eq_nocase(h->names[i], name) && count++ == 0)
                        *ret = h->values[i];
        return count;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        struct headers headers = {.count = 0};
        struct pgw_str rest = pgw_str_of((const char *)data, size), line;
        struct pgw_hook_signing signing = {
            .header = PGW_STR("x-own"),
            .prefix = PGW_STR("v0="),
            .encoding = PGW_HOOK_BASE64,
            .secrets = {PGW_STR("a secret that is in no corpus: 7f1c9a"),
                        PGW_STR("and another: b1")},
            .secret_count = 2,
            .tolerance_ms = 300000,
        };

        if (size == 0)
                return 0;
        signing.profile = (enum pgw_hook_profile)(data[0] % PGW_HOOK_PROFILE_COUNT);
        rest = pgw_str_of(rest.p + 1, rest.n - 1);
        while (pgw_str_cut(rest, '\n', &line, &rest) && line.n) {
                const size_t i = headers.count;
                if (i < HEADERS_MAX &&
                    pgw_str_cut(line, ':', &headers.names[i], &headers.values[i])) {
                        headers.values[i] = pgw_str_trim(headers.values[i]);
                        headers.count++;
                }
        }
        const struct pgw_hook_message message = {
            .method = PGW_STR("POST"),
            .path = PGW_STR("/v1/hooks/h"),
            .body = rest,
            .header = find,
            .ctx = &headers,
        };
        const enum pgw_hook_seal seal = pgw_hook_verify(&signing, &message, 1614265330000, NULL);
        PGW_ASSERT(seal == PGW_SEAL_NONE || seal == PGW_SEAL_BAD);
        return 0;
}
