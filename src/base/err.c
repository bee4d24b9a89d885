/* tbl/errors.h turned into one array, so that no ladder of ifs knows an error. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
        const char *name;
        int status;
        enum pgw_err_class class;
        const char *slug;
        const char *title;
} errors[PGW_ERR_COUNT] = {
    [PGW_OK] = {"OK", 200, PGW_CLASS_NONE, "ok", "Success."},
#define X(name, status, class, slug, title)                                                        \
        [PGW_E_##name] = {#name, status, PGW_CLASS_##class, slug, title},
#include "tbl/errors.h"
#undef X
};

static unsigned checked(enum pgw_err err)
{
        PGW_ASSERT((unsigned)err < PGW_ERR_COUNT);
        return (unsigned)err;
}

const char *pgw_err_name(enum pgw_err err)
{
        return errors[checked(err)].name;
}

int pgw_err_status(enum pgw_err err)
{
        return errors[checked(err)].status;
}

const char *pgw_err_slug(enum pgw_err err)
{
        return errors[checked(err)].slug;
}

const char *pgw_err_title(enum pgw_err err)
{
        return errors[checked(err)].title;
}

enum pgw_err_class pgw_err_class(enum pgw_err err)
{
        return errors[checked(err)].class;
}

const char *pgw_err_class_name(enum pgw_err_class class)
{
        static const char *const names[PGW_CLASS_COUNT] = {
            [PGW_CLASS_NONE] = "none",
            [PGW_CLASS_INPUT] = "input",
            [PGW_CLASS_CONNECTION] = "transient-connection",
            [PGW_CLASS_TIMEOUT] = "transient-timeout",
            [PGW_CLASS_SERVER] = "transient-server",
            [PGW_CLASS_REFUSED] = "refused",
            [PGW_CLASS_PERMANENT] = "permanent",
        };

        PGW_ASSERT((unsigned)class < PGW_CLASS_COUNT);
        return names[class];
}

bool pgw_err_is_transient(enum pgw_err err)
{
        const enum pgw_err_class class = pgw_err_class(err);

        return class == PGW_CLASS_CONNECTION || class == PGW_CLASS_TIMEOUT ||
               class == PGW_CLASS_SERVER;
}

bool pgw_err_waits(enum pgw_err err)
{
        const enum pgw_err_class class = pgw_err_class(err);

        return class == PGW_CLASS_SERVER || class == PGW_CLASS_REFUSED;
}

enum pgw_err pgw_err_of_slug(const char *slug, size_t n)
{
        if (n == 0)
                return PGW_OK;
        for (unsigned i = 1; i < PGW_ERR_COUNT; i++)
                if (strlen(errors[i].slug) == n && memcmp(errors[i].slug, slug, n) == 0)
                        return (enum pgw_err)i;
        return PGW_E_INTERNAL;
}

void pgw_fault_set(struct pgw_fault *fault, const char *pointer, const char *format, ...)
{
        va_list args;

        if (!fault)
                return;
        snprintf(fault->pointer, sizeof fault->pointer, "%s", pointer ? pointer : "");
        va_start(args, format);
        vsnprintf(fault->detail, sizeof fault->detail, format, args);
        va_end(args);
}

enum pgw_err pgw_fault_config(struct pgw_fault *fault, const char *format, ...)
{
        va_list args;

        fault->pointer[0] = '\0';
        va_start(args, format);
        vsnprintf(fault->detail, sizeof fault->detail, format, args);
        va_end(args);
        return PGW_E_CONFIG;
}
