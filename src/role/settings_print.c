/* The table of settings in three dresses: YAML, flags, a page of documentation. */
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

static void print_choice(FILE *out, const char *choices, int index)
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

static void print_value(FILE *out, const struct pgw_settings *s, const struct pgw_setting *t)
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
                print_choice(out, t->text, *(const int *)at);
                break;
        case LIST:
                print_list(out, s, t);
                break;
        }
}

static size_t group_size(const char *name)
{
        const char *dot = strchr(name, '.');

        return dot ? (size_t)(dot - name) : 0;
}

void pgw_settings_print(const struct pgw_settings *s, FILE *out)
{
        bool done[PGW_SETTING_COUNT] = {false};

        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const char *name = pgw_settings_table[i].name;
                const size_t group = group_size(name);
                if (done[i])
                        continue;
                if (!group) {
                        fprintf(out, "%s: ", name);
                        print_value(out, s, &pgw_settings_table[i]);
                        fputc('\n', out);
                        continue;
                }
                fprintf(out, "%.*s:\n", (int)group, name);
                for (size_t k = i; k < PGW_SETTING_COUNT; k++) {
                        const char *other = pgw_settings_table[k].name;
                        if (group_size(other) != group || strncmp(other, name, group) != 0)
                                continue;
                        done[k] = true;
                        fprintf(out, "  %s: ", other + group + 1);
                        print_value(out, s, &pgw_settings_table[k]);
                        fputc('\n', out);
                }
        }
}

static void print_default(FILE *out, const struct pgw_setting *t)
{
        static const char *const units[] = {"", " ms", " s", " bytes"};

        switch (t->kind) {
        case NUMBER:
                fprintf(out, "%llu%s", (unsigned long long)t->number, units[t->unit]);
                break;
        case SWITCH:
                fputs(t->number ? "true" : "false", out);
                break;
        case CHOICE:
                print_choice(out, t->text, (int)t->number);
                break;
        default:
                fputs(t->text[0] ? t->text : "none", out);
                break;
        }
}

void pgw_settings_help(FILE *out)
{
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_setting *t = &pgw_settings_table[i];
                fputs("  --", out);
                for (const char *c = t->name; *c; c++)
                        fputc(*c == '.' || *c == '_' ? '-' : *c, out);
                fputs(t->kind == SECRET ? "-file=FILE" : "=VALUE", out);
                fprintf(out, "\n        %s (default: ", t->help);
                print_default(out, t);
                fputs(")\n", out);
        }
}

void pgw_settings_document(FILE *out)
{
        fputs(
            "# Configuration\n\n"
            "Settings come from the defaults, then one YAML file (`--config FILE`, or\n"
            "`" PGW_SETTINGS_DEFAULT_FILE "` when it exists), then the environment, then flags.\n"
            "`limits.body_bytes` is `limits:` / `body_bytes:` in the file,\n"
            "`PURGEWAY_LIMITS_BODY_BYTES` in the environment and `--limits-body-bytes` as a flag.\n"
            "A name that is not known is refused. Secrets are read from the file, from the\n"
            "environment, or from a file of their own: `broker.password_file`,\n"
            "`PURGEWAY_BROKER_PASSWORD_FILE`, `--broker-password-file`.\n\n"
            "`purgeway serve --check-config` says whether all is right, `--print-config` shows "
            "what\n"
            "would be used. SIGHUP reads everything again; what needs a restart is logged, and a\n"
            "mistake leaves the running settings as they are. This page is made from the program\n"
            "(`purgeway help settings`).\n\n"
            "| setting | default | range | SIGHUP | meaning |\n|---|---|---|---|---|\n",
            out);
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_setting *t = &pgw_settings_table[i];
                fprintf(out, "| `%s` | ", t->name);
                print_default(out, t);
                if (t->kind == NUMBER)
                        fprintf(out, " | %llu to %llu | ", (unsigned long long)t->min,
                                (unsigned long long)t->max);
                else if (t->kind == CHOICE) {
                        fputs(" | ", out);
                        for (const char *c = t->text; *c; c++)
                                *c == '|' ? fputs(", ", out) : fputc(*c, out);
                        fputs(" | ", out);
                } else
                        fputs(" | | ", out);
                fprintf(out, "%s | %s |\n", t->reload ? "yes" : "", t->help);
        }
}
