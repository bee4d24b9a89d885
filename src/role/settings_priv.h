/* role/settings_priv.h - the table of settings as data, and the readers of one source each.
 *
 * settings.c holds the table and puts the sources one over the other; settings_name.c finds
 * settings by their names; settings_value.c makes values of texts; settings_yaml.c,
 * settings_env.c and settings_flags.c read a source each; settings_check.c judges the whole;
 * settings_print.c writes it; settings_page.c writes about it. All faults are non-NULL here.
 */
#ifndef PGW_ROLE_SETTINGS_PRIV_H
#define PGW_ROLE_SETTINGS_PRIV_H

#include "role/settings.h"

enum kind { TEXT, SECRET, NUMBER, SWITCH, LIST, CHOICE };
enum unit { COUNT, MS, SECONDS, BYTES };

struct pgw_setting {
        const char *name;
        enum kind kind;
        enum unit unit;
        size_t at, count_at; /* offsets in struct pgw_settings */
        const char *text;    /* default of a text or list; choices of a choice */
        uint64_t number, min, max;
        bool reload;
        const char *help;
};

#define S(...) +1
#define K(...) +1
#define N(...) +1
#define B(...) +1
#define L(...) +1
#define E(...) +1
enum {
        PGW_SETTING_COUNT = 0
#include "tbl/settings.h"
};
#undef S
#undef K
#undef N
#undef B
#undef L
#undef E

#define PGW_SETTINGS_LIST_MAX   16
#define PGW_SETTINGS_SECRET_MAX 4096
#define PGW_SETTINGS_FILE_MAX   (1u << 20)
/* What --print-config shows for a secret; never taken for one. */
#define PGW_SETTINGS_MASK "********"

extern const struct pgw_setting pgw_settings_table[];

static inline const void *pgw_settings_place(const struct pgw_settings *s, size_t at)
{
        return (const char *)s + at;
}

static inline void *pgw_settings_field(struct pgw_settings *s, size_t at)
{
        return (char *)s + at;
}

/* ---- names ---- */

/* limits.body_bytes, PURGEWAY_LIMITS_BODY_BYTES, --limits-body-bytes */
enum pgw_spelling { PGW_SPELLED_FILE, PGW_SPELLED_ENV, PGW_SPELLED_FLAG };

#define PGW_SETTINGS_NAME_MAX 80

/* The name as it is written in that source. */
void pgw_setting_spell(const char *name, enum pgw_spelling, char out[PGW_SETTINGS_NAME_MAX]);

/* NULL when there is none. *ret_is_file: the name is that of a secret's file. */
const struct pgw_setting *pgw_setting_find(struct pgw_str name, enum pgw_spelling,
                                           bool *ret_is_file);

/* Whether a name begins with `name` and a dot. */
bool pgw_setting_is_group(struct pgw_str name);

/* A text from outside as it may stand in a complaint: in one line, cut to the size. */
const char *pgw_setting_show(struct pgw_str, char *out, size_t size);

#define PGW_SETTINGS_SHOWN_SIZE 52

/* PGW_E_CONFIG, with the nearest name that is known. */
enum pgw_err pgw_setting_unknown(struct pgw_str name, enum pgw_spelling, struct pgw_fault *);

/* ---- values ---- */

/* Which secrets one source has given: twice, as itself and by its file, is a mistake. */
struct pgw_settings_given {
        bool secret[PGW_SETTING_COUNT];
};

/* Set it from text; a list gets one more item. The fault's pointer is left alone. */
enum pgw_err pgw_setting_set(struct pgw_settings *, const struct pgw_setting *, struct pgw_str,
                             struct pgw_fault *) PGW_MUSTUSE;

/* Set a secret, from its text or the file that holds it. */
enum pgw_err pgw_setting_set_secret(struct pgw_settings *, const struct pgw_setting *,
                                    struct pgw_str value, struct pgw_settings_given *,
                                    struct pgw_fault *) PGW_MUSTUSE;
enum pgw_err pgw_setting_set_secret_file(struct pgw_settings *, const struct pgw_setting *,
                                         const char *path, struct pgw_settings_given *,
                                         struct pgw_fault *) PGW_MUSTUSE;

void pgw_setting_list_clear(struct pgw_settings *, const struct pgw_setting *);
void pgw_setting_wipe(char *secret);

/* ---- printing ---- */

void pgw_setting_print_value(FILE *, const struct pgw_settings *, const struct pgw_setting *);
void pgw_setting_print_choice(FILE *, const char *choices, int index);

/* The bytes of a name before its dot; 0 without one. */
size_t pgw_setting_group_size(const char *name);

/* ---- sources, and the whole ---- */

struct pgw_settings *pgw_settings_defaults(void);

enum pgw_err pgw_settings_read_yaml(struct pgw_settings *, const char *path, struct pgw_str bytes,
                                    struct pgw_fault *) PGW_MUSTUSE;
enum pgw_err pgw_settings_read_file(struct pgw_settings *, const char *path,
                                    struct pgw_fault *) PGW_MUSTUSE;
enum pgw_err pgw_settings_read_env(struct pgw_settings *, char **env,
                                   struct pgw_fault *) PGW_MUSTUSE;
enum pgw_err pgw_settings_read_flags(struct pgw_settings *, int argc, char **argv,
                                     struct pgw_fault *) PGW_MUSTUSE;

/* The value of the last --config; *ret is NULL without one. */
enum pgw_err pgw_settings_find_config(int argc, char **argv, const char **ret,
                                      struct pgw_fault *) PGW_MUSTUSE;

#endif
