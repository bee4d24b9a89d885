#include "cli/query.h"

#include <stdio.h>
#include <string.h>

/* Append a text, escaped if need be; false when it does not fit. */
static bool append(char path[PGW_CLI_PATH_SIZE], const char *text, bool escaped)
{
        static const char plain[] =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
        size_t n = strlen(path);

        for (; *text; text++) {
                if (n + 4 > PGW_CLI_PATH_SIZE)
                        return false;
                if (!escaped || strchr(plain, *text))
                        path[n++] = *text;
                else
                        n += (size_t)snprintf(path + n, 4, "%%%02X", (unsigned char)*text);
        }
        path[n] = '\0';
        return true;
}

bool pgw_cli_query(char path[PGW_CLI_PATH_SIZE], const char *base,
                   const struct pgw_cli_param *params, size_t count)
{
        path[0] = '\0';
        bool fits = append(path, base, false);
        for (size_t i = 0; i < count && fits; i++)
                if (params[i].value)
                        fits = append(path, "&", false) && append(path, params[i].name, false) &&
                               append(path, "=", false) && append(path, params[i].value, true);
        return fits;
}
