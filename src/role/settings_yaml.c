/* The file is a mapping of names, nested once where a name has a dot. Types are strict: 0123
 * without quotes is the number 123 to YAML, and a password that lost its zero is hard to
 * find; so whatever is a text must be written as one.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/yaml.h"
#include "role/file.h"
#include "role/settings_priv.h"

struct walk {
        struct pgw_settings *settings;
        struct pgw_settings_given given;
        struct pgw_fault *fault;
};

static enum pgw_err refuse(struct pgw_fault *fault, const char *what)
{
        pgw_fault_set(fault, "", "%s", what);
        return PGW_E_CONFIG;
}

static const char *kind_of(const json_t *value)
{
        if (json_is_null(value))
                return "nothing";
        if (json_is_string(value))
                return "a text";
        if (json_is_boolean(value))
                return "true or false";
        if (json_is_number(value))
                return "a number";
        return json_is_array(value) ? "a list" : "a mapping";
}

static enum pgw_err refuse_kind(const struct walk *w, const json_t *value, const char *wanted)
{
        pgw_fault_set(w->fault, "", "must be %s, not %s%s", wanted, kind_of(value),
                      json_is_number(value) || json_is_boolean(value) ? "; put it in quotes" : "");
        return PGW_E_CONFIG;
}

static struct pgw_str string_of(const json_t *value)
{
        return pgw_str_of(json_string_value(value), json_string_length(value));
}

static enum pgw_err set_list(struct walk *w, const struct pgw_setting *t, const json_t *value)
{
        enum pgw_err err = PGW_OK;

        if (!json_is_array(value) && !json_is_string(value))
                return refuse_kind(w, value, "a list of texts");
        pgw_setting_list_clear(w->settings, t);
        if (json_is_string(value))
                return pgw_setting_set(w->settings, t, string_of(value), w->fault);
        for (size_t i = 0; i < json_array_size(value) && !err; i++) {
                const json_t *item = json_array_get(value, i);
                err = json_is_string(item)
                          ? pgw_setting_set(w->settings, t, string_of(item), w->fault)
                          : refuse_kind(w, item, "a list of texts");
        }
        return err;
}

static enum pgw_err set_number(struct walk *w, const struct pgw_setting *t, const json_t *value)
{
        char number[32];

        if (json_is_string(value))
                return pgw_setting_set(w->settings, t, string_of(value), w->fault);
        if (!json_is_number(value)) {
                pgw_fault_set(w->fault, "", "must be a whole number from %llu to %llu, not %s",
                              (unsigned long long)t->min, (unsigned long long)t->max,
                              kind_of(value));
                return PGW_E_CONFIG;
        }
        if (json_is_integer(value))
                snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        else
                snprintf(number, sizeof number, "%.15g", json_real_value(value));
        return pgw_setting_set(w->settings, t, pgw_str_z(number), w->fault);
}

static enum pgw_err set_value(struct walk *w, const struct pgw_setting *t, const json_t *value)
{
        if (json_is_null(value))
                return refuse(w->fault, "has no value; leave the line out to have the default");
        switch (t->kind) {
        case LIST:
                return set_list(w, t, value);
        case NUMBER:
                return set_number(w, t, value);
        case SWITCH:
                if (json_is_boolean(value))
                        *(bool *)pgw_settings_field(w->settings, t->at) = json_is_true(value);
                else if (json_is_string(value))
                        return pgw_setting_set(w->settings, t, string_of(value), w->fault);
                else
                        return refuse(w->fault, "must be true or false");
                return PGW_OK;
        default:
                break;
        }
        if (!json_is_string(value))
                return refuse_kind(w, value, "a text");
        if (t->kind == SECRET)
                return pgw_setting_set_secret(w->settings, t, string_of(value), &w->given,
                                              w->fault);
        return pgw_setting_set(w->settings, t, string_of(value), w->fault);
}

/* The fault of a name, said with the name. */
static enum pgw_err with_name(struct pgw_fault *fault, const char *name, enum pgw_err err)
{
        char detail[sizeof fault->detail];

        if (!err)
                return PGW_OK;
        snprintf(detail, sizeof detail, "%s", fault->detail);
        pgw_fault_set(fault, "", "%s: %s", name, detail);
        return err;
}

static enum pgw_err read_leaf(struct walk *w, struct pgw_str name, const json_t *value)
{
        char path[PGW_SETTINGS_NAME_MAX];
        bool is_file;
        const struct pgw_setting *t = pgw_setting_find(name, PGW_SPELLED_FILE, &is_file);

        if (!t)
                return pgw_setting_unknown(name, PGW_SPELLED_FILE, w->fault);
        if (!is_file)
                return with_name(w->fault, t->name, set_value(w, t, value));
        snprintf(path, sizeof path, "%s_file", t->name);
        if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
                return with_name(w->fault, path, refuse(w->fault, "must be the path of a file"));
        return with_name(w->fault, path,
                         pgw_setting_set_secret_file(w->settings, t, json_string_value(value),
                                                     &w->given, w->fault));
}

