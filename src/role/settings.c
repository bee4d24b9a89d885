/* The table becomes an array of descriptions with the place of each field, and one function
 * sets any field from text; file, environment and flags differ only in where the text and
 * the words of a complaint come from.
 */
#include "role/settings.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/yaml.h"
#include "role/file.h"
#include "role/settings_priv.h"
#include "role/settings_url.h"

#define PGW_SETTINGS_FILE_MAX   (1u << 20)
#define PGW_SETTINGS_LIST_MAX   64
#define PGW_SETTINGS_SECRET_MAX 4096
#define PGW_SETTINGS_NAME_MAX   64

#define AT(field) offsetof(struct pgw_settings, field)
#define S(field, title, otherwise, again, words)                                                   \
        {.name = title,                                                                            \
         .kind = TEXT,                                                                             \
         .at = AT(field),                                                                          \
         .text = otherwise,                                                                        \
         .reload = again,                                                                          \
         .help = words},
#define K(field, title, words)                                                                     \
        {.name = title, .kind = SECRET, .at = AT(field), .text = "", .help = words},
#define N(field, title, measure, otherwise, low, high, again, words)                               \
        {.name = title,                                                                            \
         .kind = NUMBER,                                                                           \
         .unit = measure,                                                                          \
         .at = AT(field),                                                                          \
         .number = otherwise,                                                                      \
         .min = low,                                                                               \
         .max = high,                                                                              \
         .reload = again,                                                                          \
         .help = words},
#define B(field, title, otherwise, again, words)                                                   \
        {.name = title,                                                                            \
         .kind = SWITCH,                                                                           \
         .at = AT(field),                                                                          \
         .number = otherwise,                                                                      \
         .reload = again,                                                                          \
         .help = words},
