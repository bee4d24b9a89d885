/* Preferences are separated by commas; parameters of a preference, by semicolons, are not
 * for us. The first of several `wait` counts. */
#include "http/prefer.h"

/* As pgw_str_cut(), blind to what stands within quotes (RFC 9110 section 5.6.4). */
static bool cut(struct pgw_str s, char at, struct pgw_str *ret_head, struct pgw_str *ret_tail)
{
        bool quoted = false;

        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] == '"') {
                        quoted = !quoted;
                } else if (quoted && s.p[i] == '\\') {
                        i++;
                } else if (!quoted && s.p[i] == at) {
                        *ret_head = pgw_str_of(s.p, i);
                        *ret_tail = pgw_str_of(s.p + i + 1, s.n - i - 1);
                        return true;
                }
        }
        return false;
}

static enum pgw_err wait_of(struct pgw_str item, uint64_t max_s, uint64_t *ret_s)
{
        struct pgw_str name, value, parameters;
        uint64_t seconds;

        if (cut(item, ';', &value, &parameters))
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

        while (cut(header, ',', &item, &header))
                if (!wait_of(item, max_s, ret_s))
                        return PGW_OK;
        return wait_of(header, max_s, ret_s);
}
