/* Lines of the log: JSON whatever the bytes, one write each, never in anybody's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"

static int pipe_fds[2];

static int open_pipe(void **state)
{
        (void)state;
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        assert_int_equal(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK), 0);
        pgw_log_set_fd(pipe_fds[1]);
        pgw_log_set_level(PGW_LOG_INFO);
        return 0;
}

static int close_pipe(void **state)
{
        (void)state;
        pgw_log_set_fd(STDERR_FILENO);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return 0;
}

/* What was logged since the last call, at most a pipe's worth. */
static const char *said(void)
{
        static char text[1 << 17];
        size_t have = 0;
        ssize_t n;

        while ((n = read(pipe_fds[0], text + have, sizeof text - 1 - have)) > 0)
                have += (size_t)n;
        text[have] = '\0';
        return text;
}

static json_t *one_line(void)
{
        json_error_t error;
        const char *text = said();
        const char *end = strchr(text, '\n');

        assert_non_null(end);
        assert_int_equal(end[1], '\0');
        assert_true(strlen(text) <= PGW_LOG_LINE_MAX);
        json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
        if (!line)
                fail_msg("%s: %s", error.text, text);
        return line;
}

static void has(json_t *line, const char *key, const char *value)
{
        assert_string_equal(json_string_value(json_object_get(line, key)), value);
}

static unsigned count_lines(const char *text)
{
        unsigned lines = 0;

        for (; *text; text++)
                lines += *text == '\n';
        return lines;
}

/* The tests that count begin a second, so that none ends in the middle. */
static void wait_for_a_new_second(void)
{
        while (pgw_mono_ms() % 1000 > 100)
                usleep(5000);
}

static void writes_fields_in_order(void **state)
{
        (void)state;
        PGW_LOG(PGW_LOG_WARN, "test.order", PGW_L_STR("link", "broker"), PGW_L_INT("ms", -12),
                PGW_L_STR("none", ""), PGW_L_STR("null", NULL), PGW_L_BYTES("key", "a\0b", 3));
        const char *text = said();
        assert_int_equal(strncmp(text, "{\"ts\":\"20", 9), 0);
        assert_non_null(strstr(text, "Z\",\"level\":\"warn\",\"event\":\"test.order\",\"link\":"
                                     "\"broker\",\"ms\":-12,\"key\":\"a\\u0000b\"}\n"));
}

static void needs_no_fields(void **state)
{
        (void)state;
        PGW_LOG(PGW_LOG_ERROR, "test.bare");
        json_t *line = one_line();
        has(line, "level", "error");
        has(line, "event", "test.bare");
        assert_int_equal(json_object_size(line), 3);
        json_decref(line);
}

static void writes_what_is_at_the_level_or_above(void **state)
{
        (void)state;
        pgw_log_set_level(PGW_LOG_WARN);
        assert_false(pgw_log_wants(PGW_LOG_DEBUG));
        assert_false(pgw_log_wants(PGW_LOG_INFO));
        assert_true(pgw_log_wants(PGW_LOG_WARN));
        assert_true(pgw_log_wants(PGW_LOG_ERROR));
        PGW_LOG(PGW_LOG_INFO, "test.quiet");
        assert_string_equal(said(), "");
        pgw_log_set_level(PGW_LOG_DEBUG);
        PGW_LOG(PGW_LOG_DEBUG, "test.loud");
        json_decref(one_line());
}

static void knows_levels_by_name(void **state)
{
        static const char *const names[] = {"debug", "info", "warn", "error"};
        enum pgw_log_level level = PGW_LOG_WARN;

        (void)state;
        assert_int_equal(pgw_log_level_of(PGW_STR("Warn"), &level), PGW_E_INVALID);
        assert_int_equal(pgw_log_level_of(PGW_STR(""), &level), PGW_E_INVALID);
        assert_int_equal(level, PGW_LOG_WARN);
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(pgw_log_level_of(pgw_str_z(names[i]), &level), PGW_OK);
                assert_int_equal(level, i);
        }
}

/* Undo the escape for bytes; true when `text` gives the bytes back. */
static bool gives_back(const char *text, const char *bytes, size_t size)
{
        char out[PGW_LOG_VALUE_MAX];
        size_t n = 0;

        for (; *text; text++) {
                unsigned value;
                if (text[0] == '\\') {
                        assert_int_equal(text[1], 'x');
                        assert_int_equal(sscanf(text + 2, "%2x", &value), 1);
                        out[n++] = (char)value;
                        text += 3;
                } else {
                        out[n++] = *text;
                }
        }
        return n == size && memcmp(out, bytes, size) == 0;
}

