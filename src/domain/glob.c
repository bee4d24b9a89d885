/* A pattern becomes a row of steps: a byte, any byte, one of a set, or any run of bytes.
 * Matching walks both rows once and, when it fails behind a run, lets the last run take one
 * byte more; what an earlier run could take then makes no difference, so there is nothing
 * to recurse into.
 */
#include "domain/glob.h"

#include <limits.h>
#include <string.h>

#include "base/alloc.h"

enum step_kind { BYTE, ANY, SET, RUN };

struct step {
        unsigned char kind;
        unsigned char byte; /* BYTE */
        uint16_t set;       /* SET: which of the pattern's sets */
};

struct byte_set {
        uint64_t bits[4];
};

struct pgw_glob {
        struct pgw_str text;
        struct step *steps;
        size_t count;
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
        return g;
}

void pgw_glob_free(struct pgw_glob *g)
{
        if (!g)
                return;
        pgw_free((char *)(uintptr_t)g->text.p);
        pgw_free(g->steps);
        pgw_free(g->sets);
        pgw_free(g->prefix);
        pgw_free(g);
}

static bool fits(const struct pgw_glob *g, const struct step *step, unsigned char c)
{
        return step->kind == ANY || (step->kind == BYTE && step->byte == c) ||
               (step->kind == SET && has(&g->sets[step->set], c));
}

bool pgw_glob_match(const struct pgw_glob *g, struct pgw_str key)
{
        size_t at = g->prefix_size, step = g->prefix_size, run_step = SIZE_MAX, run_at = 0;

        if (key.n == 0)
                return g->text.n == 0 || pgw_str_eq(g->text, PGW_STR("*"));
        if (key.n < at || memcmp(key.p, g->prefix, at) != 0)
                return false;
        while (at < key.n) {
                if (step < g->count && g->steps[step].kind == RUN) {
                        run_step = step++;
                        run_at = at;
                        if (step == g->count)
                                return true;
                } else if (step < g->count && fits(g, &g->steps[step], (unsigned char)key.p[at])) {
                        step++;
                        at++;
                } else if (run_step != SIZE_MAX) {
                        step = run_step + 1;
                        at = ++run_at;
                } else {
                        return false;
                }
        }
        return step == g->count || (step + 1 == g->count && g->steps[step].kind == RUN);
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
