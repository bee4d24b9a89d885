/* tbl/errors.h turned into one array, so that no ladder of ifs knows an error. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

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
