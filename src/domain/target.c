#include "domain/target.h"

#include <string.h>

bool pgw_target_name_is_valid(struct pgw_str name)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";

        for (size_t i = 0; i < name.n; i++)
                if (!memchr(allowed, name.p[i], sizeof allowed - 1))
                        return false;
        return name.n > 0 && name.n <= PGW_TARGET_NAME_MAX;
}

enum pgw_err pgw_target_split(struct pgw_str text, struct pgw_str *ret_name,
                              struct pgw_str *ret_url)
{
        if (!pgw_str_cut(text, '=', ret_name, ret_url) || !pgw_target_name_is_valid(*ret_name))
                return PGW_E_INVALID;
        return PGW_OK;
}
