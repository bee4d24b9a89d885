/* Settings: what each source gives, what is refused and in which words, and what a reload takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "role/settings.h"
#include "role/settings_priv.h"
#include "role/settings_url.h"

static char dir[] = "/tmp/pgw-test-settings-XXXXXX";
static char config_flag[128], config[128];

static char *no_env[] = {NULL};

/* ---- a case: a file, an environment, flags ---- */

#define WORDS(...)                                                                                 \
        (char *[])                                                                                 \
        {                                                                                          \
                __VA_ARGS__ __VA_OPT__(, ) NULL                                                    \
        }

static void write_file(const char *name, const void *bytes, size_t size)
{
        char path[128];

        snprintf(path, sizeof path, "%s/%s", dir, name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, size, f), size);
        assert_int_equal(fclose(f), 0);
}

static int count(char **words)
{
        int n = 0;

        while (words[n])
                n++;
        return n;
}

/* Load with the flags, and the file `yaml` unless it is NULL. */
static enum pgw_err load(const char *yaml, char **env, char **flags, struct pgw_fault *fault,
                         struct pgw_settings **ret)
{
        char *words[80] = {NULL};
        int n = 0;

        if (yaml) {
                write_file("purgeway.yaml", yaml, strlen(yaml));
                words[n++] = config_flag;
        }
        for (int i = 0; i < count(flags); i++)
                words[n++] = flags[i];
        return pgw_settings_load(n, words, env, fault, ret);
}

static struct pgw_settings *loaded(const char *yaml, char **env, char **flags)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_settings *s = NULL;

        if (load(yaml, env, flags, &fault, &s))
                fail_msg("%s: %s", fault.pointer, fault.detail);
        return s;
}

static void refused(const char *yaml, char **env, char **flags, const char *pointer,
                    const char *detail)
{
        struct pgw_settings *const untouched = (struct pgw_settings *)&dir, *s = untouched;
        struct pgw_fault fault = {"", ""};
        enum pgw_err err = load(yaml, env, flags, &fault, &s);

        assert_true(err == PGW_E_CONFIG || err == PGW_E_INVALID);
        assert_ptr_equal(s, untouched);
        assert_string_equal(fault.pointer, pointer);
        if (!strstr(fault.detail, detail))
                fail_msg("'%s' is not in '%s'", detail, fault.detail);
        assert_null(strpbrk(fault.detail, "\r\n"));
        assert_int_equal(load(yaml, env, flags, NULL, &s), err); /* nobody wants to know why */
}

static void file_refused(const char *yaml, unsigned line, const char *detail)
{
        char where[160];

        snprintf(where, sizeof where, "%s:%u", config, line);
        refused(yaml, no_env, WORDS(), where, detail);
}

static void env_refused(char *variable, const char *pointer, const char *detail)
{
        refused(NULL, WORDS(variable), WORDS(), pointer, detail);
}

static void flag_refused(char *flag, const char *pointer, const char *detail)
{
        refused(NULL, no_env, WORDS(flag), pointer, detail);
}

/* ---- sources ---- */

static void defaults_are_those_of_the_table(void **state)
{
        struct pgw_settings *s = loaded(NULL, no_env, WORDS());

        (void)state;
        assert_int_equal(s->listen_count, 1);
        assert_string_equal(s->listen[0], "127.0.0.1:7780");
        assert_int_equal(s->tls_listen_count, 0);
        assert_int_equal(s->limits_body_bytes, 1048576);
        assert_true(s->http2);
        assert_int_equal(s->broker_durability, 1);
        assert_string_equal(s->broker_password, "");
        assert_string_equal(s->config_path, "");
        pgw_settings_free(s);
        pgw_settings_free(NULL);
}

static void a_file_sets_every_kind(void **state)
{
        struct pgw_settings *s = loaded("listen:\n- 127.0.0.1:1\n- '[::1]:2'\n"
                                        "tls: {}\nlimits:\n  body_bytes: 64KiB\n  idle_ms: 5s\n"
                                        "worker:\n  # nothing yet\nthreads: 3\nhttp2: false\n"
                                        "broker:\n  url: unix:///run/r.sock?db=3\n"
                                        "  durability: replicated\n  password: 'p w'\n"
                                        "results: {ttl_s: 2d}\nlog.level: debug\n",
                                        no_env, WORDS());

        (void)state;
        assert_int_equal(s->listen_count, 2);
        assert_string_equal(s->listen[1], "[::1]:2");
        assert_int_equal(s->limits_body_bytes, 65536);
        assert_int_equal(s->limits_idle_ms, 5000);
        assert_int_equal(s->threads, 3);
        assert_false(s->http2);
        assert_string_equal(s->broker_url, "unix:///run/r.sock?db=3");
        assert_int_equal(s->broker_durability, 2);
        assert_string_equal(s->broker_password, "p w");
        assert_int_equal(s->results_ttl_s, 172800);
        assert_int_equal(s->log_level, 0);
        assert_string_equal(s->config_path, config);
        pgw_settings_free(s);
}

