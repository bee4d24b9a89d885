/* The first line is a schema, the rest a value: whatever compiles can be applied. */
#include <string.h>

#include "base/json.h"
#include "http/schema.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const char *text = (const char *)data, *end = size ? memchr(text, '\n', size) : NULL;
        struct pgw_violations violations = {NULL, 0};
        const struct pgw_schema *schema;
        json_t *document, *value;

        if (!end || pgw_json_parse(text, (size_t)(end - text), NULL, &document))
                return 0;
        struct pgw_schemas *schemas = pgw_schemas_new(document);
        if (!pgw_schemas_compile(schemas, document, "#", NULL, &schema) &&
            !pgw_json_parse(end + 1, size - (size_t)(end + 1 - text), NULL, &value)) {
                const bool fits = pgw_schema_check(schema, value, "#", &violations);
                PGW_ASSERT(fits == (pgw_violations_count(&violations) == 0));
                json_decref(value);
        }
        pgw_violations_fini(&violations);
        pgw_schemas_free(schemas);
        json_decref(document);
        return 0;
}
