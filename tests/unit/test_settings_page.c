/* What the program prints about its settings reads back, hides secrets, and is what the
 * documents say; the documents are read from the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "role/settings.h"
#include "role/settings_priv.h"
#include "role/usage.h"

static struct pgw_settings *loaded(const char *yaml)
{
        struct pgw_settings *s = pgw_settings_defaults();
        struct pgw_fault fault = {"", ""};

        if (pgw_settings_read_yaml(s, "f", pgw_str_z(yaml), &fault) ||
            pgw_settings_check(s, &fault))
                fail_msg("%s: %s", fault.pointer, fault.detail);
        return s;
}

static char *printed(const struct pgw_settings *s)
{
        char *text;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        pgw_settings_print(s, f);
        assert_int_equal(fclose(f), 0);
        return text;
}

static void what_is_printed_reads_back_to_the_same(void **state)
{
        struct pgw_settings *s = loaded(
            "listen: ['127.0.0.1:1', '[::1]:2']\ndata_dir: \"/a \\\"b\\\\ \xc3\xa9 #: - x\"\n"
            "limits:\n  body_bytes: 2KiB\nlog:\n  level: warn\nqueue:\n  name: '0123'\n");
        char *first = printed(s);
        struct pgw_settings *again = loaded(first);
        char *second = printed(again);

        (void)state;
        assert_string_equal(second, first);
        assert_string_equal(again->data_dir, "/a \"b\\ \xc3\xa9 #: - x");
        assert_string_equal(again->queue_name, "0123");
        pgw_settings_free(s);
        pgw_settings_free(again);
        free(first);
        free(second);
}

static void secrets_are_masked_and_a_mask_is_no_secret(void **state)
{
        struct pgw_settings *s = loaded("broker:\n  password: hunter2\n");
        char *text = printed(s);

        (void)state;
        assert_null(strstr(text, "hunter2"));
        assert_non_null(strstr(text, "\n  password: \"********\"\n"));
        assert_non_null(strstr(text, "\n  password: \"\"\n"));
        struct pgw_settings *again = pgw_settings_defaults();
        struct pgw_fault fault;
        assert_int_equal(pgw_settings_read_yaml(again, "f", pgw_str_z(text), &fault), PGW_E_CONFIG);
        assert_non_null(strstr(fault.detail, "broker.password: this is the mask"));
        pgw_settings_free(again);
        pgw_settings_free(s);
        free(text);
}

static char *read_whole(const char *path)
{
        FILE *f = fopen(path, "r");
        char *text = NULL;
        size_t room = 0;

        if (!f)
                fail_msg("%s cannot be read; run the test in the root of the source tree", path);
        assert_true(getdelim(&text, &room, '\0', f) > 0);
        fclose(f);
        return text;
}

static char *usage_of(const char *verb)
{
        char *text;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        pgw_usage(f, verb);
        assert_int_equal(fclose(f), 0);
        return text;
}

static void the_page_of_settings_is_up_to_date(void **state)
{
        char *page = read_whole("docs/configuration.md"), *now = usage_of("settings");

        (void)state;
        if (strcmp(page, now) != 0)
                fail_msg("run: build/purgeway help settings > docs/configuration.md");
        free(page);
        free(now);
}

static void the_example_is_up_to_date(void **state)
{
        char *file = read_whole("deploy/purgeway.yaml"), *now = usage_of("example");

        (void)state;
        if (strcmp(file, now) != 0)
                fail_msg("run: build/purgeway help example > deploy/purgeway.yaml");
        free(file);
        free(now);
}

static void the_page_of_errors_is_up_to_date(void **state)
{
        char *page = read_whole("docs/errors.md"), *now = usage_of("errors");

        (void)state;
        if (strcmp(page, now) != 0)
                fail_msg("run: build/purgeway help errors > docs/errors.md");
        free(page);
        free(now);
}

/* "password_file: ..." stands below "password: ...", to be used instead. */
static bool is_file_line(const char *line)
{
        const char *colon = strchr(line, ':');

        return colon && colon - line > 5 && strncmp(colon - 5, "_file", 5) == 0;
}

static void the_example_loads_as_it_is_and_with_all_its_lines(void **state)
{
        char *file = usage_of("example");
        struct pgw_settings *s = loaded(file);
        struct pgw_settings *defaults = loaded("");
        char *mine = printed(s), *theirs = printed(defaults);

        (void)state;
        assert_string_equal(mine, theirs);
        free(mine);
        pgw_settings_free(s);
        /* "#name: value" is a setting, "# Words." is a comment. */
        for (char *at = file + 1; *at; at++)
                if (at[0] == '#' && at[1] != ' ' && at[1] != '\n' && strchr(" \n", at[-1]) &&
                    !is_file_line(at))
                        memmove(at, at + 1, strlen(at));
        s = loaded(file);
        mine = printed(s);
        assert_string_equal(mine, theirs);
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                const char *dot = strchr(pgw_settings_table[i].name, '.');
                char line[PGW_SETTINGS_NAME_MAX + 8];
                snprintf(line, sizeof line, "\n%s%s:", dot ? "  " : "",
                         dot ? dot + 1 : pgw_settings_table[i].name);
                assert_non_null(strstr(file, line));
        }
        pgw_settings_free(s);
        pgw_settings_free(defaults);
        free(mine);
        free(theirs);
        free(file);
}

static void help_names_every_flag(void **state)
{
        static const char *const verbs[] = {"serve", "gateway", "worker"};
        char spelled[PGW_SETTINGS_NAME_MAX];

        (void)state;
        for (size_t v = 0; v < 3; v++) {
                char *text = usage_of(verbs[v]);
                assert_non_null(strstr(text, "--check-config"));
                for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                        pgw_setting_spell(pgw_settings_table[i].name, PGW_SPELLED_FLAG, spelled);
                        assert_non_null(strstr(text, spelled));
                }
                assert_non_null(strstr(text, "--broker-password-file=FILE"));
                assert_null(strstr(text, "--broker-password="));
                char first[64];
                snprintf(first, sizeof first, "purgeway %s ", verbs[v]);
                assert_int_equal(strncmp(text, first, strlen(first)), 0);
                free(text);
        }
        char *text = usage_of(NULL);
        assert_non_null(strstr(text, "purgeway serve"));
        free(text);
}

static void the_manual_names_every_setting(void **state)
{
        char *page = read_whole("docs/man/purgeway.8");
        char line[PGW_SETTINGS_NAME_MAX + 16];

        (void)state;
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++) {
                snprintf(line, sizeof line, "\n.It Cm %s\n", pgw_settings_table[i].name);
                if (!strstr(page, line))
                        fail_msg("docs/man/purgeway.8 does not know %s",
                                 pgw_settings_table[i].name);
        }
        free(page);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_printed_reads_back_to_the_same),
            cmocka_unit_test(secrets_are_masked_and_a_mask_is_no_secret),
            cmocka_unit_test(the_page_of_settings_is_up_to_date),
            cmocka_unit_test(the_example_is_up_to_date),
            cmocka_unit_test(the_page_of_errors_is_up_to_date),
            cmocka_unit_test(the_example_loads_as_it_is_and_with_all_its_lines),
            cmocka_unit_test(help_names_every_flag),
            cmocka_unit_test(the_manual_names_every_setting),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
