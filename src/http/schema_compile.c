/* From JSON to struct pgw_schema, keyword by keyword from one table. A schema is entered
 * into its document's list before its parts are compiled, so that a cycle of references
 * finds it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "http/schema_priv.h"

#define PGW_SCHEMA_COUNT_MAX 10000

struct pgw_schemas {
        const json_t *document;
        struct pgw_schema *first;
        size_t count;
};

struct compiler {
        struct pgw_schemas *set;
        struct pgw_fault *fault;
        const char *where;
};

typedef enum pgw_err keyword_f(struct compiler *, struct pgw_schema *, const json_t *value);

static enum pgw_err compile(struct compiler *, const json_t *node, const struct pgw_schema **ret);

static enum pgw_err refuse(struct compiler *c, const char *what)
{
        pgw_fault_set(c->fault, c->where, "%s", what);
        return PGW_E_CONTRACT;
}

static enum pgw_err take_count(struct compiler *c, const json_t *value, uint64_t *ret)
{
        if (!json_is_integer(value) || json_integer_value(value) < 0)
                return refuse(c, "a length or count must be a whole number, 0 or more");
        *ret = (uint64_t)json_integer_value(value);
        return PGW_OK;
}

static enum pgw_err kw_type(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        static const char *const names[] = {"object", "array",   "string",
                                            "number", "integer", "boolean"};
        const char *name = json_string_value(value);

        for (unsigned i = 0; name && i < sizeof names / sizeof names[0]; i++)
                if (!strcmp(name, names[i])) {
                        s->types |= 1u << i;
                        return PGW_OK;
                }
        return refuse(c, "`type` must be one of object, array, string, number, integer, boolean");
}

static enum pgw_err kw_nullable(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_boolean(value))
                return refuse(c, "`nullable` must be true or false");
        if (json_is_true(value))
                s->types |= PGW_TYPE_NULL;
        return PGW_OK;
}

static enum pgw_err kw_enum(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_array(value) || json_array_size(value) == 0)
                return refuse(c, "`enum` must be a list of at least one value");
        s->choices = value;
        return PGW_OK;
}

static enum pgw_err kw_format(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        static const struct {
                const char *name;
                enum pgw_format format;
        } formats[] = {
            {"int32", PGW_FORMAT_INT32},        {"int64", PGW_FORMAT_NONE},
            {"float", PGW_FORMAT_FLOAT},        {"double", PGW_FORMAT_NONE},
            {"byte", PGW_FORMAT_BYTE},          {"binary", PGW_FORMAT_NONE},
            {"date", PGW_FORMAT_NONE},          {"date-time", PGW_FORMAT_NONE},
            {"password", PGW_FORMAT_NONE},      {"email", PGW_FORMAT_NONE},
            {"hostname", PGW_FORMAT_NONE},      {"ipv4", PGW_FORMAT_NONE},
            {"ipv6", PGW_FORMAT_NONE},          {"uri", PGW_FORMAT_NONE},
            {"uri-reference", PGW_FORMAT_NONE}, {"uuid", PGW_FORMAT_NONE},
        };
        const char *name = json_string_value(value);

        for (size_t i = 0; name && i < sizeof formats / sizeof formats[0]; i++)
                if (!strcmp(name, formats[i].name)) {
                        s->format = formats[i].format;
                        return PGW_OK;
                }
        return refuse(c, "this `format` is not known");
}

static enum pgw_err kw_maximum(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_number(value))
                return refuse(c, "`maximum` must be a number");
        s->max = value;
        return PGW_OK;
}

static enum pgw_err kw_minimum(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_number(value))
                return refuse(c, "`minimum` must be a number");
        s->min = value;
        return PGW_OK;
}

static enum pgw_err kw_exclusive_max(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_boolean(value))
                return refuse(c, "`exclusiveMaximum` must be true or false");
        s->exclusive_max = json_is_true(value);
        return PGW_OK;
}

static enum pgw_err kw_exclusive_min(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_boolean(value))
                return refuse(c, "`exclusiveMinimum` must be true or false");
        s->exclusive_min = json_is_true(value);
        return PGW_OK;
}

static enum pgw_err kw_multiple_of(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_number(value) || json_number_value(value) <= 0)
                return refuse(c, "`multipleOf` must be a number above 0");
        s->multiple_of = value;
        return PGW_OK;
}

#define COUNT_KEYWORD(name, field)                                                                 \
        static enum pgw_err name(struct compiler *c, struct pgw_schema *s, const json_t *value)    \
        {                                                                                          \
                return take_count(c, value, &s->field);                                            \
        }
COUNT_KEYWORD(kw_max_length, length_max)
COUNT_KEYWORD(kw_min_length, length_min)
COUNT_KEYWORD(kw_max_items, items_max)
COUNT_KEYWORD(kw_min_items, items_min)
COUNT_KEYWORD(kw_max_properties, members_max)
COUNT_KEYWORD(kw_min_properties, members_min)

static enum pgw_err kw_unique_items(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_boolean(value))
                return refuse(c, "`uniqueItems` must be true or false");
        s->unique = json_is_true(value);
        return PGW_OK;
}

static enum pgw_err kw_pattern(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        struct pgw_fault inner = {"", ""};

        if (!json_is_string(value))
                return refuse(c, "`pattern` must be a text");
        if (pgw_pattern_new(pgw_str_of(json_string_value(value), json_string_length(value)), &inner,
                            &s->pattern))
                return refuse(c, inner.detail);
        return PGW_OK;
}

static enum pgw_err kw_items(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_object(value))
                return refuse(c, "`items` must be a schema");
        return compile(c, value, &s->items);
}

static struct pgw_schema_property *property_of(struct pgw_schema *s, const char *name)
{
        for (size_t i = 0; i < s->property_count; i++)
                if (pgw_str_eq_z(s->properties[i].name, name))
                        return &s->properties[i];
        s->properties = pgw_realloc(s->properties, (s->property_count + 1) * sizeof *s->properties);
        struct pgw_schema_property *p = &s->properties[s->property_count++];
        *p = (struct pgw_schema_property){.name = pgw_str_z(name)};
        return p;
}

static enum pgw_err kw_properties(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        const char *name;
        json_t *node;

        if (!json_is_object(value))
                return refuse(c, "`properties` must be a mapping of names to schemas");
        json_object_foreach((json_t *)(uintptr_t)value, name, node)
        {
                const struct pgw_schema *schema;
                enum pgw_err err = compile(c, node, &schema);
                if (err)
                        return err;
                property_of(s, name)->schema = schema;
        }
        return PGW_OK;
}

static enum pgw_err kw_required(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (!json_is_array(value) || json_array_size(value) == 0)
                return refuse(c, "`required` must be a list of at least one name");
        for (size_t i = 0; i < json_array_size(value); i++) {
                const char *name = json_string_value(json_array_get(value, i));
                if (!name)
                        return refuse(c, "`required` must be a list of names");
                property_of(s, name)->required = true;
        }
        return PGW_OK;
}

static enum pgw_err kw_additional(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        if (json_is_boolean(value)) {
                s->closed = json_is_false(value);
                return PGW_OK;
        }
        if (!json_is_object(value))
                return refuse(c, "`additionalProperties` must be true, false or a schema");
        return compile(c, value, &s->additional);
}

static enum pgw_err take_list(struct compiler *c, const json_t *value, struct pgw_schema_list *list)
{
        if (!json_is_array(value) || json_array_size(value) == 0)
                return refuse(c, "allOf, anyOf and oneOf must be lists of at least one schema");
        list->count = json_array_size(value);
        list->items = pgw_alloc(list->count * sizeof *list->items);
        for (size_t i = 0; i < list->count; i++) {
                enum pgw_err err = compile(c, json_array_get(value, i), &list->items[i]);
                if (err)
                        return err;
        }
        return PGW_OK;
}

static enum pgw_err kw_all_of(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        return take_list(c, value, &s->all);
}

static enum pgw_err kw_any_of(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        return take_list(c, value, &s->any);
}

static enum pgw_err kw_one_of(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        return take_list(c, value, &s->one);
}

static enum pgw_err kw_not(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        return compile(c, value, &s->not_this);
}

static enum pgw_err kw_annotation(struct compiler *c, struct pgw_schema *s, const json_t *value)
{
        (void)c;
        (void)s;
        (void)value;
        return PGW_OK;
}

static const struct {
        const char *name;
        keyword_f *take;
} keywords[] = {
    {"type", kw_type},
    {"nullable", kw_nullable},
    {"enum", kw_enum},
    {"format", kw_format},
    {"maximum", kw_maximum},
    {"minimum", kw_minimum},
    {"exclusiveMaximum", kw_exclusive_max},
    {"exclusiveMinimum", kw_exclusive_min},
    {"multipleOf", kw_multiple_of},
    {"maxLength", kw_max_length},
    {"minLength", kw_min_length},
    {"pattern", kw_pattern},
    {"items", kw_items},
    {"maxItems", kw_max_items},
    {"minItems", kw_min_items},
    {"uniqueItems", kw_unique_items},
    {"properties", kw_properties},
    {"required", kw_required},
    {"additionalProperties", kw_additional},
    {"maxProperties", kw_max_properties},
    {"minProperties", kw_min_properties},
    {"allOf", kw_all_of},
    {"anyOf", kw_any_of},
    {"oneOf", kw_one_of},
    {"not", kw_not},
    {"title", kw_annotation},
    {"description", kw_annotation},
    {"default", kw_annotation},
    {"example", kw_annotation},
    {"deprecated", kw_annotation},
    {"readOnly", kw_annotation},
    {"writeOnly", kw_annotation},
    {"externalDocs", kw_annotation},
    {"xml", kw_annotation},
};

static enum pgw_err take_keyword(struct compiler *c, struct pgw_schema *s, const char *name,
                                 const json_t *value)
{
        for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
                if (!strcmp(name, keywords[i].name))
                        return keywords[i].take(c, s, value);
        if (!strncmp(name, "x-", 2))
                return PGW_OK;
        pgw_fault_set(c->fault, c->where, "the schema keyword '%.60s' is not supported", name);
        return PGW_E_CONTRACT;
}

/* One segment of a reference: RFC 6901's escapes, and percent signs of the fragment. */
static bool unescape(struct pgw_str segment, char *out, size_t size)
{
        size_t n = 0;

        for (size_t i = 0; i < segment.n; i++) {
                char c = segment.p[i];
                if (n + 1 >= size)
                        return false;
                if (c == '~' && i + 1 < segment.n) {
                        c = segment.p[++i] == '0' ? '~' : '/';
                } else if (c == '%' && i + 2 < segment.n) {
                        char hex[3] = {segment.p[i + 1], segment.p[i + 2], '\0'};
                        unsigned value = 0;
                        for (int k = 0; k < 2; k++) {
                                const char h = hex[k];
                                value =
                                    value * 16 + (unsigned)(h >= '0' && h <= '9'   ? h - '0'
                                                            : h >= 'a' && h <= 'f' ? h - 'a' + 10
                                                            : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                                                                   : 0);
                        }
                        c = (char)value;
                        i += 2;
                }
                out[n++] = c;
        }
        out[n] = '\0';
        return true;
}

