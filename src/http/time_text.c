#include "http/time_text.h"

#include "base/clock.h"

enum pgw_err pgw_time_read(struct pgw_exchange *x, struct pgw_str text, const char *pointer,
                           uint64_t *ret_wall_ms)
{
        *ret_wall_ms = 0;
        if (text.n == 0 || pgw_rfc3339_parse(text, ret_wall_ms) == PGW_OK)
                return PGW_OK;
        pgw_violations_add(&x->violations, pointer,
                           "must be a time like 2026-11-21T06:00:00Z (RFC 3339)");
        return PGW_E_SCHEMA;
}
