/* Runs the HMAC-SHA256 vectors of Wycheproof against base/hmac.
 *
 *      wycheproof FOLDER
 *
 * FOLDER holds hmac_sha256_test.json. A tag that is cut is compared with as much of ours. What is
 * valid must be the same, what is not must differ. Prints passed, failed; exit 1 when anything
 * failed or nothing passed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/hmac.h"

static unsigned passed, failed;

static struct pgw_str bytes_of(const json_t *test, const char *member)
{
        const json_t *hex = json_object_get(test, member);
        const struct pgw_str text = pgw_str_of(json_string_value(hex), json_string_length(hex));
        char *bytes = pgw_alloc(text.n / 2 + 1);

        if (pgw_unhex(text, bytes)) {
                fprintf(stderr, "not hexadecimal: %s\n", json_string_value(hex));
                exit(1);
        }
        return pgw_str_of(bytes, text.n / 2);
}

static void run_test(const json_t *test)
{
        const bool is_valid = !strcmp(json_string_value(json_object_get(test, "result")), "valid");
        const struct pgw_str key = bytes_of(test, "key"), message = bytes_of(test, "msg"),
                             tag = bytes_of(test, "tag");
        /* In two pieces, cut where the vector happens to have its middle. */
        const struct pgw_str pieces[] = {
            pgw_str_of(message.p, message.n / 2),
            pgw_str_of(message.p + message.n / 2, message.n - message.n / 2)};
        unsigned char mac[PGW_HMAC_SIZE];

        pgw_hmac_sha256(key, pieces, 2, mac);
        const bool is_same =
            tag.n <= sizeof mac && pgw_secret_eq(tag, pgw_str_of((const char *)mac, tag.n));
        if (is_same == is_valid) {
                passed++;
        } else {
                failed++;
                printf("failed: tcId %lld\n",
                       (long long)json_integer_value(json_object_get(test, "tcId")));
        }
        pgw_free((char *)(uintptr_t)key.p);
        pgw_free((char *)(uintptr_t)message.p);
        pgw_free((char *)(uintptr_t)tag.p);
}

int main(int argc, char **argv)
{
        char path[512];
        json_error_t error;
        json_t *group, *test;
        size_t i, k;

        if (argc != 2) {
                fprintf(stderr, "usage: wycheproof FOLDER\n");
                return 2;
        }
        snprintf(path, sizeof path, "%s/hmac_sha256_test.json", argv[1]);
        json_t *suite = json_load_file(path, 0, &error);
        if (!suite) {
                fprintf(stderr, "%s: %s\n", path, error.text);
                return 1;
        }
        json_array_foreach(json_object_get(suite, "testGroups"), i, group)
        {
                json_array_foreach(json_object_get(group, "tests"), k, test) run_test(test);
        }
        json_decref(suite);
        printf("%u passed, %u failed\n", passed, failed);
        return failed || !passed;
}
