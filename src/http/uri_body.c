/* A URI is normalised as a whole, and taken apart afterwards.
 *
 * What comes of it is gathered in objects, whose members are the selectors: many URIs and groups
 * come to the same key, pattern or tag, which then stands in the body once. */
#include "http/uri_body.h"

#include <stdio.h>
#include <string.h>

#include <uriparser/Uri.h>

#include "base/alloc.h"
#include "base/buf.h"

#define PGW_URI_MAX     4096
#define PGW_URI_KEY_MAX 16384

/* Slices of `text`, except for the port, which may be the scheme's own. */
struct uri {
        char *text;
        struct pgw_str scheme, host, port, path, query;
        bool has_query, has_default_port;
};

static void uri_free(struct uri *u)
{
        pgw_free(u->text);
        u->text = NULL;
}

/* The whole as text, normalised; NULL when it is no absolute URI with a host. A NUL is no part of
 * one, and must not end it either: what is before it says more than the whole. */
static char *normalise(struct pgw_str text)
{
        UriUriA uri;
        char *out = NULL;
        int size;

        if (text.n > PGW_URI_MAX ||
            uriParseSingleUriExA(&uri, text.p, text.p + text.n, NULL) != URI_SUCCESS)
                return NULL;
        if (uri.scheme.first && uri.hostText.first && uri.hostText.afterLast > uri.hostText.first &&
            !uri.userInfo.first && uriNormalizeSyntaxA(&uri) == URI_SUCCESS &&
            uriToStringCharsRequiredA(&uri, &size) == URI_SUCCESS) {
                out = pgw_alloc((size_t)size + 2);
                if (uriToStringA(out, &uri, size + 1, NULL) != URI_SUCCESS) {
                        pgw_free(out);
                        out = NULL;
                }
        }
        uriFreeUriMembersA(&uri);
        return out;
}

static struct pgw_str rest_behind(struct pgw_str text, size_t n)
{
        return pgw_str_of(text.p + n, text.n - n);
}

/* Of a normalised text: scheme "://" authority path ["?" query] ["#" fragment]. */
static bool take_apart(struct uri *u)
{
        struct pgw_str rest = pgw_str_z(u->text), authority, tail;
        size_t n;

        (void)(pgw_str_cut(rest, '#', &tail, &authority) && (rest = tail, true));
        u->has_query = pgw_str_cut(rest, '?', &tail, &u->query);
        if (u->has_query)
                rest = tail;
        if (!pgw_str_cut(rest, ':', &u->scheme, &tail) || !pgw_str_starts(tail, PGW_STR("//")))
                return false;
        authority = rest_behind(tail, 2);
        for (n = 0; n < authority.n && authority.p[n] != '/'; n++)
                ;
        u->path = n < authority.n ? rest_behind(authority, n) : PGW_STR("/");
        authority.n = n;
        for (n = authority.n; n > 0 && authority.p[n - 1] >= '0' && authority.p[n - 1] <= '9'; n--)
                ;
        u->host = authority;
        u->port = PGW_STR("");
        if (n > 0 && authority.p[n - 1] == ':' &&
            (authority.p[0] != '[' || authority.p[n - 2] == ']')) {
                u->host.n = n - 1;
                u->port = rest_behind(authority, n);
        }
        const struct pgw_str own = pgw_str_eq_z(u->scheme, "https")  ? PGW_STR("443")
                                   : pgw_str_eq_z(u->scheme, "http") ? PGW_STR("80")
                                                                     : PGW_STR("");
        u->has_default_port = u->port.n == 0 || pgw_str_eq(u->port, own);
        if (u->has_default_port)
                u->port = own;
        return u->host.n > 0;
}

static bool uri_read(struct pgw_str text, struct uri *u)
{
        memset(u, 0, sizeof *u);
        u->text = normalise(text);
        return u->text && take_apart(u);
}

/* ---- templates ---- */

enum part { URI, ORIGIN, SCHEME, HOST, PORT, PATH, PATH_QUERY, QUERY, GROUP, PART_COUNT };

static const char *const part_names[PART_COUNT] = {"{uri}",        "{origin}", "{scheme}",
                                                   "{host}",       "{port}",   "{path}",
                                                   "{path_query}", "{query}",  "{group}"};

/* The part at the front of `*text`, which is taken away; PART_COUNT when there is none. */
static enum part take_part(struct pgw_str *text)
{
        for (unsigned i = 0; i < PART_COUNT; i++) {
                const struct pgw_str name = pgw_str_z(part_names[i]);
                if (!pgw_str_starts(*text, name))
                        continue;
                *text = rest_behind(*text, name.n);
                return (enum part)i;
        }
        return PART_COUNT;
}

/* What comes before the next brace, which is taken away. */
static struct pgw_str take_literal(struct pgw_str *text)
{
        size_t n = 0;

        while (n < text->n && text->p[n] != '{' && text->p[n] != '}')
                n++;
        const struct pgw_str literal = pgw_str_of(text->p, n);
        *text = rest_behind(*text, n);
        return literal;
}

