/* jansson takes a raw NUL behind a number for the end of the text; RFC 8259 has no raw NUL
 * anywhere, so it is refused before jansson looks. */
#include "base/json.h"

#include <string.h>

#include "base/alloc.h"

#define PGW_JSON_FEW 8 /* members, up to which looking at each is faster */

static json_t *load(const char *bytes, size_t size, json_error_t *error)
{
        return json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
                          error);
}

/* ---- numbers that are too large to keep ---- */

static size_t digits(const char *p, const char *end)
{
        const char *at = p;

        while (at < end && *at >= '0' && *at <= '9')
                at++;
        return (size_t)(at - p);
}

/* How long the number at `p` is (RFC 8259, section 6); 0 when there is none. */
static size_t number_size(const char *p, const char *end)
{
        const char *at = p + (*p == '-');
        size_t n = at < end && *at == '0' ? 1 : digits(at, end);

        if (n == 0)
                return 0;
        at += n;
        if (at < end && *at == '.' && (n = digits(at + 1, end)))
                at += 1 + n;
        if (at < end && (*at == 'e' || *at == 'E')) {
                const bool is_signed = at + 1 < end && (at[1] == '+' || at[1] == '-');
                n = digits(at + 1 + is_signed, end);
                at += n ? 1 + is_signed + n : 0;
        }
        return (size_t)(at - p);
}

/* jansson stops at a number that it cannot keep, and does not say whether the rest is JSON: that is
 * asked with 0 in place of every number. */
static json_t *load_without_numbers(const char *bytes, size_t size, json_error_t *error)
{
        char *copy = pgw_memdup(bytes, size);
        const char *end = copy + size;
        bool is_string = false;

        for (size_t i = 0, n; i < size; i += n) {
                n = is_string && copy[i] == '\\' && i + 1 < size ? 2 : 1;
                if (copy[i] == '"')
                        is_string = !is_string;
                else if (!is_string && number_size(copy + i, end)) {
                        n = number_size(copy + i, end);
                        memset(copy + i, ' ', n);
                        copy[i] = '0';
                }
        }
        json_t *value = load(copy, size, error);
        pgw_free(copy);
        return value;
}

/* ---- */

static enum pgw_err refuse(json_error_t *error, struct pgw_fault *fault)
{
        const enum json_error_code code = json_error_code(error);
        /* What is near the error is the caller's own text; it is not repeated. */
        char *near = strstr(error->text, " near ");

        if (near)
                *near = '\0';
        pgw_fault_set(fault, "", "line %d, column %d: %s", error->line, error->column,
                      code == json_error_numeric_overflow
                          ? "a number that fits neither 64 bits nor a double"
                          : error->text);
        /* Valid JSON by RFC 8259, but without one meaning, or without one that we can keep. */
        return code == json_error_duplicate_key || code == json_error_null_byte_in_key ||
                       code == json_error_numeric_overflow
                   ? PGW_E_SCHEMA
                   : PGW_E_JSON;
}

enum pgw_err pgw_json_parse(const char *bytes, size_t size, struct pgw_fault *fault, json_t **ret)
{
        const char *nul = size ? memchr(bytes, '\0', size) : NULL;
        json_error_t error;

        if (size == 0) {
                pgw_fault_set(fault, "", "the body is empty; send a JSON object");
                return PGW_E_JSON;
        }
        if (nul) {
                pgw_fault_set(fault, "", "a NUL byte at offset %zu; write \\u0000 inside a string",
                              (size_t)(nul - bytes));
                return PGW_E_JSON;
        }
        json_t *value = load(bytes, size, &error);
        if (!value && json_error_code(&error) == json_error_numeric_overflow) {
                json_error_t other;
                json_t *rest = load_without_numbers(bytes, size, &other);
                if (!rest)
                        error = other;
                json_decref(rest);
        }
        if (!value)
                return refuse(&error, fault);
        *ret = value;
        return PGW_OK;
}

/* Most names are told apart by their first letter, and one member has no next one to ask for. */
json_t *pgw_json_get(const json_t *object, const char *name)
{
        /* The iteration changes nothing, but is not declared so. */
        json_t *members = (json_t *)(uintptr_t)object;
        size_t left = json_object_size(members);
        void *at;

        if (left == 0 || left > PGW_JSON_FEW)
                return json_object_get(members, name);
        for (at = json_object_iter(members);; at = json_object_iter_next(members, at)) {
                const char *key = json_object_iter_key(at);
                if (key[0] == name[0] && strcmp(key, name) == 0)
                        return json_object_iter_value(at);
                if (--left == 0)
                        return NULL;
        }
}
