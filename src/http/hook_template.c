/* A template is pieces: text as it is, and sources of values. A `*` in a pointer is a loop over
 * what stands before it, and a loop is known by that: pointers that have the same before a `*`
 * share the loop, so `{/items/ * /a}{/items/ * /b}` pairs the members of an item (written without
 * the spaces). A loop may lie in another. Expanding goes through the loops like an odometer,
 * outermost first, with what each stands at; behind the last one the pieces are written down. */
#include "http/hook_template.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/codec.h"

#define PGW_PIECES_MAX 16
#define PGW_LOOPS_MAX  4
#define PGW_NO_LOOP    (-1)

enum kind { LITERAL, POINTER, HEADER, ATTRIBUTE };

struct piece {
        enum kind kind;
        int loop;            /* POINTER: what `text` starts from; PGW_NO_LOOP: the payload */
        struct pgw_str text; /* the literal, the name, or what of the pointer is behind the loop */
};

struct loop {
        int outer; /* PGW_NO_LOOP: the payload */
        struct pgw_str path;
};

struct pgw_template {
        size_t size;
        char *source, *text; /* as written, and what the pieces are slices of */
        size_t piece_count, loop_count;
        struct piece pieces[PGW_PIECES_MAX];
        struct loop loops[PGW_LOOPS_MAX];
};

struct pgw_str pgw_template_source(const struct pgw_template *t)
{
        return pgw_str_of(t->source, t->size);
}

void pgw_template_free(struct pgw_template *t)
{
        if (!t)
                return;
        pgw_free(t->source);
        pgw_free(t->text);
        pgw_free(t);
}

/* ---- reading ---- */

static enum pgw_err refuse(struct pgw_fault *fault, const char *why)
{
        pgw_fault_set(fault, "", "%s", why);
        return PGW_E_CONFIG;
}

static int loop_of(struct pgw_template *t, int outer, struct pgw_str path)
{
        for (size_t i = 0; i < t->loop_count; i++)
                if (t->loops[i].outer == outer && pgw_str_eq(t->loops[i].path, path))
                        return (int)i;
        if (t->loop_count == PGW_LOOPS_MAX)
                return PGW_NO_LOOP;
        t->loops[t->loop_count] = (struct loop){outer, path};
        return (int)t->loop_count++;
}

/* "~" begins "~0" or "~1" (RFC 6901). */
static bool has_good_escapes(struct pgw_str pointer)
{
        for (size_t i = 0; i < pointer.n; i++)
                if (pointer.p[i] == '~' &&
                    (i + 1 == pointer.n || (pointer.p[i + 1] != '0' && pointer.p[i + 1] != '1')))
                        return false;
        return true;
}

/* Cut the pointer at each segment that is a star. */
static enum pgw_err add_pointer(struct pgw_template *t, struct pgw_str pointer, struct piece *piece,
                                struct pgw_fault *fault)
{
        size_t from = 0;

        *piece = (struct piece){.kind = POINTER, .loop = PGW_NO_LOOP};
        if (!has_good_escapes(pointer))
                return refuse(fault, "in a JSON pointer `~` stands as ~0 only, and `/` as ~1");
        for (size_t i = 0; i + 1 < pointer.n; i++) {
                if (pointer.p[i] != '/' || pointer.p[i + 1] != '*' ||
                    (i + 2 < pointer.n && pointer.p[i + 2] != '/'))
                        continue;
                piece->loop = loop_of(t, piece->loop, pgw_str_of(pointer.p + from, i - from));
                if (piece->loop == PGW_NO_LOOP)
                        return refuse(fault, "a template has at most 4 different `*`");
                from = i + 2;
        }
        piece->text = pgw_str_of(pointer.p + from, pointer.n - from);
        return PGW_OK;
}

static bool is_name(struct pgw_str name)
{
        for (size_t i = 0; i < name.n; i++) {
                const char c = name.p[i];
                if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
                        return false;
        }
        return name.n > 0 && name.n <= 60;
}