static const json_t *resolve(const json_t *document, struct pgw_str ref)
{
        const json_t *node = document;

        if (ref.n == 0 || ref.p[0] != '#')
                return NULL;
        ref = pgw_str_of(ref.p + 1, ref.n - 1);
        while (node && ref.n) {
                struct pgw_str head, tail;
                char name[256];
                uint64_t index;
                if (ref.p[0] != '/')
                        return NULL;
                ref = pgw_str_of(ref.p + 1, ref.n - 1);
                const bool more = pgw_str_cut(ref, '/', &head, &tail);
                if (!more)
                        head = ref;
                if (!unescape(head, name, sizeof name))
                        return NULL;
                if (json_is_array(node))
                        node = pgw_str_to_u64(pgw_str_z(name), SIZE_MAX, &index)
                                   ? NULL
                                   : json_array_get(node, (size_t)index);
                else
                        node = json_object_get(node, name);
                ref = more ? pgw_str_of(tail.p - 1, tail.n + 1) : pgw_str_of(NULL, 0);
        }
        return node;
}

static enum pgw_err compile_ref(struct compiler *c, struct pgw_schema *s, const json_t *ref)
{
        const char *text = json_string_value(ref);
        const json_t *node = text ? resolve(c->set->document, pgw_str_z(text)) : NULL;

