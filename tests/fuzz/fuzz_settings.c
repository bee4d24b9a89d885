/* Bytes as a settings file, variables and flags, separated by NULs. Whatever is accepted must
 * print as YAML that is accepted and prints the same; whatever is refused says why in one
 * line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "role/settings_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS_MAX 16

/* The words between NULs: those that begin with "--" are flags, the others variables. The
 * paths of secrets would make the fuzzer read whatever lies around. */
static void split(char *text, size_t size, char **flags, int *flag_count, char **env)
{
        int variables = 0;

        *flag_count = 0;
        for (char *word = text; word < text + size; word += strlen(word) + 1) {
                if (strstr(word, "-file") || strstr(word, "_FILE") || strstr(word, "--config"))
                        continue;
                if (strncmp(word, "--", 2) == 0 && *flag_count < WORDS_MAX)
                        flags[(*flag_count)++] = word;
                else if (variables < WORDS_MAX)
                        env[variables++] = word;
        }
}

static char *print(const struct pgw_settings *s, size_t *ret_size)
{
        char *text = NULL;
        FILE *f = open_memstream(&text, ret_size);

        PGW_ASSERT(f);
        pgw_settings_print(s, f);
        PGW_ASSERT(fclose(f) == 0);
        return text;
}

static void must_read_back(struct pgw_settings *s)
{
        struct pgw_settings *again;
        struct pgw_fault fault = {"", ""};
        char *no_env[] = {NULL}, *first, *second;
        size_t first_size, second_size;

        s->broker_password[0] = s->results_password[0] = s->target_password[0] = '\0';
        first = print(s, &first_size);
        PGW_ASSERT(pgw_settings_load(0, NULL, no_env, &fault, &again) == PGW_OK);
        if (pgw_settings_read_yaml(again, "f", pgw_str_of(first, first_size), &fault))
                pgw_panic("%s: %s\n%s", fault.pointer, fault.detail, first);
        second = print(again, &second_size);
        PGW_ASSERT(first_size == second_size && memcmp(first, second, first_size) == 0);
        free(first);
        free(second);
        pgw_settings_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *flags[WORDS_MAX + 1] = {NULL}, *env[WORDS_MAX + 1] = {NULL};
        char *copy = pgw_memdup((const char *)data, size);
        const size_t file_size = strlen(copy);
        struct pgw_fault fault = {"", ""};
        struct pgw_settings *s;
        char *no_env[] = {NULL};
        int flag_count = 0;
        enum pgw_err err;

        PGW_ASSERT(pgw_settings_load(0, NULL, no_env, &fault, &s) == PGW_OK);
        if (file_size < size)
                split(copy + file_size + 1, size - file_size - 1, flags, &flag_count, env);
        err = strstr(copy, "_file")
                  ? PGW_OK
                  : pgw_settings_read_yaml(s, "f", pgw_str_of(copy, file_size), &fault);
        if (!err)
                err = pgw_settings_read_env(s, env, &fault);
        if (!err)
                err = pgw_settings_read_flags(s, flag_count, flags, &fault);
        if (!err)
                must_read_back(s);
        if (!err)
                err = pgw_settings_check(s, &fault);
        if (err)
                PGW_ASSERT(fault.detail[0] && !strpbrk(fault.detail, "\n"));
        pgw_settings_free(s);
        pgw_free(copy);
        return 0;
}