static void an_empty_file_is_no_settings(void **state)
{
        (void)state;
        pgw_settings_free(loaded("", no_env, WORDS()));
        pgw_settings_free(loaded("# nothing\n---\n", no_env, WORDS()));
}

static void the_environment_is_over_the_file_and_flags_over_both(void **state)
{
        struct pgw_settings *s =
            loaded("threads: 1\nqueue:\n  name: file\n  depth: 11\nlisten: 127.0.0.1:1\n",
                   WORDS("PURGEWAY_QUEUE_NAME=env", "PURGEWAY_QUEUE_DEPTH=12", "HOME=/x", "odd",
                         "PURGEWAY_LISTEN= 127.0.0.1:2 , 127.0.0.1:3", "PURGEWAY_URL=http://x",
                         "PURGEWAY_FAILPOINT=x", "PURGEWAYS=1"),
                   WORDS("--queue-name", "flag", "--log-access=true"));

        (void)state;
        assert_int_equal(s->threads, 1);
        assert_string_equal(s->queue_name, "flag");
        assert_int_equal(s->queue_depth, 12);
        assert_int_equal(s->listen_count, 2);
        assert_string_equal(s->listen[0], "127.0.0.1:2");
        assert_string_equal(s->listen[1], "127.0.0.1:3");
        assert_true(s->log_access);
        pgw_settings_free(s);
}

static void repeated_flags_make_a_list_that_replaces_the_one_before(void **state)
{
        struct pgw_settings *s = loaded(
            NULL, WORDS("PURGEWAY_LISTEN=127.0.0.1:9"),
            WORDS("--listen", "127.0.0.1:1", "--listen=localhost:2", "--threads=1", "--threads=2"));

        (void)state;
        assert_int_equal(s->listen_count, 2);
        assert_string_equal(s->listen[0], "127.0.0.1:1");
        assert_string_equal(s->listen[1], "localhost:2");
        assert_int_equal(s->threads, 2);
        pgw_settings_free(s);
        s = loaded(NULL, WORDS("PURGEWAY_LISTEN="), WORDS());
        assert_int_equal(s->listen_count, 0);
        pgw_settings_free(s);
        s = loaded("listen: []\n", no_env, WORDS());
        assert_int_equal(s->listen_count, 0);
        pgw_settings_free(s);
}

static void every_setting_is_found_by_its_three_names(void **state)
{
        char spelled[PGW_SETTINGS_NAME_MAX];
        bool is_file = true;

        (void)state;
        for (size_t i = 0; i < PGW_SETTING_COUNT; i++)
                for (int k = PGW_SPELLED_FILE; k <= PGW_SPELLED_FLAG; k++) {
                        pgw_setting_spell(pgw_settings_table[i].name, (enum pgw_spelling)k,
                                          spelled);
                        assert_ptr_equal(
                            pgw_setting_find(pgw_str_z(spelled), (enum pgw_spelling)k, &is_file),
                            &pgw_settings_table[i]);
                        assert_false(is_file);
                }
        pgw_setting_spell("limits.body_bytes", PGW_SPELLED_ENV, spelled);
        assert_string_equal(spelled, "PURGEWAY_LIMITS_BODY_BYTES");
        pgw_setting_spell("limits.body_bytes", PGW_SPELLED_FLAG, spelled);
        assert_string_equal(spelled, "--limits-body-bytes");
}

/* ---- refusals of the file ---- */

static void unknown_names_are_refused_with_line_and_hint(void **state)
{
        (void)state;
        file_refused("threads: 1\nlimts:\n  body_bytes: 5\n", 3,
                     "unknown setting 'limts.body_bytes'; did you mean 'limits.body_bytes'?");
        file_refused("lisen: x\n", 1, "unknown setting 'lisen'; did you mean 'listen'?");
        file_refused("\n\ncompletely_else: x\n", 3, "unknown setting 'completely_else'");
        file_refused("empty: {}\n", 1, "unknown setting 'empty'");
        file_refused("limits:\n  body_bytes:\n    deep: 1\n", 2, "limits.body_bytes: must be");
        file_refused("'a/b~c':\n  d: 1\n", 2, "unknown setting 'a/b~c.d'");
        file_refused("limits:\n  \"x\\ny\": 1\n", 2, "unknown setting 'limits.x?y'");
        file_refused("threads_file: x\n", 1, "only a secret is read from a file");
        file_refused("broker: up\n", 1, "broker: must be a mapping, not a text");
        file_refused("broker: [1]\n", 1, "broker: must be a mapping, not a list");
}

