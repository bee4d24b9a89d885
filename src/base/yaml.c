/* A recursive walk over libyaml's events; the lines are a flat JSON object from pointer to
 * number, which is no faster than it needs to be for files that a person writes. */
#include "base/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/buf.h"

#define PGW_YAML_DEPTH_MAX   64
#define PGW_YAML_POINTER_MAX 4096

struct pgw_yaml_lines {
        json_t *by_pointer;
};

struct reader {
        yaml_parser_t parser;
        struct pgw_str text;
        struct pgw_fault *fault;
        json_t *lines; /* NULL: not wanted */
        struct pgw_buf pointer;
        unsigned depth;
};

static enum pgw_err refuse(struct reader *r, const yaml_mark_t *mark, const char *what)
{
        pgw_fault_set(r->fault, "", "line %zu, column %zu: %s", mark->line + 1, mark->column + 1,
                      what);
        return PGW_E_CONFIG;
}

static yaml_mark_t mark_of(struct pgw_str text, size_t offset)
{
        yaml_mark_t mark = {.index = offset};

        for (size_t i = 0; i < offset && i < text.n; i++) {
                mark.column++;
                if (text.p[i] == '\n') {
                        mark.line++;
                        mark.column = 0;
                }
        }
        return mark;
}

static enum pgw_err next(struct reader *r, yaml_event_t *event)
{
        if (yaml_parser_parse(&r->parser, event))
                return PGW_OK;
        /* A byte that is no text has an offset only. */
        const yaml_mark_t mark = r->parser.error == YAML_READER_ERROR
                                     ? mark_of(r->text, r->parser.problem_offset)
                                     : r->parser.problem_mark;
        return refuse(r, &mark, r->parser.problem ? r->parser.problem : "not YAML");
}

static bool is_integer(const char *text)
{
        if (*text == '-' || *text == '+')
                text++;
        return *text && strspn(text, "0123456789") == strlen(text);
}

static bool is_decimal(const char *text)
{
        bool digits = false;

        if (*text == '-' || *text == '+')
                text++;
        digits |= *text >= '0' && *text <= '9';
        text += strspn(text, "0123456789");
        if (*text == '.') {
                text++;
                digits |= *text >= '0' && *text <= '9';
                text += strspn(text, "0123456789");
        }
        if (digits && (*text == 'e' || *text == 'E')) {
                text++;
                if (*text == '-' || *text == '+')
                        text++;
                return *text && strspn(text, "0123456789") == strlen(text);
        }
        return digits && !*text;
}

static json_t *plain_scalar(const char *text, size_t size)
{
        if (size == 0 || !strcmp(text, "null") || !strcmp(text, "~"))
                return json_null();
        if (!strcmp(text, "true"))
                return json_true();
        if (!strcmp(text, "false"))
                return json_false();
        if (is_integer(text)) {
                errno = 0;
                const long long number = strtoll(text, NULL, 10);
                if (!errno)
                        return json_integer(number);
        }
        if (is_integer(text) || is_decimal(text))
                return json_real(strtod(text, NULL));
        return json_stringn(text, size);
}

static json_t *scalar(const yaml_event_t *event)
{
        const char *text = (const char *)event->data.scalar.value;
        const size_t size = event->data.scalar.length;

        if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strlen(text) == size)
                return plain_scalar(text, size);
        return json_stringn(text, size);
}

/* Append "/<name>" with the two escapes of RFC 6901. */
static enum pgw_err push(struct reader *r, const char *name)
{
        enum pgw_err err = pgw_buf_add(&r->pointer, "/", 1);

        for (; *name && !err; name++) {
                if (*name == '~')
                        err = pgw_buf_add(&r->pointer, "~0", 2);
                else if (*name == '/')
                        err = pgw_buf_add(&r->pointer, "~1", 2);
                else
                        err = pgw_buf_add(&r->pointer, name, 1);
        }
        return err ? PGW_E_CONFIG : PGW_OK;
}

static void note_line(struct reader *r, const yaml_mark_t *mark)
{
        if (!r->lines)
                return;
        char *key = pgw_memdup(r->pointer.p, r->pointer.n);
        json_object_set_new(r->lines, key, json_integer((json_int_t)mark->line + 1));
        pgw_free(key);
}

static bool has_extras(const yaml_event_t *e)
{
        switch (e->type) {
        case YAML_SCALAR_EVENT:
                return e->data.scalar.anchor || e->data.scalar.tag;
        case YAML_SEQUENCE_START_EVENT:
                return e->data.sequence_start.anchor || e->data.sequence_start.tag;
        case YAML_MAPPING_START_EVENT:
                return e->data.mapping_start.anchor || e->data.mapping_start.tag;
        default:
                return true;
        }
}

static enum pgw_err read_value(struct reader *, yaml_event_t *, json_t **);

static enum pgw_err read_member(struct reader *r, yaml_event_t *key, json_t *object)
{
        const size_t at = r->pointer.n;
        yaml_event_t event;
        json_t *value = NULL;

