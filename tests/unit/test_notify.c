/* The sd_notify messages against a real datagram socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "role/notify.h"

static char directory[] = "/tmp/pgw-notify-XXXXXX";

static int listen_on(const char *name, size_t size)
{
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        memcpy(at.sun_path, name, size);
        assert_int_equal(bind(fd, (struct sockaddr *)&at,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)),
                         0);
        return fd;
}

static const char *heard(int fd)
{
        static char text[1024];
        const ssize_t n = recv(fd, text, sizeof text - 1, 0);

        text[n > 0 ? n : 0] = 0;
        return text;
}

static void says_each_message(void **state)
{
        struct pgw_notify notify;
        char path[64];
        unsigned long long at_us = 0;

        (void)state;
        snprintf(path, sizeof path, "%s/a", directory);
        const int fd = listen_on(path, strlen(path) + 1);
        setenv("NOTIFY_SOCKET", path, 1);
        pgw_notify_open(&notify);
        assert_true(pgw_notify_is_on(&notify));
        assert_null(getenv("NOTIFY_SOCKET"));
        pgw_notify_ready(&notify, "serving");
        assert_string_equal(heard(fd), "READY=1\nSTATUS=serving\n");
        pgw_notify_ready(&notify, NULL);
        assert_string_equal(heard(fd), "READY=1\n");
        pgw_notify_status(&notify, "two\nREADY=1");
        assert_string_equal(heard(fd), "STATUS=two READY=1\n");
        pgw_notify_reloading(&notify);
        const char *reload = heard(fd);
        assert_memory_equal(reload, "RELOADING=1\nMONOTONIC_USEC=", 27);
        at_us = strtoull(reload + 27, NULL, 10);
        assert_true(at_us > 0);
        pgw_notify_stopping(&notify);
        assert_string_equal(heard(fd), "STOPPING=1\n");
        pgw_notify_watchdog(&notify);
        assert_string_equal(heard(fd), "WATCHDOG=1\n");
        pgw_notify_close(&notify);
        close(fd);
        unlink(path);
}

static void cuts_a_long_status(void **state)
{
        struct pgw_notify notify;
        char path[64], status[1000];

        (void)state;
        snprintf(path, sizeof path, "%s/b", directory);
        const int fd = listen_on(path, strlen(path) + 1);
        setenv("NOTIFY_SOCKET", path, 1);
        memset(status, 'x', sizeof status - 1);
        status[sizeof status - 1] = 0;
        pgw_notify_open(&notify);
        pgw_notify_status(&notify, status);
        assert_int_equal(strlen(heard(fd)), strlen("STATUS=\n") + 200);
        pgw_notify_close(&notify);
        close(fd);
        unlink(path);
}

static void speaks_to_abstract_names(void **state)
{
        struct pgw_notify notify;
        char name[64];

        (void)state;
        snprintf(name, sizeof name, "@pgw-notify-%d", (int)getpid());
        setenv("NOTIFY_SOCKET", name, 1);
        const size_t n = strlen(name);
        name[0] = 0;
        const int fd = listen_on(name, n);
        pgw_notify_open(&notify);
        pgw_notify_ready(&notify, NULL);
        assert_string_equal(heard(fd), "READY=1\n");
        pgw_notify_close(&notify);
        close(fd);
}

static void is_silent_without_a_supervisor(void **state)
{
        static const char *const bad[] = {NULL, "", "@", "relative", "vsock:2:1"};
        char oversized[200];

        (void)state;
        memset(oversized, 'a', sizeof oversized - 1);
        oversized[0] = '/';
        oversized[sizeof oversized - 1] = 0;
        for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
                struct pgw_notify notify;
                const char *name = i < sizeof bad / sizeof bad[0] ? bad[i] : oversized;
                if (name)
                        setenv("NOTIFY_SOCKET", name, 1);
                setenv("WATCHDOG_USEC", "2000000", 1);
                pgw_notify_open(&notify);
                assert_false(pgw_notify_is_on(&notify));
                assert_int_equal(pgw_notify_watchdog_interval_ms(&notify), 0);
                pgw_notify_ready(&notify, "nobody hears");
                pgw_notify_close(&notify);
                assert_null(getenv("WATCHDOG_USEC"));
        }
}

static uint32_t interval_for(const char *usec, const char *pid)
{
        struct pgw_notify notify;

        setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
        setenv("WATCHDOG_USEC", usec, 1);
        if (pid)
                setenv("WATCHDOG_PID", pid, 1);
        pgw_notify_open(&notify);
        const uint32_t interval_ms = pgw_notify_watchdog_interval_ms(&notify);
        pgw_notify_watchdog(&notify);
        pgw_notify_close(&notify);
        assert_null(getenv("WATCHDOG_PID"));
        return interval_ms;
}

static void reads_the_watchdog(void **state)
{
        char mine[24], other[24];

        (void)state;
        snprintf(mine, sizeof mine, "%d", (int)getpid());
        snprintf(other, sizeof other, "%d", (int)getpid() + 1);
        assert_int_equal(interval_for("30000000", NULL), 15000);
        assert_int_equal(interval_for("30000000", mine), 15000);
        assert_int_equal(interval_for("30000000", other), 0);
        assert_int_equal(interval_for("30000000", "x"), 0);
        assert_int_equal(interval_for("10", NULL), 1);
        assert_int_equal(interval_for("0", NULL), 0);
        assert_int_equal(interval_for("-5", NULL), 0);
        assert_int_equal(interval_for("99999999999999999999", NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(says_each_message),
            cmocka_unit_test(cuts_a_long_status),
            cmocka_unit_test(speaks_to_abstract_names),
            cmocka_unit_test(is_silent_without_a_supervisor),
            cmocka_unit_test(reads_the_watchdog),
        };

        if (!mkdtemp(directory))
                return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        rmdir(directory);
        return failed;
}