static void escapes_every_byte_so_that_it_comes_back(void **state)
{
        char bytes[255];

        (void)state;
        for (unsigned i = 0; i < sizeof bytes; i++)
                bytes[i] = (char)(i + 1); /* NUL is not for C strings; see the first test */
        PGW_LOG(PGW_LOG_INFO, "test.bytes", PGW_L_BYTES("key", bytes, sizeof bytes));
        json_t *line = one_line();
        assert_true(
            gives_back(json_string_value(json_object_get(line, "key")), bytes, sizeof bytes));
        json_decref(line);
}

static void tells_bytes_from_text_that_looks_like_them(void **state)
{
        (void)state;
        PGW_LOG(PGW_LOG_INFO, "test.alike", PGW_L_STR("text", "\\xff"), PGW_L_STR("byte", "\xff"),
                PGW_L_STR("half", "\xe2\x82"), PGW_L_STR("whole", "\xe2\x82\xac"));
        json_t *line = one_line();
        has(line, "text", "\\x5cxff");
        has(line, "byte", "\\xff");
        has(line, "half", "\\xe2\\x82");
        has(line, "whole", "\xe2\x82\xac");
        json_decref(line);
}

static void a_line_in_a_value_stays_in_its_line(void **state)
{
        (void)state;
        PGW_LOG(PGW_LOG_INFO, "test.forge", PGW_L_STR("key", "a\"}\r\n{\"event\":\"forged\"}"));
        json_t *line = one_line();
        has(line, "key", "a\"}\r\n{\"event\":\"forged\"}");
        json_decref(line);
}

static void cuts_long_values_and_says_so(void **state)
{
        char text[PGW_LOG_VALUE_MAX + 10];

        (void)state;
        memset(text, 'a', sizeof text);
        PGW_LOG(PGW_LOG_INFO, "test.exact", PGW_L_BYTES("key", text, PGW_LOG_VALUE_MAX));
        json_t *line = one_line();
        assert_null(json_object_get(line, "cut"));
        json_decref(line);

        PGW_LOG(PGW_LOG_INFO, "test.long", PGW_L_BYTES("key", text, sizeof text));
        line = one_line();
        assert_true(json_is_true(json_object_get(line, "cut")));
        assert_int_equal(json_string_length(json_object_get(line, "key")), PGW_LOG_VALUE_MAX);
        json_decref(line);
}

static void cuts_between_characters(void **state)
{
        char text[PGW_LOG_VALUE_MAX + 10];

        (void)state;
        for (size_t shift = 0; shift < 4; shift++) {
                memset(text, 'a', sizeof text);
                memcpy(text + PGW_LOG_VALUE_MAX - shift, "\xf0\x9f\x90\x98", 4);
                PGW_LOG(PGW_LOG_INFO, "test.between", PGW_L_BYTES("key", text, sizeof text));
                json_t *line = one_line();
                assert_int_equal(json_string_length(json_object_get(line, "key")),
                                 PGW_LOG_VALUE_MAX - shift);
                json_decref(line);
        }
}

static void leaves_out_what_does_not_fit_a_line(void **state)
{
        char bytes[PGW_LOG_VALUE_MAX];

        (void)state;
        memset(bytes, 0xff, sizeof bytes);
        PGW_LOG(PGW_LOG_INFO, "test.large", PGW_L_BYTES("a", bytes, sizeof bytes),
                PGW_L_BYTES("b", bytes, sizeof bytes), PGW_L_INT("after", 7));
        json_t *line = one_line();
        assert_non_null(json_object_get(line, "a"));
        assert_null(json_object_get(line, "b"));
        assert_int_equal(json_integer_value(json_object_get(line, "after")), 7);
        assert_true(json_is_true(json_object_get(line, "cut")));
        json_decref(line);
}

static void holds_back_what_is_said_too_often(void **state)
{
        const uint64_t before = pgw_log_dropped();
        char name[] = "test.often";

        (void)state;
        wait_for_a_new_second();
        for (unsigned i = 0; i < PGW_LOG_PER_SECOND_MAX + 5; i++)
                PGW_LOG(PGW_LOG_INFO, i % 2 ? "test.often" : name); /* one name, two places */
        PGW_LOG(PGW_LOG_INFO, "test.seldom");
        assert_int_equal(count_lines(said()), PGW_LOG_PER_SECOND_MAX + 1);
        assert_int_equal(pgw_log_dropped() - before, 5);

        usleep(200 * 1000);
        wait_for_a_new_second();
        PGW_LOG(PGW_LOG_INFO, "test.often");
        json_t *line = one_line();
        assert_int_equal(json_integer_value(json_object_get(line, "suppressed")), 5);
        json_decref(line);
        PGW_LOG(PGW_LOG_INFO, "test.often");
        line = one_line();
        assert_null(json_object_get(line, "suppressed"));
        json_decref(line);
}

static void never_holds_back_requests(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 3 * PGW_LOG_PER_SECOND_MAX; i++)
                PGW_LOG(PGW_LOG_INFO, "http.request");
        assert_int_equal(count_lines(said()), 3 * PGW_LOG_PER_SECOND_MAX);
}

