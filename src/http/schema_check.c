/* Applying a schema. The way from the root to the value is a chain of frames on the stack;
 * it becomes text only when something is wrong. Alternatives (anyOf, oneOf, not) are tried
 * without collecting violations, and say themselves that none fits.
 */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "http/schema_priv.h"

#define PGW_UNIQUE_SURPLUS_MAX 2000 /* items compared of a list that is too long */
#define PGW_UNIQUE_DIRECT_MAX  8

struct frame {
        const struct frame *up;
        const char *name; /* member, or NULL: element */
        size_t index;
};

struct checker {
        struct pgw_violations *violations; /* NULL: nobody listens */
        const char *root;
        unsigned depth;
};

static bool check(struct checker *, const struct pgw_schema *, const json_t *,
                  const struct frame *);

void pgw_violations_fini(struct pgw_violations *v)
{
        pgw_free(v->_items);
        *v = (struct pgw_violations){NULL, 0};
}

size_t pgw_violations_count(const struct pgw_violations *v)
{
        return v->_count;
}

const struct pgw_violation *pgw_violations_at(const struct pgw_violations *v, size_t index)
{
        PGW_ASSERT(index < v->_count);
        return &v->_items[index];
}

static struct pgw_violation *violation_new(struct pgw_violations *v)
{
        if (v->_count == PGW_VIOLATIONS_MAX)
                return NULL;
        v->_items = pgw_realloc(v->_items, (v->_count + 1) * sizeof *v->_items);
        memset(&v->_items[v->_count], 0, sizeof *v->_items);
        return &v->_items[v->_count++];
}

void pgw_violations_add(struct pgw_violations *v, const char *pointer, const char *format, ...)
{
        struct pgw_violation *one = violation_new(v);
        va_list args;

        if (!one)
                return;
        snprintf(one->pointer, sizeof one->pointer, "%s", pointer);
        va_start(args, format);
        vsnprintf(one->detail, sizeof one->detail, format, args);
        va_end(args);
}

/* Append a member's name: '~' and '/' escaped by RFC 6901, what a fragment cannot hold
 * percent-encoded. */
static size_t add_name(char *out, size_t n, size_t size, const char *name)
{
        for (const unsigned char *c = (const unsigned char *)name; *c && n + 4 < size; c++) {
                if (*c == '~' || *c == '/')
                        n += (size_t)snprintf(out + n, size - n, "~%d", *c == '/');
                else if (*c > ' ' && *c < 0x7f && !strchr("\"<>\\^`{|}%#", *c))
                        out[n++] = (char)*c;
                else
                        n += (size_t)snprintf(out + n, size - n, "%%%02X", *c);
        }
        out[n] = '\0';
        return n;
}

static size_t add_frames(char *out, size_t n, size_t size, const struct frame *frame)
{
        if (!frame)
                return n;
        n = add_frames(out, n, size, frame->up);
        if (n + 24 >= size)
                return n;
        out[n++] = '/';
        out[n] = '\0';
        if (frame->name)
                return add_name(out, n, size, frame->name);
        return n + (size_t)snprintf(out + n, size - n, "%zu", frame->index);
}

static bool fail(struct checker *c, const struct frame *frame, const char *format, ...)
    PGW_PRINTF(3, 4);

static bool fail(struct checker *c, const struct frame *frame, const char *format, ...)
{
        struct pgw_violation *one = c->violations ? violation_new(c->violations) : NULL;
        va_list args;

        if (!one)
                return false;
        const size_t n = (size_t)snprintf(one->pointer, sizeof one->pointer, "%s", c->root);
        add_frames(one->pointer, n, sizeof one->pointer, frame);
        va_start(args, format);
        vsnprintf(one->detail, sizeof one->detail, format, args);
        va_end(args);
        return false;
}

/* ---- equality, as JSON Schema means it: 1 and 1.0 are the same number ---- */

