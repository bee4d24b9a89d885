/* A pattern becomes a row of steps: a byte, any byte, one of a set, or any run of bytes. The runs
 * divide it into segments. The first one stands at the beginning of the key, the last one at its
 * end, and each of the others where it is found first behind the one before: what an earlier run
 * could take instead makes no difference, so there is nothing to go back to.
 *
 * A segment of plain bytes is found by memmem(). In a long key any other is found by a bit for each
 * of its steps, all moved along with each byte of the key, so that no key costs its length times
 * that of the segment.
 */
#include "domain/glob.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"

/* From so many bytes of a key on the bits pay. */
#define GLOB_BITS_FROM 512

enum { GLOB_WORDS = 4 };

enum step_kind { BYTE, ANY, SET, RUN };

struct step {
        unsigned char kind;
        unsigned char byte; /* BYTE */
        uint16_t set;       /* SET: which of the pattern's sets */
};

struct byte_set {
        uint64_t bits[4];
};

struct segment {
        size_t at, n; /* of the steps */
        bool is_plain;
};

struct pgw_glob {
        struct pgw_str text;
        struct step *steps;
        char *bytes; /* of the steps that are one */
        size_t count;
        struct segment *segments; /* one more than there are runs */
        size_t segment_count;
        struct byte_set *sets;
        size_t set_count;
        char *prefix;
        size_t prefix_size;
        size_t stars;
};

static void add(struct byte_set *set, unsigned char c)
{
        set->bits[c >> 6] |= UINT64_C(1) << (c & 63);
}

static bool has(const struct byte_set *set, unsigned char c)
{
        return set->bits[c >> 6] >> (c & 63) & 1;
}

/* Redis compares the bytes of a range as the signed characters of its C. */
static int as_signed(char c)
{
        const int byte = (unsigned char)c;

        return byte < 128 ? byte : byte - 256;
}

static void add_range(struct byte_set *set, char from, char to)
{
        const int a = as_signed(from), b = as_signed(to);

        for (int c = a < b ? a : b; c <= (a < b ? b : a); c++)
                add(set, (unsigned char)c);
}

/* The set whose '[' stands before `p`; returns where the pattern goes on. */
static const char *read_set(struct byte_set *set, const char *p, const char *end)
{
        const bool negated = p < end && *p == '^';

        if (negated)
                p++;
        for (; p < end && *p != ']'; p++) {
                if (*p == '\\' && end - p >= 2) {
                        p++;
                        add(set, (unsigned char)*p);
                } else if (end - p >= 3 && p[1] == '-') {
                        add_range(set, p[0], p[2]);
                        p += 2;
                } else {
                        add(set, (unsigned char)*p);
                }
        }
        if (negated)
                for (size_t i = 0; i < 4; i++)
                        set->bits[i] = ~set->bits[i];
        return p < end ? p + 1 : end;
}

static void push(struct pgw_glob *g, enum step_kind kind, unsigned char byte)
{
        if (kind == RUN && g->count && g->steps[g->count - 1].kind == RUN)
                return;
        if (kind == BYTE && g->count == g->prefix_size)
                g->prefix[g->prefix_size++] = (char)byte;
        g->stars += kind == RUN;
        g->steps[g->count++] = (struct step){(unsigned char)kind, byte, 0};
}

static void compile(struct pgw_glob *g)
{
        const char *p = g->text.p, *end = p + g->text.n;

        while (p < end) {
                const char c = *p++;
                if (c == '*') {
                        push(g, RUN, 0);
                } else if (c == '?') {
                        push(g, ANY, 0);
                } else if (c == '[') {
                        push(g, SET, 0);
                        g->steps[g->count - 1].set = (uint16_t)g->set_count;
                        p = read_set(&g->sets[g->set_count++], p, end);
                } else {
                        if (c == '\\' && p < end)
                                push(g, BYTE, (unsigned char)*p++);
                        else
                                push(g, BYTE, (unsigned char)c);
                }
        }
}

static void divide(struct pgw_glob *g)
{
        struct segment *last = &g->segments[g->segment_count++];

        *last = (struct segment){0, 0, true};
        for (size_t i = 0; i < g->count; i++) {
                g->bytes[i] = (char)g->steps[i].byte;
                if (g->steps[i].kind == RUN) {
                        last = &g->segments[g->segment_count++];
                        *last = (struct segment){i + 1, 0, true};
                        continue;
                }
                last->n++;
                last->is_plain = last->is_plain && g->steps[i].kind == BYTE;
        }
}

struct pgw_glob *pgw_glob_new(struct pgw_str pattern)
{
        struct pgw_glob *g = pgw_alloc(sizeof *g);
        size_t sets = 0;

