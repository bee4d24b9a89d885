/* Whatever a server answers, as a stream entry, as a result, as keys. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/entry.h"
#include "domain/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_keys(struct pgw_str keys, size_t expected)
{
        size_t count = 0, bytes = 0;

        while (keys.n) {
                struct pgw_str key;
                PGW_ASSERT(pgw_keys_next(&keys, &key) == PGW_OK);
                for (size_t i = 0; i < key.n; i++)
                        bytes += (uint8_t)key.p[i] != 0;
                count++;
        }
        PGW_ASSERT(count == expected);
        PGW_ASSERT(bytes < SIZE_MAX);
}

static void read_entry(const struct pgw_reply *reply)
{
        char text[PGW_JOB_ID_SIZE];
        struct pgw_job_id back;
        struct pgw_entry e;
        bool has_nonce;
        uint64_t nonce;

        if (pgw_entry_read(reply, PGW_LANE_LOW, &e, &has_nonce) == PGW_OK) {
                PGW_ASSERT(has_nonce && e.key_count + e.pattern_count + e.tag_count > 0);
                read_keys(e.keys, e.key_count);
                read_keys(e.patterns, e.pattern_count);
                read_keys(e.tags, e.tag_count);
        }
        if (has_nonce) {
                pgw_job_id_text(&e.id, text);
                PGW_ASSERT(pgw_job_id_parse(pgw_str_of(text, sizeof text), &back) == PGW_OK);
                PGW_ASSERT(back.nonce == e.id.nonce && back.entry.ms == e.id.entry.ms &&
                           back.entry.seq == e.id.entry.seq);
        }
        (void)!pgw_entry_nonce(pgw_reply_at(reply, 1), &nonce);
        (void)!pgw_entry_nonce(reply, &nonce);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct pgw_wire_limits limits = {256, 65536};
        struct pgw_wire *w = pgw_wire_new(&limits);
        const struct pgw_reply *reply = NULL;
        struct pgw_job job = {.attempts = 1};
        size_t used, count;
        char *bytes = malloc(size + 1);

        if (size)
                memcpy(bytes, data, size);
        const struct pgw_str text = pgw_str_of(bytes, size);
        if (pgw_wire_read(w, text, &reply, &used) == PGW_OK && reply) {
                read_entry(reply);
                if (pgw_job_read(reply, &job) == PGW_OK)
                        PGW_ASSERT(job.state < PGW_JOB_STATE_COUNT && job.error < PGW_ERR_COUNT);
        }
        if (pgw_keys_count(text, &count) == PGW_OK)
                read_keys(text, count);
        pgw_wire_free(w);
        free(bytes);
        return 0;
}