static void a_full_pipe_costs_lines_and_no_time(void **state)
{
        const uint64_t before = pgw_log_dropped(), began_ms = pgw_mono_ms();
        char text[PGW_LOG_VALUE_MAX];
        enum { LINES = 2000 };

        (void)state;
        memset(text, 'a', sizeof text);
        for (unsigned i = 0; i < LINES; i++)
                PGW_LOG(PGW_LOG_INFO, "http.request", PGW_L_BYTES("key", text, sizeof text));
        assert_true(pgw_mono_ms() - began_ms < 5000);
        const uint64_t lost = pgw_log_dropped() - before;
        assert_true(lost > 0);
        const char *all = said();
        assert_int_equal(count_lines(all) + lost, LINES);
        assert_int_equal(all[strlen(all) - 1], '\n');
        /* The descriptor that others share was not made non-blocking for it. */
        assert_int_equal(fcntl(pipe_fds[1], F_GETFL) & O_NONBLOCK, 0);
        PGW_LOG(PGW_LOG_INFO, "http.request");
        json_decref(one_line());
}

static void a_full_socket_costs_lines_and_no_time(void **state)
{
        const uint64_t before = pgw_log_dropped();
        char text[PGW_LOG_VALUE_MAX];
        int pair[2];

        (void)state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        pgw_log_set_fd(pair[1]);
        memset(text, 'a', sizeof text);
        for (unsigned i = 0; i < 5000; i++)
                PGW_LOG(PGW_LOG_INFO, "http.request", PGW_L_BYTES("key", text, sizeof text));
        assert_true(pgw_log_dropped() > before);
        close(pair[0]);
        PGW_LOG(PGW_LOG_INFO, "http.request"); /* no reader, and no SIGPIPE */
        pgw_log_set_fd(pipe_fds[1]);
        close(pair[1]);
}

static void writes_to_files(void **state)
{
        char path[] = "/tmp/pgw-test-log-XXXXXX", text[256];
        const int fd = mkstemp(path);

        (void)state;
        assert_true(fd >= 0);
        pgw_log_set_fd(fd);
        PGW_LOG(PGW_LOG_INFO, "test.file");
        pgw_log_set_fd(pipe_fds[1]);
        const ssize_t n = pread(fd, text, sizeof text - 1, 0);
        assert_true(n > 0);
        text[n] = '\0';
        assert_non_null(strstr(text, "test.file"));
        close(fd);
        unlink(path);
}

#define THREADS 4
#define EACH    100

static void *talk(void *arg)
{
        char text[300];

        memset(text, 'a' + *(const int *)arg, sizeof text);
        for (unsigned i = 0; i < EACH; i++)
                PGW_LOG(PGW_LOG_INFO, "http.request", PGW_L_BYTES("key", text, sizeof text));
        return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
        const uint64_t before = pgw_log_dropped();
        pthread_t threads[THREADS];
        int numbers[THREADS];
        unsigned lines = 0;

        (void)state;
        assert_true(fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20) > 0);
        for (int i = 0; i < THREADS; i++) {
                numbers[i] = i;
                assert_int_equal(pthread_create(&threads[i], NULL, talk, &numbers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        static char all[1 << 20];
        size_t have = 0;
        ssize_t n;
        while ((n = read(pipe_fds[0], all + have, sizeof all - 1 - have)) > 0)
                have += (size_t)n;
        all[have] = '\0';
        for (char *line = all, *end; (end = strchr(line, '\n')); line = end + 1) {
                json_t *value = json_loadb(line, (size_t)(end - line), 0, NULL);
                assert_non_null(value);
                assert_int_equal(json_string_length(json_object_get(value, "key")), 300);
                json_decref(value);
                lines++;
        }
        assert_int_equal(lines + (pgw_log_dropped() - before), THREADS * EACH);
        assert_int_equal(lines, THREADS * EACH);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_pipe, close_pipe)

int main(void)
{
        const struct CMUnitTest tests[] = {
            TEST(writes_fields_in_order),
            TEST(needs_no_fields),
            TEST(writes_what_is_at_the_level_or_above),
            TEST(knows_levels_by_name),
            TEST(escapes_every_byte_so_that_it_comes_back),
            TEST(tells_bytes_from_text_that_looks_like_them),
            TEST(a_line_in_a_value_stays_in_its_line),
            TEST(cuts_long_values_and_says_so),
            TEST(cuts_between_characters),
            TEST(leaves_out_what_does_not_fit_a_line),
            TEST(holds_back_what_is_said_too_often),
            TEST(never_holds_back_requests),
            TEST(a_full_pipe_costs_lines_and_no_time),
            TEST(a_full_socket_costs_lines_and_no_time),
            TEST(writes_to_files),
            TEST(lines_of_threads_do_not_mix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
