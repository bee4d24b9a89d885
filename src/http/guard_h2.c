/* Frame layout: RFC 9113 section 4.1; types and flags: section 6. A frame that is longer
 * than we ever allow is the library's to refuse, and nothing behind it is looked at. */
#include "http/guard_h2.h"

#include <string.h>

#include "base/alloc.h"

enum {
        DATA,
        HEADERS,
        PRIORITY,
        RST_STREAM,
        SETTINGS,
        PUSH_PROMISE,
        PING,
        GOAWAY,
        WINDOW_UPDATE,
        CONTINUATION
};

#define FLAG_END_STREAM  0x1u
#define FLAG_END_HEADERS 0x4u
#define FLAG_PADDED      0x8u
#define FLAG_PRIORITY    0x20u
#define FRAME_HEAD_SIZE  9
#define TOKEN            1000u

struct frame {
        unsigned type, flags;
        uint32_t stream;
        struct pgw_str payload;
};

void pgw_guard_h2_init(struct pgw_guard_h2 *g, size_t block_max, size_t bodies_max, uint64_t now_ms)
{
        memset(g, 0, sizeof *g);
        g->block_max = block_max;
        g->bodies_max = bodies_max;
        g->tokens = PGW_H2_TOKENS_MAX * TOKEN;
        g->refilled_ms = now_ms;
}

void pgw_guard_h2_fini(struct pgw_guard_h2 *g)
{
        pgw_free(g->block);
        pgw_free(g->bodies);
        g->block = NULL;
        g->bodies = NULL;
        g->bodies_open = 0;
        g->block_size = 0;
}

static void add_tokens(struct pgw_guard_h2 *g, uint64_t thousandths)
{
        g->tokens += thousandths;
        if (g->tokens > PGW_H2_TOKENS_MAX * TOKEN)
                g->tokens = PGW_H2_TOKENS_MAX * TOKEN;
}

void pgw_guard_h2_answered(struct pgw_guard_h2 *g)
{
        add_tokens(g, TOKEN);
}

static void refill(struct pgw_guard_h2 *g, uint64_t now_ms)
{
        uint64_t passed_ms = now_ms > g->refilled_ms ? now_ms - g->refilled_ms : 0;

        if (passed_ms > 10000)
                passed_ms = 10000;
        add_tokens(g, passed_ms * PGW_H2_TOKENS_PER_S);
        g->refilled_ms = now_ms;
}

static enum pgw_h2_verdict spend(struct pgw_guard_h2 *g, uint64_t count)
{
        if (g->tokens < count * TOKEN)
                return PGW_H2_FLOOD;
        g->tokens -= count * TOKEN;
        return PGW_H2_FINE;
}

/* A varint of RFC 7541 section 5.1 with a prefix of `bits`; false when it is cut off or
 * larger than any block. */
static bool skip_int(const unsigned char **p, const unsigned char *end, unsigned bits,
                     size_t *ret_value)
{
        const size_t mask = (1u << bits) - 1;
        size_t value;
        unsigned shift = 0;

        if (*p == end)
                return false;
        value = *(*p)++ & mask;
        if (value == mask) {
                for (;;) {
                        if (*p == end || shift > 21)
                                return false;
                        const unsigned char c = *(*p)++;
                        value += (size_t)(c & 127) << shift;
                        shift += 7;
                        if (!(c & 128))
                                break;
                }
        }
        *ret_value = value;
        return true;
}

static bool skip_string(const unsigned char **p, const unsigned char *end)
{
        size_t length;

        if (!skip_int(p, end, 7, &length) || length > (size_t)(end - *p))
                return false;
        *p += length;
        return true;
}

size_t pgw_guard_hpack_fields(struct pgw_str block)
{
        if (block.n == 0)
                return 0;
        const unsigned char *p = (const unsigned char *)block.p, *end = p + block.n;
        size_t fields = 0;

        while (p < end) {
                const unsigned char c = *p;
                size_t index;
                bool whole;
                if (c & 0x80) {
                        whole = skip_int(&p, end, 7, &index);
                } else if ((c & 0xe0) == 0x20) {
                        if (!skip_int(&p, end, 5, &index))
                                return fields;
                        continue; /* a change of the table's size is no field */
                } else {
                        whole = skip_int(&p, end, c & 0x40 ? 6 : 4, &index) &&
                                (index || skip_string(&p, end)) && skip_string(&p, end);
                }
                if (!whole)
                        return fields;
                fields++;
        }
        return fields;
}

static enum pgw_h2_verdict end_block(struct pgw_guard_h2 *g, struct pgw_str block)
{
        const size_t fields = pgw_guard_hpack_fields(block);

        g->in_block = false;
        g->block_size = 0;
        return fields > PGW_H2_FIELDS_MAX ? PGW_H2_FIELDS : PGW_H2_FINE;
}

static enum pgw_h2_verdict add_fragment(struct pgw_guard_h2 *g, struct pgw_str fragment,
                                        unsigned flags)
{
        if (g->block_size + fragment.n > g->block_max)
                return PGW_H2_BLOCK_SIZE;
        /* Almost every block comes in one frame, and need not be kept. */
        if (g->block_size == 0 && flags & FLAG_END_HEADERS)
                return end_block(g, fragment);
        if (fragment.n) {
                g->block = pgw_realloc(g->block, g->block_size + fragment.n);
                memcpy(g->block + g->block_size, fragment.p, fragment.n);
                g->block_size += fragment.n;
        }
        return flags & FLAG_END_HEADERS ? end_block(g, pgw_str_of(g->block, g->block_size))
                                        : PGW_H2_FINE;
}

