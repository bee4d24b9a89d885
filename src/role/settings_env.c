/* Every variable that begins with PURGEWAY_ must be known: a typing error there would
 * otherwise be a setting that silently has no effect. */
#include <string.h>

#include "base/alloc.h"
#include "role/settings_priv.h"

#define PREFIX "PURGEWAY_"

/* Read by other parts of the program. */
static const char *const foreign[] = {"PURGEWAY_URL", "PURGEWAY_API_KEY", "PURGEWAY_API_KEY_FILE",
                                      "PURGEWAY_FAILPOINT"};

static bool is_foreign(struct pgw_str name)
{
        for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
                if (pgw_str_eq_z(name, foreign[i]))
                        return true;
        return false;
}

/* Kubernetes describes a service called "purgeway" to every pod in its namespace. */
static bool is_from_kubernetes(struct pgw_str name)
{
        const struct pgw_str rest = pgw_str_of(name.p + strlen(PREFIX), name.n - strlen(PREFIX));

        return pgw_str_starts(rest, PGW_STR("SERVICE_")) || pgw_str_eq_z(rest, "PORT") ||
               pgw_str_starts(rest, PGW_STR("PORT_"));
}

static enum pgw_err refuse_unknown(struct pgw_str name, struct pgw_fault *fault)
{
        enum pgw_err err = pgw_setting_unknown(name, PGW_SPELLED_ENV, fault);
        const struct pgw_fault found = *fault;

        pgw_fault_set(fault, "environment", "%s%s", found.detail,
                      is_from_kubernetes(name) ? "; if Kubernetes made it for a service, set "
                                                 "enableServiceLinks: false for the pod"
                                               : "");
        return err;
}

/* "a, b": spaces around the commas are nobody's. Nothing at all is the empty list. */
static enum pgw_err set_list(struct pgw_settings *s, const struct pgw_setting *t,
                             struct pgw_str value, struct pgw_fault *fault)
{
        struct pgw_str item;
        enum pgw_err err = PGW_OK;

        pgw_setting_list_clear(s, t);
        if (pgw_str_trim(value).n == 0)
                return PGW_OK;
        while (!err && pgw_str_cut(value, ',', &item, &value))
                err = pgw_setting_set(s, t, pgw_str_trim(item), fault);
        return err ? err : pgw_setting_set(s, t, pgw_str_trim(value), fault);
}

static enum pgw_err set_variable(struct pgw_settings *s, const struct pgw_setting *t,
                                 struct pgw_str value, struct pgw_settings_given *given,
                                 struct pgw_fault *fault)
{
        if (t->kind == SECRET)
                return pgw_setting_set_secret(s, t, value, given, fault);
        return t->kind == LIST ? set_list(s, t, value, fault) : pgw_setting_set(s, t, value, fault);
}

static enum pgw_err read_variable(struct pgw_settings *s, struct pgw_str name, struct pgw_str value,
                                  struct pgw_settings_given *given, struct pgw_fault *fault)
{
        bool is_file;
        const struct pgw_setting *t = pgw_setting_find(name, PGW_SPELLED_ENV, &is_file);
        char where[PGW_SETTINGS_NAME_MAX + 8];

        if (!t)
                return refuse_unknown(name, fault);
        enum pgw_err err = is_file ? pgw_setting_set_secret_file(s, t, value.p, given, fault)
                                   : set_variable(s, t, value, given, fault);
        if (err) {
                const struct pgw_fault found = *fault;
                snprintf(where, sizeof where, "%.*s", (int)name.n, name.p);
                pgw_fault_set(fault, where, "%s", found.detail);
        }
        return err;
}

enum pgw_err pgw_settings_read_env(struct pgw_settings *s, char **env, struct pgw_fault *fault)
{
        struct pgw_settings_given given = {{false}};
        struct pgw_str name, value;
        enum pgw_err err = PGW_OK;

        for (; *env && !err; env++) {
                if (strncmp(*env, PREFIX, strlen(PREFIX)) == 0 &&
                    pgw_str_cut(pgw_str_z(*env), '=', &name, &value) && !is_foreign(name))
                        err = read_variable(s, name, value, &given, fault);
        }
        return err;
}

static bool is_secret(struct pgw_str name)
{
        bool is_file;
        const struct pgw_setting *t = pgw_setting_find(name, PGW_SPELLED_ENV, &is_file);

        return (t && t->kind == SECRET && !is_file) ||
               pgw_str_eq(name, PGW_STR("PURGEWAY_API_KEY"));
}

char **pgw_settings_take_env(char **env)
{
        size_t count = 0, n = 0;
        struct pgw_str name, value;

        while (env[count])
                count++;
        char **taken = pgw_alloc((count + 1) * sizeof *taken);
        for (; *env; env++) {
                if (strncmp(*env, PREFIX, strlen(PREFIX)) != 0)
                        continue;
                taken[n++] = pgw_strdup(*env);
                if (pgw_str_cut(pgw_str_z(*env), '=', &name, &value) && is_secret(name))
                        explicit_bzero(*env + (value.p - *env), value.n);
        }
        return taken;
}

void pgw_settings_free_env(char **taken)
{
        for (char **one = taken; *one; one++)
                pgw_setting_wipe(*one);
        pgw_free(taken);
}