static bool same(const json_t *a, const json_t *b)
{
        if (json_is_number(a) && json_is_number(b)) {
                if (json_is_integer(a) && json_is_integer(b))
                        return json_integer_value(a) == json_integer_value(b);
                const double x = json_number_value(a), y = json_number_value(b);
                return x <= y && x >= y;
        }
        if (json_typeof(a) != json_typeof(b))
                return false;
        if (json_is_array(a)) {
                if (json_array_size(a) != json_array_size(b))
                        return false;
                for (size_t i = 0; i < json_array_size(a); i++)
                        if (!same(json_array_get(a, i), json_array_get(b, i)))
                                return false;
                return true;
        }
        if (json_is_object(a)) {
                const char *name;
                json_t *value;
                if (json_object_size(a) != json_object_size(b))
                        return false;
                json_object_foreach((json_t *)(uintptr_t)a, name, value)
                {
                        const json_t *other = json_object_get(b, name);
                        if (!other || !same(value, other))
                                return false;
                }
                return true;
        }
        return json_equal(a, b);
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
        const unsigned char *p = bytes;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ p[i]) * 1099511628211u;
        return hash;
}

/* Equal values have equal hashes; members are combined in a way that ignores their order. */
static uint64_t hash_of(const json_t *v)
{
        uint64_t hash = 14695981039346656037u;
        const char *name;
        json_t *value;
        double number;

        switch (json_typeof(v)) {
        case JSON_STRING:
                return mix(hash + 4, json_string_value(v), json_string_length(v));
        case JSON_INTEGER:
        case JSON_REAL:
                number = json_number_value(v) + 0.0;
                return mix(hash + 1, &number, sizeof number);
        case JSON_ARRAY:
                for (size_t i = 0; i < json_array_size(v); i++) {
                        const uint64_t part = hash_of(json_array_get(v, i));
                        hash = mix(hash + 2, &part, sizeof part);
                }
                return hash;
        case JSON_OBJECT:
                json_object_foreach((json_t *)(uintptr_t)v, name, value)
                {
                        hash += mix(hash_of(value), name, strlen(name));
                }
                return hash + 3;
        default:
                return hash + 10 + (uint64_t)json_typeof(v);
        }
}

struct hashed {
        uint64_t hash;
        size_t index;
};

static int by_hash(const void *a, const void *b)
{
        const struct hashed *x = a, *y = b;

        if (x->hash != y->hash)
                return x->hash < y->hash ? -1 : 1;
        return x->index < y->index ? -1 : x->index > y->index;
}

/* The first repetition: *ret_first < *ret_second. */
static bool find_repetition(const json_t *array, size_t *ret_first, size_t *ret_second)
{
        const size_t n = json_array_size(array);
        bool found = false;

        if (n <= PGW_UNIQUE_DIRECT_MAX) {
                for (size_t j = 1; j < n; j++)
                        for (size_t i = 0; i < j; i++)
                                if (same(json_array_get(array, i), json_array_get(array, j))) {
                                        *ret_first = i;
                                        *ret_second = j;
                                        return true;
                                }
                return false;
        }
        struct hashed *h = pgw_alloc(n * sizeof *h);
        for (size_t i = 0; i < n; i++)
                h[i] = (struct hashed){hash_of(json_array_get(array, i)), i};
        qsort(h, n, sizeof *h, by_hash);
        /* Different values can have one hash: each is compared with all before it that do. */
        for (size_t j = 1; j < n && !found; j++)
                for (size_t i = j; i-- > 0 && h[i].hash == h[j].hash && !found;)
                        if (same(json_array_get(array, h[i].index),
                                 json_array_get(array, h[j].index))) {
                                *ret_first = h[i].index;
                                *ret_second = h[j].index;
                                found = true;
                        }
        pgw_free(h);
        return found;
}

/* ---- keywords ---- */

