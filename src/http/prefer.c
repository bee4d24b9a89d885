/* Preferences are separated by commas; parameters of a preference, by semicolons, are not
 * for us. The first of several `wait` counts. */
#include "http/prefer.h"

static enum pgw_err wait_of(struct pgw_str item, uint64_t max_s, uint64_t *ret_s)
{
        struct pgw_str name, value, parameters;
        uint64_t seconds;

        if (pgw_str_cut(item, ';', &value, &parameters))
                item = value;
        if (!pgw_str_cut(item, '=', &name, &value))
                return PGW_E_INVALID;
        value = pgw_str_trim(value);
        if (!pgw_str_eq_nocase(pgw_str_trim(name), PGW_STR("wait")))
                return PGW_E_INVALID;
        if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
                value = pgw_str_of(value.p + 1, value.n - 2);
        if (pgw_str_to_u64(value, UINT64_MAX, &seconds))
                return PGW_E_INVALID;
        *ret_s = seconds > max_s ? max_s : seconds;
        return PGW_OK;
}

enum pgw_err pgw_prefer_wait(struct pgw_str header, uint64_t max_s, uint64_t *ret_s)
{
        struct pgw_str item;

        while (pgw_str_cut(header, ',', &item, &header))
                if (!wait_of(item, max_s, ret_s))
                        return PGW_OK;
        return wait_of(header, max_s, ret_s);
}
