/* A setting has one name in the table and is spelled in three ways. A name from outside is
 * compared with the spellings, never translated back: PURGEWAY_BROKER_IN_FLIGHT could be
 * broker.in_flight or broker.in.flight, and only the table knows.
 */
#include <string.h>

#include "role/distance.h"
#include "role/settings_priv.h"

#define PGW_SETTINGS_NEAR 3 /* edits between a name and what was meant */

void pgw_setting_spell(const char *name, enum pgw_spelling spelling,
                       char out[PGW_SETTINGS_NAME_MAX])
{
        static const char *const prefixes[] = {"", "PURGEWAY_", "--"};
        size_t n = strlen(prefixes[spelling]);

        PGW_ASSERT(n + strlen(name) < PGW_SETTINGS_NAME_MAX);
        memcpy(out, prefixes[spelling], n);
        for (; *name; name++) {
                char c = *name;
                if (spelling == PGW_SPELLED_FLAG && (c == '.' || c == '_'))
                        c = '-';
                else if (spelling == PGW_SPELLED_ENV && c == '.')
                        c = '_';
                else if (spelling == PGW_SPELLED_ENV && c >= 'a' && c <= 'z')
                        c = (char)(c - 'a' + 'A');
                out[n++] = c;
        }
        out[n] = '\0';
}

const struct pgw_setting *pgw_setting_find(struct pgw_str name, enum pgw_spelling spelling,
                                           bool *ret_is_file)
{
        static const char *const suffixes[] = {"_file", "_FILE", "-file"};
        const struct pgw_str suffix = pgw_str_z(suffixes[spelling]);
        char spelled[PGW_SETTINGS_NAME_MAX];

        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_setting *t = &pgw_settings_table[i];
                pgw_setting_spell(t->name, spelling, spelled);
                const struct pgw_str known = pgw_str_z(spelled);
                if (!pgw_str_starts(name, known))
                        continue;
                const struct pgw_str rest = pgw_str_of(name.p + known.n, name.n - known.n);
                const bool is_file = t->kind == SECRET && pgw_str_eq(rest, suffix);
                if (rest.n && !is_file)
                        continue;
                *ret_is_file = is_file;
                return t;
        }
        return NULL;
}

bool pgw_setting_is_group(struct pgw_str name)
{
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_str known = pgw_str_z(pgw_settings_table[i].name);
                if (known.n > name.n && known.p[name.n] == '.' && pgw_str_starts(known, name))
                        return true;
        }
        return false;
}

/* False when nothing is near. */
static bool find_nearest(struct pgw_str name, enum pgw_spelling spelling,
                         char out[PGW_SETTINGS_NAME_MAX])
{
        size_t best = PGW_SETTINGS_NEAR + 1;
        char spelled[PGW_SETTINGS_NAME_MAX];

        for (size_t i = 0; i < PGW_SETTING_COUNT && name.n < PGW_SETTINGS_NAME_MAX; i++) {
                pgw_setting_spell(pgw_settings_table[i].name, spelling, spelled);
                const size_t edits = pgw_distance(name, pgw_str_z(spelled));
                if (edits >= best)
                        continue;
                best = edits;
                memcpy(out, spelled, sizeof spelled);
        }
        return best <= PGW_SETTINGS_NEAR;
}

const char *pgw_setting_show(struct pgw_str text, char *out, size_t size)
{
        const size_t most = size - sizeof "...";
        size_t n = 0;

        for (; n < text.n && n < most; n++)
                out[n] = text.p[n] >= ' ' && text.p[n] <= '~' ? text.p[n] : '?';
        memcpy(out + n, n < text.n ? "..." : "", n < text.n ? sizeof "..." : 1);
        return out;
}

enum pgw_err pgw_setting_unknown(struct pgw_str name, enum pgw_spelling spelling,
                                 struct pgw_fault *fault)
{
        static const char *const what[] = {"setting", "variable", "flag"};
        char shown[PGW_SETTINGS_SHOWN_SIZE], meant[PGW_SETTINGS_NAME_MAX];
        bool is_file;

        (void)pgw_setting_show(name, shown, sizeof shown);
        const struct pgw_setting *bare =
            name.n > 5 ? pgw_setting_find(pgw_str_of(name.p, name.n - 5), spelling, &is_file)
                       : NULL;
        if (find_nearest(name, spelling, meant))
                pgw_fault_set(fault, "", "unknown %s '%s'; did you mean '%s'?", what[spelling],
                              shown, meant);
        else if (bare && bare->kind != SECRET)
                pgw_fault_set(fault, "", "unknown %s '%s': only a secret is read from a file",
                              what[spelling], shown);
        else
                pgw_fault_set(fault, "", "unknown %s '%s'", what[spelling], shown);
        return PGW_E_CONFIG;
}
