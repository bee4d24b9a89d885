/* The table becomes an array of descriptions with the place of each field; the sources are
 * laid one over the other, and the whole is judged once at the end. A reload makes new
 * settings in the same way and takes over from them only what may change while running.
 */
#include "role/settings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "role/settings_priv.h"

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

struct pgw_settings *pgw_settings_defaults(void)
{
        struct pgw_settings *s = pgw_alloc(sizeof *s);
        struct pgw_fault fault;

        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_setting *t = &pgw_settings_table[i];
                void *field = pgw_settings_field(s, t->at);
                if (t->kind == TEXT || t->kind == SECRET)
                        *(char **)field = pgw_strdup(t->text);
                else if (t->kind == NUMBER)
                        *(uint64_t *)field = t->number;
                else if (t->kind == SWITCH)
                        *(bool *)field = t->number != 0;
                else if (t->kind == CHOICE)
                        *(int *)field = (int)t->number;
                else if (t->text[0])
                        PGW_ASSERT(pgw_setting_set(s, t, pgw_str_z(t->text), &fault) == PGW_OK);
        }
        s->config_path = pgw_strdup("");
        return s;
}

/* The default file is read when it is there: one that is there and cannot be read must not
 * be passed over, or a service would run on other settings than the operator wrote. */
static enum pgw_err read_config(struct pgw_settings *s, int argc, char **argv,
                                struct pgw_fault *fault)
{
        const char *path;
        enum pgw_err err = pgw_settings_find_config(argc, argv, &path, fault);

        if (err)
                return err;
        if (path)
                return pgw_settings_read_file(s, path, fault);
        if (access(PGW_SETTINGS_DEFAULT_FILE, F_OK) != 0 && errno == ENOENT)
                return PGW_OK;
        return pgw_settings_read_file(s, PGW_SETTINGS_DEFAULT_FILE, fault);
}

enum pgw_err pgw_settings_load(int argc, char **argv, char **env, struct pgw_fault *reterr_fault,
                               struct pgw_settings **ret)
{
        struct pgw_settings *s = pgw_settings_defaults();
        struct pgw_fault fault = {"", ""};
        enum pgw_err err = read_config(s, argc, argv, &fault);

        if (!err)
                err = pgw_settings_read_env(s, env, &fault);
        if (!err)
                err = pgw_settings_read_flags(s, argc, argv, &fault);
        if (!err)
                err = pgw_settings_check(s, &fault);
        if (err) {
                pgw_settings_free(s);
                pgw_fault_set(reterr_fault, fault.pointer, "%s", fault.detail);
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

static void swap_in(struct pgw_settings *s, struct pgw_settings *fresh, const struct pgw_setting *t)
{
        char old[sizeof(uint64_t)];
        const size_t size = t->kind == NUMBER   ? sizeof(uint64_t)
                            : t->kind == SWITCH ? sizeof(bool)
                            : t->kind == CHOICE ? sizeof(int)
                                                : sizeof(char *);

        PGW_ASSERT(t->kind != LIST);
        memcpy(old, pgw_settings_field(s, t->at), size);
        memcpy(pgw_settings_field(s, t->at), pgw_settings_field(fresh, t->at), size);
        memcpy(pgw_settings_field(fresh, t->at), old, size);
}

void pgw_settings_swap(struct pgw_settings *s, struct pgw_settings *fresh,
                       struct pgw_fault *ret_note)
{
        static const char begin[] = "a restart is needed for ";
        char names[sizeof ret_note->detail] = "";

        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_setting *t = &pgw_settings_table[i];
                const size_t used = strlen(names);
                if (is_same(s, fresh, t))
                        continue;
                if (t->reload)
                        swap_in(s, fresh, t);
                else
                        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : begin,
                                 t->name);
        }
        pgw_fault_set(ret_note, "", "%s", names);
}

void pgw_settings_free(struct pgw_settings *s)
{
        if (!s)
                return;
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_setting *t = &pgw_settings_table[i];
                if (t->kind == LIST)
                        pgw_setting_list_clear(s, t);
                else if (t->kind == SECRET)
                        pgw_setting_wipe(*(char **)pgw_settings_field(s, t->at));
                else if (t->kind == TEXT)
                        pgw_free(*(char **)pgw_settings_field(s, t->at));
        }
        pgw_free(s->config_path);
        pgw_free(s);
}