#define L(field, title, otherwise, words)                                                          \
        {.name = title,                                                                            \
         .kind = LIST,                                                                             \
         .at = AT(field),                                                                          \
         .count_at = AT(field##_count),                                                            \
         .text = otherwise,                                                                        \
         .help = words},
#define E(field, title, choices, otherwise, again, words)                                          \
        {.name = title,                                                                            \
         .kind = CHOICE,                                                                           \
         .at = AT(field),                                                                          \
         .text = choices,                                                                          \
         .number = otherwise,                                                                      \
         .reload = again,                                                                          \
         .help = words},
const struct pgw_setting pgw_settings_table[] = {
#include "tbl/settings.h"
};
_Static_assert(sizeof pgw_settings_table / sizeof pgw_settings_table[0] == PGW_SETTING_COUNT,
               "one description for each setting");

static void *place(struct pgw_settings *s, size_t at)
{
        return (char *)s + at;
}

static void wipe(char *secret)
{
        if (secret)
                explicit_bzero(secret, strlen(secret));
        pgw_free(secret);
}

static void list_clear(struct pgw_settings *s, const struct pgw_setting *t)
{
        char ***list = place(s, t->at);
        size_t *count = place(s, t->count_at);

        for (size_t i = 0; i < *count; i++)
                pgw_free((*list)[i]);
        pgw_free(*list);
        *list = NULL;
        *count = 0;
}

static enum pgw_err list_add(struct pgw_settings *s, const struct pgw_setting *t,
                             struct pgw_str item, struct pgw_fault *fault)
{
        char ***list = place(s, t->at);
        size_t *count = place(s, t->count_at);

        if (*count == PGW_SETTINGS_LIST_MAX) {
                pgw_fault_set(fault, t->name, "at most %d values", PGW_SETTINGS_LIST_MAX);
                return PGW_E_CONFIG;
        }
        *list = pgw_realloc(*list, (*count + 1) * sizeof **list);
        (*list)[(*count)++] = pgw_memdup(item.p, item.n);
        return PGW_OK;
}

static const struct {
        const char *suffix;
        enum unit unit;
        uint64_t factor;
} suffixes[] = {
    {"ms", MS, 1},
    {"s", MS, 1000},
    {"m", MS, 60000},
    {"h", MS, 3600000},
    {"s", SECONDS, 1},
    {"m", SECONDS, 60},
    {"h", SECONDS, 3600},
    {"d", SECONDS, 86400},
    {"KiB", BYTES, 1024},
    {"MiB", BYTES, 1048576},
    {"GiB", BYTES, 1073741824},
};

static const char *const unit_words[] = {"", " (times take ms, s, m, h)",
                                         " (times take s, m, h, d)", " (sizes take KiB, MiB, GiB)"};

static enum pgw_err set_number(struct pgw_settings *s, const struct pgw_setting *t,
                               struct pgw_str text, struct pgw_fault *fault)
{
        struct pgw_str digits = text, suffix;
        uint64_t number, factor = 1;

        while (digits.n && (digits.p[digits.n - 1] < '0' || digits.p[digits.n - 1] > '9'))
                digits.n--;
        suffix = pgw_str_trim(pgw_str_of(text.p + digits.n, text.n - digits.n));
        for (size_t i = 0; suffix.n && i < sizeof suffixes / sizeof suffixes[0]; i++)
                if (suffixes[i].unit == t->unit && pgw_str_eq_z(suffix, suffixes[i].suffix)) {
                        factor = suffixes[i].factor;
                        suffix.n = 0;
                }
        if (suffix.n || pgw_str_to_u64(digits, UINT64_MAX / factor, &number) ||
            number * factor < t->min || number * factor > t->max) {
                pgw_fault_set(fault, t->name, "'%.*s' is not a whole number from %llu to %llu%s",
                              (int)(text.n < 40 ? text.n : 40), text.p, (unsigned long long)t->min,
                              (unsigned long long)t->max, unit_words[t->unit]);
                return PGW_E_CONFIG;
        }
        *(uint64_t *)place(s, t->at) = number * factor;
        return PGW_OK;
}

static enum pgw_err set_choice(struct pgw_settings *s, const struct pgw_setting *t,
                               struct pgw_str text, struct pgw_fault *fault)
{
        struct pgw_str rest = pgw_str_z(t->text), word;

        for (int i = 0;; i++) {
                const bool more = pgw_str_cut(rest, '|', &word, &rest);
                if (pgw_str_eq(more ? word : rest, text)) {
                        *(int *)place(s, t->at) = i;
                        return PGW_OK;
                }
                if (!more)
                        break;
        }
        pgw_fault_set(fault, t->name, "'%.*s' is none of %s", (int)(text.n < 40 ? text.n : 40),
                      text.p, t->text);
        return PGW_E_CONFIG;
}

static enum pgw_err set_switch(struct pgw_settings *s, const struct pgw_setting *t,
                               struct pgw_str text, struct pgw_fault *fault)
{
        const bool yes = pgw_str_eq_z(text, "true");

        if (!yes && !pgw_str_eq_z(text, "false")) {
                pgw_fault_set(fault, t->name, "'%.*s' is neither true nor false",
                              (int)(text.n < 40 ? text.n : 40), text.p);
                return PGW_E_CONFIG;
        }
        *(bool *)place(s, t->at) = yes;
        return PGW_OK;
}

static enum pgw_err set_text(struct pgw_settings *s, const struct pgw_setting *t,
                             struct pgw_str text, struct pgw_fault *fault)
{
        char **field = place(s, t->at);

        switch (t->kind) {
        case NUMBER:
                return set_number(s, t, text, fault);
        case CHOICE:
                return set_choice(s, t, text, fault);
        case SWITCH:
                return set_switch(s, t, text, fault);
        case LIST:
                return list_add(s, t, text, fault);
        case SECRET:
                wipe(*field);
                break;
        case TEXT:
                pgw_free(*field);
                break;
        }
        *field = pgw_memdup(text.p, text.n);
        return PGW_OK;
}

static void set_defaults(struct pgw_settings *s)
{
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_setting *t = &pgw_settings_table[i];
                if (t->kind == TEXT || t->kind == SECRET)
                        *(char **)place(s, t->at) = pgw_strdup(t->text);
                else if (t->kind == NUMBER)
                        *(uint64_t *)place(s, t->at) = t->number;
                else if (t->kind == SWITCH)
                        *(bool *)place(s, t->at) = t->number != 0;
                else if (t->kind == CHOICE)
                        *(int *)place(s, t->at) = (int)t->number;
                else if (t->text[0])
                        PGW_ASSERT(list_add(s, t, pgw_str_z(t->text), NULL) == PGW_OK);
        }
        s->config_path = pgw_strdup("");
}

