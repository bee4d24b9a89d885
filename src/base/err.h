/* base/err.h - the one error type.
 *
 * A function that can fail returns `enum pgw_err`; 0 is success, the rest comes
 * from tbl/errors.h with its HTTP status, class and words. Where input is judged,
 * a `struct pgw_fault` (last parameter, may be NULL) says what exactly is wrong.
 */
#ifndef PGW_BASE_ERR_H
#define PGW_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/panic.h"

enum pgw_err {
        PGW_OK = 0,
#define X(name, status, class, slug, title) PGW_E_##name,
#include "tbl/errors.h"
#undef X
        PGW_ERR_COUNT
};

enum pgw_err_class {
        PGW_CLASS_NONE, /* success */
        PGW_CLASS_INPUT,
        PGW_CLASS_CONNECTION,
        PGW_CLASS_TIMEOUT,
        PGW_CLASS_SERVER,
        PGW_CLASS_REFUSED,
        PGW_CLASS_PERMANENT,
        PGW_CLASS_COUNT
};

/* "REDIS_TIMEOUT"; "OK" for success. Static. */
const char *pgw_err_name(enum pgw_err);

/* The HTTP status that this error is answered with; 200 for success. */
int pgw_err_status(enum pgw_err);

/* "store-timeout": the last part of the problem type. Static. */
const char *pgw_err_slug(enum pgw_err);

/* One sentence for people. Static. */
const char *pgw_err_title(enum pgw_err);

enum pgw_err_class pgw_err_class(enum pgw_err);

/* "transient-connection", "refused", ... Static. */
const char *pgw_err_class_name(enum pgw_err_class);

/* Tried again it may succeed, without anybody's help. */
bool pgw_err_is_transient(enum pgw_err);

/* Somebody is there and cannot serve just now: a job waits for that, and uses up no try. */
bool pgw_err_waits(enum pgw_err);

/* The error of a slug; PGW_OK for "", PGW_E_INTERNAL for one that is not known. */
enum pgw_err pgw_err_of_slug(const char *slug, size_t n);

/* What is wrong, and where. Plain value; no ownership. */
struct pgw_fault {
        char pointer[128]; /* JSON pointer, setting name or file:line; may be empty */
        char detail[256];  /* one sentence, never a secret */
};

/* Fill `fault` (NULL is allowed). Both texts are cut to fit. */
void pgw_fault_set(struct pgw_fault *fault, const char *pointer, const char *format, ...)
    PGW_PRINTF(3, 4);

/* For readers of files: the reason alone, whose place the caller finds out; gives PGW_E_CONFIG. */
enum pgw_err pgw_fault_config(struct pgw_fault *, const char *format, ...) PGW_PRINTF(2, 3);

#endif
