/* All numbers are big-endian, so that the bytes of ids of one lane sort by age. */
#include "domain/job_id.h"

#include <string.h>

#include "base/codec.h"
#include "base/rand.h"

#define PGW_JOB_ID_FORM  1u
#define PGW_JOB_ID_BYTES 21
#define PGW_MS_MAX       ((UINT64_C(1) << 48) - 1)

static void put(unsigned char *out, size_t size, uint64_t value)
{
        while (size--) {
                out[size] = (unsigned char)(value & 255);
                value >>= 8;
        }
}

static uint64_t get(const unsigned char *from, size_t size)
{
        uint64_t value = 0;

        for (size_t i = 0; i < size; i++)
                value = value << 8 | from[i];
        return value;
}

void pgw_job_id_text(const struct pgw_job_id *id, char out[PGW_JOB_ID_SIZE])
{
        unsigned char bytes[PGW_JOB_ID_BYTES];

        PGW_ASSERT(id->entry.ms <= PGW_MS_MAX);
        PGW_ASSERT(id->entry.seq <= UINT32_MAX);
        bytes[0] = (unsigned char)(PGW_JOB_ID_FORM << 4 | (unsigned)id->lane);
        put(bytes + 1, 2, id->partition);
        put(bytes + 3, 6, id->entry.ms);
        put(bytes + 9, 4, id->entry.seq);
        put(bytes + 13, 8, id->nonce);
        pgw_base64url(bytes, sizeof bytes, out);
}

enum pgw_err pgw_job_id_parse(struct pgw_str text, struct pgw_job_id *ret)
{
        unsigned char bytes[PGW_JOB_ID_SIZE];
        size_t size;

        if (text.n != PGW_JOB_ID_SIZE || pgw_unbase64url(text, bytes, &size))
                return PGW_E_NO_JOB;
        PGW_ASSERT(size == PGW_JOB_ID_BYTES);
        if (bytes[0] >> 4 != PGW_JOB_ID_FORM || (bytes[0] & 15) >= PGW_LANE_COUNT)
                return PGW_E_NO_JOB;
        ret->lane = (enum pgw_lane)(bytes[0] & 15);
        ret->partition = (uint16_t)get(bytes + 1, 2);
        ret->entry.ms = get(bytes + 3, 6);
        ret->entry.seq = get(bytes + 9, 4);
        ret->nonce = get(bytes + 13, 8);
        return PGW_OK;
}

enum pgw_err pgw_entry_id_parse(struct pgw_str text, struct pgw_entry_id *ret)
{
        struct pgw_str ms_text, seq_text;
        struct pgw_entry_id id;

        if (!pgw_str_cut(text, '-', &ms_text, &seq_text))
                return PGW_E_CODEC;
        if (pgw_str_to_u64(ms_text, PGW_MS_MAX, &id.ms) ||
            pgw_str_to_u64(seq_text, UINT32_MAX, &id.seq))
                return PGW_E_CODEC;
        *ret = id;
        return PGW_OK;
}

size_t pgw_entry_id_text(struct pgw_entry_id id, char out[PGW_ENTRY_ID_SIZE])
{
        char digits[20];
        size_t n = pgw_u64_text(id.ms, out);

        out[n++] = '-';
        const size_t m = pgw_u64_text(id.seq, digits);
        PGW_ASSERT(n + m <= PGW_ENTRY_ID_SIZE);
        memcpy(out + n, digits, m);
        return n + m;
}

uint64_t pgw_nonce_make(const uint32_t *mark)
{
        const uint64_t random = pgw_rand_u64();

        return mark ? (uint64_t)*mark << 32 | (random & UINT32_MAX) : random;
}

void pgw_nonce_text(uint64_t nonce, char out[PGW_NONCE_SIZE])
{
        unsigned char bytes[8];

        put(bytes, sizeof bytes, nonce);
        pgw_hex(bytes, sizeof bytes, out);
}

enum pgw_err pgw_nonce_parse(struct pgw_str text, uint64_t *ret)
{
        unsigned char bytes[8];

        if (text.n != PGW_NONCE_SIZE || pgw_unhex(text, bytes))
                return PGW_E_CODEC;
        *ret = get(bytes, sizeof bytes);
        return PGW_OK;
}