/* These are of the message on its way, and are taken away where it is received. */
static bool is_of_framing(struct pgw_str header)
{
        static const char *const names[] = {"content-length", "transfer-encoding", "expect",
                                            "upgrade"};

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                if (pgw_str_eq_z(header, names[i]))
                        return true;
        return false;
}

static enum pgw_err add_source(struct pgw_template *t, struct pgw_str inside,
                               struct pgw_fault *fault)
{
        struct piece *piece = &t->pieces[t->piece_count++];
        struct pgw_str kind, name;

        if (inside.n && inside.p[0] == '/')
                return add_pointer(t, inside, piece, fault);
        if (!pgw_str_cut(inside, ':', &kind, &name) ||
            !(pgw_str_eq_z(kind, "header") || pgw_str_eq_z(kind, "ce")))
                return refuse(fault, "in braces stands a JSON pointer ({/id}), {header:NAME} or "
                                     "{ce:ATTRIBUTE}; braces themselves are {{ and }}");
        if (!is_name(name))
                return refuse(fault, "a header or attribute has small letters, digits, '-' and "
                                     "'_', 60 at most");
        if (kind.n > 2 && is_of_framing(name))
                return refuse(fault,
                              "content-length, transfer-encoding, expect and upgrade are not "
                              "headers of a delivery: no value is ever found there");
        *piece = (struct piece){.kind = kind.n == 2 ? ATTRIBUTE : HEADER, .text = name};
        return PGW_OK;
}

/* What stands up to the next source, with its doubled braces undone in `*end`. */
static enum pgw_err add_literal(struct pgw_template *t, struct pgw_str *rest, char **end,
                                struct pgw_fault *fault)
{
        char *start = *end;
        size_t i = 0;

        for (; i < rest->n; i++) {
                const char c = rest->p[i];
                const bool is_double = i + 1 < rest->n && rest->p[i + 1] == c;
                if (c == '}' && !is_double)
                        return refuse(fault, "a `}` without its `{`; the brace itself is }}");
                if (c == '{' && !is_double)
                        break;
                if (c == '{' || c == '}')
                        i++;
                *(*end)++ = c;
        }
        *rest = pgw_str_of(rest->p + i, rest->n - i);
        if (*end > start)
                t->pieces[t->piece_count++] = (struct piece){
                    .kind = LITERAL, .text = pgw_str_of(start, (size_t)(*end - start))};
        return PGW_OK;
}

static enum pgw_err read_pieces(struct pgw_template *t, struct pgw_fault *fault)
{
        struct pgw_str rest = pgw_template_source(t), inside;
        char *end = t->text;

        for (;;) {
                /* A literal and a source at most. */
                if (t->piece_count + 2 > PGW_PIECES_MAX)
                        return refuse(fault, "a template has at most 7 places");
                enum pgw_err err = add_literal(t, &rest, &end, fault);
                if (err || rest.n == 0)
                        return err;
                rest = pgw_str_of(rest.p + 1, rest.n - 1);
                if (!pgw_str_cut(rest, '}', &inside, &rest))
                        return refuse(fault, "a `{` without its `}`; the brace itself is {{");
                err = add_source(t, inside, fault);
                if (err)
                        return err;
        }
}

enum pgw_err pgw_template_parse(struct pgw_str text, struct pgw_fault *fault,
                                struct pgw_template **ret)
{
        if (text.n == 0 || text.n > PGW_TEMPLATE_SIZE_MAX) {
                pgw_fault_set(fault, "", "a template has 1 to %d bytes", PGW_TEMPLATE_SIZE_MAX);
                return PGW_E_CONFIG;
        }
        struct pgw_template *t = pgw_alloc(sizeof *t);
        t->size = text.n;
        t->source = pgw_memdup(text.p, text.n);
        t->text = pgw_alloc(text.n);
        const enum pgw_err err = read_pieces(t, fault);
        if (err) {
                pgw_template_free(t);
                return err;
        }
        *ret = t;
        return PGW_OK;
}

/* In what a literal of a pattern ends: '[' in brackets, '\\' behind a backslash, else 0. Like Redis
 * reads patterns: the first `]` ends the brackets, unless it is the end of a range. */
