/* The supervisor with a real redis-server in a directory of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "role/datadir.h"
#include "role/embedded.h"
#include "role/redis_server.h"

#define SLOW_MS       20000
#define SUDDEN_DEATHS 20

static char root[] = "/tmp/pgw-emb-XXXXXX";

static const char *place(const char *name)
{
        static char path[PATH_MAX];

        snprintf(path, sizeof path, "%s/%s", root, name);
        return path;
}

static void nap_ms(long ms)
{
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* One inline command, one answer of at most 255 bytes. "" when nobody answers. */
static const char *ask(const char *socket_path, const char *command)
{
        static char answer[256];
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        answer[0] = 0;
        snprintf(to.sun_path, sizeof to.sun_path, "%s", socket_path);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
            send(fd, command, strlen(command), MSG_NOSIGNAL) > 0) {
                const ssize_t n = recv(fd, answer, sizeof answer - 1, 0);
                answer[n > 0 ? n : 0] = 0;
        }
        close(fd);
        return answer;
}

static bool is_alive(pid_t pid)
{
        return kill(pid, 0) == 0;
}

static struct pgw_embedded *must_start(const char *name)
{
        struct pgw_embedded *embedded = NULL;
        struct pgw_fault fault = {"", ""};
        const enum pgw_err err = pgw_embedded_start(place(name), NULL, &embedded, &fault);

        if (err)
                print_error("start: %s: %s\n", pgw_err_name(err), fault.detail);
        assert_int_equal(err, PGW_OK);
        return embedded;
}

static enum pgw_embedded_event tick_until_event(struct pgw_embedded *embedded,
                                                struct pgw_fault *fault)
{
        const uint64_t deadline_ms = pgw_mono_ms() + SLOW_MS;

        while (pgw_mono_ms() < deadline_ms) {
                const enum pgw_embedded_event event = pgw_embedded_tick(embedded, fault);
                if (event != PGW_EMBEDDED_NOTHING)
                        return event;
                nap_ms(5);
        }
        return PGW_EMBEDDED_NOTHING;
}

static void starts_a_safe_server_and_keeps_the_data(void **state)
{
        struct stat found;

        (void)state;
        struct pgw_embedded *embedded = must_start("keep");
        const char *at = pgw_embedded_socket(embedded);
        const pid_t pid = pgw_embedded_pid(embedded);
        assert_int_equal(stat(place("keep"), &found), 0);
        assert_int_equal(found.st_mode & 0777, 0700);
        assert_int_equal(stat(at, &found), 0);
        assert_int_equal(found.st_mode & 0777, 0700);
        assert_int_not_equal(getpgid(pid), getpgid(0));
        assert_string_equal(ask(at, "CONFIG GET appendfsync\r\n"),
                            "*2\r\n$11\r\nappendfsync\r\n$6\r\nalways\r\n");
        assert_string_equal(ask(at, "CONFIG GET appendonly\r\n"),
                            "*2\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n");
        assert_string_equal(ask(at, "CONFIG GET maxmemory-policy\r\n"),
                            "*2\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n");
        assert_string_equal(ask(at, "CONFIG GET port\r\n"), "*2\r\n$4\r\nport\r\n$1\r\n0\r\n");
        assert_string_equal(ask(at, "SET kept yes\r\n"), "+OK\r\n");
        pgw_embedded_stop(embedded);
        assert_false(is_alive(pid));

        embedded = must_start("keep");
        assert_string_equal(ask(pgw_embedded_socket(embedded), "GET kept\r\n"), "$3\r\nyes\r\n");
        pgw_embedded_stop(embedded);
}

static void quotes_strange_directory_names(void **state)
{
        (void)state;
        struct pgw_embedded *embedded = must_start("a \"b\"\n'port 1\\ \xc3\xa4");
        assert_string_equal(ask(pgw_embedded_socket(embedded), "PING\r\n"), "+PONG\r\n");
        pgw_embedded_stop(embedded);
}

static void restarts_a_server_that_died(void **state)
{
        struct pgw_fault fault = {"", ""};

        (void)state;
        struct pgw_embedded *embedded = must_start("again");
        const char *at = pgw_embedded_socket(embedded);
        const pid_t first = pgw_embedded_pid(embedded);
        assert_string_equal(ask(at, "SET kept yes\r\n"), "+OK\r\n");
        kill(first, SIGKILL);
        assert_int_equal(tick_until_event(embedded, &fault), PGW_EMBEDDED_DIED);
        assert_non_null(strstr(fault.detail, "signal 9"));
        assert_int_equal(pgw_embedded_pid(embedded), 0);
        assert_int_equal(tick_until_event(embedded, &fault), PGW_EMBEDDED_RESTARTED);
        assert_int_equal(pgw_embedded_restart_count(embedded), 1);
        assert_int_not_equal(pgw_embedded_pid(embedded), first);
        const uint64_t deadline_ms = pgw_mono_ms() + SLOW_MS;
        while (strcmp(ask(at, "GET kept\r\n"), "$3\r\nyes\r\n") != 0 && pgw_mono_ms() < deadline_ms)
                nap_ms(5);
        assert_string_equal(ask(at, "GET kept\r\n"), "$3\r\nyes\r\n");

        /* A second death soon after waits longer. */
        kill(pgw_embedded_pid(embedded), SIGKILL);
        assert_int_equal(tick_until_event(embedded, &fault), PGW_EMBEDDED_DIED);
        const uint64_t died_ms = pgw_mono_ms();
        assert_int_equal(tick_until_event(embedded, &fault), PGW_EMBEDDED_RESTARTED);
        assert_true(pgw_mono_ms() - died_ms >= 190);
        pgw_embedded_stop(embedded);
}