static bool is_template(struct pgw_str text, bool for_groups)
{
        for (take_literal(&text); text.n; take_literal(&text)) {
                const enum part part = take_part(&text);
                if (part == PART_COUNT || (part == GROUP && !for_groups))
                        return false;
        }
        return true;
}

enum pgw_err pgw_uri_template_check(const char *template, bool for_groups, struct pgw_fault *fault)
{
        if (template[0] && is_template(pgw_str_z(template), for_groups))
                return PGW_OK;
        pgw_fault_set(fault, "",
                      "a template holds {uri}, {origin}, {scheme}, {host}, {port}, {path}, "
                      "{path_query} or {query}%s, and no other braces",
                      for_groups ? " or {group}" : "");
        return PGW_E_CONFIG;
}

static enum pgw_err add_origin(struct pgw_buf *out, const struct uri *u)
{
        enum pgw_err err = pgw_buf_add_str(out, u->scheme);

        if (!err)
                err = pgw_buf_add_str(out, PGW_STR("://"));
        if (!err)
                err = pgw_buf_add_str(out, u->host);
        if (!err && !u->has_default_port)
                err = pgw_buf_printf(out, ":%.*s", (int)u->port.n, u->port.p);
        return err;
}

static enum pgw_err add_query(struct pgw_buf *out, const struct uri *u)
{
        enum pgw_err err = u->has_query ? pgw_buf_add_str(out, PGW_STR("?")) : PGW_OK;

        return err || !u->has_query ? err : pgw_buf_add_str(out, u->query);
}

static enum pgw_err add_part(struct pgw_buf *out, enum part part, const struct uri *u,
                             struct pgw_str group)
{
        enum pgw_err err = PGW_OK;

        switch (part) {
        case URI:
                err = add_origin(out, u);
                if (!err)
                        err = pgw_buf_add_str(out, u->path);
                return err ? err : add_query(out, u);
        case ORIGIN:
                return add_origin(out, u);
        case SCHEME:
                return pgw_buf_add_str(out, u->scheme);
        case HOST:
                return pgw_buf_add_str(out, u->host);
        case PORT:
                return pgw_buf_add_str(out, u->port);
        case PATH:
                return pgw_buf_add_str(out, u->path);
        case PATH_QUERY:
                err = pgw_buf_add_str(out, u->path);
                return err ? err : add_query(out, u);
        case QUERY:
                return pgw_buf_add_str(out, u->query);
        case GROUP:
                return pgw_buf_add_str(out, group);
        case PART_COUNT:
                break;
        }
        pgw_panic("no such part: %d", (int)part);
}

static enum pgw_err expand(struct pgw_buf *out, const char *template, const struct uri *u,
                           struct pgw_str group)
{
        struct pgw_str text = pgw_str_z(template);
        enum pgw_err err = pgw_buf_add_str(out, take_literal(&text));

        while (text.n && !err) {
                err = add_part(out, take_part(&text), u, group);
                if (!err)
                        err = pgw_buf_add_str(out, take_literal(&text));
        }
        return err;
}

/* What is longer than a path must end with it, or nothing can be said about all below it. */
static bool ends_with_path(const char *template)
{
        const size_t n = strlen(template);
        static const char *const ends[] = {"{uri}", "{path}", "{path_query}"};

        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
                const size_t k = strlen(ends[i]);
                if (n >= k && strcmp(template + n - k, ends[i]) == 0)
                        return true;
        }
        return false;
}

/* ---- bodies ---- */

enum kind { KEYS, PATTERNS, TAGS, KIND_COUNT };

static const char *const kinds[KIND_COUNT] = {"keys", "patterns", "tags"};

struct maker {
        const char *key_template, *tag_template;
        json_t *sets[KIND_COUNT];
        struct pgw_violations *violations;
};

static void append(struct maker *m, enum kind kind, const struct pgw_buf *text)
{
        json_object_setn_new(m->sets[kind], text->p ? text->p : "", text->n, json_true());
}

static json_t *list_of(json_t *set)
{
        json_t *list = json_array();

        for (void *at = json_object_iter(set); at; at = json_object_iter_next(set, at))
                json_array_append_new(
                    list, json_stringn(json_object_iter_key(at), json_object_iter_key_len(at)));
        return list;
}

static json_t *body_of(const struct maker *m)
{
        json_t *body = json_object();

        for (unsigned i = 0; i < KIND_COUNT; i++)
                if (json_object_size(m->sets[i]))
                        json_object_set_new(body, kinds[i], list_of(m->sets[i]));
        return body;
}

static enum pgw_err add_key(struct maker *m, const struct uri *u)
{
        struct pgw_buf key;

        pgw_buf_init(&key, PGW_URI_KEY_MAX);
        enum pgw_err err = expand(&key, m->key_template, u, PGW_STR(""));
        if (!err)
                append(m, KEYS, &key);
        pgw_buf_fini(&key);
        return err;
}

/* The text is taken literally, `tail` is a pattern. */
static enum pgw_err add_pattern(struct maker *m, struct pgw_str text, const char *tail)
{
        struct pgw_buf pattern;
        enum pgw_err err = PGW_OK;