static unsigned types_of(const json_t *v)
{
        switch (json_typeof(v)) {
        case JSON_OBJECT:
                return PGW_TYPE_OBJECT;
        case JSON_ARRAY:
                return PGW_TYPE_ARRAY;
        case JSON_STRING:
                return PGW_TYPE_STRING;
        case JSON_INTEGER:
                return PGW_TYPE_INTEGER | PGW_TYPE_NUMBER;
        case JSON_REAL:
                return PGW_TYPE_NUMBER;
        case JSON_TRUE:
        case JSON_FALSE:
                return PGW_TYPE_BOOLEAN;
        default:
                return PGW_TYPE_NULL;
        }
}

static const char *type_words(unsigned types)
{
        static const char *const words[] = {"an object", "an array",       "a string",
                                            "a number",  "a whole number", "true or false",
                                            "null"};

        if (types & PGW_TYPE_INTEGER && !(types & PGW_TYPE_NUMBER))
                return words[4];
        for (unsigned i = 0; i < 7; i++)
                if (types & 1u << i)
                        return words[i];
        return "anything";
}

static size_t code_points(const char *text, size_t size)
{
        size_t count = 0;

        for (size_t i = 0; i < size; i++)
                count += ((unsigned char)text[i] & 0xc0) != 0x80;
        return count;
}

static bool is_base64(const char *text, size_t size)
{
        size_t padding = 0;

        if (size % 4)
                return false;
        while (padding < 2 && size && text[size - 1] == '=') {
                size--;
                padding++;
        }
        for (size_t i = 0; i < size; i++) {
                const char c = text[i];
                if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '+' || c == '/'))
                        return false;
        }
        return true;
}

static bool check_string(struct checker *c, const struct pgw_schema *s, const json_t *v,
                         const struct frame *at)
{
        const char *text = json_string_value(v);
        const size_t size = json_string_length(v);
        bool fits = true;

        if (s->length_min || s->length_max != UINT64_MAX) {
                const size_t n = code_points(text, size);
                if (n > s->length_max)
                        fits = fail(c, at, "has %zu characters; at most %llu are allowed", n,
                                    (unsigned long long)s->length_max);
                if (n < s->length_min)
                        fits = fail(c, at, "has %zu characters; at least %llu are needed", n,
                                    (unsigned long long)s->length_min);
        }
        if (s->pattern && !pgw_pattern_matches(s->pattern, pgw_str_of(text, size)))
                fits = fail(c, at, "does not match the pattern %.100s",
                            pgw_pattern_source(s->pattern));
        if (s->format == PGW_FORMAT_BYTE && !is_base64(text, size))
                fits = fail(c, at, "must be standard base64 with padding (RFC 4648 section 4)");
        return fits;
}

static bool is_multiple_of_double(double value, double of)
{
        const double quotient = value / of;

        if (!isfinite(quotient))
                return false;
        const double off = fabs(quotient - nearbyint(quotient));
        return off <= 1e-9 * fmax(1.0, fabs(quotient)) && off < 0.25;
}

/* Whole numbers are compared as such: a double holds no more than 53 bits of them. */
static bool is_multiple(const json_t *v, const json_t *of)
{
        if (json_is_integer(v) && json_is_integer(of))
                return json_integer_value(v) % json_integer_value(of) == 0;
        return is_multiple_of_double(json_number_value(v), json_number_value(of));
}

static int compare(const json_t *a, const json_t *b)
{
        if (json_is_integer(a) && json_is_integer(b)) {
                const json_int_t x = json_integer_value(a), y = json_integer_value(b);
                return x < y ? -1 : x > y;
        }
        const double x = json_number_value(a), y = json_number_value(b);
        return x < y ? -1 : x > y;
}

static const char *number_text(const json_t *number, char out[32])
{
        if (json_is_integer(number))
                snprintf(out, 32, "%lld", (long long)json_integer_value(number));
        else
                snprintf(out, 32, "%.15g", json_real_value(number));
        return out;
}