/* `name` with its dots as in the table; `dots` is what stands for '.' and '_' in it. */
static const struct pgw_setting *find(struct pgw_str name, char dots)
{
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const char *known = pgw_settings_table[i].name;
                size_t n = strlen(known), k = 0;
                if (n != name.n)
                        continue;
                for (; k < n; k++) {
                        char c = known[k];
                        if (dots == '-' && (c == '.' || c == '_'))
                                c = '-';
                        if (dots == '_')
                                c = c == '.' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
                        if (c != name.p[k])
                                break;
                }
                if (k == n)
                        return &pgw_settings_table[i];
        }
        return NULL;
}

/* Edits between two short words; the nearest name is what was meant, if it is near. */
static size_t distance(const char *a, size_t an, const char *b, size_t bn)
{
        size_t row[PGW_SETTINGS_NAME_MAX + 1];

        for (size_t j = 0; j <= bn; j++)
                row[j] = j;
        for (size_t i = 1; i <= an; i++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= bn; j++) {
                        const size_t change = diagonal + (a[i - 1] != b[j - 1]);
                        diagonal = row[j];
                        size_t best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
                        row[j] = change < best ? change : best;
                }
        }
        return row[bn];
}

static const char *nearest(struct pgw_str name)
{
        const char *found = NULL;
        size_t best = 4;

        if (name.n > PGW_SETTINGS_NAME_MAX)
                return NULL;
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const size_t d = distance(name.p, name.n, pgw_settings_table[i].name,
                                          strlen(pgw_settings_table[i].name));
                if (d < best) {
                        best = d;
                        found = pgw_settings_table[i].name;
                }
        }
        return found;
}

static enum pgw_err unknown(struct pgw_fault *fault, const char *where, struct pgw_str name)
{
        const char *meant = nearest(name);

        pgw_fault_set(fault, where, "unknown setting '%.*s'%s%s%s",
                      (int)(name.n < 80 ? name.n : 80), name.p, meant ? "; did you mean '" : "",
                      meant ? meant : "", meant ? "'?" : "");
        return PGW_E_CONFIG;
}

/* ---- the file ---- */

struct file_walk {
        struct pgw_settings *settings;
        const char *path;
        const struct pgw_yaml_lines *lines;
        struct pgw_fault *fault;
};

static void name_line(const struct file_walk *w, const char *pointer)
{
        char where[sizeof w->fault->pointer], detail[sizeof w->fault->detail];

        if (!w->fault)
                return;
        snprintf(detail, sizeof detail, "%.100s%s%.150s", w->fault->pointer,
                 w->fault->pointer[0] ? ": " : "", w->fault->detail);
        snprintf(where, sizeof where, "%.100s:%u", w->path, pgw_yaml_line(w->lines, pointer));
        pgw_fault_set(w->fault, where, "%s", detail);
}

static enum pgw_err set_json(const struct file_walk *w, const struct pgw_setting *t,
                             const json_t *value)
{
        char number[32];

        if (json_is_string(value))
                return set_text(w->settings, t,
                                pgw_str_of(json_string_value(value), json_string_length(value)),
                                w->fault);
        if (json_is_boolean(value))
                return set_text(w->settings, t,
                                json_is_true(value) ? PGW_STR("true") : PGW_STR("false"), w->fault);
        if (json_is_integer(value)) {
                snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
                return set_text(w->settings, t, pgw_str_z(number), w->fault);
        }
        if (json_is_null(value))
                return PGW_OK;
        pgw_fault_set(w->fault, t->name, "this cannot be its value");
        return PGW_E_CONFIG;
}

