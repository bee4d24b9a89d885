/* Percent-decoding is that of the URL standard's forms: '+' is a space. A value that is no
 * UTF-8 can only be a key, and goes as base64. */
#include "http/form.h"

#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"

static const struct {
        const char *field, *list;
} lists[] = {{"key", "keys"}, {"pattern", "patterns"}, {"tag", "tags"}};

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In a buffer of text.n bytes. False for a '%' without two digits. */
static bool decode(struct pgw_str text, char *out, struct pgw_str *ret)
{
        size_t n = 0;

        for (size_t i = 0; i < text.n; i++) {
                char c = text.p[i];
                if (c == '%') {
                        const int high = i + 2 < text.n ? hex_value(text.p[i + 1]) : -1,
                                  low = i + 2 < text.n ? hex_value(text.p[i + 2]) : -1;
                        if (high < 0 || low < 0)
                                return false;
                        c = (char)(high * 16 + low);
                        i += 2;
                } else if (c == '+') {
                        c = ' ';
                }
                out[n++] = c;
        }
        *ret = pgw_str_of(out, n);
        return true;
}

static void append(json_t *body, const char *list, json_t *value)
{
        json_t *array = json_object_get(body, list);

        if (!array) {
                array = json_array();
                json_object_set_new(body, list, array);
        }
        json_array_append_new(array, value);
}

static json_t *base64_of(struct pgw_str bytes)
{
        char *text = pgw_alloc(PGW_BASE64_SIZE(bytes.n) + 1);
        json_t *value = json_stringn(text, pgw_base64(bytes.p, bytes.n, text));

        pgw_free(text);
        return value;
}

/* "1000,3000" as numbers; what is none stays text, which the contract refuses. */
static void append_times(json_t *body, struct pgw_str value)
{
        bool more = true;

        json_object_set_new(body, "rebounds_ms", json_array());
        while (more && value.n) {
                struct pgw_str item = value;
                uint64_t number;
                more = pgw_str_cut(value, ',', &item, &value);
                if (pgw_str_to_u64(item, INT32_MAX, &number))
                        append(body, "rebounds_ms", json_stringn(item.p, item.n));
                else
                        append(body, "rebounds_ms", json_integer((json_int_t)number));
        }
}

/* A number or a truth where the contract wants one; what is none stays text, which it refuses. */
static json_t *value_of(const char *member, struct pgw_str value)
{
        static const char *const numbers[] = {"delay_ms", "soft_ttl_ms", "hold_ms"};
        uint64_t number;

        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
                if (strcmp(member, numbers[i]) == 0 &&
                    pgw_str_to_u64(value, INT64_MAX, &number) == PGW_OK)
                        return json_integer((json_int_t)number);
        if (strcmp(member, "dry_run") == 0 && pgw_str_eq_z(value, "true"))
                return json_true();
        if (strcmp(member, "dry_run") == 0 && pgw_str_eq_z(value, "false"))
                return json_false();
        return json_stringn(value.p, value.n);
}

static enum pgw_err add_field(json_t *body, struct pgw_str name, struct pgw_str value,
                              struct pgw_fault *fault)
{
        const bool is_text = pgw_utf8_is_valid(value);
        char *member;

        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
                if (!pgw_str_eq_z(name, lists[i].field))
                        continue;
                if (is_text)
                        append(body, lists[i].list, json_stringn(value.p, value.n));
                else if (i == 0)
                        append(body, "keys_base64", base64_of(value));
                else
                        break;
                return PGW_OK;
        }
        if (!is_text || !pgw_utf8_is_valid(name) || memchr(name.p ? name.p : "", '\0', name.n)) {
                pgw_fault_set(fault, "", "only the field `key` takes bytes that are not UTF-8");
                return PGW_E_FORM;
        }
        member = pgw_memdup(name.p, name.n);
        const bool is_new = !json_object_get(body, member);
        if (!is_new)
                pgw_fault_set(fault, "", "the field `%.64s` stands there twice", member);
        else if (pgw_str_eq_z(name, "rebounds_ms"))
                append_times(body, value);
        else
                json_object_set_new(body, member, value_of(member, value));
        pgw_free(member);
        return is_new ? PGW_OK : PGW_E_FORM;
}

enum pgw_err pgw_form_read(struct pgw_str form, struct pgw_fault *fault, json_t **ret_body)
{
        char *room = pgw_alloc(form.n + 1);
        json_t *body = json_object();
        enum pgw_err err = PGW_OK;
        bool more = form.n > 0;

        while (more && !err) {
                struct pgw_str field = form, name, value = {NULL, 0};
                more = pgw_str_cut(form, '&', &field, &form);
                if (field.n == 0)
                        continue;
                if (!pgw_str_cut(field, '=', &name, &value))
                        name = field;
                if (!decode(name, room, &name) || !decode(value, room + name.n, &value)) {
                        pgw_fault_set(fault, "",
                                      "a `%%` is not followed by two hexadecimal digits");
                        err = PGW_E_FORM;
                } else {
                        err = add_field(body, name, value, fault);
                }
        }
        pgw_free(room);
        if (err)
                json_decref(body);
        else
                *ret_body = body;
        return err;
}

enum pgw_err pgw_form_add_surrogate_keys(struct pgw_str line, json_t *body,
                                         struct pgw_violations *violations)
{
        enum pgw_err err = PGW_OK;
        bool more = line.n > 0;

        while (more) {
                struct pgw_str tag = line;
                more = pgw_str_cut(line, ' ', &tag, &line);
                if (!pgw_utf8_is_valid(tag)) {
                        pgw_violations_add(violations, "#/header/Surrogate-Key",
                                           "name %zu is not UTF-8 text",
                                           json_array_size(json_object_get(body, "tags")));
                        err = PGW_E_SCHEMA;
                } else if (tag.n) {
                        append(body, "tags", json_stringn(tag.p, tag.n));
                }
        }
        return err;
}
