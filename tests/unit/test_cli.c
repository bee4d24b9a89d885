/* The client verbs: pure parts by themselves, whole verbs against a gateway of a few
 * lines that runs in a child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job.h"
#include "cli/keys.h"
#include "cli/say.h"

#define ARGC(argv) ((int)(sizeof(argv) / sizeof((argv)[0])))

/* ---- a gateway --------------------------------------------------------------------- */

#define REQUEST_SIZE_MAX (4 * 1024 * 1024)

static char url[64];

static void answer(int fd, int status, const char *body)
{
        char head[256];

        snprintf(head, sizeof head,
                 "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                 status, strlen(body));
        if (write(fd, head, strlen(head)) < 0 || write(fd, body, strlen(body)) < 0)
                _exit(1);
}

static void answer_post(int fd, const char *head, const char *body, size_t size)
{
        static int job;
        char text[512];
        json_t *parsed = json_loadb(body, size, JSON_ALLOW_NUL, NULL);
        const char *reason = json_string_value(json_object_get(parsed, "reason"));
        const size_t count = json_array_size(json_object_get(parsed, "keys")),
                     raw = json_array_size(json_object_get(parsed, "keys_base64"));

        job++;
        if (reason && strcmp(reason, "full") == 0)
                answer(fd, 503, "{\"title\":\"The queue is at its limit.\",\"status\":503}");
        else if (reason && strcmp(reason, "bad") == 0)
                answer(fd, 422,
                       "{\"title\":\"No.\",\"errors\":[{\"pointer\":\"#/keys/0\","
                       "\"detail\":\"too\\u001b long\"}]}");
        else if (strstr(head, "Prefer: wait=") && !(reason && strcmp(reason, "slow") == 0)) {
                snprintf(
                    text, sizeof text,
                    "{\"job_id\":\"j%d\",\"status\":\"succeeded\",\"result\":{\"requested\":%zu,"
                    "\"removed\":%zu,\"missing\":%zu}}",
                    job, count + raw, count, raw);
                answer(fd, 200, text);
        } else {
                snprintf(text, sizeof text, "{\"job_id\":\"%s%d\",\"status\":\"queued\"}",
                         reason ? "slow" : "j", job);
                answer(fd, 202, text);
        }
        json_decref(parsed);
}

static void answer_get(int fd, const char *path)
{
        if (strncmp(path, "/v1/queues ", 11) == 0)
                answer(
                    fd, 200,
                    "{\"queues\":[{\"name\":\"main\",\"depth\":12,\"lanes\":["
                    "{\"lane\":\"high\",\"waiting\":7},{\"lane\":\"low\",\"waiting\":12345}]}]}");
        else if (strncmp(path, "/v1/jobs/gone ", 14) == 0)
                answer(fd, 404, "{\"title\":\"There is no such job.\"}");
        else if (strncmp(path, "/v1/jobs/sick ", 14) == 0)
                answer(
                    fd, 200,
                    "{\"job_id\":\"sick\",\"status\":\"dead\",\"error\":{\"code\":\"store_busy\","
                    "\"detail\":\"It is busy.\"}}");
        else if (strncmp(path, "/v1/jobs/slow", 13) == 0)
                answer(fd, 200, "{\"job_id\":\"slow\",\"status\":\"running\"}");
        else
                answer(fd, 200,
                       "{\"job_id\":\"j\",\"status\":\"succeeded\",\"attempts\":1,"
                       "\"result\":{\"removed\":10,\"missing\":1}}");
}

/* One connection at a time, requests one after another. */
static void serve_connection(int fd, char *request)
{
        size_t have = 0;

        for (;;) {
                char *end;
                request[have] = 0;
                while (!(end = strstr(request, "\r\n\r\n"))) {
                        const ssize_t n = read(fd, request + have, REQUEST_SIZE_MAX - have);
                        if (n <= 0)
                                return;
                        have += (size_t)n;
                        request[have] = 0;
                }
                const char *length = strstr(request, "Content-Length: ");
                const size_t size = length ? strtoul(length + 16, NULL, 10) : 0;
                const size_t head = (size_t)(end + 4 - request);
                while (have < head + size) {
                        const ssize_t n = read(fd, request + have, REQUEST_SIZE_MAX - have);
                        if (n <= 0)
                                return;
                        have += (size_t)n;
                }
                end[2] = 0;
                if (strncmp(request, "POST /v1/invalidations ", 23) == 0)
                        answer_post(fd, request, request + head, size);
                else
                        answer_get(fd, request + 4);
                have -= head + size;
                memmove(request, request + head + size, have);
        }
}

static pid_t start_gateway(void)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t size = sizeof at;
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 8) != 0 ||
            getsockname(fd, (struct sockaddr *)&at, &size) != 0)
                return -1;
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
        const pid_t pid = fork();
        if (pid == 0) {
                char *request = calloc(1, REQUEST_SIZE_MAX + 1);
                for (;;) {
                        const int peer = accept(fd, NULL, NULL);
                        if (peer < 0)
                                _exit(1);
                        serve_connection(peer, request);
                        close(peer);
                }
        }
        close(fd);
        return pid;
}

