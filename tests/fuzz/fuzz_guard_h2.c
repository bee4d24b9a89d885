/* Frames, behind a byte of options: the guard judges them the same whether they come at once, in
 * pieces, or in the parts that the library is shown; its counts add up, and what it keeps stays
 * within its bounds. */
#include <string.h>

#include "base/panic.h"
#include "http/guard_h2.h"

#define BLOCK_MAX  32768
#define BODY_MAX   40000
#define BODIES_MAX 100000

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void begin(struct pgw_guard_h2 *g, unsigned options)
{
        const struct pgw_h2_bounds bounds = {BLOCK_MAX, BODY_MAX, BODIES_MAX};

        pgw_guard_h2_init(g, &bounds, 0);
        g->preface_seen = options & 1;
        g->draining = options & 2;
        g->held_bytes = options & 4 ? BODIES_MAX - 10 : 0;
}

static void check(const struct pgw_guard_h2 *g)
{
        uint64_t bytes = 0;

        PGW_ASSERT(g->block_size <= BLOCK_MAX && g->bodies_open <= PGW_H2_BODIES_MAX);
        PGW_ASSERT(g->tokens <= PGW_H2_TOKENS_MAX * 1000);
        for (size_t i = 0; i < g->bodies_open; i++)
                bytes += g->bodies[i].bytes;
        PGW_ASSERT(bytes == g->bodies_bytes);
}

/* The bytes that the library takes of these: whole frames, behind the preface. */
static size_t whole(const unsigned char *p, size_t n, bool with_preface)
{
        size_t at = with_preface ? PGW_H2_PREFACE_SIZE : 0;

        if (n < at)
                return 0;
        while (n - at >= 9) {
                const size_t size = (size_t)p[at] << 16 | (size_t)p[at + 1] << 8 | p[at + 2];
                if (size > PGW_H2_FRAME_MAX || n - at - 9 < size)
                        break;
                at += 9 + size;
        }
        return at;
}

static enum pgw_h2_verdict in_pieces(struct pgw_guard_h2 *g, const unsigned char *p, size_t n,
                                     size_t step)
{
        size_t taken = 0;

        for (size_t have = 0; have < n;) {
                have = n - have > step ? have + step : n;
                const bool with_preface = !g->preface_seen;
                const enum pgw_h2_verdict verdict =
                    pgw_guard_h2_scan(g, pgw_str_of((const char *)p + taken, have - taken), 5);
                check(g);
                if (verdict)
                        return verdict;
                taken += whole(p + taken, have - taken, with_preface);
        }
        return PGW_H2_FINE;
}

static enum pgw_h2_verdict in_parts(struct pgw_guard_h2 *g, struct pgw_str bytes)
{
        enum pgw_h2_verdict verdict = PGW_H2_FINE;
        uint32_t trailed;

        while (bytes.n && verdict == PGW_H2_FINE) {
                const size_t size = pgw_guard_h2_part(g, bytes, &trailed);
                PGW_ASSERT(size > 0 && size <= bytes.n);
                verdict = pgw_guard_h2_scan(g, pgw_str_of(bytes.p, size), 5);
                check(g);
                bytes = pgw_str_of(bytes.p + size, bytes.n - size);
        }
        return verdict;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        struct pgw_guard_h2 at_once, pieces, parts;

        if (size < 2)
                return 0;
        const struct pgw_str bytes = pgw_str_of((const char *)data + 1, size - 1);
        begin(&at_once, data[0]);
        begin(&pieces, data[0]);
        begin(&parts, data[0]);
        const enum pgw_h2_verdict verdict = pgw_guard_h2_scan(&at_once, bytes, 5);
        check(&at_once);
        PGW_ASSERT(in_pieces(&pieces, data + 1, size - 1, 1 + (data[0] >> 3)) == verdict);
        PGW_ASSERT(in_parts(&parts, bytes) == verdict);
        (void)pgw_h2_verdict_name(verdict);
        pgw_guard_h2_fini(&at_once);
        pgw_guard_h2_fini(&pieces);
        pgw_guard_h2_fini(&parts);
        return 0;
}