static void wrong_types_are_refused_with_what_would_be_right(void **state)
{
        (void)state;
        file_refused("threads: [1]\n", 1,
                     "threads: must be a whole number from 0 to 128, not a list");
        file_refused("threads: true\n", 1, "not true or false");
        file_refused("threads: {a: 1}\n", 1, "unknown setting 'threads.a'");
        file_refused("threads:\n", 1, "threads: has no value; leave the line out");
        file_refused("http2: 1\n", 1, "http2: must be true or false");
        file_refused("http2: yes\n", 1, "http2: 'yes' is neither true nor false");
        file_refused("data_dir: 5\n", 1,
                     "data_dir: must be a text, not a number; put it in quotes");
        file_refused("queue:\n  name: true\n", 2, "queue.name: must be a text, not true or false");
        file_refused("queue:\n  name: [a]\n", 2, "queue.name: must be a text, not a list");
        file_refused("listen: 5\n", 1, "listen: must be a list of texts, not a number");
        file_refused("listen: [a, 5]\n", 1, "listen: must be a list of texts, not a number");
        file_refused("log:\n  level: 5\n", 2, "log.level: must be a text");
        file_refused("log:\n  level: loud\n", 2,
                     "log.level: 'loud' is none of debug|info|warn|error");
        file_refused("broker:\n  password: 0123\n", 2, "broker.password: must be a text");
        file_refused("broker:\n  password_file: 5\n", 2,
                     "broker.password_file: must be the path of a file");
        file_refused("data_dir: \"a\\nb\"\n", 1, "data_dir: a text must be UTF-8 without control");
        file_refused("data_dir: \"a\\x80b\"\n", 1, "without control");
        file_refused("listen: [\"a\\0b\"]\n", 1, "without control");
}

static void numbers_have_ranges_and_units(void **state)
{
        (void)state;
        file_refused(
            "limits:\n  body_bytes: 1\n", 2,
            "limits.body_bytes: '1' is not a whole number from 1024 to 67108864 (bytes, or "
            "with KiB, MiB, GiB)");
        file_refused("limits:\n  body_bytes: 65MiB\n", 2, "'65MiB' is not");
        file_refused("limits:\n  body_bytes: 64KB\n", 2, "'64KB' is not");
        file_refused("limits:\n  body_bytes: 1.5MiB\n", 2, "'1.5MiB' is not");
        file_refused("limits:\n  body_bytes: 1.5\n", 2, "'1.5' is not");
        file_refused("limits:\n  body_bytes: -1\n", 2, "'-1' is not");
        file_refused("limits:\n  body_bytes: 99999999999999999999\n", 2, "is not a whole number");
        file_refused("limits:\n  body_bytes: '18446744073709551616'\n", 2, "is not a whole");
        file_refused("limits:\n  body_bytes: 18014398509481984KiB\n", 2, "is not a whole number");
        file_refused("limits:\n  body_bytes: ''\n", 2, "'' is not a whole number");
        file_refused("limits:\n  body_bytes: KiB\n", 2, "'KiB' is not a whole number");
        file_refused("limits:\n  idle_ms: 5d\n", 2, "(milliseconds, or with ms, s, m, h)");
        file_refused("results:\n  ttl_s: 5ms\n", 2, "(seconds, or with s, m, h, d)");
        file_refused("threads: 1k\n", 1, "'1k' is not a whole number from 0 to 128");
        file_refused("threads: '1\n\n  2'\n", 1, "'1?2' is not");
        file_refused("threads: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\n", 1,
                     "ddddddddddeeeeeeee...' is not");
        struct pgw_settings *s = loaded("limits:\n  body_bytes: 1 MiB\n  request_ms: 1m\n"
                                        "  idle_ms: '1h'\n  handshake_ms: 700ms\n",
                                        no_env, WORDS());
        assert_int_equal(s->limits_body_bytes, 1048576);
        assert_int_equal(s->limits_request_ms, 60000);
        assert_int_equal(s->limits_idle_ms, 3600000);
        assert_int_equal(s->limits_handshake_ms, 700);
        pgw_settings_free(s);
}