static void one_directory_has_one_master(void **state)
{
        struct pgw_embedded *second = NULL;
        struct pgw_datadir *dir = NULL;
        struct pgw_fault fault = {"", ""};
        char pid_text[32];

        (void)state;
        struct pgw_embedded *embedded = must_start("one");
        snprintf(pid_text, sizeof pid_text, "(pid %d)", (int)getpid());
        assert_int_equal(pgw_embedded_start(place("one"), NULL, &second, &fault), PGW_E_SYSTEM);
        assert_null(second);
        assert_non_null(strstr(fault.detail, "in use"));
        assert_non_null(strstr(fault.detail, pid_text));
        assert_true(is_alive(pgw_embedded_pid(embedded)));
        pgw_embedded_stop(embedded);
        assert_int_equal(pgw_datadir_open(place("one"), &dir, NULL), PGW_OK);
        pgw_datadir_close(dir);
}

static void refuses_what_cannot_work(void **state)
{
        struct pgw_embedded *embedded = NULL;
        struct pgw_fault fault = {"", ""};
        char name[128];

        (void)state;
        memset(name, 'd', sizeof name - 1);
        name[sizeof name - 1] = 0;
        assert_int_equal(pgw_embedded_start(place(name), NULL, &embedded, &fault), PGW_E_CONFIG);
        assert_non_null(strstr(fault.detail, "too long for a Unix socket"));
        assert_int_equal(pgw_embedded_start(place("x"), "/no/such", &embedded, &fault),
                         PGW_E_CONFIG);
        assert_non_null(strstr(fault.detail, "/no/such"));
        assert_int_equal(pgw_embedded_start(place("no/parent"), NULL, &embedded, &fault),
                         PGW_E_SYSTEM);
        assert_int_equal(pgw_embedded_start("/dev/null", NULL, &embedded, &fault), PGW_E_CONFIG);
        assert_null(embedded);
}