static bool check_number(struct checker *c, const struct pgw_schema *s, const json_t *v,
                         const struct frame *at)
{
        const double value = json_number_value(v);
        char text[32];
        bool fits = true;

        if (s->max && compare(v, s->max) >= (s->exclusive_max ? 0 : 1))
                fits = fail(c, at, "must be %s %s", s->exclusive_max ? "below" : "at most",
                            number_text(s->max, text));
        if (s->min && compare(v, s->min) <= (s->exclusive_min ? 0 : -1))
                fits = fail(c, at, "must be %s %s", s->exclusive_min ? "above" : "at least",
                            number_text(s->min, text));
        if (s->multiple_of && !is_multiple(v, s->multiple_of))
                fits = fail(c, at, "must be a multiple of %s", number_text(s->multiple_of, text));
        if (s->format == PGW_FORMAT_INT32 && (value > 2147483647.0 || value < -2147483648.0))
                fits = fail(c, at, "must fit 32 bits");
        if (s->format == PGW_FORMAT_FLOAT && fabs(value) > (double)FLT_MAX)
                fits = fail(c, at, "must fit a single-precision number");
        return fits;
}

static bool check_array(struct checker *c, const struct pgw_schema *s, const json_t *v,
                        const struct frame *at)
{
        const size_t n = json_array_size(v);
        size_t first = 0, second = 0;
        bool fits = true;

        if (n > s->items_max)
                fits = fail(c, at, "has %zu items; at most %llu are allowed", n,
                            (unsigned long long)s->items_max);
        if (n < s->items_min)
                fits = fail(c, at, "has %zu items; at least %llu are needed", n,
                            (unsigned long long)s->items_min);
        /* A longer list is refused already, and could be made costly to compare. */
        if (s->unique && (n <= s->items_max || n <= PGW_UNIQUE_SURPLUS_MAX) &&
            find_repetition(v, &first, &second))
                fits = fail(c, at, "items %zu and %zu are the same; each may stand here once",
                            first, second);
        for (size_t i = 0; s->items && i < n; i++) {
                const struct frame element = {at, NULL, i};
                fits &= check(c, s->items, json_array_get(v, i), &element);
        }
        return fits;
}

static bool check_members(struct checker *c, const struct pgw_schema *s, const json_t *v,
                          const struct frame *at)
{
        const char *name;
        json_t *value;
        bool fits = true;

        json_object_foreach((json_t *)(uintptr_t)v, name, value)
        {
                const struct frame member = {at, name, 0};
                const struct pgw_schema_property *known = NULL;
                for (size_t i = 0; i < s->property_count && !known; i++)
                        if (s->properties[i].schema && pgw_str_eq_z(s->properties[i].name, name))
                                known = &s->properties[i];
                if (known)
                        fits &= check(c, known->schema, value, &member);
                else if (s->closed)
                        fits = fail(c, &member, "is not a member that is known here");
                else if (s->additional)
                        fits &= check(c, s->additional, value, &member);
        }
        return fits;
}

static bool check_object(struct checker *c, const struct pgw_schema *s, const json_t *v,
                         const struct frame *at)
{
        const size_t n = json_object_size(v);
        bool fits = true;

        for (size_t i = 0; i < s->property_count; i++)
                if (s->properties[i].required && !json_object_get(v, s->properties[i].name.p))
                        fits =
                            fail(c, at, "the member `%.60s` is missing", s->properties[i].name.p);
        if (n > s->members_max)
                fits = fail(c, at, "has %zu members; at most %llu are allowed", n,
                            (unsigned long long)s->members_max);
        if (n < s->members_min)
                fits = fail(c, at, "has %zu members; at least %llu are needed", n,
                            (unsigned long long)s->members_min);
        if (s->closed || s->additional || s->property_count)
                fits &= check_members(c, s, v, at);
        return fits;
}

static bool is_choice(const json_t *choices, const json_t *v)
{
        for (size_t i = 0; i < json_array_size(choices); i++)
                if (same(json_array_get(choices, i), v))
                        return true;
        return false;
}

static size_t count_fitting(struct checker *c, const struct pgw_schema_list *list, const json_t *v,
                            const struct frame *at)
{
        struct checker quiet = {NULL, c->root, c->depth};
        size_t count = 0;

        for (size_t i = 0; i < list->count; i++)
                count += check(&quiet, list->items[i], v, at);
        return count;
}

