/* The only file that names PCRE2. */
#include "http/schema_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/alloc.h"

#define PGW_PATTERN_STEPS_MAX 100000

struct pgw_pattern {
        pcre2_code *code;
        pcre2_match_context *context;
        char *source;
};

enum pgw_err pgw_pattern_new(struct pgw_str source, struct pgw_fault *fault,
                             struct pgw_pattern **ret)
{
        int number;
        PCRE2_SIZE at;
        pcre2_code *code = pcre2_compile((PCRE2_SPTR)source.p, source.n,
                                         PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
                                             PCRE2_MATCH_UNSET_BACKREF,
                                         &number, &at, NULL);

        if (!code) {
                PCRE2_UCHAR words[120];
                pcre2_get_error_message(number, words, sizeof words);
                pgw_fault_set(fault, "", "the pattern cannot be compiled: %s, at offset %zu",
                              (const char *)words, (size_t)at);
                return PGW_E_CONTRACT;
        }
        struct pgw_pattern *p = pgw_alloc(sizeof *p);
        p->code = code;
        p->context = pcre2_match_context_create(NULL);
        PGW_ASSERT(p->context != NULL);
        pcre2_set_match_limit(p->context, PGW_PATTERN_STEPS_MAX);
        p->source = pgw_memdup(source.p, source.n);
        *ret = p;
        return PGW_OK;
}

void pgw_pattern_free(struct pgw_pattern *p)
{
        if (!p)
                return;
        pcre2_match_context_free(p->context);
        pcre2_code_free(p->code);
        pgw_free(p->source);
        pgw_free(p);
}

bool pgw_pattern_matches(const struct pgw_pattern *p, struct pgw_str text)
{
        pcre2_match_data *found = pcre2_match_data_create(1, NULL);

        PGW_ASSERT(found != NULL);
        const int n = pcre2_match(p->code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0,
                                  PCRE2_NO_UTF_CHECK, found, p->context);
        pcre2_match_data_free(found);
        return n >= 0;
}

const char *pgw_pattern_source(const struct pgw_pattern *p)
{
        return p->source;
}