        if (key->type != YAML_SCALAR_EVENT)
                return refuse(r, &key->start_mark, "a key must be a plain name");
        if (has_extras(key))
                return refuse(r, &key->start_mark, "anchors, aliases and tags are not taken");
        const char *name = (const char *)key->data.scalar.value;
        if (strlen(name) != key->data.scalar.length)
                return refuse(r, &key->start_mark, "a key must not hold a NUL");
        if (json_object_get(object, name)) {
                char words[128];
                snprintf(words, sizeof words, "the key '%.80s' stands here twice", name);
                return refuse(r, &key->start_mark, words);
        }
        enum pgw_err err = push(r, name);
        if (err)
                return refuse(r, &key->start_mark, "the keys are too long");
        note_line(r, &key->start_mark);
        err = next(r, &event);
        if (err)
                return err;
        err = read_value(r, &event, &value);
        yaml_event_delete(&event);
        if (!err && json_object_set_new(object, name, value))
                err = refuse(r, &key->start_mark, "the key is not UTF-8");
        r->pointer.n = at;
        return err;
}

static enum pgw_err read_mapping(struct reader *r, json_t *object)
{
        for (;;) {
                yaml_event_t event;
                enum pgw_err err = next(r, &event);
                if (err)
                        return err;
                const bool end = event.type == YAML_MAPPING_END_EVENT;
                if (!end)
                        err = read_member(r, &event, object);
                yaml_event_delete(&event);
                if (end || err)
                        return err;
        }
}

static enum pgw_err read_sequence(struct reader *r, json_t *array)
{
        const size_t at = r->pointer.n;

        for (;;) {
                yaml_event_t event;
                json_t *value = NULL;
                char index[24];
                enum pgw_err err = next(r, &event);
                if (err)
                        return err;
                const bool end = event.type == YAML_SEQUENCE_END_EVENT;
                if (!end) {
                        snprintf(index, sizeof index, "%zu", json_array_size(array));
                        err = push(r, index);
                        if (err) {
                                err = refuse(r, &event.start_mark, "the keys are too long");
                        } else {
                                note_line(r, &event.start_mark);
                                err = read_value(r, &event, &value);
                        }
                        if (!err)
                                json_array_append_new(array, value);
                        r->pointer.n = at;
                }
                yaml_event_delete(&event);
                if (end || err)
                        return err;
        }
}

static enum pgw_err read_value(struct reader *r, yaml_event_t *event, json_t **ret)
{
        enum pgw_err err = PGW_OK;
        json_t *value;

        if (has_extras(event))
                return refuse(r, &event->start_mark, "anchors, aliases and tags are not taken");
        if (r->depth == PGW_YAML_DEPTH_MAX)
                return refuse(r, &event->start_mark, "nested too deeply");
        r->depth++;
        if (event->type == YAML_SCALAR_EVENT) {
                value = scalar(event);
                if (!value)
                        err = refuse(r, &event->start_mark, "the number is too large");
        } else if (event->type == YAML_SEQUENCE_START_EVENT) {
                value = json_array();
                err = read_sequence(r, value);
        } else {
                value = json_object();
                err = read_mapping(r, value);
        }
        r->depth--;
        if (err)
                json_decref(value);
        else
                *ret = value;
        return err;
}

/* The value of the one document; an empty stream is an empty object. */
static enum pgw_err read_stream(struct reader *r, json_t **ret)
{
        json_t *value = NULL;
        enum pgw_err err = PGW_OK;

        for (bool end = false; !end && !err;) {
                yaml_event_t event;
                err = next(r, &event);
                if (err)
                        break;
                switch (event.type) {
                case YAML_STREAM_START_EVENT:
                case YAML_DOCUMENT_END_EVENT:
                        break;
                case YAML_DOCUMENT_START_EVENT:
                        if (value)
                                err = refuse(r, &event.start_mark, "a second document begins here");
                        break;
                case YAML_STREAM_END_EVENT:
                        end = true;
                        break;
                default:
                        err = read_value(r, &event, &value);
                        break;
                }
                yaml_event_delete(&event);
        }
        if (err) {
                json_decref(value);
                return err;
        }
        if (!value || json_is_null(value)) {
                json_decref(value);
                value = json_object();
        }
        *ret = value;
        return PGW_OK;
}

enum pgw_err pgw_yaml_load(const char *bytes, size_t size, struct pgw_fault *fault, json_t **ret,
                           struct pgw_yaml_lines **ret_lines)
{
        struct reader r = {
            .text = {bytes, size}, .fault = fault, .lines = ret_lines ? json_object() : NULL};

        PGW_ASSERT(yaml_parser_initialize(&r.parser));
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes, size);
        pgw_buf_init(&r.pointer, PGW_YAML_POINTER_MAX);
        enum pgw_err err = read_stream(&r, ret);
        yaml_parser_delete(&r.parser);
        pgw_buf_fini(&r.pointer);
        if (err) {
                json_decref(r.lines);
                return err;
        }
        if (ret_lines) {
                *ret_lines = pgw_alloc(sizeof **ret_lines);
                (*ret_lines)->by_pointer = r.lines;
        }
        return PGW_OK;
}

unsigned pgw_yaml_line(const struct pgw_yaml_lines *lines, const char *pointer)
{
        return (unsigned)json_integer_value(json_object_get(lines->by_pointer, pointer));
}

void pgw_yaml_lines_free(struct pgw_yaml_lines *lines)
{
        if (!lines)
                return;
        json_decref(lines->by_pointer);
        pgw_free(lines);
}