static bool check_combinations(struct checker *c, const struct pgw_schema *s, const json_t *v,
                               const struct frame *at)
{
        struct checker quiet = {NULL, c->root, c->depth};
        bool fits = true;

        for (size_t i = 0; i < s->all.count; i++)
                fits &= check(c, s->all.items[i], v, at);
        if (s->any.count && count_fitting(c, &s->any, v, at) == 0)
                fits = fail(c, at, "fits none of the forms that are allowed here");
        if (s->one.count) {
                const size_t n = count_fitting(c, &s->one, v, at);
                if (n != 1)
                        fits =
                            fail(c, at,
                                 "fits %zu of the forms that are allowed here, not exactly one", n);
        }
        if (s->not_this && check(&quiet, s->not_this, v, at))
                fits = fail(c, at, "has a form that is not allowed here");
        return fits;
}

/* What there is no room for is "...". */
static void list_choices(const json_t *choices, char *out, size_t size)
{
        const char *comma = "";
        size_t n = 0;

        out[0] = '\0';
        for (size_t i = 0; i < json_array_size(choices); i++, comma = ", ") {
                char text[32];
                const size_t whole = json_dumpb(json_array_get(choices, i), text, sizeof text,
                                                JSON_ENCODE_ANY | JSON_COMPACT);
                const size_t shown = whole < sizeof text ? whole : sizeof text;
                if (n + shown + sizeof ", , ..." > size) {
                        snprintf(out + n, size - n, "%s...", comma);
                        return;
                }
                n += (size_t)snprintf(out + n, size - n, "%s%.*s", comma, (int)shown, text);
        }
}

static bool check_kind(struct checker *c, const struct pgw_schema *s, const json_t *v,
                       const struct frame *at)
{
        switch (json_typeof(v)) {
        case JSON_STRING:
                return check_string(c, s, v, at);
        case JSON_INTEGER:
        case JSON_REAL:
                return check_number(c, s, v, at);
        case JSON_ARRAY:
                return check_array(c, s, v, at);
        case JSON_OBJECT:
                return check_object(c, s, v, at);
        default:
                return true;
        }
}

static bool check(struct checker *c, const struct pgw_schema *s, const json_t *v,
                  const struct frame *at)
{
        bool fits;

        while (s->ref)
                s = s->ref;
        if (c->depth == PGW_SCHEMA_DEPTH_MAX)
                return fail(c, at, "is nested deeper than %d levels", PGW_SCHEMA_DEPTH_MAX);
        if (s->types && !(s->types & types_of(v)))
                return fail(c, at, "must be %s", type_words(s->types));
        c->depth++;
        fits = check_kind(c, s, v, at);
        if (s->choices && !is_choice(s->choices, v)) {
                char words[PGW_VIOLATION_DETAIL - sizeof "must be one of "];
                list_choices(s->choices, words, sizeof words);
                fits = fail(c, at, "must be one of %s", words);
        }
        if (s->all.count || s->any.count || s->one.count || s->not_this)
                fits &= check_combinations(c, s, v, at);
        c->depth--;
        return fits;
}

bool pgw_schema_check(const struct pgw_schema *s, const json_t *value, const char *pointer,
                      struct pgw_violations *violations)
{
        struct checker c = {violations, pointer, 0};

        return check(&c, s, value, NULL);
}

bool pgw_schema_is_integer(const struct pgw_schema *s)
{
        while (s->ref)
                s = s->ref;
        return s->types & PGW_TYPE_INTEGER;
}

bool pgw_schema_is_number(const struct pgw_schema *s)
{
        while (s->ref)
                s = s->ref;
        return s->types & PGW_TYPE_NUMBER;
}

bool pgw_schema_is_boolean(const struct pgw_schema *s)
{
        while (s->ref)
                s = s->ref;
        return s->types & PGW_TYPE_BOOLEAN;
}