/* ---- running a verb ---------------------------------------------------------------- */

static char out[16384], err[16384];

typedef int verb_f(int argc, char *argv[]);

static void collect(FILE *from, char *text, size_t size)
{
        rewind(from);
        text[fread(text, 1, size - 1, from)] = 0;
        fclose(from);
}

/* Run with stdin from `input` (may be NULL); leaves what was printed in out and err. */
static int run(verb_f *verb, int argc, char *argv[], const char *input, size_t input_size)
{
        FILE *files[3] = {tmpfile(), tmpfile(), tmpfile()};
        int saved[3];

        if (input_size)
                assert_int_equal(fwrite(input, 1, input_size, files[0]), input_size);
        rewind(files[0]);
        fflush(stdout);
        fflush(stderr);
        for (int i = 0; i < 3; i++) {
                saved[i] = dup(i);
                dup2(fileno(files[i]), i);
        }
        const int status = verb(argc, argv);
        fflush(stdout);
        fflush(stderr);
        for (int i = 0; i < 3; i++) {
                dup2(saved[i], i);
                close(saved[i]);
        }
        fclose(files[0]);
        collect(files[1], out, sizeof out);
        collect(files[2], err, sizeof err);
        return status;
}

#define RUN(verb, ...) run_with(verb, NULL, 0, (char *[]){#verb, __VA_ARGS__, NULL})

static int run_with(verb_f *verb, const char *input, size_t size, char *argv[])
{
        int argc = 0;

        while (argv[argc])
                argc++;
        return run(verb, argc, argv, input, size);
}

/* ---- arguments --------------------------------------------------------------------- */

static void reads_arguments_in_any_order(void **state)
{
        char *argv[] = {"purge",    "a",      "--wait=5", "b",        "--url",
                        "http://x", "--json", "--",       "--reason", "-"};
        struct pgw_cli_args args;

        (void)state;
        assert_int_equal(pgw_cli_args_parse(ARGC(argv), argv,
                                            PGW_CLI_TAKES_WAIT | PGW_CLI_TAKES_KEYS, &args, NULL),
                         PGW_OK);
        assert_int_equal(args.wait_s, 5);
        assert_true(args.json);
        assert_false(args.from_stdin);
        assert_string_equal(args.url, "http://x");
        assert_null(args.reason);
        assert_int_equal(args.operand_count, 4);
        assert_string_equal(args.operands[1], "b");
        assert_string_equal(args.operands[2], "--reason");
        assert_string_equal(args.operands[3], "-");
        pgw_cli_args_fini(&args);
}

static void nul_separation_implies_standard_input(void **state)
{
        char *argv[] = {"purge", "-0", "--priority", "low", "--reason=why = so"};
        struct pgw_cli_args args;

        (void)state;
        assert_int_equal(pgw_cli_args_parse(ARGC(argv), argv, PGW_CLI_TAKES_KEYS, &args, NULL),
                         PGW_OK);
        assert_true(args.from_stdin);
        assert_true(args.nul_separated);
        assert_string_equal(args.priority, "low");
        assert_string_equal(args.reason, "why = so");
        pgw_cli_args_fini(&args);
}

