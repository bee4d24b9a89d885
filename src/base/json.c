/* jansson takes a raw NUL behind a number for the end of the text; RFC 8259 has no raw NUL
 * anywhere, so it is refused before jansson looks. */
#include "base/json.h"

#include <string.h>

#define PGW_JSON_FEW 8 /* members, up to which looking at each is faster */

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
        json_t *value = json_loadb(
            bytes, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        if (!value) {
                /* What is near the error is the caller's own text; it is not repeated. */
                char *near = strstr(error.text, " near ");
                if (near)
                        *near = '\0';
                pgw_fault_set(fault, "", "line %d, column %d: %s", error.line, error.column,
                              error.text);
                /* Valid JSON by RFC 8259, but without one meaning. */
                const enum json_error_code code = json_error_code(&error);
                return code == json_error_duplicate_key || code == json_error_null_byte_in_key
                           ? PGW_E_SCHEMA
                           : PGW_E_JSON;
        }
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