static void what_is_no_settings_file_is_refused(void **state)
{
        char large[200], *flags[] = {large, NULL};

        (void)state;
        file_refused("threads: 1\nthreads: 2\n", 2, "twice");
        file_refused("a: [\n", 2, "column");
        file_refused("- listen\n", 1, "must be a mapping of names");
        file_refused("word\n", 1, "must be a mapping of names");
        refused(NULL, no_env, WORDS("--config", "/nowhere/p.yaml"), "/nowhere/p.yaml", "No such");
        refused(NULL, no_env, WORDS("--config=/tmp"), "/tmp", "regular file");
        snprintf(large, sizeof large, "--config=%s/large.yaml", dir);
        char path[200];
        snprintf(path, sizeof path, "%s/large.yaml", dir);
        write_file("large.yaml", "", 0);
        assert_int_equal(truncate(path, PGW_SETTINGS_FILE_MAX + 1), 0);
        refused(NULL, no_env, flags, path, "at most 1048576 bytes");
}

/* ---- refusals of variables and flags ---- */

static void wrong_variables_are_refused_by_name(void **state)
{
        (void)state;
        env_refused("PURGEWAY_BROKER_URLL=x", "environment",
                    "unknown variable 'PURGEWAY_BROKER_URLL'; did you mean 'PURGEWAY_BROKER_URL'?");
        env_refused("PURGEWAY_=x", "environment", "unknown variable 'PURGEWAY_'");
        env_refused("PURGEWAY_PORT=tcp://10.0.0.1:7780", "environment",
                    "enableServiceLinks: false");
        env_refused("PURGEWAY_SERVICE_HOST=10.0.0.1", "environment", "enableServiceLinks: false");
        env_refused("PURGEWAY_PORT_7780_TCP=x", "environment", "enableServiceLinks: false");
        env_refused("PURGEWAY_THREADS=many", "PURGEWAY_THREADS", "'many' is not a whole number");
        env_refused("PURGEWAY_THREADS=", "PURGEWAY_THREADS", "'' is not a whole number");
        env_refused("PURGEWAY_HTTP2=1", "PURGEWAY_HTTP2", "'1' is neither true nor false");
        env_refused("PURGEWAY_LISTEN=a,b", "listen", "'a' is no address");
        env_refused("PURGEWAY_LISTEN=127.0.0.1:1,b\nc", "PURGEWAY_LISTEN", "without control");
        env_refused("PURGEWAY_DATA_DIR=\xff", "PURGEWAY_DATA_DIR", "must be UTF-8");
        env_refused("PURGEWAY_LISTEN=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "PURGEWAY_LISTEN",
                    "at most 16 values");
}

static void wrong_flags_are_usage_errors(void **state)
{
        struct pgw_settings *s;

        (void)state;
        flag_refused("operand", "", "unexpected argument 'operand'; flags begin with --");
        flag_refused("-t", "", "unexpected argument '-t'");
        flag_refused("a\nb", "", "unexpected argument 'a?b'");
        flag_refused("--a\nb", "", "--a?b needs a value");
        flag_refused("--", "", "unexpected argument '--'");
        flag_refused("--listen", "", "--listen needs a value");
        flag_refused("--limits-body-byte=1", "",
                     "unknown flag '--limits-body-byte'; did you mean '--limits-body-bytes'?");
        flag_refused("--limits.body_bytes=1", "", "did you mean '--limits-body-bytes'?");
        flag_refused("--data-dir-file=x", "", "only a secret is read from a file");
        flag_refused("--broker-password=hunter2", "", "use --broker-password-file");
        assert_int_equal(load(NULL, no_env, WORDS("--nonsense=1"), NULL, &s), PGW_E_INVALID);
        flag_refused("--threads=many", "--threads", "'many' is not a whole number");
        assert_int_equal(load(NULL, no_env, WORDS("--threads=many"), NULL, &s), PGW_E_CONFIG);
}

/* ---- secrets ---- */

static char *file_word(const char *prefix, const char *name)
{
        static char words[4][256];
        static unsigned next;
        char *word = words[next++ % 4];

        snprintf(word, 256, "%s%s/%s", prefix, dir, name);
        return word;
}

