#include "base/identity_name.h"

bool pgw_identity_name_is_valid(struct pgw_str text)
{
        if (text.n == 0 || text.n > PGW_IDENTITY_NAME_MAX)
                return false;
        for (size_t i = 0; i < text.n; i++) {
                const char c = text.p[i];
                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.'))
                        return false;
        }
        return true;
}
