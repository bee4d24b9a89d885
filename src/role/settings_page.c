/* The table of settings for people: flags, a page of documentation, an example file. */
#include <string.h>

#include "role/settings_priv.h"

#define PGW_SETTINGS_COLUMNS 96

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
                pgw_setting_print_choice(out, t->text, (int)t->number);
                break;
        default:
                fputs(t->text[0] ? t->text : "none", out);
                break;
        }
}

/* Words in lines that begin with `indent`. */
static void print_wrapped(FILE *out, const char *indent, const char *words)
{
        size_t column = strlen(indent);

        fputs(indent, out);
        for (bool first = true; *words; first = false) {
                const size_t n = strcspn(words, " ");
                if (!first && column + 1 + n > PGW_SETTINGS_COLUMNS) {
                        fprintf(out, "\n%s", indent);
                        column = strlen(indent);
                } else if (!first) {
                        fputc(' ', out);
                        column++;
                }
                fprintf(out, "%.*s", (int)n, words);
                column += n;
                words += n + (words[n] == ' ');
        }
        fputc('\n', out);
}

void pgw_settings_help(FILE *out)
{
        static const char *const values[] = {"VALUE", "FILE", "NUMBER", "true|false", "VALUE", ""};
        static const char *const units[] = {"NUMBER", "TIME", "TIME", "SIZE"};
        char spelled[PGW_SETTINGS_NAME_MAX];

        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const struct pgw_setting *t = &pgw_settings_table[i];
                pgw_setting_spell(t->name, PGW_SPELLED_FLAG, spelled);
                fprintf(out, "  %s%s=%s", spelled, t->kind == SECRET ? "-file" : "",
                        t->kind == CHOICE   ? t->text
                        : t->kind == NUMBER ? units[t->unit]
                                            : values[t->kind]);
                fputs(t->kind == LIST ? " ...\n" : "\n", out);
                print_wrapped(out, "        ", t->help);
                if (t->kind == SECRET)
                        continue;
                fputs("        default: ", out);
                print_default(out, t);
                fputc('\n', out);
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
            "A name that is not known is refused, with the nearest one that is. Sizes take KiB, "
            "MiB\n"
            "and GiB, times take ms, s, m and h (days for seconds: d). Texts that YAML would take "
            "for\n"
            "numbers need quotes. A list is repeated flags, or separated by commas in a variable;\n"
            "a source that gives a list replaces the one before.\n\n"
            "Secrets are read from the file, from the environment, or from a file of their own:\n"
            "`broker.password_file`, `PURGEWAY_BROKER_PASSWORD_FILE`, `--broker-password-file`.\n"
            "They are never flags, and never printed.\n\n"
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

static const char example_head[] =
    "# Purgeway's settings; made from the program (purgeway help example), every setting with\n"
    "# its default. See also purgeway(8) and /usr/share/doc/purgeway/configuration.md.\n"
    "#\n"
    "# What is not set here has its default, or comes from the environment or a flag, which are\n"
    "# over this file. Names that are not known are refused. Check a change with\n"
    "#     purgeway serve --config FILE --check-config\n"
    "# and let the service take it with systemctl reload purgeway; what is marked `restart` needs\n"
    "# systemctl restart purgeway. Sizes take KiB, MiB, GiB; times take ms, s, m, h.\n";

/* These two stand there as settings: nobody should have to ask where it listens and where
 * its data is. */
static bool is_shown(const struct pgw_setting *t)
{
        return !strcmp(t->name, "listen") || !strcmp(t->name, "data_dir");
}

static void print_example(FILE *out, const struct pgw_settings *s, const struct pgw_setting *t,
                          size_t group)
{
        char words[512];

        snprintf(words, sizeof words, "%s%s", t->help, t->reload ? "" : " (restart)");
        fputc('\n', out);
        print_wrapped(out, group ? "  # " : "# ", words);
        fprintf(out, "%s%s%s: ", group ? "  " : "", is_shown(t) ? "" : "#",
                t->name + (group ? group + 1 : 0));
        pgw_setting_print_value(out, s, t);
        fputc('\n', out);
        if (t->kind == SECRET)
                fprintf(out, "  #%s_file: /etc/purgeway/%.*s.%s\n", t->name + group + 1, (int)group,
                        t->name, t->name + group + 1);
}

void pgw_settings_example(FILE *out)
{
        bool done[PGW_SETTING_COUNT] = {false};
        struct pgw_settings *s = pgw_settings_defaults();

        fputs(example_head, out);
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const char *name = pgw_settings_table[i].name;
                const size_t group = pgw_setting_group_size(name);
                if (done[i])
                        continue;
                if (!group) {
                        print_example(out, s, &pgw_settings_table[i], 0);
                        continue;
                }
                fprintf(out, "\n%.*s:\n", (int)group, name);
                for (size_t k = i; k < PGW_SETTING_COUNT; k++) {
                        const char *other = pgw_settings_table[k].name;
                        if (pgw_setting_group_size(other) != group ||
                            strncmp(other, name, group) != 0)
                                continue;
                        done[k] = true;
                        print_example(out, s, &pgw_settings_table[k], group);
                }
        }
        pgw_settings_free(s);
}