static void secrets_come_from_files(void **state)
{
        char yaml[200];
        struct pgw_settings *s;

        (void)state;
        write_file("secret", "s3cret\r\n", 8);
        write_file("spaced", " a b \n\n", 7);
        write_file("bytes", "\xff\x01", 2);
        write_file("empty", "", 0);
        snprintf(yaml, sizeof yaml, "broker:\n  password_file: %s/secret\n", dir);
        s = loaded(yaml, WORDS(file_word("PURGEWAY_RESULTS_PASSWORD_FILE=", "spaced")),
                   WORDS(file_word("--target-password-file=", "bytes")));
        assert_string_equal(s->broker_password, "s3cret");
        assert_string_equal(s->results_password, " a b \n");
        assert_string_equal(s->target_password, "\xff\x01");
        pgw_settings_free(s);

        s = loaded(yaml, WORDS("PURGEWAY_BROKER_PASSWORD=over"),
                   WORDS("--broker-password-file", file_word("", "empty")));
        assert_string_equal(s->broker_password, "");
        pgw_settings_free(s);
}

/* What is printed must read back, so nothing is taken that YAML does not keep as it is. */
static void texts_that_yaml_does_not_keep_are_refused(void **state)
{
        static const char *const bad[] = {
            "\x01",         "\n",           "\x7f",         "\xc2\x85",     "\xc2\x9f",
            "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xef\xbf\xbe", "\xff"};
        char flag[64];

        (void)state;
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                snprintf(flag, sizeof flag, "--data-dir=/a%sb", bad[i]);
                flag_refused(flag, "--data-dir", "without control characters");
        }
        pgw_settings_free(loaded("data_dir: \"/\xe2\x80\xa7\xe2\x80\xaa\xc2\xa0\xef\xbf\xbd\"\n",
                                 no_env, no_env));
}

static void a_secret_given_twice_by_one_source_is_refused(void **state)
{
        char yaml[200];

        (void)state;
        write_file("secret", "x", 1);
        snprintf(yaml, sizeof yaml, "broker:\n  password: a\n  password_file: %s/secret\n", dir);
        file_refused(yaml, 3, "broker.password_file: given twice");
        refused(NULL,
                WORDS(file_word("PURGEWAY_BROKER_PASSWORD_FILE=", "secret"),
                      "PURGEWAY_BROKER_PASSWORD=b"),
                WORDS(), "PURGEWAY_BROKER_PASSWORD", "given twice");
        refused(NULL, no_env,
                WORDS(file_word("--broker-password-file=", "secret"),
                      file_word("--broker-password-file=", "secret")),
                "--broker-password-file", "given twice");
}

static void what_cannot_be_a_secret_is_refused(void **state)
{
        static char large[PGW_SETTINGS_SECRET_MAX + 4];

        (void)state;
        memset(large, 'a', sizeof large);
        write_file("nul", "a\0b", 3);
        write_file("large", large, sizeof large);
        write_file("long", large, PGW_SETTINGS_SECRET_MAX + 1);
        file_refused("broker:\n  password: \"a\\0b\"\n", 2, "must not contain a NUL");
        file_refused("broker:\n  password: '********'\n", 2, "the mask that --print-config shows");
        flag_refused(file_word("--broker-password-file=", "nul"), "--broker-password-file",
                     "must not contain a NUL");
        flag_refused(file_word("--broker-password-file=", "large"), "--broker-password-file",
                     "regular file of at most");
        flag_refused(file_word("--broker-password-file=", "long"), "--broker-password-file",
                     "a secret has at most 4096 bytes");
        flag_refused("--broker-password-file=/no\nwhere", "--broker-password-file",
                     "/no?where: No");
        flag_refused(file_word("--broker-password-file=", "none"), "--broker-password-file",
                     "No such file");
}

static void no_refusal_shows_a_secret(void **state)
{
        struct pgw_fault fault;
        struct pgw_settings *s;
        static char *const variables[] = {"PURGEWAY_BROKER_URL=redis://u:hunter2@h",
                                          "PURGEWAY_BROKER_URL=redis://u:hunter2@h/x",
                                          "PURGEWAY_BROKER_URL=rediss://u:hunter2@h",
                                          "PURGEWAY_BROKER_URL=redis://:hunter2@h:x",
                                          "PURGEWAY_BROKER_PASWORD=hunter2",
                                          "PURGEWAY_BROKER_URL=redis://h?password=hunter2"};

        (void)state;
        for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
                memset(&fault, 0, sizeof fault);
                assert_int_equal(load(NULL, WORDS(variables[i]), WORDS(), &fault, &s),
                                 PGW_E_CONFIG);
                assert_true(fault.detail[0] != '\0');
                assert_null(strstr(fault.detail, "hunter2"));
                assert_null(strstr(fault.pointer, "hunter2"));
        }
}

/* ---- the whole ---- */