static enum pgw_err set_list(const struct file_walk *w, const struct pgw_setting *t,
                             const json_t *value)
{
        list_clear(w->settings, t);
        if (!json_is_array(value))
                return set_json(w, t, value);
        for (size_t i = 0; i < json_array_size(value); i++) {
                const json_t *item = json_array_get(value, i);
                if (!json_is_string(item)) {
                        pgw_fault_set(w->fault, t->name, "must be a list of texts");
                        return PGW_E_CONFIG;
                }
                enum pgw_err err = set_json(w, t, item);
                if (err)
                        return err;
        }
        return PGW_OK;
}

static enum pgw_err set_secret_file(struct pgw_settings *s, const struct pgw_setting *t,
                                    const char *path, struct pgw_fault *fault)
{
        char *bytes;
        size_t size;
        enum pgw_err err = pgw_file_read(path, PGW_SETTINGS_SECRET_MAX, &bytes, &size, fault);

        if (err)
                return err;
        struct pgw_str secret = pgw_str_of(bytes, size);
        while (secret.n && (secret.p[secret.n - 1] == '\n' || secret.p[secret.n - 1] == '\r'))
                secret.n--;
        err = set_text(s, t, secret, fault);
        explicit_bzero(bytes, size);
        pgw_free(bytes);
        return err;
}

/* "broker.password_file" is a way to say "broker.password". */
static const struct pgw_setting *find_secret_file(struct pgw_str name, struct pgw_str suffix,
                                                  char dots)
{
        if (name.n <= suffix.n ||
            !pgw_str_eq(pgw_str_of(name.p + name.n - suffix.n, suffix.n), suffix))
                return NULL;
        const struct pgw_setting *t = find(pgw_str_of(name.p, name.n - suffix.n), dots);
        return t && t->kind == SECRET ? t : NULL;
}

static enum pgw_err walk(const struct file_walk *w, const json_t *object, const char *prefix,
                         const char *pointer)
{
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)(uintptr_t)object, key, value)
        {
                char name[256], at[512];
                enum pgw_err err;
                snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", key);
                snprintf(at, sizeof at, "%s/%s", pointer, key);
                const struct pgw_setting *t = find(pgw_str_z(name), '.');
                const struct pgw_setting *secret =
                    find_secret_file(pgw_str_z(name), PGW_STR("_file"), '.');
                if (t)
                        err = t->kind == LIST ? set_list(w, t, value) : set_json(w, t, value);
                else if (secret && json_is_string(value))
                        err = set_secret_file(w->settings, secret, json_string_value(value),
                                              w->fault);
                else if (json_is_object(value) && !prefix[0])
                        err = walk(w, value, name, at);
                else
                        err = unknown(w->fault, "", pgw_str_z(name));
                if (err) {
                        if (!strchr(w->fault->pointer, ':'))
                                name_line(w, at);
                        return err;
                }
        }
        return PGW_OK;
}

static enum pgw_err load_file(struct pgw_settings *s, const char *path, struct pgw_fault *fault)
{
        struct pgw_yaml_lines *lines;
        json_t *document;
        char *bytes;
        size_t size;
        enum pgw_err err = pgw_file_read(path, PGW_SETTINGS_FILE_MAX, &bytes, &size, fault);

