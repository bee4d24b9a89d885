/* Frame layout: RFC 9113 section 4.1; types and flags: section 6. A frame that is longer
 * than we ever allow is the library's to refuse, and nothing behind it is looked at. */
#include "http/guard_h2.h"

#include <string.h>

#include "base/alloc.h"

#define FRAME_HEAD_SIZE 9
#define TOKEN           1000u

void pgw_guard_h2_init(struct pgw_guard_h2 *g, const struct pgw_h2_bounds *bounds, uint64_t now_ms)
{
        memset(g, 0, sizeof *g);
        g->bounds = *bounds;
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
        if (g->block_size + fragment.n > g->bounds.block_max)
                return PGW_H2_BLOCK_SIZE;
        /* Almost every block comes in one frame, and need not be kept. */
        if (g->block_size == 0 && flags & PGW_H2_FLAG_END_HEADERS)
                return end_block(g, fragment);
        if (fragment.n) {
                g->block = pgw_realloc(g->block, g->block_size + fragment.n);
                memcpy(g->block + g->block_size, fragment.p, fragment.n);
                g->block_size += fragment.n;
        }
        return flags & PGW_H2_FLAG_END_HEADERS ? end_block(g, pgw_str_of(g->block, g->block_size))
                                               : PGW_H2_FINE;
}

/* A HEADERS frame without its padding and priority; false when they do not fit in it. */
static bool strip(struct pgw_str *payload, unsigned flags)
{
        size_t head = 0, padding = 0;

        if (flags & PGW_H2_FLAG_PADDED) {
                if (payload->n < 1)
                        return false;
                padding = (unsigned char)payload->p[0];
                head = 1;
        }
        if (flags & PGW_H2_FLAG_PRIORITY)
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
                g->bodies_since_ms = now_ms;
        g->bodies[g->bodies_open++] = (struct pgw_h2_body){.stream = stream, .since_ms = now_ms};
        return PGW_H2_FINE;
}

/* Of one that is too large no more is held. A frame other than DATA adds no bytes. */
static enum pgw_h2_verdict add_to_body(struct pgw_guard_h2 *g, struct pgw_h2_body *body,
                                       const struct pgw_h2_frame *f)
{
        if (f->type != PGW_H2_DATA)
                return PGW_H2_FINE;
        const uint64_t room = g->bounds.body_max - body->bytes;
        const uint64_t added = f->payload.n < room ? f->payload.n : room;
        body->bytes += added;
        g->bodies_bytes += added;
        return g->bodies_bytes + g->held_bytes > g->bounds.bodies_max ? PGW_H2_BODIES : PGW_H2_FINE;
}

static void close_body(struct pgw_guard_h2 *g, size_t at)
{
        g->bodies_bytes -= g->bodies[at].bytes;
        g->bodies[at] = g->bodies[--g->bodies_open];
        g->bodies_since_ms = UINT64_MAX;
        for (size_t i = 0; i < g->bodies_open; i++)
                if (g->bodies[i].since_ms < g->bodies_since_ms)
                        g->bodies_since_ms = g->bodies[i].since_ms;
}

static enum pgw_h2_verdict count_bodies(struct pgw_guard_h2 *g, const struct pgw_h2_frame *f,
                                        uint64_t now_ms)
{
        const bool ends = f->type == PGW_H2_RST_STREAM || f->flags & PGW_H2_FLAG_END_STREAM;
        size_t i = 0;

        if (f->type != PGW_H2_HEADERS && f->type != PGW_H2_DATA && f->type != PGW_H2_RST_STREAM)
                return PGW_H2_FINE;
        while (i < g->bodies_open && g->bodies[i].stream != f->stream)
                i++;
        /* A piece costs the library as much as a larger one, also of a body that it does not take.
         */
        if (f->type == PGW_H2_DATA && f->payload.n < PGW_H2_PIECE_MIN &&
            (i == g->bodies_open || !ends))
                g->surcharge += PGW_H2_PIECE_MIN - f->payload.n;
        if (i == g->bodies_open)
                return f->type == PGW_H2_HEADERS && !ends ? open_body(g, f->stream, now_ms)
                                                          : PGW_H2_FINE;
        if (!ends)
                return add_to_body(g, &g->bodies[i], f);
        close_body(g, i);
        return PGW_H2_FINE;
}

enum pgw_h2_verdict pgw_guard_h2_keep_bodies(struct pgw_guard_h2 *g, pgw_h2_is_open_f *is_open,
                                             void *ctx)
{
        enum pgw_h2_verdict verdict = PGW_H2_FINE;

        for (size_t i = g->bodies_open; i-- > 0 && verdict == PGW_H2_FINE;) {
                if (is_open(ctx, g->bodies[i].stream))
                        continue;
                close_body(g, i);
                verdict = spend(g, 1);
        }
        return verdict;
}