/* A HEADERS frame without its padding and priority; false when they do not fit in it. */
static bool strip(struct pgw_str *payload, unsigned flags)
{
        size_t head = 0, padding = 0;

        if (flags & FLAG_PADDED) {
                if (payload->n < 1)
                        return false;
                padding = (unsigned char)payload->p[0];
                head = 1;
        }
        if (flags & FLAG_PRIORITY)
                head += 5;
        if (head + padding > payload->n)
                return false;
        *payload = pgw_str_of(payload->p + head, payload->n - head - padding);
        return true;
}

/* A body that never ends is a request that the handler never sees; somebody must time it. The
 * library takes a hundred at a time; those that it refuses are seen here until they end. */
static enum pgw_h2_verdict open_body(struct pgw_guard_h2 *g, uint32_t stream, uint64_t now_ms)
{
        if (g->bodies_open == PGW_H2_BODIES_MAX)
                return PGW_H2_STREAMS;
        /* Grown by powers of two: the count itself says when. */
        if ((g->bodies_open & (g->bodies_open - 1)) == 0)
                g->bodies = pgw_realloc(g->bodies, (g->bodies_open ? 2 * g->bodies_open : 1) *
                                                       sizeof *g->bodies);
        if (g->bodies_open == 0)
                g->body_moved_ms = now_ms;
        g->bodies[g->bodies_open++] = (struct pgw_h2_body){.stream = stream, .bytes = 0};
        return PGW_H2_FINE;
}

/* A frame other than DATA adds no bytes to the body. */
static enum pgw_h2_verdict add_to_body(struct pgw_guard_h2 *g, struct pgw_h2_body *body,
                                       const struct frame *f)
{
        if (f->type != DATA)
                return PGW_H2_FINE;
        if (f->payload.n < PGW_H2_PIECE_MIN)
                g->surcharge += PGW_H2_PIECE_MIN - f->payload.n;
        body->bytes += (uint32_t)f->payload.n;
        g->bodies_bytes += f->payload.n;
        return g->bodies_bytes + g->held_bytes > g->bodies_max ? PGW_H2_BODIES : PGW_H2_FINE;
}

static enum pgw_h2_verdict count_bodies(struct pgw_guard_h2 *g, const struct frame *f,
                                        uint64_t now_ms)
{
        const bool ends = f->type == RST_STREAM || f->flags & FLAG_END_STREAM;
        size_t i = 0;

        if (f->type != HEADERS && f->type != DATA && f->type != RST_STREAM)
                return PGW_H2_FINE;
        while (i < g->bodies_open && g->bodies[i].stream != f->stream)
                i++;
        if (i == g->bodies_open)
                return f->type == HEADERS && !ends ? open_body(g, f->stream, now_ms) : PGW_H2_FINE;
        if (!ends)
                return add_to_body(g, &g->bodies[i], f);
        g->bodies_bytes -= g->bodies[i].bytes;
        g->bodies[i] = g->bodies[--g->bodies_open];
        g->body_moved_ms = now_ms;
        return PGW_H2_FINE;
}

static enum pgw_h2_verdict judge(struct pgw_guard_h2 *g, const struct frame *f)
{
        struct pgw_str payload = f->payload;

        switch (f->type) {
        case DATA:
                return payload.n ? PGW_H2_FINE : spend(g, 1);
        case HEADERS:
                g->block_size = 0;
                g->continuations = 0;
                g->in_block = true;
                return strip(&payload, f->flags) ? add_fragment(g, payload, f->flags) : PGW_H2_FINE;
        case CONTINUATION:
                if (g->draining)
                        return PGW_H2_CONTINUATION_IN_DRAIN;
                if (++g->continuations > PGW_H2_CONTINUATION_MAX)
                        return PGW_H2_BLOCK_FRAMES;
                return g->in_block ? add_fragment(g, payload, f->flags) : PGW_H2_FINE;
        case PRIORITY:
        case RST_STREAM:
        case SETTINGS:
        case PUSH_PROMISE:
        case PING:
        case GOAWAY:
        case WINDOW_UPDATE:
                return spend(g, 1);
        default:
                return spend(g, PGW_H2_UNKNOWN_COST);
        }
}

enum pgw_h2_verdict pgw_guard_h2_scan(struct pgw_guard_h2 *g, struct pgw_str bytes, uint64_t now_ms)
{
        const unsigned char *p = (const unsigned char *)bytes.p;
        size_t left = bytes.n;
        enum pgw_h2_verdict verdict = PGW_H2_FINE;

        g->surcharge = 0;
        refill(g, now_ms);
        if (!g->preface_seen) {
                if (left < PGW_H2_PREFACE_SIZE)
                        return PGW_H2_FINE;
                g->preface_seen = true;
                p += PGW_H2_PREFACE_SIZE;
                left -= PGW_H2_PREFACE_SIZE;
        }
        while (left >= FRAME_HEAD_SIZE && verdict == PGW_H2_FINE) {
                const size_t size = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
                if (size > PGW_H2_FRAME_MAX || left < FRAME_HEAD_SIZE + size)
                        break;
                const struct frame f = {
                    .type = p[3],
                    .flags = p[4],
                    .stream =
                        ((uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8]) &
                        0x7fffffffu,
                    .payload = pgw_str_of((const char *)p + FRAME_HEAD_SIZE, size),
                };
                verdict = count_bodies(g, &f, now_ms);
                if (verdict == PGW_H2_FINE)
                        verdict = judge(g, &f);
                p += FRAME_HEAD_SIZE + size;
                left -= FRAME_HEAD_SIZE + size;
        }
        return verdict;
}

const char *pgw_h2_verdict_name(enum pgw_h2_verdict verdict)
{
        static const char *const names[] = {
            "fine",          "flood",         "header_block_size",
            "header_frames", "header_fields", "continuation_in_drain",
            "streams",       "bodies"};

        return names[verdict];
}
