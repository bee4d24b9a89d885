/* role/settings_priv.h - the table of settings as data, for reading and for printing. */
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

extern const struct pgw_setting pgw_settings_table[];

static inline const void *pgw_settings_place(const struct pgw_settings *s, size_t at)
{
        return (const char *)s + at;
}

#endif
