/* --name=value or --name value. A wrong flag is a usage error and not a configuration error,
 * so that scripts can tell a mistake of their own from one of the machine's.
 */
#include <string.h>

#include "role/settings_priv.h"

struct flag {
        struct pgw_str name; /* with its "--" */
        struct pgw_str value;
};

/* The flag at argv[*at]; moves *at past it. */
static enum pgw_err next_flag(int argc, char **argv, int *at, struct flag *ret,
                              struct pgw_fault *fault)
{
        const char *word = argv[(*at)++];
        char shown[PGW_SETTINGS_SHOWN_SIZE];

        if (strncmp(word, "--", 2) != 0 || !word[2]) {
                pgw_fault_set(fault, "", "unexpected argument '%s'; flags begin with --",
                              pgw_setting_show(pgw_str_z(word), shown, sizeof shown));
                return PGW_E_INVALID;
        }
        if (pgw_str_cut(pgw_str_z(word), '=', &ret->name, &ret->value))
                return PGW_OK;
        ret->name = pgw_str_z(word);
        if (*at >= argc) {
                pgw_fault_set(fault, "", "%s needs a value",
                              pgw_setting_show(pgw_str_z(word), shown, sizeof shown));
                return PGW_E_INVALID;
        }
        ret->value = pgw_str_z(argv[(*at)++]);
        return PGW_OK;
}

struct flags {
        struct pgw_settings *settings;
        struct pgw_settings_given given;
        bool list_begun[PGW_SETTING_COUNT];
};

static enum pgw_err read_flag(struct flags *f, const struct flag *flag, struct pgw_fault *fault)
{
        bool is_file;
        const struct pgw_setting *t = pgw_setting_find(flag->name, PGW_SPELLED_FLAG, &is_file);
        enum pgw_err err;

        if (pgw_str_eq_z(flag->name, "--config"))
                return PGW_OK;
        if (!t) {
                (void)pgw_setting_unknown(flag->name, PGW_SPELLED_FLAG, fault);
                return PGW_E_INVALID;
        }
        char where[PGW_SETTINGS_NAME_MAX + 8];
        snprintf(where, sizeof where, "%.*s", (int)flag->name.n, flag->name.p);
        if (t->kind == SECRET && !is_file) {
                pgw_fault_set(fault, "",
                              "%s would show the secret to whoever lists processes; use %s-file",
                              where, where);
                return PGW_E_INVALID;
        }
        bool *begun = &f->list_begun[t - pgw_settings_table];
        if (t->kind == LIST && !*begun)
                pgw_setting_list_clear(f->settings, t);
        *begun = true;
        err = is_file ? pgw_setting_set_secret_file(f->settings, t, flag->value.p, &f->given, fault)
                      : pgw_setting_set(f->settings, t, flag->value, fault);
        if (err) {
                const struct pgw_fault found = *fault;
                pgw_fault_set(fault, where, "%s", found.detail);
        }
        return err;
}

enum pgw_err pgw_settings_read_flags(struct pgw_settings *s, int argc, char **argv,
                                     struct pgw_fault *fault)
{
        struct flags flags = {.settings = s};
        enum pgw_err err = PGW_OK;

        for (int at = 0; at < argc && !err;) {
                struct flag flag;
                err = next_flag(argc, argv, &at, &flag, fault);
                if (!err)
                        err = read_flag(&flags, &flag, fault);
        }
        return err;
}

enum pgw_err pgw_settings_find_config(int argc, char **argv, const char **ret,
                                      struct pgw_fault *fault)
{
        const char *path = NULL;

        for (int at = 0; at < argc;) {
                struct flag flag;
                enum pgw_err err = next_flag(argc, argv, &at, &flag, fault);
                if (err)
                        return err;
                if (pgw_str_eq_z(flag.name, "--config"))
                        path = flag.value.p;
        }
        *ret = path;
        return PGW_OK;
}
