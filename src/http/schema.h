/* http/schema.h - the schema objects of OpenAPI 3.0, compiled once and applied to JSON.
 *
 * Every keyword is either enforced or known to be an annotation; any other one is refused
 * when the schema is compiled, because a rule that is silently ignored is no rule.
 * `format` is enforced for int32, int64, float, double and byte, and is an annotation for
 * the other formats of the specification; an unlisted format is refused.
 *
 * Checking finds all violations, not the first, up to PGW_VIOLATIONS_MAX. A value that
 * fits costs no allocation unless `uniqueItems` meets a long array. Regular expressions
 * run under a match limit; a text that exceeds it does not match.
 *
 * Compiled schemas are read-only and may be used by any thread.
 */
#ifndef PGW_HTTP_SCHEMA_H
#define PGW_HTTP_SCHEMA_H

#include <jansson.h>

#include "base/str.h"

#define PGW_VIOLATIONS_MAX    50
#define PGW_VIOLATION_POINTER 128
#define PGW_VIOLATION_DETAIL  192
#define PGW_SCHEMA_DEPTH_MAX  64

struct pgw_violation {
        char pointer[PGW_VIOLATION_POINTER]; /* "#/keys/3", RFC 6901 as a URI fragment */
        char detail[PGW_VIOLATION_DETAIL];
};

/* Zeroed is ready for use and empty. */
struct pgw_violations {
        struct pgw_violation *_items;
        size_t _count;
};

void pgw_violations_fini(struct pgw_violations *);
size_t pgw_violations_count(const struct pgw_violations *);
const struct pgw_violation *pgw_violations_at(const struct pgw_violations *, size_t index);

/* Beyond the bound it is left out. */
void pgw_violations_add(struct pgw_violations *, const char *pointer, const char *format, ...)
    PGW_PRINTF(3, 4);

struct pgw_schema;
struct pgw_schemas; /* owns all schemas compiled from one document */

/* `document` is borrowed for as long as the schemas live. */
struct pgw_schemas *pgw_schemas_new(const json_t *document);
void pgw_schemas_free(struct pgw_schemas *);

/* Compile the schema that `node` (a part of the document) is. `where` names it in faults.
 * References are "#/..." within the document and may be cyclic. */
enum pgw_err pgw_schemas_compile(struct pgw_schemas *, const json_t *node, const char *where,
                                 struct pgw_fault *reterr_fault,
                                 const struct pgw_schema **ret) PGW_MUSTUSE;

/* True when the value fits. `violations` may be NULL. `pointer` is where the value stands,
 * "#" for a body. */
bool pgw_schema_check(const struct pgw_schema *, const json_t *value, const char *pointer,
                      struct pgw_violations *violations);

/* True when a value of this schema is written as a number. */
bool pgw_schema_is_integer(const struct pgw_schema *);
bool pgw_schema_is_number(const struct pgw_schema *); /* with or without a fraction */
bool pgw_schema_is_boolean(const struct pgw_schema *);

#endif