        if (err)
                return err;
        err = pgw_yaml_load(bytes, size, fault, &document, &lines);
        explicit_bzero(bytes, size);
        pgw_free(bytes);
        if (err) {
                char detail[sizeof fault->detail], where[sizeof fault->pointer];
                snprintf(detail, sizeof detail, "%s", fault->detail);
                /* "line 3, column 1: ..." becomes "FILE:3: column 1: ..." */
                struct pgw_str line = pgw_str_z(detail), rest = line;
                if (pgw_str_starts(line, PGW_STR("line ")) &&
                    pgw_str_cut(line, ',', &line, &rest)) {
                        snprintf(where, sizeof where, "%.100s:%.*s", path, (int)line.n - 5,
                                 line.p + 5);
                        pgw_fault_set(fault, where, "%.*s", (int)rest.n - 1, rest.p + 1);
                } else {
                        pgw_fault_set(fault, path, "%s", detail);
                }
                return err;
        }
        const struct file_walk w = {s, path, lines, fault};
        if (json_is_object(document)) {
                err = walk(&w, document, "", "");
        } else {
                pgw_fault_set(fault, path, "the settings must be a mapping of names to values");
                err = PGW_E_CONFIG;
        }
        json_decref(document);
        pgw_yaml_lines_free(lines);
        pgw_free(s->config_path);
        s->config_path = pgw_strdup(path);
        return err;
}

/* ---- the environment ---- */

/* Read by other parts of the program. */
static const char *const foreign_variables[] = {"PURGEWAY_URL", "PURGEWAY_FAILPOINT"};

static enum pgw_err load_variable(struct pgw_settings *s, const char *variable,
                                  struct pgw_fault *fault)
{
        struct pgw_str name, value;

        if (strncmp(variable, "PURGEWAY_", 9) != 0 ||
            !pgw_str_cut(pgw_str_z(variable), '=', &name, &value))
                return PGW_OK;
        for (size_t i = 0; i < sizeof foreign_variables / sizeof foreign_variables[0]; i++)
                if (pgw_str_eq_z(name, foreign_variables[i]))
                        return PGW_OK;
        const struct pgw_str bare = pgw_str_of(name.p + 9, name.n - 9);
        const struct pgw_setting *t = find(bare, '_');
        const struct pgw_setting *secret = find_secret_file(bare, PGW_STR("_FILE"), '_');
        if (secret)
                return set_secret_file(s, secret, value.p, fault);
        if (!t) {
                pgw_fault_set(fault, "environment", "unknown variable %.*s",
                              (int)(name.n < 80 ? name.n : 80), name.p);
                return PGW_E_CONFIG;
        }
        if (t->kind != LIST)
                return set_text(s, t, value, fault);
        list_clear(s, t);
        struct pgw_str item;
        enum pgw_err err = PGW_OK;
        while (!err && pgw_str_cut(value, ',', &item, &value))
                err = set_text(s, t, pgw_str_trim(item), fault);
        return err || value.n == 0 ? err : set_text(s, t, pgw_str_trim(value), fault);
}

/* ---- the command line ---- */

struct flag {
        struct pgw_str name; /* without "--" */
        struct pgw_str value;
};

/* The flag at argv[*at]; moves *at past it. */
static enum pgw_err next_flag(int argc, char **argv, int *at, struct flag *ret,
                              struct pgw_fault *fault)
{
        const char *word = argv[(*at)++];

        if (strncmp(word, "--", 2) != 0 || !word[2]) {
                pgw_fault_set(fault, "", "unexpected argument '%.80s'; flags begin with --", word);
                return PGW_E_INVALID;
        }
        const struct pgw_str text = pgw_str_z(word + 2);
        if (pgw_str_cut(text, '=', &ret->name, &ret->value))
                return PGW_OK;
        ret->name = text;
        if (*at >= argc) {
                pgw_fault_set(fault, "", "--%.*s needs a value", (int)text.n, text.p);
                return PGW_E_INVALID;
        }
        ret->value = pgw_str_z(argv[(*at)++]);
        return PGW_OK;
}

static enum pgw_err load_flag(struct pgw_settings *s, const struct flag *flag, bool *seen,
                              struct pgw_fault *fault)
{
        const struct pgw_setting *t = find(flag->name, '-');
        const struct pgw_setting *secret = find_secret_file(flag->name, PGW_STR("-file"), '-');