/* Trailers are as rare as frames for control, and cost as much. */
static enum pgw_h2_verdict judge_headers(struct pgw_guard_h2 *g, const struct pgw_h2_frame *f)
{
        struct pgw_str payload = f->payload;
        enum pgw_h2_verdict verdict = PGW_H2_FINE;

        g->block_size = 0;
        g->continuations = 0;
        g->in_block = true;
        g->block_stream = f->stream;
        if (f->stream > g->stream_max)
                g->stream_max = f->stream;
        else
                verdict = spend(g, 1);
        if (verdict == PGW_H2_FINE && strip(&payload, f->flags))
                verdict = add_fragment(g, payload, f->flags);
        return verdict;
}

/* The library would take it for the end of a block of that other stream. */
static enum pgw_h2_verdict judge_continuation(struct pgw_guard_h2 *g, const struct pgw_h2_frame *f)
{
        if (g->draining)
                return PGW_H2_CONTINUATION_IN_DRAIN;
        if (!g->in_block)
                return PGW_H2_FINE;
        if (++g->continuations > PGW_H2_CONTINUATION_MAX || f->stream != g->block_stream)
                return PGW_H2_BLOCK_FRAMES;
        return add_fragment(g, f->payload, f->flags);
}

static enum pgw_h2_verdict judge(struct pgw_guard_h2 *g, const struct pgw_h2_frame *f)
{
        switch (f->type) {
        case PGW_H2_DATA:
                return f->payload.n ? PGW_H2_FINE : spend(g, 1);
        case PGW_H2_HEADERS:
                return judge_headers(g, f);
        case PGW_H2_CONTINUATION:
                return judge_continuation(g, f);
        case PGW_H2_PRIORITY:
        case PGW_H2_RST_STREAM:
        case PGW_H2_SETTINGS:
        case PGW_H2_PUSH_PROMISE:
        case PGW_H2_PING:
        case PGW_H2_GOAWAY:
        case PGW_H2_WINDOW_UPDATE:
                return spend(g, 1);
        default:
                return spend(g, PGW_H2_UNKNOWN_COST);
        }
}

bool pgw_h2_next_frame(struct pgw_str *bytes, struct pgw_h2_frame *ret)
{
        const unsigned char *p = (const unsigned char *)bytes->p;

        if (bytes->n < FRAME_HEAD_SIZE)
                return false;
        const size_t size = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
        if (size > PGW_H2_FRAME_MAX || bytes->n < FRAME_HEAD_SIZE + size)
                return false;
        *ret = (struct pgw_h2_frame){
            .type = p[3],
            .flags = p[4],
            .stream = ((uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8]) &
                      0x7fffffffu,
            .payload = pgw_str_of(bytes->p + FRAME_HEAD_SIZE, size),
        };
        *bytes = pgw_str_of(bytes->p + FRAME_HEAD_SIZE + size, bytes->n - FRAME_HEAD_SIZE - size);
        return true;
}

size_t pgw_guard_h2_part(const struct pgw_guard_h2 *g, struct pgw_str bytes, uint32_t *ret_trailed)
{
        struct pgw_str rest = bytes;
        uint32_t stream_max = g->stream_max;
        struct pgw_h2_frame f;

        *ret_trailed = 0;
        if (!g->preface_seen && bytes.n >= PGW_H2_PREFACE_SIZE)
                rest = pgw_str_of(bytes.p + PGW_H2_PREFACE_SIZE, bytes.n - PGW_H2_PREFACE_SIZE);
        for (const char *at = rest.p; pgw_h2_next_frame(&rest, &f); at = rest.p) {
                if (f.type != PGW_H2_HEADERS)
                        continue;
                if (f.stream > stream_max)
                        stream_max = f.stream;
                else if (at == bytes.p)
                        *ret_trailed = f.stream;
                else
                        return (size_t)(at - bytes.p);
        }
        return bytes.n;
}

enum pgw_h2_verdict pgw_guard_h2_scan(struct pgw_guard_h2 *g, struct pgw_str bytes, uint64_t now_ms)
{
        enum pgw_h2_verdict verdict = PGW_H2_FINE;
        struct pgw_h2_frame f;

        g->surcharge = 0;
        refill(g, now_ms);
        if (!g->preface_seen) {
                if (bytes.n < PGW_H2_PREFACE_SIZE)
                        return PGW_H2_FINE;
                g->preface_seen = true;
                bytes = pgw_str_of(bytes.p + PGW_H2_PREFACE_SIZE, bytes.n - PGW_H2_PREFACE_SIZE);
        }
        while (verdict == PGW_H2_FINE && pgw_h2_next_frame(&bytes, &f)) {
                verdict = count_bodies(g, &f, now_ms);
                if (verdict == PGW_H2_FINE)
                        verdict = judge(g, &f);
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