        for (size_t i = 0; i < pattern.n; i++)
                sets += pattern.p[i] == '[';
        PGW_ASSERT(sets <= UINT16_MAX);
        g->text = pgw_str_of(pgw_memdup(pattern.p, pattern.n), pattern.n);
        g->steps = pgw_alloc((pattern.n + 1) * sizeof *g->steps);
        g->sets = pgw_alloc((sets + 1) * sizeof *g->sets);
        g->prefix = pgw_alloc(pattern.n + 1);
        if (pattern.n)
                compile(g);
        g->bytes = pgw_alloc(g->count + 1);
        g->segments = pgw_alloc((g->stars + 1) * sizeof *g->segments);
        divide(g);
        return g;
}

void pgw_glob_free(struct pgw_glob *g)
{
        if (!g)
                return;
        pgw_free((char *)(uintptr_t)g->text.p);
        pgw_free(g->steps);
        pgw_free(g->bytes);
        pgw_free(g->segments);
        pgw_free(g->sets);
        pgw_free(g->prefix);
        pgw_free(g);
}

static bool fits(const struct pgw_glob *g, const struct step *step, unsigned char c)
{
        return step->kind == ANY || (step->kind == BYTE && step->byte == c) ||
               (step->kind == SET && has(&g->sets[step->set], c));
}

static bool fits_at(const struct pgw_glob *g, const struct segment *s, const char *key)
{
        if (s->is_plain)
                return s->n == 0 || memcmp(key, g->bytes + s->at, s->n) == 0;
        for (size_t i = 0; i < s->n; i++)
                if (!fits(g, &g->steps[s->at + i], (unsigned char)key[i]))
                        return false;
        return true;
}

/* For each byte which of the steps it fits, a bit for each. */
static void write_fitting(const struct pgw_glob *g, const struct segment *s,
                          uint64_t fitting[256][GLOB_WORDS])
{
        uint64_t any[GLOB_WORDS] = {0};

        for (size_t i = 0; i < s->n; i++)
                if (g->steps[s->at + i].kind == ANY)
                        any[i / 64] |= UINT64_C(1) << i % 64;
        for (unsigned c = 0; c < 256; c++)
                memcpy(fitting[c], any, sizeof any);
        for (size_t i = 0; i < s->n; i++) {
                const struct step *step = &g->steps[s->at + i];
                const uint64_t bit = UINT64_C(1) << i % 64;
                if (step->kind == BYTE)
                        fitting[step->byte][i / 64] |= bit;
                for (unsigned c = 0; step->kind == SET && c < 256; c++)
                        if (has(&g->sets[step->set], (unsigned char)c))
                                fitting[c][i / 64] |= bit;
        }
}

/* The end of the first place in `key` where the segment fits; NULL when there is none. */
static const char *find_by_bits(const struct pgw_glob *g, const struct segment *s,
                                struct pgw_str key)
{
        uint64_t fitting[256][GLOB_WORDS], state[GLOB_WORDS] = {0};
        const size_t words = (s->n + 63) / 64, last = s->n - 1;

        write_fitting(g, s, fitting);
        for (size_t at = 0; at < key.n; at++) {
                const uint64_t *now = fitting[(unsigned char)key.p[at]];
                uint64_t carry = 1;
                for (size_t k = 0; k < words; k++) {
                        const uint64_t next = state[k] >> 63;
                        state[k] = (state[k] << 1 | carry) & now[k];
                        carry = next;
                }
                if (state[last / 64] >> last % 64 & 1)
                        return key.p + at + 1;
        }
        return NULL;
}

static const char *find(const struct pgw_glob *g, const struct segment *s, struct pgw_str key)
{
        if (key.n < s->n)
                return NULL;
        if (s->is_plain) {
                const char *found = memmem(key.p, key.n, g->bytes + s->at, s->n);
                return found ? found + s->n : NULL;
        }
        if (key.n >= GLOB_BITS_FROM && s->n <= 64 * GLOB_WORDS)
                return find_by_bits(g, s, key);
        for (size_t at = 0; at + s->n <= key.n; at++)
                if (fits_at(g, s, key.p + at))
                        return key.p + at + s->n;
        return NULL;
}

bool pgw_glob_match(const struct pgw_glob *g, struct pgw_str key)
{
        const struct segment *first = g->segments, *last = &g->segments[g->segment_count - 1];

        if (key.n == 0)
                return g->text.n == 0 || pgw_str_eq(g->text, PGW_STR("*"));
        if (first == last)
                return key.n == first->n && fits_at(g, first, key.p);
        if (key.n < first->n + last->n || !fits_at(g, first, key.p) ||
            !fits_at(g, last, key.p + key.n - last->n))
                return false;
        const char *at = key.p + first->n, *const end = key.p + key.n - last->n;
        for (const struct segment *s = first + 1; s < last && at; s++)
                at = find(g, s, pgw_str_of(at, (size_t)(end - at)));
        return at;
}

struct pgw_str pgw_glob_text(const struct pgw_glob *g)
{
        return g->text;
}

struct pgw_str pgw_glob_prefix(const struct pgw_glob *g)
{
        return pgw_str_of(g->prefix, g->prefix_size);
}

size_t pgw_glob_stars(const struct pgw_glob *g)
{
        return g->stars;
}
