/* Decoders take canonical text only, and encoders always write it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/codec.h"
#include "domain/job_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum pgw_err decode_f(struct pgw_str, void *, size_t *);
typedef size_t encode_f(const void *, size_t, char *);

/* What is decoded is written again as it was. */
static void there_and_back(struct pgw_str text, decode_f *decode, encode_f *encode)
{
        unsigned char *bytes = malloc(text.n / 4 * 3 + 3);
        char *again = malloc(text.n + 4);
        size_t size;

        if (decode(text, bytes, &size) == PGW_OK) {
                PGW_ASSERT(encode(bytes, size, again) == text.n);
                PGW_ASSERT(text.n == 0 || memcmp(again, text.p, text.n) == 0);
        }
        free(again);
        free(bytes);
}

/* What is encoded is decoded again as it was. */
static void back_and_there(struct pgw_str raw, decode_f *decode, encode_f *encode)
{
        char *text = malloc(PGW_BASE64_SIZE(raw.n) + 1);
        unsigned char *again = malloc(PGW_BASE64_SIZE(raw.n) / 4 * 3 + 3);
        size_t size;

        const size_t n = encode(raw.p, raw.n, text);
        PGW_ASSERT(decode(pgw_str_of(text, n), again, &size) == PGW_OK);
        PGW_ASSERT(size == raw.n);
        PGW_ASSERT(size == 0 || memcmp(again, raw.p, size) == 0);
        free(again);
        free(text);
}

/* Jansson is the judge of UTF-8 and of our escapes. */
static void escape(struct pgw_str raw)
{
        struct pgw_buf out;
        const bool valid = pgw_utf8_is_valid(raw);

        json_t *theirs = json_stringn(raw.n ? raw.p : "", raw.n);
        PGW_ASSERT((theirs != NULL) == valid);
        pgw_buf_init(&out, raw.n * 6 + 2);
        PGW_ASSERT(pgw_json_escape(&out, raw) == PGW_OK);
        json_t *read = json_loadb(out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        PGW_ASSERT(read != NULL);
        if (valid)
                PGW_ASSERT(json_equal(read, theirs));
        json_decref(read);
        json_decref(theirs);
        pgw_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct pgw_entry_id entry;
        struct pgw_job_id id;
        uint64_t number;
        char text[PGW_JOB_ID_SIZE];
        char *bytes = malloc(size + 1);

        if (size)
                memcpy(bytes, data, size);
        const struct pgw_str raw = pgw_str_of(bytes, size);
        there_and_back(raw, pgw_unbase64, pgw_base64);
        there_and_back(raw, pgw_unbase64url, pgw_base64url);
        back_and_there(raw, pgw_unbase64, pgw_base64);
        back_and_there(raw, pgw_unbase64url, pgw_base64url);
        escape(raw);
        if (pgw_unhex(raw, bytes) == PGW_OK)
                PGW_ASSERT(size % 2 == 0);
        if (size)
                memcpy(bytes, data, size);
        if (pgw_job_id_parse(raw, &id) == PGW_OK) {
                pgw_job_id_text(&id, text);
                PGW_ASSERT(memcmp(text, bytes, sizeof text) == 0);
        }
        if (pgw_entry_id_parse(raw, &entry) == PGW_OK)
                PGW_ASSERT(entry.seq <= UINT32_MAX);
        if (pgw_str_to_u64(raw, 1000, &number) == PGW_OK)
                PGW_ASSERT(number <= 1000);
        free(bytes);
        return 0;
}