static void refuses_wrong_arguments(void **state)
{
        static const struct {
                const char *words[2];
                unsigned takes;
                const char *why;
        } wrong[] = {
            {{"--insecure", NULL}, PGW_CLI_TAKES_WAIT, "unknown option --insecure"},
            {{"--wait", "1"}, PGW_CLI_TAKES_KEYS, "unknown option --wait"},
            {{"--stdin", NULL}, PGW_CLI_TAKES_WAIT, "unknown option --stdin"},
            {{"--wait", NULL}, PGW_CLI_TAKES_WAIT, "--wait needs a value"},
            {{"--wait", "1s"}, PGW_CLI_TAKES_WAIT, "--wait takes whole seconds, 0 to 3600"},
            {{"--wait=3601", NULL}, PGW_CLI_TAKES_WAIT, "--wait takes whole seconds, 0 to 3600"},
            {{"--wait=", NULL}, PGW_CLI_TAKES_WAIT, "--wait takes whole seconds, 0 to 3600"},
            {{"--json=yes", NULL}, 0, "--json takes no value"},
            {{"-x", NULL}, 0, "unknown option -x"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                char *argv[] = {"verb", (char *)(uintptr_t)wrong[i].words[0],
                                (char *)(uintptr_t)wrong[i].words[1]};
                struct pgw_cli_args args = {.url = "untouched"};
                struct pgw_fault fault = {"", ""};
                assert_int_equal(pgw_cli_args_parse(wrong[i].words[1] ? 3 : 2, argv, wrong[i].takes,
                                                    &args, &fault),
                                 PGW_E_INVALID);
                assert_string_equal(fault.detail, wrong[i].why);
                assert_string_equal(args.url, "untouched");
        }
}

/* ---- keys -------------------------------------------------------------------------- */

static void takes_keys_apart_without_changing_them(void **state)
{
        struct pgw_cli_key_reader lines = {PGW_STR("a\n\nb c\r\n\xff\nlast"), '\n'};
        struct pgw_cli_key_reader nuls = {PGW_STR("a\nb\0\0c\0"), '\0'};
        struct pgw_str key;

        (void)state;
        assert_true(pgw_cli_key_next(&lines, &key) && pgw_str_eq_z(key, "a"));
        assert_true(pgw_cli_key_next(&lines, &key) && pgw_str_eq_z(key, "b c\r"));
        assert_true(pgw_cli_key_next(&lines, &key) && pgw_str_eq_z(key, "\xff"));
        assert_true(pgw_cli_key_next(&lines, &key) && pgw_str_eq_z(key, "last"));
        assert_false(pgw_cli_key_next(&lines, &key));
        assert_true(pgw_cli_key_next(&nuls, &key) && pgw_str_eq_z(key, "a\nb"));
        assert_true(pgw_cli_key_next(&nuls, &key) && pgw_str_eq_z(key, "c"));
        assert_false(pgw_cli_key_next(&nuls, &key));
}

static void only_keys_that_are_no_text_become_base64(void **state)
{
        struct pgw_cli_batch batch;

        (void)state;
        pgw_cli_batch_init(&batch);
        assert_true(pgw_cli_batch_add(&batch, PGW_STR("plain")));
        assert_true(pgw_cli_batch_add(&batch, PGW_STR("\xc3\xa4\n\"")));
        assert_true(pgw_cli_batch_add(&batch, PGW_STR("\xff\xfe")));
        assert_true(pgw_cli_batch_add(&batch, PGW_STR("\xed\xa0\x80"))); /* a lone surrogate */
        json_t *body = pgw_cli_batch_take(&batch, "high", NULL);
        json_t *expected = json_loads("{\"keys\":[\"plain\",\"\\u00e4\\n\\\"\"],"
                                      "\"keys_base64\":[\"//4=\",\"7aCA\"],\"priority\":\"high\"}",
                                      0, NULL);
        assert_true(json_equal(body, expected));
        json_decref(body);
        json_decref(expected);

        /* The batch is empty again, and an empty list is not sent. */
        assert_true(pgw_cli_batch_add(&batch, PGW_STR("x")));
        body = pgw_cli_batch_take(&batch, NULL, "r");
        expected = json_loads("{\"keys\":[\"x\"],\"reason\":\"r\"}", 0, NULL);
        assert_true(json_equal(body, expected));
        json_decref(body);
        json_decref(expected);
        pgw_cli_batch_fini(&batch);
}

static void a_batch_is_full_by_count_and_by_size(void **state)
{
        static char large[4096];
        struct pgw_cli_batch batch;
        size_t n = 0;

        (void)state;
        pgw_cli_batch_init(&batch);
        while (pgw_cli_batch_add(&batch, PGW_STR("k")))
                n++;
        assert_int_equal(n, PGW_CLI_KEYS_MAX);
        json_decref(pgw_cli_batch_take(&batch, NULL, NULL));

        /* NULs take six bytes each in JSON. */
        while (pgw_cli_batch_add(&batch, pgw_str_of(large, sizeof large)))
                continue;
        json_t *body = pgw_cli_batch_take(&batch, NULL, NULL);
        n = json_dumpb(body, NULL, 0, JSON_COMPACT);
        assert_true(n > PGW_CLI_BODY_BYTES_MAX / 2);
        assert_true(n < PGW_CLI_BODY_BYTES_MAX + 100);
        json_decref(body);

        /* A key that fits into no request is still sent, for the gateway to refuse. */
        char *huge = calloc(1, PGW_CLI_BODY_BYTES_MAX);
        assert_true(pgw_cli_batch_add(&batch, pgw_str_of(huge, PGW_CLI_BODY_BYTES_MAX)));
        assert_false(pgw_cli_batch_add(&batch, PGW_STR("k")));
        free(huge);
        pgw_cli_batch_fini(&batch);
}

static void knows_ids_and_ends(void **state)
{
        (void)state;
        assert_true(pgw_cli_job_id_is_plain("aZ09-_.~"));
        assert_false(pgw_cli_job_id_is_plain(""));
        assert_false(pgw_cli_job_id_is_plain(".."));
        assert_false(pgw_cli_job_id_is_plain("a/b"));
        assert_false(pgw_cli_job_id_is_plain("a?b"));
        json_t *job = json_pack("{s:s}", "status", "retrying");
        assert_false(pgw_cli_job_is_over(job));
        json_object_set_new(job, "status", json_string("cancelled"));
        assert_true(pgw_cli_job_is_over(job));
        json_decref(job);
}

static void tells_problems_in_one_line(void **state)
{
        char line[256], small[8];
        struct pgw_cli_answer answer = {
            .status = 422,
            .body = json_loads("{\"title\":\"No.\",\"detail\":\"Two things.\",\"errors\":["
                               "{\"pointer\":\"#/a\",\"detail\":\"x\"},"
                               "{\"pointer\":\"#/b\",\"detail\":\"y\"}]}",
                               0, NULL),
            .from = "http://gateway"};

        (void)state;
        pgw_cli_problem_line(&answer, line, sizeof line);
        assert_string_equal(line, "No. Two things. #/a: x; #/b: y");
        pgw_cli_problem_line(&answer, small, sizeof small);
        assert_string_equal(small, "No. Two");
        json_decref(answer.body);
        answer.body = NULL;
        answer.status = 502;
        pgw_cli_problem_line(&answer, line, sizeof line);
        assert_string_equal(line, "http://gateway answered 502");
}

/* ---- whole verbs ------------------------------------------------------------------- */

static void purges(void **state)
{
        (void)state;
        assert_int_equal(RUN(pgw_cli_purge, "--url", url, "a", "b", "\xff"), PGW_EXIT_OK);
        assert_non_null(strstr(out, "queued (job j"));
        assert_string_equal(err, "");
        assert_int_equal(RUN(pgw_cli_purge, "--url", url, "--wait", "3", "a", "b", "\xff"),
                         PGW_EXIT_OK);
        assert_memory_equal(out, "removed 2, missing 1 (job j", 27);
        assert_int_equal(RUN(pgw_cli_purge, "--url", url, "--wait", "3", "--json", "a"),
                         PGW_EXIT_OK);
        json_t *job = json_loads(out, 0, NULL);
        assert_string_equal(pgw_cli_text(job, "status"), "succeeded");
        json_decref(job);
}

static void purges_more_than_one_request_holds(void **state)
{
        static char input[5 * 2500];
        char *argv[] = {"purge", "--stdin", "--wait", "9", "--url", url, NULL};
        int lines = 0;

        (void)state;
        for (size_t i = 0; i < 2500; i++)
                memcpy(input + i * 5, "abcd\n", 5);
        assert_int_equal(run_with(pgw_cli_purge, input, sizeof input, argv), PGW_EXIT_OK);
        for (const char *c = out; *c; c++)
                lines += *c == '\n';
        assert_int_equal(lines, 4);
        assert_non_null(strstr(out, "removed 30, missing 3 in 3 jobs\n"));
}

static void exit_status_tells_what_happened(void **state)
{
        char nobody[] = "http://127.0.0.1:1";

        (void)state;
        assert_int_equal(RUN(pgw_cli_purge, "--url", url, "--reason", "full", "a"),
                         PGW_EXIT_UNAVAILABLE);
        assert_string_equal(err, "purgeway: purge: The queue is at its limit.\n");
        assert_int_equal(RUN(pgw_cli_purge, "--url", url, "--reason", "bad", "a"), PGW_EXIT_FAILED);
        assert_string_equal(err, "purgeway: purge: No. #/keys/0: too? long\n");
        assert_int_equal(RUN(pgw_cli_purge, "--url", url, "--reason", "slow", "--wait", "1", "a"),
                         PGW_EXIT_FAILED);
        assert_non_null(strstr(err, "has not ended within 1 s (running)"));
        assert_int_equal(RUN(pgw_cli_purge, "--url", nobody, "a"), PGW_EXIT_UNAVAILABLE);
        assert_int_equal(RUN(pgw_cli_purge, "--url", "ftp://x", "a"), PGW_EXIT_USAGE);
        assert_int_equal(RUN(pgw_cli_purge, "--json"), PGW_EXIT_USAGE);
        assert_int_equal(RUN(pgw_cli_purge, ""), PGW_EXIT_USAGE);
        assert_int_equal(RUN(pgw_cli_purge, "--reason", "\xff", "a"), PGW_EXIT_USAGE);
        assert_int_equal(RUN(pgw_cli_purge, "--help"), PGW_EXIT_OK);
        assert_memory_equal(out, "usage: purgeway purge", 21);
}

static void shows_a_job(void **state)
{
        (void)state;
        setenv("PURGEWAY_URL", url, 1);
        assert_int_equal(RUN(pgw_cli_status, "j"), PGW_EXIT_OK);
        assert_string_equal(out,
                            "job_id           j\nstatus           succeeded\nattempts         1\n"
                            "removed          10\nmissing          1\n");
        assert_int_equal(RUN(pgw_cli_status, "slow"), PGW_EXIT_OK);
        assert_int_equal(RUN(pgw_cli_status, "slow", "--wait", "1"), PGW_EXIT_FAILED);
        assert_int_equal(RUN(pgw_cli_status, "sick"), PGW_EXIT_FAILED);
        assert_string_equal(err, "purgeway: status: job sick: dead: store_busy: It is busy.\n");
        assert_int_equal(RUN(pgw_cli_status, "gone"), PGW_EXIT_FAILED);
        assert_string_equal(err, "purgeway: status: gone: There is no such job.\n");
        assert_int_equal(RUN(pgw_cli_status, "a/b"), PGW_EXIT_USAGE);
        assert_int_equal(RUN(pgw_cli_status, "a", "b"), PGW_EXIT_USAGE);
        unsetenv("PURGEWAY_URL");
}

static void shows_the_queues(void **state)
{
        (void)state;
        assert_int_equal(RUN(pgw_cli_queues, "--url", url), PGW_EXIT_OK);
        assert_string_equal(out, "name  depth  lane  waiting\n"
                                 "main     12  high        7\n"
                                 "main     12  low     12345\n");
        assert_int_equal(RUN(pgw_cli_queues, "--url", url, "--json"), PGW_EXIT_OK);
        assert_memory_equal(out, "{\"queues\":[", 11);
        assert_int_equal(RUN(pgw_cli_queues, "main"), PGW_EXIT_USAGE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(reads_arguments_in_any_order),
            cmocka_unit_test(nul_separation_implies_standard_input),
            cmocka_unit_test(refuses_wrong_arguments),
            cmocka_unit_test(takes_keys_apart_without_changing_them),
            cmocka_unit_test(only_keys_that_are_no_text_become_base64),
            cmocka_unit_test(a_batch_is_full_by_count_and_by_size),
            cmocka_unit_test(knows_ids_and_ends),
            cmocka_unit_test(tells_problems_in_one_line),
            cmocka_unit_test(purges),
            cmocka_unit_test(purges_more_than_one_request_holds),
            cmocka_unit_test(exit_status_tells_what_happened),
            cmocka_unit_test(shows_a_job),
            cmocka_unit_test(shows_the_queues),
        };

        unsetenv("http_proxy");
        unsetenv("all_proxy");
        unsetenv("PURGEWAY_URL");
        const pid_t gateway = start_gateway();
        if (gateway < 0)
                return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        kill(gateway, SIGKILL);
        waitpid(gateway, NULL, 0);
        return failed;
}