static char open_end_of(struct pgw_str text)
{
        bool is_inside = false;

        for (size_t i = 0; i < text.n; i++) {
                const char c = text.p[i];
                if (c == '\\' && ++i == text.n)
                        return '\\';
                if (!is_inside && c == '[') {
                        is_inside = true;
                        i += i + 1 < text.n && text.p[i + 1] == '^';
                } else if (is_inside && c == ']') {
                        is_inside = false;
                } else if (is_inside && c != '\\' && i + 2 < text.n && text.p[i + 1] == '-') {
                        i += 2;
                }
        }
        return is_inside ? '[' : '\0';
}

enum pgw_err pgw_template_check_pattern(const struct pgw_template *t, struct pgw_fault *fault)
{
        for (size_t i = 0; i + 1 < t->piece_count; i++) {
                if (t->pieces[i].kind != LITERAL)
                        continue;
                switch (open_end_of(t->pieces[i].text)) {
                case '[':
                        return refuse(fault, "between [ and ] of a pattern a value would not stand "
                                             "for itself: no place can be there");
                case '\\':
                        return refuse(fault, "behind a backslash of a pattern a value would not "
                                             "stand for itself; the backslash itself is \\\\");
                default:
                        break;
                }
        }
        return PGW_OK;
}

/* ---- expanding ---- */

struct expansion {
        const struct pgw_template *t;
        const struct pgw_cloud_event *event;
        const struct pgw_template_output *out;
        const json_t *at[PGW_LOOPS_MAX]; /* what each loop stands at */
        struct pgw_buf text;
        size_t missing;
};

/* "0", "17", not "01" nor "-". */
static const json_t *item_of(const json_t *array, struct pgw_str segment)
{
        uint64_t index;

        if ((segment.n > 1 && segment.p[0] == '0') || pgw_str_to_u64(segment, UINT32_MAX, &index))
                return NULL;
        return json_array_get(array, index);
}

static const json_t *member_of(const json_t *object, struct pgw_str segment)
{
        char name[PGW_TEMPLATE_SIZE_MAX];
        size_t n = 0;

        for (size_t i = 0; i < segment.n; i++) {
                char c = segment.p[i];
                if (c == '~')
                        c = segment.p[++i] == '0' ? '~' : '/';
                name[n++] = c;
        }
        return json_object_getn(object, name, n);
}

/* RFC 6901, of a pointer or of what is behind its beginning. */
static const json_t *follow(const json_t *value, struct pgw_str pointer)
{
        struct pgw_str segment, rest;

        while (value && pointer.n) {
                rest = pgw_str_of(pointer.p + 1, pointer.n - 1);
                segment = rest;
                if (pgw_str_cut(rest, '/', &segment, &rest))
                        pointer = pgw_str_of(rest.p - 1, rest.n + 1);
                else
                        pointer.n = 0;
                value = json_is_array(value) ? item_of(value, segment) : member_of(value, segment);
        }
        return value;
}

static const json_t *start_of(const struct expansion *e, int loop)
{
        return loop == PGW_NO_LOOP ? e->event->payload : e->at[loop];
}

/* Empty when there is none. `room` is for what is no text as it stands. */
static struct pgw_str value_of(const struct expansion *e, const struct piece *piece,
                               char room[PGW_CLOUD_ATTRIBUTE_MAX])
{
        struct pgw_str value = {NULL, 0};
        const json_t *at;

        switch (piece->kind) {
        case LITERAL:
                return piece->text;
        case HEADER:
                /* Of two it cannot be told which one is meant. */
                if (e->event->header(e->event->ctx, piece->text, &value) != 1)
                        value.n = 0;
                return value;
        case ATTRIBUTE:
                if (!pgw_cloud_attribute(e->event, piece->text, room, &value))
                        value.n = 0;
                return value;
        case POINTER:
                break;
        }
        at = follow(start_of(e, piece->loop), piece->text);
        if (json_is_integer(at)) {
                const int n = snprintf(room, PGW_CLOUD_ATTRIBUTE_MAX, "%" JSON_INTEGER_FORMAT,
                                       json_integer_value(at));
                return pgw_str_of(room, (size_t)n);
        }
        if (json_is_boolean(at))
                return json_is_true(at) ? PGW_STR("true") : PGW_STR("false");
        return pgw_str_of(json_string_value(at), json_string_length(at));
}