static void tells_what_a_failing_server_logged(void **state)
{
        struct pgw_embedded *embedded = NULL;
        struct pgw_fault fault = {"", ""};
        char manifest[PATH_MAX];

        (void)state;
        pgw_embedded_stop(must_start("broken"));
        snprintf(manifest, sizeof manifest, "%s/appendonlydir/appendonly.aof.manifest",
                 place("broken"));
        const int fd = open(manifest, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(write(fd, "nonsense\n", 9), 9);
        close(fd);
        const uint64_t began_ms = pgw_mono_ms();
        assert_int_equal(pgw_embedded_start(place("broken"), NULL, &embedded, &fault),
                         PGW_E_SYSTEM);
        assert_true(pgw_mono_ms() - began_ms < SLOW_MS);
        assert_non_null(strstr(fault.detail, "status 1"));
        assert_non_null(strstr(fault.detail, "manifest"));
        assert_null(strchr(fault.detail, '\n'));
}

static void leaves_a_stranger_alone(void **state)
{
        struct pgw_embedded *embedded = NULL;
        struct pgw_fault fault = {"", ""};
        struct sockaddr_un at = {.sun_family = AF_UNIX};

        (void)state;
        mkdir(place("strange"), 0700);
        snprintf(at.sun_path, sizeof at.sun_path, "%s", place("strange/redis.sock"));
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
        assert_int_equal(listen(fd, 1), 0);
        const pid_t stranger = fork();
        if (stranger == 0) {
                const int peer = accept(fd, NULL, NULL);
                _exit(write(peer, "+PONG\r\n", 7) == 7 ? 0 : 1);
        }
        const enum pgw_err err = pgw_embedded_start(place("strange"), NULL, &embedded, &fault);
        if (err) {
                assert_int_equal(err, PGW_E_SYSTEM);
                assert_non_null(strstr(fault.detail, "did not start"));
        } else {
                /* On a busy machine the server has taken the address over before anybody asked
                 * there; then it is ours, and the stranger was not spoken to. */
                pgw_embedded_stop(embedded);
                assert_int_equal(kill(stranger, SIGKILL), 0);
        }
        assert_int_equal(waitpid(stranger, NULL, 0), stranger);
        close(fd);
}

/* A process that starts the server, says its pid, stores what it is told to and waits
 * for its end. */
static pid_t doomed_purgeway(const char *name, const char *command, pid_t *ret_server)
{
        int tell[2];
        pid_t server = 0;

        assert_int_equal(pipe(tell), 0);
        const pid_t pid = fork();
        if (pid == 0) {
                struct pgw_embedded *embedded = NULL;
                close(tell[0]);
                if (pgw_embedded_start(place(name), NULL, &embedded, NULL))
                        _exit(1);
                server = pgw_embedded_pid(embedded);
                if (strcmp(ask(pgw_embedded_socket(embedded), command), ":0\r\n") == 0 ||
                    write(tell[1], &server, sizeof server) != (ssize_t)sizeof server)
                        _exit(2);
                for (;;)
                        pause();
        }
        close(tell[1]);
        assert_int_equal(read(tell[0], &server, sizeof server), sizeof server);
        close(tell[0]);
        *ret_server = server;
        return pid;
}

static void survives_its_own_sudden_death(void **state)
{
        char expected[32];

        (void)state;
        for (int i = 1; i <= SUDDEN_DEATHS; i++) {
                pid_t server = 0;
                const pid_t doomed = doomed_purgeway("doomed", "INCR deaths\r\n", &server);
                kill(doomed, SIGKILL);
                assert_int_equal(waitpid(doomed, NULL, 0), doomed);

                /* Every second time the next one comes at once. */
                if (i % 2 == 0) {
                        struct pgw_embedded *embedded = must_start("doomed");
                        assert_int_not_equal(pgw_embedded_pid(embedded), server);
                        snprintf(expected, sizeof expected, "$%d\r\n%d\r\n", i < 10 ? 1 : 2, i);
                        assert_string_equal(ask(pgw_embedded_socket(embedded), "GET deaths\r\n"),
                                            expected);
                        pgw_embedded_stop(embedded);
                }
        }
}

/* Killed anywhere between taking the lock and being ready, it leaves nothing that stops
 * the next start. */
static void survives_a_death_during_its_start(void **state)
{
        (void)state;
        for (long i = 0; i < SUDDEN_DEATHS; i++) {
                const pid_t doomed = fork();
                if (doomed == 0) {
                        struct pgw_embedded *embedded = NULL;
                        if (pgw_embedded_start(place("early"), NULL, &embedded, NULL))
                                _exit(1);
                        for (;;)
                                pause();
                }
                nanosleep(&(struct timespec){.tv_nsec = i * 1700000L}, NULL);
                kill(doomed, SIGKILL);
                assert_int_equal(waitpid(doomed, NULL, 0), doomed);
                pgw_embedded_stop(must_start("early"));
        }
}

static void ends_a_leftover_that_does_not_end_by_itself(void **state)
{
        struct pgw_redis_place leftover;
        pid_t server = 0;

        (void)state;
        const pid_t doomed = doomed_purgeway("stuck", "INCR deaths\r\n", &server);
        /* A stopped process takes no SIGTERM: what a server that hangs looks like. */
        kill(server, SIGSTOP);
        kill(doomed, SIGKILL);
        assert_int_equal(waitpid(doomed, NULL, 0), doomed);
        assert_int_equal(pgw_redis_place_init(&leftover, place("stuck"), NULL, NULL), PGW_OK);
        assert_int_equal(pgw_redis_holder(&leftover), server);
        const uint64_t began_ms = pgw_mono_ms();
        struct pgw_embedded *embedded = must_start("stuck");
        assert_true(pgw_mono_ms() - began_ms < 25000);
        assert_int_equal(pgw_redis_holder(&leftover), pgw_embedded_pid(embedded));
        assert_string_equal(ask(pgw_embedded_socket(embedded), "GET deaths\r\n"), "$1\r\n1\r\n");
        pgw_embedded_stop(embedded);
        assert_int_equal(pgw_redis_holder(&leftover), 0);
}

static void signals_nobody_else(void **state)
{
        struct pgw_redis_place free_place;

        (void)state;
        mkdir(place("vacant"), 0700);
        assert_int_equal(pgw_redis_place_init(&free_place, place("vacant"), NULL, NULL), PGW_OK);
        assert_int_equal(pgw_redis_holder(&free_place), 0);
        const pid_t bystander = fork();
        if (bystander == 0)
                for (;;)
                        pause();
        pgw_redis_signal_holder(&free_place, bystander, SIGKILL);
        nap_ms(20);
        assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0);
        kill(bystander, SIGKILL);
        waitpid(bystander, NULL, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(starts_a_safe_server_and_keeps_the_data),
            cmocka_unit_test(quotes_strange_directory_names),
            cmocka_unit_test(restarts_a_server_that_died),
            cmocka_unit_test(one_directory_has_one_master),
            cmocka_unit_test(refuses_what_cannot_work),
            cmocka_unit_test(tells_what_a_failing_server_logged),
            cmocka_unit_test(leaves_a_stranger_alone),
            cmocka_unit_test(survives_its_own_sudden_death),
            cmocka_unit_test(survives_a_death_during_its_start),
            cmocka_unit_test(ends_a_leftover_that_does_not_end_by_itself),
            cmocka_unit_test(signals_nobody_else),
        };
        char command[sizeof root + 16];

        if (!mkdtemp(root))
                return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        if (failed) {
                print_message("left for inspection: %s\n", root);
                return failed;
        }
        snprintf(command, sizeof command, "rm -r %s", root);
        return system(command);
}