        if (pgw_str_eq_z(flag->name, "config"))
                return PGW_OK;
        if (secret)
                return set_secret_file(s, secret, flag->value.p, fault);
        if (t && t->kind == SECRET) {
                pgw_fault_set(fault, "",
                              "--%s would show the secret in the process list; use --%.*s-file",
                              t->name, (int)flag->name.n, flag->name.p);
                return PGW_E_INVALID;
        }
        if (!t) {
                (void)unknown(fault, "", flag->name);
                return PGW_E_INVALID;
        }
        if (t->kind == LIST && !seen[t - pgw_settings_table])
                list_clear(s, t);
        seen[t - pgw_settings_table] = true;
        return set_text(s, t, flag->value, fault);
}

static enum pgw_err load_flags(struct pgw_settings *s, int argc, char **argv,
                               struct pgw_fault *fault)
{
        bool seen[PGW_SETTING_COUNT] = {false};
        enum pgw_err err = PGW_OK;

        for (int at = 0; at < argc && !err;) {
                struct flag flag;
                err = next_flag(argc, argv, &at, &flag, fault);
                if (!err)
                        err = load_flag(s, &flag, seen, fault);
        }
        return err;
}

static enum pgw_err config_path(int argc, char **argv, const char **ret, struct pgw_fault *fault)
{
        *ret = access(PGW_SETTINGS_DEFAULT_FILE, R_OK) == 0 ? PGW_SETTINGS_DEFAULT_FILE : NULL;
        for (int at = 0; at < argc;) {
                struct flag flag;
                enum pgw_err err = next_flag(argc, argv, &at, &flag, fault);
                if (err)
                        return err;
                if (pgw_str_eq_z(flag.name, "config"))
                        *ret = flag.value.p;
        }
        return PGW_OK;
}

/* ---- all of it ---- */

static bool is_loopback(const char *address)
{
        return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0 ||
               strncmp(address, "localhost:", 10) == 0;
}