/* The pointer of a key, with the two escapes of RFC 6901; a key too long has no line. */
static void point_at(char *out, size_t size, const char *base, const char *key)
{
        size_t n = (size_t)snprintf(out, size, "%s/", base);

        for (; *key && n + 3 < size; key++) {
                const char *escape = *key == '~' ? "~0" : *key == '/' ? "~1" : NULL;
                if (escape) {
                        memcpy(out + n, escape, 2);
                        n += 2;
                } else {
                        out[n++] = *key;
                }
        }
        out[n < size ? n : size - 1] = '\0';
}

#define PGW_SETTINGS_POINTER_MAX 512

static enum pgw_err read_group(struct walk *w, const char *group, json_t *members,
                               char pointer[PGW_SETTINGS_POINTER_MAX])
{
        char name[256], base[PGW_SETTINGS_POINTER_MAX];
        const char *key;
        json_t *value;
        enum pgw_err err;

        snprintf(base, sizeof base, "%s", pointer);
        json_object_foreach(members, key, value)
        {
                point_at(pointer, PGW_SETTINGS_POINTER_MAX, base, key);
                snprintf(name, sizeof name, "%s.%s", group, key);
                err = read_leaf(w, pgw_str_z(name), value);
                if (err)
                        return err;
        }
        return PGW_OK;
}

/* On an error `pointer` says where. */
static enum pgw_err read_all(struct walk *w, json_t *document,
                             char pointer[PGW_SETTINGS_POINTER_MAX])
{
        const char *key;
        json_t *value;
        enum pgw_err err;

        json_object_foreach(document, key, value)
        {
                const bool is_group = pgw_setting_is_group(pgw_str_z(key));
                point_at(pointer, PGW_SETTINGS_POINTER_MAX, "", key);
                if (json_object_size(value))
                        err = read_group(w, key, value, pointer);
                else if (is_group && (json_is_null(value) || json_is_object(value)))
                        err = PGW_OK; /* all of its lines are comments */
                else if (is_group)
                        err = with_name(w->fault, key, refuse_kind(w, value, "a mapping"));
                else
                        err = read_leaf(w, pgw_str_z(key), value);
                if (err)
                        return err;
        }
        return PGW_OK;
}

/* What YAML's reader leaves behind must not hold secrets. */
static void wipe_texts(json_t *value)
{
        const char *key;
        json_t *member;

        if (json_is_string(value))
                explicit_bzero((char *)(uintptr_t)json_string_value(value),
                               json_string_length(value));
        json_object_foreach(value, key, member)
        {
                wipe_texts(member);
        }
}

/* "line 3, column 1: ..." becomes "FILE:3: column 1: ..." */
static void place_in_file(struct pgw_fault *fault, const char *path)
{
        char detail[sizeof fault->detail], where[sizeof fault->pointer];
        struct pgw_str line, rest;

        snprintf(detail, sizeof detail, "%s", fault->detail);
        if (pgw_str_starts(pgw_str_z(detail), PGW_STR("line ")) &&
            pgw_str_cut(pgw_str_z(detail + 5), ',', &line, &rest)) {
                snprintf(where, sizeof where, "%.100s:%.*s", path, (int)line.n, line.p);
                pgw_fault_set(fault, where, "%s", pgw_str_trim(rest).p);
        } else {
                pgw_fault_set(fault, path, "%s", detail);
        }
}

enum pgw_err pgw_settings_read_yaml(struct pgw_settings *s, const char *path, struct pgw_str bytes,
                                    struct pgw_fault *fault)
{
        struct walk w = {.settings = s, .fault = fault};
        char pointer[PGW_SETTINGS_POINTER_MAX] = "", where[sizeof fault->pointer];
        struct pgw_yaml_lines *lines;
        json_t *document;
        enum pgw_err err = pgw_yaml_load(bytes.p, bytes.n, fault, &document, &lines);

        if (err) {
                place_in_file(fault, path);
                return err;
        }
        if (json_is_object(document))
                err = read_all(&w, document, pointer);
        else
                err = refuse(fault, "the settings must be a mapping of names to values");
        if (err) {
                char detail[sizeof fault->detail];
                const unsigned line = pgw_yaml_line(lines, pointer);
                snprintf(detail, sizeof detail, "%s", fault->detail);
                snprintf(where, sizeof where, "%.100s:%u", path, line ? line : 1);
                pgw_fault_set(fault, where, "%s", detail);
        }
        wipe_texts(document);
        json_decref(document);
        pgw_yaml_lines_free(lines);
        return err;
}

enum pgw_err pgw_settings_read_file(struct pgw_settings *s, const char *path,
                                    struct pgw_fault *fault)
{
        char *bytes;
        size_t size;
        enum pgw_err err = pgw_file_read(path, PGW_SETTINGS_FILE_MAX, &bytes, &size, fault);

        if (err)
                return err;
        err = pgw_settings_read_yaml(s, path, pgw_str_of(bytes, size), fault);
        explicit_bzero(bytes, size);
        pgw_free(bytes);
        pgw_free(s->config_path);
        s->config_path = pgw_strdup(path);
        return err;
}