        if (!node) {
                pgw_fault_set(c->fault, c->where, "the reference '%.100s' leads nowhere",
                              text ? text : "(not a text)");
                return PGW_E_CONTRACT;
        }
        enum pgw_err err = compile(c, node, &s->ref);
        const struct pgw_schema *at = s;
        for (int hops = 0; !err && at->ref; at = at->ref)
                if (hops++ > PGW_SCHEMA_DEPTH_MAX)
                        return refuse(c, "the reference leads to itself");
        return err;
}

static enum pgw_err compile_keywords(struct compiler *c, struct pgw_schema *s, const json_t *node)
{
        const json_t *ref = json_object_get(node, "$ref");
        const char *name;
        json_t *value;

        if (ref)
                return compile_ref(c, s, ref);
        json_object_foreach((json_t *)(uintptr_t)node, name, value)
        {
                enum pgw_err err = take_keyword(c, s, name, value);
                if (err)
                        return err;
        }
        /* nullable adds null to a type; without a type everything is allowed anyway. */
        if (s->types == PGW_TYPE_NULL)
                s->types = 0;
        return PGW_OK;
}

static enum pgw_err compile(struct compiler *c, const json_t *node, const struct pgw_schema **ret)
{
        if (!json_is_object(node))
                return refuse(c, "a schema must be a mapping");
        for (struct pgw_schema *known = c->set->first; known; known = known->next)
                if (known->node == node) {
                        *ret = known;
                        return PGW_OK;
                }
        if (c->set->count++ == PGW_SCHEMA_COUNT_MAX)
                return refuse(c, "too many schemas");

        struct pgw_schema *s = pgw_alloc(sizeof *s);
        s->node = node;
        s->next = c->set->first;
        c->set->first = s;
        s->length_max = s->items_max = s->members_max = UINT64_MAX;
        *ret = s;

        enum pgw_err err = compile_keywords(c, s, node);
        if (err)
                s->node = NULL; /* not to be found: half of it is no schema */
        return err;
}

struct pgw_schemas *pgw_schemas_new(const json_t *document)
{
        struct pgw_schemas *set = pgw_alloc(sizeof *set);

        set->document = document;
        return set;
}

void pgw_schemas_free(struct pgw_schemas *set)
{
        if (!set)
                return;
        while (set->first) {
                struct pgw_schema *s = set->first;
                set->first = s->next;
                pgw_pattern_free(s->pattern);
                pgw_free(s->properties);
                pgw_free(s->all.items);
                pgw_free(s->any.items);
                pgw_free(s->one.items);
                pgw_free(s);
        }
        pgw_free(set);
}

enum pgw_err pgw_schemas_compile(struct pgw_schemas *set, const json_t *node, const char *where,
                                 struct pgw_fault *fault, const struct pgw_schema **ret)
{
        struct compiler c = {set, fault, where};

        return compile(&c, node, ret);
}
