/* The reply parser: whole, cut at a place the input names, and byte by byte must agree. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pgw_wire_limits limits = {64, 4096};

/* A sum over everything a reader of the reply can see; also walks all of it. */
static uint64_t sum(const struct pgw_reply *reply, const struct pgw_reply **ret_behind)
{
        uint64_t value = 1469598103934665603u ^ (uint64_t)reply->type;

        value = value * 1099511628211u ^ (uint64_t)pgw_reply_int(reply, 7);
        if (reply->type == PGW_REPLY_ARRAY) {
                const struct pgw_reply *element = reply + 1;
                for (size_t i = 0; i < reply->count; i++) {
                        PGW_ASSERT(pgw_reply_at(reply, i) == element);
                        const struct pgw_reply *behind;
                        value = value * 1099511628211u ^ sum(element, &behind);
                        PGW_ASSERT(pgw_reply_next(element) == behind);
                        element = behind;
                }
                *ret_behind = element;
                return value;
        }
        for (size_t i = 0; i < reply->str.n; i++)
                value = value * 1099511628211u ^ (uint8_t)reply->str.p[i];
        *ret_behind = reply + 1;
        return value;
}

struct outcome {
        enum pgw_err err;
        size_t replies, used;
        uint64_t sum;
};

static struct outcome feed(struct pgw_str bytes, size_t first, size_t step)
{
        struct pgw_wire *w = pgw_wire_new(&limits);
        struct outcome o = {PGW_OK, 0, 0, 0};
        size_t have = first < bytes.n ? first : bytes.n;

        for (;;) {
                const struct pgw_reply *reply = NULL, *behind;
                size_t used = 0;
                o.err =
                    pgw_wire_read(w, pgw_str_of(bytes.p + o.used, have - o.used), &reply, &used);
                if (o.err)
                        break;
                if (reply) {
                        PGW_ASSERT(used > 0 && used <= have - o.used);
                        o.sum = o.sum * 31 + sum(reply, &behind);
                        o.used += used;
                        o.replies++;
                } else if (have == bytes.n) {
                        break;
                } else {
                        have = bytes.n - have > step ? have + step : bytes.n;
                }
        }
        pgw_wire_free(w);
        return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2 || size > 8192)
                return 0;
        const size_t cut = (size_t)(data[0] << 8 | data[1]);
        char *bytes = malloc(size - 1);
        memcpy(bytes, data + 2, size - 2);
        const struct pgw_str text = pgw_str_of(bytes, size - 2);

        const struct outcome whole = feed(text, text.n, 1);
        const struct outcome halves = feed(text, cut % size, text.n);
        const struct outcome drops = feed(text, 0, 1);
        PGW_ASSERT(whole.err == halves.err && whole.err == drops.err);
        PGW_ASSERT(whole.replies == halves.replies && whole.replies == drops.replies);
        PGW_ASSERT(whole.used == halves.used && whole.used == drops.used);
        PGW_ASSERT(whole.sum == halves.sum && whole.sum == drops.sum);
        free(bytes);
        return 0;
}