static void addresses_are_loopback_or_meant(void **state)
{
        static char *const good[] = {"127.0.0.1:0", "127.9.9.9:80", "[::1]:65535", "localhost:1",
                                     "[::ffff:127.0.0.1]:1"};
        static char *const open[] = {"0.0.0.0:1",  "[::]:1",
                                     "10.0.0.1:1", "127.0.0.1.example.com:1",
                                     "127.1:1",    "example.com:1"};
        static char *const bad[] = {
            "localhost", "127.0.0.1:65536", ":1", "[::1", "::1:1", "x:", "x:y", "[]:1", ""};
        char word[128];

        (void)state;
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
                pgw_settings_free(loaded(NULL, no_env, WORDS("--listen", good[i])));
        for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
                snprintf(word, sizeof word, "--listen=%s", open[i]);
                flag_refused(word, "listen", "set listen_anywhere to true");
                pgw_settings_free(
                    loaded(NULL, no_env, WORDS("--listen", open[i], "--listen-anywhere=true")));
                snprintf(word, sizeof word, "--tls-listen=%s", open[i]);
                flag_refused(word, "tls.listen", "is not a loopback address");
        }
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                refused(NULL, no_env, WORDS("--listen", bad[i], "--listen-anywhere=true"), "listen",
                        "is no address; write HOST:PORT");
}

static void there_are_only_so_many_listeners(void **state)
{
        char *flags[PGW_SETTINGS_LISTENERS_MAX + 2] = {NULL};

        (void)state;
        for (size_t i = 0; i < PGW_SETTINGS_LISTENERS_MAX; i++)
                flags[i] = "--listen=127.0.0.1:0";
        pgw_settings_free(loaded(NULL, no_env, flags));
        flags[PGW_SETTINGS_LISTENERS_MAX] = "--tls-listen=127.0.0.1:0";
        refused(NULL, no_env, flags, "listen", "at most 16 addresses, with those of tls.listen");
}

static void tls_needs_its_files(void **state)
{
        char *const key = file_word("--tls-key=", "key.pem"),
                    *const certificate = file_word("--tls-certificate=", "c.pem"),
                    *const none = file_word("--tls-key=", "none.pem");

        (void)state;
        write_file("key.pem", "", 0);
        write_file("c.pem", "", 0);
        flag_refused("--tls-listen=127.0.0.1:1", "tls.listen", "needs tls.certificate and tls.key");
        refused(NULL, no_env, WORDS("--tls-listen=127.0.0.1:1", key), "tls.listen", "needs tls.");
        refused(NULL, no_env, WORDS("--tls-listen=127.0.0.1:1", certificate, none), "tls.key",
                "cannot be read: No such file");
        refused(NULL, no_env,
                WORDS("--tls-listen=127.0.0.1:1", "--tls-certificate=/nowhere/c.pem", key),
                "tls.certificate", "cannot be read: No such file");
        pgw_settings_free(
            loaded(NULL, no_env, WORDS("--tls-listen=127.0.0.1:1", certificate, key)));
        flag_refused("--contract=/nowhere/c.yaml", "contract", "cannot be read");
}

static void a_worker_must_be_heard_twice_before_it_is_given_up(void **state)
{
        (void)state;
        refused(NULL, no_env, WORDS("--worker-idle-ms=2s", "--worker-beat-ms=1s"), "worker.beat_ms",
                "must be less than half of worker.idle_ms (2000)");
        pgw_settings_free(
            loaded(NULL, no_env, WORDS("--worker-idle-ms=2s", "--worker-beat-ms=999")));
        pgw_settings_free(loaded(NULL, no_env, WORDS("--worker-idle-ms=100")));
}

static void a_queue_has_a_plain_name(void **state)
{
        (void)state;
        flag_refused("--queue-name=", "queue.name", "1 to 64 letters, digits");
        flag_refused("--queue-name=a{b}", "queue.name", "1 to 64 letters, digits");
}

