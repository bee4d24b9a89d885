/* Redis names an error by the first word of its reply. */
#include "redis/fault.h"

static const struct {
        struct pgw_str prefix;
        enum pgw_err err;
} faults[] = {
#define X(text, name) {{text, sizeof(text) - 1}, PGW_E_##name},
#include "tbl/redis_faults.h"
#undef X
};

enum pgw_err pgw_redis_fault(struct pgw_str text)
{
        struct pgw_str word = text, rest = {NULL, 0};

        (void)pgw_str_cut(text, ' ', &word, &rest);
        /* Redis 6 put the script's name first and the cause behind it. */
        if (pgw_str_eq_z(word, "ERR") && pgw_str_starts(rest, PGW_STR("Error running script"))) {
                while (pgw_str_cut(rest, ':', &word, &rest)) {
                        rest = pgw_str_trim(rest);
                        if (rest.n && rest.p[0] == '-')
                                return pgw_redis_fault(pgw_str_of(rest.p + 1, rest.n - 1));
                }
                return PGW_E_REDIS_ERROR;
        }
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
                if (pgw_str_eq(word, faults[i].prefix))
                        return faults[i].err;
        return PGW_E_REDIS_ERROR;
}
