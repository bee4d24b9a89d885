/* Settings as YAML, so that what is printed can be read again. Texts are quoted as JSON strings,
 * which YAML takes as they are; pgw_setting_set() has refused what it would not take. */
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "role/settings_priv.h"

#define PGW_SETTINGS_TEXT_MAX (64u << 10)

static void print_quoted(FILE *out, const char *text)
{
        struct pgw_buf quoted;

        pgw_buf_init(&quoted, PGW_SETTINGS_TEXT_MAX);
        if (!pgw_json_escape(&quoted, pgw_str_z(text)))
                fprintf(out, "%.*s", (int)quoted.n, quoted.p);
        pgw_buf_fini(&quoted);
}

void pgw_setting_print_choice(FILE *out, const char *choices, int index)
{
        struct pgw_str rest = pgw_str_z(choices), word = rest;

        for (int i = 0; i <= index; i++)
                if (!pgw_str_cut(rest, '|', &word, &rest))
                        word = rest;
        fprintf(out, "%.*s", (int)word.n, word.p);
}

static void print_list(FILE *out, const struct pgw_settings *s, const struct pgw_setting *t)
{
        char *const *list = *(char **const *)pgw_settings_place(s, t->at);
        const size_t count = *(const size_t *)pgw_settings_place(s, t->count_at);

        fputc('[', out);
        for (size_t i = 0; i < count; i++) {
                fputs(i ? ", " : "", out);
                print_quoted(out, list[i]);
        }
        fputc(']', out);
}

void pgw_setting_print_value(FILE *out, const struct pgw_settings *s, const struct pgw_setting *t)
{
        const void *at = pgw_settings_place(s, t->at);

        switch (t->kind) {
        case TEXT:
                print_quoted(out, *(char *const *)at);
                break;
        case SECRET:
                fputs((*(char *const *)at)[0] ? "\"" PGW_SETTINGS_MASK "\"" : "\"\"", out);
                break;
        case NUMBER:
                fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
                break;
        case SWITCH:
                fputs(*(const bool *)at ? "true" : "false", out);
                break;
        case CHOICE:
                pgw_setting_print_choice(out, t->text, *(const int *)at);
                break;
        case LIST:
                print_list(out, s, t);
                break;
        }
}

size_t pgw_setting_group_size(const char *name)
{
        const char *dot = strchr(name, '.');

        return dot ? (size_t)(dot - name) : 0;
}

void pgw_settings_print(const struct pgw_settings *s, FILE *out)
{
        bool done[PGW_SETTING_COUNT] = {false};

        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const char *name = pgw_settings_table[i].name;
                const size_t group = pgw_setting_group_size(name);
                if (done[i])
                        continue;
                if (!group) {
                        fprintf(out, "%s: ", name);
                        pgw_setting_print_value(out, s, &pgw_settings_table[i]);
                        fputc('\n', out);
                        continue;
                }
                fprintf(out, "%.*s:\n", (int)group, name);
                for (size_t k = i; k < PGW_SETTING_COUNT; k++) {
                        const char *other = pgw_settings_table[k].name;
                        if (pgw_setting_group_size(other) != group ||
                            strncmp(other, name, group) != 0)
                                continue;
                        done[k] = true;
                        fprintf(out, "  %s: ", other + group + 1);
                        pgw_setting_print_value(out, s, &pgw_settings_table[k]);
                        fputc('\n', out);
                }
        }
}