static void addresses_of_redis_are_read(void **state)
{
        struct pgw_redis_url url;

        (void)state;
        assert_int_equal(pgw_redis_url_parse("redis://me@[::1]:7000/5", &url, NULL), PGW_OK);
        assert_string_equal(url.user, "me");
        assert_int_equal(url.seed_count, 1);
        assert_string_equal(url.seeds[0].host, "::1");
        assert_string_equal(url.seeds[0].port, "7000");
        assert_int_equal(url.db, 5);
        assert_string_equal(url.unix_path, "");
        assert_int_equal(pgw_redis_url_parse("redis://cache.example/", &url, NULL), PGW_OK);
        assert_string_equal(url.seeds[0].host, "cache.example");
        assert_string_equal(url.seeds[0].port, "6379");
        assert_int_equal(url.db, 0);
        assert_int_equal(pgw_redis_url_parse("unix:///a b", &url, NULL), PGW_OK);
        assert_string_equal(url.unix_path, "/a b");
        assert_int_equal(url.seed_count, 0);
        assert_int_equal(pgw_redis_url_parse("rediss-sentinel://me@a,b:7,[::1]/mymaster/3?ca=/x%20y"
                                             "&cert=/c&key=/k&name=n&sentinel_user=s&password_file="
                                             "/p&sentinel_password_file=/q&verify=no",
                                             &url, NULL),
                         PGW_OK);
        assert_int_equal(url.kind, PGW_SENTINEL);
        assert_true(url.tls && url.unverified);
        assert_int_equal(url.seed_count, 3);
        assert_string_equal(url.seeds[0].port, "26379");
        assert_string_equal(url.seeds[1].port, "7");
        assert_string_equal(url.seeds[2].host, "::1");
        assert_string_equal(url.master, "mymaster");
        assert_int_equal(url.db, 3);
        assert_string_equal(url.ca, "/x y");
        assert_string_equal(url.sentinel_password_file, "/q");
        assert_int_equal(pgw_redis_url_parse("redis-cluster://a,b:7", &url, NULL), PGW_OK);
        assert_int_equal(url.kind, PGW_CLUSTER);
        assert_string_equal(url.seeds[0].port, "6379");
}

static void wrong_addresses_of_redis_are_refused_by_setting(void **state)
{
        static const struct {
                const char *url, *detail;
        } cases[] = {
            {"http://h", "begins with none of"},
            {"redis:/h", "begins with none of"},
            {"redis-clusters://h", "begins with none of"},
            {"redis://a,b", "one server has one host"},
            {"redis-cluster://a,,b", "host or port"},
            {"redis-cluster://a/1", "database 0 only"},
            {"redis-cluster://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", "more than 16"},
            {"redis-sentinel://a", "the master's name"},
            {"redis-sentinel://a/m/x", "database must be a number"},
            {"redis-sentinel://u:p@a/m", "a password does not belong"},
            {"redis://h?ca=/x", "go with rediss"},
            {"rediss://h?cert=/x", "given together"},
            {"rediss://h?verify=maybe", "not what is there for verify"},
            {"rediss://h?ca=%2", "not what is there for ca"},
            {"redis://h?sentinel_user=x", "go with Sentinels"},
            {"redis://", "host or port"},
            {"redis://:1", "host or port"},
            {"redis://h:", "host or port"},
            {"redis://h:0", "host or port"},
            {"redis://h:65536", "host or port"},
            {"redis://h:1:2", "host or port"},
            {"redis://::1", "host or port"},
            {"redis://[::1", "host or port"},
            {"redis://[::1]7", "host or port"},
            {"redis://a@b@c", "host or port"},
            {"redis://h?port=1", "behind '?' stand"},
            {"redis://h/x", "database must be a number"},
            {"redis://h/9999999", "database must be a number"},
            {"redis://u:p@h", "a password does not belong"},
            {"unix://", "must be absolute"},
            {"unix://a", "must be absolute"},
            {"unix:///a?db=x", "behind '?' stand"},
            {"unix:///a?password=x", "behind '?' stand"},
        };
        char long_path[160], long_user[200], word[256];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                snprintf(word, sizeof word, "--results-url=%s", cases[i].url);
                flag_refused(word, "results.url", cases[i].detail);
        }
        snprintf(long_path, sizeof long_path, "--target-url=unix:///%0107d", 0);
        flag_refused(long_path, "target.url", "at most 107 bytes");
        snprintf(long_user, sizeof long_user, "--broker-url=redis://%0128d@h", 0);
        flag_refused(long_user, "broker.url", "user's name is too long");
}

/* ---- reload ---- */

static enum pgw_err reload(struct pgw_settings *s, struct pgw_fault *note)
{
        struct pgw_settings *fresh;
        enum pgw_err err = pgw_settings_load(1, WORDS(config_flag), no_env, note, &fresh);

        if (!err) {
                pgw_settings_swap(s, fresh, note);
                pgw_settings_free(fresh);
        }
        return err;
}

