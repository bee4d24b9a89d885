/* `purgeway key`: API keys, and what the file of identities keeps of them. Asks no gateway: whoever
 * makes keys need not be where it runs. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/identity_name.h"
#include "cli/cli.h"
#include "cli/say.h"
#include "cli/secret.h"
#include "cli/verb.h"

static const struct pgw_cli_verb verb = {
    .name = "key",
    .help =
        "usage: purgeway key new [--name NAME ...]\n"
        "       purgeway key hash\n"
        "\n"
        "new    make an API key for each NAME, or one, and print it; it is kept nowhere. Below\n"
        "       it stands what belongs into the file of identities (setting identities.file),\n"
        "       which is no secret.\n"
        "hash   print that for the key on standard input, or for another secret that nobody\n"
        "       can guess\n"
        "\n"
        "With the pepper of the gateways (setting identities.pepper) in "
        "PURGEWAY_IDENTITIES_PEPPER,\n"
        "or in the file that PURGEWAY_IDENTITIES_PEPPER_FILE names, the hash is keyed with it.\n"
        "\n"
        "exit status: 0 done, 1 it is no key, 2 usage\n",
};

static void print_hash(const char *before, struct pgw_str secret, struct pgw_str pepper,
                       const char *behind)
{
        char hash[PGW_SECRET_HASH_CHARS];
        const size_t n = pgw_secret_hash_text(secret, pepper, hash);

        printf("%s\"%.*s\"%s", before, (int)n, hash, behind);
}

/* False, and said, when there is one that cannot be. */
static bool read_pepper(char out[PGW_SECRET_SIZE_MAX + 1])
{
        struct pgw_fault fault = {"", ""};

        if (pgw_cli_pepper(out, &fault))
                pgw_cli_say_error(verb.name, "%s", fault.detail);
        else if (out[0] && strlen(out) < PGW_SECRET_SIZE_MIN)
                pgw_cli_say_error(verb.name, "the pepper must have at least %d characters",
                                  PGW_SECRET_SIZE_MIN);
        else
                return true;
        return false;
}

static void make(const char *name, struct pgw_str pepper)
{
        char key[PGW_API_KEY_SIZE];

        pgw_api_key_make(key);
        printf("%.*s\n", (int)sizeof key, key);
        if (name)
                printf("  - name: \"%s\"\n", name); /* for 7 and true are names, too */
        print_hash(name ? "    keys: [" : "", pgw_str_of(key, sizeof key), pepper,
                   name ? "]\n" : "\n");
        explicit_bzero(key, sizeof key);
}

/* The names, in the order given, at the beginning of argv; -1 when something else stands there. */
static int take_names(int argc, char *argv[])
{
        int count = 0;

        for (int i = 0; i < argc; i++) {
                const char *name = NULL;
                if (strcmp(argv[i], "--name") == 0 && i + 1 < argc)
                        name = argv[++i];
                else if (strncmp(argv[i], "--name=", 7) == 0)
                        name = argv[i] + 7;
                if (!name || !pgw_identity_name_is_valid(pgw_str_z(name)))
                        return -1;
                argv[count++] = (char *)(uintptr_t)name;
        }
        return count;
}

static int run_new(int argc, char *argv[])
{
        const int count = take_names(argc, argv);
        char pepper[PGW_SECRET_SIZE_MAX + 1];

        if (count < 0)
                return pgw_cli_verb_misused(&verb,
                                            "new takes --name NAME and nothing else; a name has 1 "
                                            "to 64 letters, digits, '-', '_' or '.'");
        if (!read_pepper(pepper))
                return PGW_EXIT_FAILED;
        if (count == 0)
                make(NULL, pgw_str_z(pepper));
        for (int i = 0; i < count; i++)
                make(argv[i], pgw_str_z(pepper));
        explicit_bzero(pepper, sizeof pepper);
        return pgw_cli_verb_end(&verb, PGW_EXIT_OK);
}

/* What begins like a key and is not whole was cut or mistyped. */
static const char *why_not(struct pgw_str secret)
{
        if (pgw_str_starts(secret, PGW_STR(PGW_API_KEY_PREFIX)))
                return pgw_api_key_is_whole(secret) ? NULL : "this key is not whole";
        return secret.n < PGW_SECRET_SIZE_MIN ? "a secret of less than 32 characters can be guessed"
                                              : NULL;
}

static int run_hash(void)
{
        char secret[PGW_SECRET_SIZE_MAX + 1], pepper[PGW_SECRET_SIZE_MAX + 1];
        struct pgw_fault fault = {"", ""};
        const char *why = NULL;

        if (!read_pepper(pepper))
                return PGW_EXIT_FAILED;
        if (pgw_cli_secret_read(stdin, secret, &fault))
                why = fault.detail;
        else
                why = why_not(pgw_str_z(secret));
        if (why)
                pgw_cli_say_error(verb.name, "%s", why);
        else
                print_hash("", pgw_str_z(secret), pgw_str_z(pepper), "\n");
        explicit_bzero(secret, sizeof secret);
        explicit_bzero(pepper, sizeof pepper);
        return pgw_cli_verb_end(&verb, why ? PGW_EXIT_FAILED : PGW_EXIT_OK);
}

int pgw_cli_key(int argc, char *argv[])
{
        const char *word = argc > 1 ? argv[1] : "";

        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        fputs(verb.help, stdout);
                        return pgw_cli_verb_end(&verb, PGW_EXIT_OK);
                }
        if (strcmp(word, "new") == 0)
                return run_new(argc - 2, argv + 2);
        if (strcmp(word, "hash") == 0 && argc == 2)
                return run_hash();
        return pgw_cli_verb_misused(&verb, "say `new` or `hash`");
}
