/* Runs the JSON-Schema-Test-Suite (draft 4, required part) against http/schema.
 *
 *      json_schema_draft4 FOLDER
 *
 * FOLDER holds tests/draft4/ or the .json files themselves. A case whose schema uses what
 * OpenAPI 3.0 does not have is skipped, with the reason; the compiler's own refusal is the
 * reason, so nothing is skipped that it accepts. Prints passed, failed, skipped; exit 1
 * when anything failed or nothing passed.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "http/schema.h"

static unsigned passed, failed, skipped;

/* The suite's schemas are documents; ours are parts of one. A reference to the document's
 * root becomes one to the part; `definitions` stands beside it. */
static void move_references(json_t *node)
{
        const char *key;
        json_t *value;
        size_t i;

        if (json_is_array(node)) {
                json_array_foreach(node, i, value) move_references(value);
                return;
        }
        json_object_foreach(node, key, value)
        {
                const char *ref = json_string_value(value);
                char moved[512];
                if (strcmp(key, "$ref") != 0 || !ref || ref[0] != '#' ||
                    !strncmp(ref, "#/definitions/", 14)) {
                        move_references(value);
                        continue;
                }
                snprintf(moved, sizeof moved, "#/root%s", ref + 1);
                json_object_set_new(node, key, json_string(moved));
        }
}

static json_t *document_of(const json_t *schema)
{
        json_t *root = json_deep_copy(schema), *document = json_object();
        json_t *definitions = json_object_get(root, "definitions");

        json_object_del(root, "$schema");
        move_references(root);
        if (definitions) {
                json_object_set(document, "definitions", definitions);
                json_object_del(root, "definitions");
        }
        json_object_set_new(document, "root", root);
        return document;
}

static void run_group(const char *file, const json_t *group)
{
        json_t *document = document_of(json_object_get(group, "schema"));
        struct pgw_schemas *schemas = pgw_schemas_new(document);
        const json_t *tests = json_object_get(group, "tests");
        const char *name = json_string_value(json_object_get(group, "description"));
        const struct pgw_schema *schema;
        struct pgw_fault fault = {"", ""};
        size_t i;
        json_t *test;

        if (pgw_schemas_compile(schemas, json_object_get(document, "root"), "#", &fault, &schema)) {
                skipped += (unsigned)json_array_size(tests);
                printf("skipped %zu: %s: %s: %s\n", json_array_size(tests), file, name,
                       fault.detail);
        } else {
                json_array_foreach(tests, i, test)
                {
                        const bool wanted = json_is_true(json_object_get(test, "valid"));
                        const bool fits =
                            pgw_schema_check(schema, json_object_get(test, "data"), "#", NULL);
                        if (fits == wanted) {
                                passed++;
                                continue;
                        }
                        failed++;
                        printf("FAILED: %s: %s: %s\n", file, name,
                               json_string_value(json_object_get(test, "description")));
                }
        }
        pgw_schemas_free(schemas);
        json_decref(document);
}

static void run_file(const char *folder, const char *file)
{
        char path[4096];
        json_error_t error;
        json_t *groups, *group;
        size_t i;

        snprintf(path, sizeof path, "%s/%s", folder, file);
        groups = json_load_file(path, JSON_ALLOW_NUL, &error);
        if (!groups) {
                printf("skipped 1: %s: %s\n", file, error.text);
                skipped++;
                return;
        }
        json_array_foreach(groups, i, group) run_group(file, group);
        json_decref(groups);
}

int main(int argc, char **argv)
{
        static const char *const below[] = {"/tests/draft4", "/tests", ""};
        char folder[2048];
        struct dirent **found;
        struct stat st;
        int n = -1;

        if (argc != 2) {
                fputs("usage: json_schema_draft4 FOLDER\n", stderr);
                return 2;
        }
        for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
                char probe[2100];
                snprintf(folder, sizeof folder, "%.2000s%s", argv[1], below[i]);
                snprintf(probe, sizeof probe, "%s/type.json", folder);
                if (stat(probe, &st) == 0) {
                        n = scandir(folder, &found, NULL, alphasort);
                        break;
                }
        }
        for (int i = 0; i < n; i++) {
                const char *dot = strrchr(found[i]->d_name, '.');
                if (dot && !strcmp(dot, ".json"))
                        run_file(folder, found[i]->d_name);
                free(found[i]);
        }
        if (n > 0)
                free(found);
        printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
        return failed || !passed;
}