        pgw_buf_init(&pattern, PGW_URI_KEY_MAX);
        for (size_t i = 0; i < text.n && !err; i++) {
                if (strchr("*?[]\\", text.p[i]))
                        err = pgw_buf_add(&pattern, "\\", 1);
                if (!err)
                        err = pgw_buf_add(&pattern, text.p + i, 1);
        }
        if (!err)
                err = pgw_buf_add_str(&pattern, pgw_str_z(tail));
        if (!err)
                append(m, PATTERNS, &pattern);
        pgw_buf_fini(&pattern);
        return err;
}

/* The path itself, with any query, and all below it. */
static enum pgw_err add_prefix(struct maker *m, struct uri *u)
{
        struct pgw_buf text;
        enum pgw_err err = PGW_OK;

        u->has_query = false;
        u->query = PGW_STR("");
        pgw_buf_init(&text, PGW_URI_KEY_MAX);
        err = expand(&text, m->key_template, u, PGW_STR(""));
        const struct pgw_str prefix = pgw_buf_str(&text);
        if (!err && prefix.n && prefix.p[prefix.n - 1] == '/') {
                err = add_pattern(m, prefix, "*");
        } else if (!err) {
                append(m, KEYS, &text);
                err = add_pattern(m, prefix, "/*");
                if (!err)
                        err = add_pattern(m, prefix, "\\?*");
        }
        pgw_buf_fini(&text);
        return err;
}

static struct pgw_str text_of(const json_t *value)
{
        return pgw_str_of(json_string_value(value), json_string_length(value));
}

static enum pgw_err add_groups(struct maker *m, const struct uri *u, const json_t *groups)
{
        enum pgw_err err = PGW_OK;

        for (size_t i = 0; i < json_array_size(groups) && !err; i++) {
                struct pgw_buf tag;
                pgw_buf_init(&tag, PGW_URI_KEY_MAX);
                err = expand(&tag, m->tag_template, u, text_of(json_array_get(groups, i)));
                if (!err)
                        append(m, TAGS, &tag);
                pgw_buf_fini(&tag);
        }
        return err;
}

enum type { T_URI, T_PREFIX, T_ORIGIN, T_GROUP, T_UNKNOWN };

static enum type type_of(struct pgw_str word)
{
        static const char *const words[] = {"uri", "uri-prefix", "origin", "group"};

        for (unsigned i = 0; i < T_UNKNOWN; i++)
                if (pgw_str_eq_z(word, words[i]))
                        return (enum type)i;
        return T_UNKNOWN;
}

static enum pgw_err add_selector(struct maker *m, enum type type, struct pgw_str text, size_t index,
                                 const json_t *groups)
{
        char pointer[48];
        struct uri u;
        enum pgw_err err = PGW_OK;

        if (!uri_read(text, &u)) {
                snprintf(pointer, sizeof pointer, "#/selectors/%zu", index);
                pgw_violations_add(m->violations, pointer,
                                   "must be an absolute URI with a host and no user");
                uri_free(&u);
                return PGW_OK;
        }
        if (type == T_ORIGIN)
                u.path = PGW_STR("/");
        if (type == T_URI)
                err = add_key(m, &u);
        else if (type == T_GROUP)
                err = add_groups(m, &u, groups);
        else
                err = add_prefix(m, &u);
        uri_free(&u);
        return err;
}

enum pgw_err pgw_uri_body(const json_t *event, const char *key_template, const char *tag_template,
                          struct pgw_violations *violations, struct pgw_fault *fault,
                          json_t **ret_body)
{
        const json_t *selectors = json_object_get(event, "selectors"),
                     *groups = json_object_get(event, "groups");
        const enum type type = type_of(text_of(json_object_get(event, "type")));
        struct maker m = {key_template, tag_template, {NULL}, violations};
        enum pgw_err err = PGW_OK;

        if (type == T_UNKNOWN) {
                pgw_fault_set(fault, "", "The types are uri, uri-prefix, origin and group.");
                err = PGW_E_URI_TYPE;
        } else if ((type == T_PREFIX || type == T_ORIGIN) && !ends_with_path(key_template)) {
                pgw_fault_set(
                    fault, "",
                    "The keys of this service do not end with a path (setting uri.key), so "
                    "nothing can be said about all below one.");
                err = PGW_E_URI_TYPE;
        } else if (type == T_GROUP && json_array_size(groups) == 0) {
                pgw_violations_add(violations, "#/groups", "is missing; `type: group` needs it");
        }
        for (unsigned i = 0; i < KIND_COUNT; i++)
                m.sets[i] = json_object();
        for (size_t i = 0; i < json_array_size(selectors) && !err; i++)
                err = add_selector(&m, type, text_of(json_array_get(selectors, i)), i, groups);
        if (!err && pgw_violations_count(violations))
                err = PGW_E_SCHEMA;
        if (!err)
                *ret_body = body_of(&m);
        for (unsigned i = 0; i < KIND_COUNT; i++)
                json_decref(m.sets[i]);
        return err;
}
