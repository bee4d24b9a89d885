/* role/settings.h - what the operator wants (tbl/settings.h).
 *
 * Defaults, over them one YAML file, over it the environment, over it the command line.
 * Whatever is not known is refused by name and place, with the nearest name that is.
 *
 *      file         limits:                      nested as the dots in the name
 *                     body_bytes: 1MiB
 *      environment  PURGEWAY_LIMITS_BODY_BYTES=1MiB
 *      flag         --limits-body-bytes=1MiB     or as two words; lists repeat the flag
 *
 * A secret comes from the environment, from a file named by NAME_file (flag --NAME-file,
 * variable PURGEWAY_NAME_FILE), or from the YAML file; it is masked when printed and wiped
 * when freed. Sizes take KiB, MiB, GiB; times take ms, s, m, h. In a variable a list is
 * separated by commas. A source that gives a list replaces it.
 *
 * After loading the settings are const to everybody but pgw_settings_swap(), which is
 * called by the thread that owns them; other threads read only what cannot be reloaded.
 */
#ifndef PGW_ROLE_SETTINGS_H
#define PGW_ROLE_SETTINGS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

#define S(field, name, otherwise, reload, help)                 char *field;
#define K(field, name, help)                                    char *field;
#define N(field, name, unit, otherwise, min, max, reload, help) uint64_t field;
#define B(field, name, otherwise, reload, help)                 bool field;
#define L(field, name, otherwise, help)                                                            \
        char **field;                                                                              \
        size_t field##_count;
#define E(field, name, choices, otherwise, reload, help) int field;
struct pgw_settings {
#include "tbl/settings.h"
        char *config_path; /* the file that was read; "" for none */
};
#undef S
#undef K
#undef N
#undef B
#undef L
#undef E

#define PGW_SETTINGS_LISTENERS_MAX 16 /* listen and tls.listen together */
#define PGW_SETTINGS_DEFAULT_FILE  "/etc/purgeway/purgeway.yaml"

/* Read all sources. `argv` holds the flags only; --config=FILE names the file, else the
 * default file is read when it exists. PGW_E_CONFIG with the fault saying where ("FILE:LINE",
 * the variable, the flag or the setting) and what; PGW_E_INVALID when it is the command line
 * that is wrong (usage). The fault is one line and never holds a secret. */
enum pgw_err pgw_settings_load(int argc, char **argv, char **env, struct pgw_fault *reterr_fault,
                               struct pgw_settings **ret) PGW_MUSTUSE;

/* A copy of the variables that settings come from, to load them again. The secrets in `env` itself
 * are overwritten: it is what /proc/PID/environ shows, for as long as the process lives. */
char **pgw_settings_take_env(char **env);
void pgw_settings_free_env(char **taken);

/* Exchange those settings that may change while running with `fresh`, loaded again from the same
 * sources; a second time puts them back. Others that differ are named in the note's detail. What
 * is in force then is a mixture of both, and may not fit together: pgw_settings_check(). */
void pgw_settings_swap(struct pgw_settings *, struct pgw_settings *fresh,
                       struct pgw_fault *ret_note);

/* Whether the settings fit together, and whether what they name is there. PGW_E_CONFIG with the
 * setting and the reason. */
enum pgw_err pgw_settings_check(const struct pgw_settings *,
                                struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* As YAML that reads back to the same, secrets masked. */
void pgw_settings_print(const struct pgw_settings *, FILE *);

/* One line for each flag. */
void pgw_settings_help(FILE *);

/* The page docs/configuration.md. */
void pgw_settings_document(FILE *);

/* The file deploy/purgeway.yaml: every setting with its default, most as comments. */
void pgw_settings_example(FILE *);

void pgw_settings_free(struct pgw_settings *);

#endif