static bool is_wildcard(char c)
{
        return c == '*' || c == '?' || c == '[' || c == ']' || c == '\\';
}

/* Run by run: values are long, and wildcards few. */
static enum pgw_err add_escaped(struct pgw_buf *out, struct pgw_str value)
{
        enum pgw_err err = PGW_OK;
        size_t from = 0;

        for (size_t i = 0; i < value.n && !err; i++) {
                if (!is_wildcard(value.p[i]))
                        continue;
                err = pgw_buf_add(out, value.p + from, i - from);
                if (!err)
                        err = pgw_buf_add(out, "\\", 1);
                from = i;
        }
        return err ? err : pgw_buf_add(out, value.p + from, value.n - from);
}

/* False when a value is missing. */
static enum pgw_err write_pieces(struct expansion *e, bool *ret_is_whole)
{
        char room[PGW_CLOUD_ATTRIBUTE_MAX];
        enum pgw_err err = PGW_OK;

        *ret_is_whole = false;
        pgw_buf_clear(&e->text);
        for (size_t i = 0; i < e->t->piece_count && !err; i++) {
                const struct piece *piece = &e->t->pieces[i];
                const struct pgw_str value = value_of(e, piece, room);
                if (value.n == 0)
                        return PGW_OK;
                err = e->out->is_pattern && piece->kind != LITERAL
                          ? add_escaped(&e->text, value)
                          : pgw_buf_add_str(&e->text, value);
        }
        *ret_is_whole = true;
        return err;
}

static enum pgw_err write_text(struct expansion *e)
{
        struct pgw_template_budget *budget = e->out->budget;
        bool is_whole;
        const enum pgw_err err = write_pieces(e, &is_whole);

        if (err || e->text.n > budget->bytes)
                return PGW_E_TOO_LARGE;
        budget->bytes -= e->text.n;
        if (is_whole)
                return e->out->each(e->out->ctx, pgw_buf_str(&e->text));
        e->missing++;
        return PGW_OK;
}

static enum pgw_err pay(struct expansion *e)
{
        if (e->out->budget->texts == 0)
                return PGW_E_TOO_LARGE;
        e->out->budget->texts--;
        return PGW_OK;
}

static enum pgw_err go_through(struct expansion *e, size_t loop);

static enum pgw_err go_through_object(struct expansion *e, size_t loop, const json_t *object)
{
        enum pgw_err err = PGW_OK;
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)(uintptr_t)object, key, value)
        {
                e->at[loop] = value;
                err = go_through(e, loop + 1);
                if (err)
                        break;
        }
        return err;
}

static enum pgw_err go_through(struct expansion *e, size_t loop)
{
        enum pgw_err err = pay(e);

        if (err)
                return err;
        if (loop == e->t->loop_count)
                return write_text(e);
        const struct loop *l = &e->t->loops[loop];
        const json_t *all = follow(start_of(e, l->outer), l->path);
        if (json_is_object(all))
                return go_through_object(e, loop, all);
        if (!json_is_array(all))
                e->missing++;
        for (size_t i = 0; i < json_array_size(all) && !err; i++) {
                e->at[loop] = json_array_get(all, i);
                err = go_through(e, loop + 1);
        }
        return err;
}

enum pgw_err pgw_template_expand(const struct pgw_template *t, const struct pgw_cloud_event *event,
                                 const struct pgw_template_output *out, size_t *ret_missing)
{
        struct expansion e = {.t = t, .event = event, .out = out};

        pgw_buf_init(&e.text, PGW_TEMPLATE_TEXT_MAX);
        const enum pgw_err err = go_through(&e, 0);
        pgw_buf_fini(&e.text);
        *ret_missing = e.missing;
        return err;
}
