#include "domain/history.h"

#include <stdio.h>

#include "domain/invalidation.h"

enum { LINE_MAX = 256 };

enum pgw_err pgw_history_keep(struct pgw_buf *out, struct pgw_str old, size_t more)
{
        struct pgw_str line;
        size_t count, index = 0;
        enum pgw_err err = pgw_keys_count(old, &count);

        /* What cannot be read is no history. */
        if (err)
                return PGW_OK;
        const size_t room = more < PGW_HISTORY_MAX ? PGW_HISTORY_MAX - more : 0,
                     surplus = count > room ? count - room : 0;
        while (!err && old.n) {
                err = pgw_keys_next(&old, &line);
                const bool is_left_out = index >= 1 && index <= surplus;
                if (!err && !is_left_out && line.n < LINE_MAX)
                        err = pgw_keys_encode(out, &line, 1);
                index++;
        }
        return err;
}

enum pgw_err pgw_history_add(struct pgw_buf *out, const struct pgw_failure *f)
{
        char text[LINE_MAX];
        const int n = snprintf(text, sizeof text, "%llu %llu %.*s %s",
                               (unsigned long long)f->attempt, (unsigned long long)f->at_ms,
                               (int)f->target.n, f->target.p, pgw_err_slug(f->error));
        const struct pgw_str line = pgw_str_of(text, (size_t)n);

        PGW_ASSERT(n > 0 && n < LINE_MAX);
        return pgw_keys_encode(out, &line, 1);
}

enum pgw_err pgw_history_next(struct pgw_str *rest, struct pgw_failure *ret)
{
        struct pgw_str line, word;

        if (rest->n == 0)
                return PGW_E_NO_JOB;
        if (pgw_keys_next(rest, &line) || !pgw_str_cut(line, ' ', &word, &line) ||
            pgw_str_to_u64(word, PGW_JSON_INTEGER_MAX, &ret->attempt) ||
            !pgw_str_cut(line, ' ', &word, &line) ||
            pgw_str_to_u64(word, PGW_JSON_INTEGER_MAX, &ret->at_ms) ||
            !pgw_str_cut(line, ' ', &ret->target, &line) || line.n == 0)
                return PGW_E_CODEC;
        ret->error = pgw_err_of_slug(line.p, line.n);
        return PGW_OK;
}