static enum pgw_err check_listen(const struct pgw_settings *s, char **list, size_t count,
                                 struct pgw_fault *fault)
{
        for (size_t i = 0; i < count && !s->listen_anywhere; i++) {
                if (is_loopback(list[i]))
                        continue;
                pgw_fault_set(
                    fault, "listen",
                    "'%.60s' is not a loopback address and nobody is asked for credentials: "
                    "anyone who reaches it could purge. Set listen_anywhere to true if the "
                    "network is yours",
                    list[i]);
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

static enum pgw_err check_url(const char *name, const char *url, struct pgw_fault *fault)
{
        struct pgw_redis_url parsed;
        struct pgw_fault inner = {"", ""};

        if (!url[0] || !pgw_redis_url_parse(url, &parsed, &inner))
                return PGW_OK;
        pgw_fault_set(fault, name, "%s", inner.detail);
        return PGW_E_CONFIG;
}

static enum pgw_err check(const struct pgw_settings *s, struct pgw_fault *fault)
{
        enum pgw_err err = check_listen(s, s->listen, s->listen_count, fault);

        if (!err)
                err = check_listen(s, s->tls_listen, s->tls_listen_count, fault);
        if (!err)
                err = check_url("broker.url", s->broker_url, fault);
        if (!err)
                err = check_url("results.url", s->results_url, fault);
        if (!err)
                err = check_url("target.url", s->target_url, fault);
        if (err)
                return err;
        if (s->tls_listen_count && (!s->tls_certificate[0] || !s->tls_key[0])) {
                pgw_fault_set(fault, "tls.listen", "needs tls.certificate and tls.key");
                return PGW_E_CONFIG;
        }
        if (s->worker_beat_ms * 2 >= s->worker_idle_ms) {
                pgw_fault_set(
                    fault, "worker.beat_ms",
                    "must be less than half of worker.idle_ms (%llu), or a live worker would "
                    "lose its jobs",
                    (unsigned long long)s->worker_idle_ms);
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

enum pgw_err pgw_settings_load(int argc, char **argv, char **env, struct pgw_fault *fault,
                               struct pgw_settings **ret)
{
        struct pgw_settings *s = pgw_alloc(sizeof *s);
        const char *path;
        enum pgw_err err;

        set_defaults(s);
        err = config_path(argc, argv, &path, fault);
        if (!err && path)
                err = load_file(s, path, fault);
        for (; !err && *env; env++)
                err = load_variable(s, *env, fault);
        if (!err)
                err = load_flags(s, argc, argv, fault);
        if (!err)
                err = check(s, fault);
        if (err) {
                pgw_settings_free(s);
                return err;
        }
        *ret = s;
        return PGW_OK;
}

static bool is_same(const struct pgw_settings *a, const struct pgw_settings *b,
                    const struct pgw_setting *t)
{
        const void *x = pgw_settings_place(a, t->at), *y = pgw_settings_place(b, t->at);

        switch (t->kind) {
        case NUMBER:
                return *(const uint64_t *)x == *(const uint64_t *)y;
        case SWITCH:
                return *(const bool *)x == *(const bool *)y;
        case CHOICE:
                return *(const int *)x == *(const int *)y;
        case LIST: {
                const size_t n = *(const size_t *)pgw_settings_place(a, t->count_at);
                if (n != *(const size_t *)pgw_settings_place(b, t->count_at))
                        return false;
                for (size_t i = 0; i < n; i++)
                        if (strcmp((*(char **const *)x)[i], (*(char **const *)y)[i]) != 0)
                                return false;
                return true;
        }
        default:
                return strcmp(*(char *const *)x, *(char *const *)y) == 0;
        }
}

/* Exchange the values, so that freeing the new settings frees the old value. */
static void swap_in(struct pgw_settings *s, struct pgw_settings *fresh, const struct pgw_setting *t)
{
        char old[16];
        const size_t size = t->kind == NUMBER   ? sizeof(uint64_t)
                            : t->kind == SWITCH ? sizeof(bool)
                            : t->kind == CHOICE ? sizeof(int)
                                                : sizeof(char *);

        memcpy(old, place(s, t->at), size);
        memcpy(place(s, t->at), place(fresh, t->at), size);
        memcpy(place(fresh, t->at), old, size);
}

enum pgw_err pgw_settings_reload(struct pgw_settings *s, int argc, char **argv, char **env,
                                 struct pgw_fault *note)
{
        struct pgw_settings *fresh;
        enum pgw_err err = pgw_settings_load(argc, argv, env, note, &fresh);
        size_t used = 0;
        char names[sizeof note->detail] = "";

        if (err)
                return err;
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                if (is_same(s, fresh, &pgw_settings_table[i]))
                        continue;
                if (pgw_settings_table[i].reload) {
                        swap_in(s, fresh, &pgw_settings_table[i]);
                        continue;
                }
                const int n =
                    snprintf(names + used, sizeof names - used, "%s%s",
                             used ? ", " : "a restart is needed for ", pgw_settings_table[i].name);
                used = used + (size_t)n < sizeof names ? used + (size_t)n : sizeof names - 1;
        }
        pgw_settings_free(fresh);
        pgw_fault_set(note, "", "%s", names);
        return PGW_OK;
}

void pgw_settings_free(struct pgw_settings *s)
{
        if (!s)
                return;
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                if (pgw_settings_table[i].kind == LIST)
                        list_clear(s, &pgw_settings_table[i]);
                else if (pgw_settings_table[i].kind == SECRET)
                        wipe(*(char **)place(s, pgw_settings_table[i].at));
                else if (pgw_settings_table[i].kind == TEXT)
                        pgw_free(*(char **)place(s, pgw_settings_table[i].at));
        }
        pgw_free(s->config_path);
        pgw_free(s);
}