static void a_reload_takes_what_may_change_and_names_the_rest(void **state)
{
        struct pgw_settings *s = loaded("log:\n  level: info\nthreads: 2\n", no_env, WORDS());
        struct pgw_fault note = {"x", "x"};

        (void)state;
        const char *yaml = "log:\n  level: error\ndrain_ms: 7\nthreads: 3\nlisten: 127.0.0.1:9\n"
                           "http2: false\nbroker:\n  password: new\n  durability: memory\n";
        write_file("purgeway.yaml", yaml, strlen(yaml));
        assert_int_equal(reload(s, &note), PGW_OK);
        assert_int_equal(s->log_level, 3);
        assert_int_equal(s->drain_ms, 7);
        assert_int_equal(s->threads, 2);
        assert_true(s->http2);
        assert_string_equal(s->broker_password, "");
        assert_string_equal(note.pointer, "");
        assert_string_equal(note.detail, "a restart is needed for listen, threads, http2, "
                                         "broker.password, broker.durability");
        assert_int_equal(reload(s, NULL), PGW_OK);
        pgw_settings_free(s);
}

static void a_reload_takes_texts_and_says_nothing_when_all_is_taken(void **state)
{
        struct pgw_settings *s = loaded("tls:\n  key: /a\n", no_env, WORDS());
        struct pgw_fault note = {"x", "x"};

        (void)state;
        write_file("purgeway.yaml", "tls:\n  key: /b\n", 15);
        assert_int_equal(reload(s, &note), PGW_OK);
        assert_string_equal(s->tls_key, "/b");
        assert_string_equal(note.detail, "");
        pgw_settings_free(s);
}

static void a_reload_that_fails_changes_nothing(void **state)
{
        struct pgw_settings *s = loaded("drain_ms: 5\n", no_env, WORDS());
        struct pgw_fault note = {"", ""};

        (void)state;
        write_file("purgeway.yaml", "drain_ms: 6\nlimits: 5\n", 22);
        assert_int_equal(reload(s, &note), PGW_E_CONFIG);
        assert_int_equal(s->drain_ms, 5);
        assert_non_null(strstr(note.pointer, ":2"));
        pgw_settings_free(s);
}

static int make_dir(void **state)
{
        (void)state;
        assert_non_null(mkdtemp(dir));
        snprintf(config, sizeof config, "%s/purgeway.yaml", dir);
        snprintf(config_flag, sizeof config_flag, "--config=%s", config);
        return 0;
}

static int remove_dir(void **state)
{
        static const char *const files[] = {"purgeway.yaml", "large.yaml", "secret", "spaced",
                                            "bytes",         "empty",      "nul",    "large",
                                            "long",          "key.pem",    "c.pem"};
        char path[128];

        (void)state;
        for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
                snprintf(path, sizeof path, "%s/%s", dir, files[i]);
                unlink(path);
        }
        return rmdir(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(defaults_are_those_of_the_table),
            cmocka_unit_test(a_file_sets_every_kind),
            cmocka_unit_test(an_empty_file_is_no_settings),
            cmocka_unit_test(the_environment_is_over_the_file_and_flags_over_both),
            cmocka_unit_test(repeated_flags_make_a_list_that_replaces_the_one_before),
            cmocka_unit_test(every_setting_is_found_by_its_three_names),
            cmocka_unit_test(unknown_names_are_refused_with_line_and_hint),
            cmocka_unit_test(wrong_types_are_refused_with_what_would_be_right),
            cmocka_unit_test(numbers_have_ranges_and_units),
            cmocka_unit_test(what_is_no_settings_file_is_refused),
            cmocka_unit_test(wrong_variables_are_refused_by_name),
            cmocka_unit_test(wrong_flags_are_usage_errors),
            cmocka_unit_test(secrets_come_from_files),
            cmocka_unit_test(texts_that_yaml_does_not_keep_are_refused),
            cmocka_unit_test(a_secret_given_twice_by_one_source_is_refused),
            cmocka_unit_test(what_cannot_be_a_secret_is_refused),
            cmocka_unit_test(no_refusal_shows_a_secret),
            cmocka_unit_test(addresses_are_loopback_or_meant),
            cmocka_unit_test(there_are_only_so_many_listeners),
            cmocka_unit_test(tls_needs_its_files),
            cmocka_unit_test(a_worker_must_be_heard_twice_before_it_is_given_up),
            cmocka_unit_test(a_queue_has_a_plain_name),
            cmocka_unit_test(addresses_of_redis_are_read),
            cmocka_unit_test(wrong_addresses_of_redis_are_refused_by_setting),
            cmocka_unit_test(a_reload_takes_what_may_change_and_names_the_rest),
            cmocka_unit_test(a_reload_takes_texts_and_says_nothing_when_all_is_taken),
            cmocka_unit_test(a_reload_that_fails_changes_nothing),
        };

        return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
