/* The filters, each in a process of its own: they cannot be taken off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "role/seccomp.h"

/* A sanitizer starts processes and programs of its own, so these are allowed to its builds. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#define SKIPPED 77

/* The line of the first check that failed; 0: none did. */
#define CHECK(e)                                                                                   \
        do {                                                                                       \
                if (!(e))                                                                          \
                        return __LINE__;                                                           \
        } while (0)
#define REFUSED(call) CHECK((call) == -1 && errno == ENOSYS)

static int failed_line(int (*body)(void))
{
        int line = -1, fds[2], status;

        assert_int_equal(pipe(fds), 0);
        fflush(NULL);
        const pid_t pid = fork();
        if (pid == 0) {
                line = body();
                _exit(write(fds[1], &line, sizeof line) == sizeof line ? 0 : 1);
        }
        close(fds[1]);
        const ssize_t n = read(fds[0], &line, sizeof line);
        close(fds[0]);
        waitpid(pid, &status, 0);
        assert_int_equal(n, sizeof line);
        assert_int_equal(status, 0);
        return line;
}

static bool begin(enum pgw_seccomp mode, bool has_embedded)
{
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               pgw_seccomp_process(mode, has_embedded, NULL) == PGW_OK;
}

static void *look_up(void *arg)
{
        struct addrinfo *found = NULL;

        (void)arg;
        if (getaddrinfo("localhost", "80", NULL, &found))
                return NULL;
        freeaddrinfo(found);
        return "ok";
}

static int threads_can_serve(void)
{
        pthread_t thread;
        void *result = NULL;
        char byte;

        CHECK(begin(PGW_SECCOMP_ON, false));
        CHECK(pthread_create(&thread, NULL, look_up, NULL) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result);
        const int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        CHECK(file >= 0 && read(file, &byte, 1) == 1 && close(file) == 0);
        CHECK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) >= 0);
        CHECK(socket(AF_UNIX, SOCK_DGRAM, 0) >= 0);
        CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
              MAP_FAILED);
        return 0;
}

static int threads_can_do_no_more(void)
{
        char *const argv[] = {"/bin/true", NULL};
        char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        const int listener = socket(AF_INET, SOCK_STREAM, 0);

        CHECK(page != MAP_FAILED && listener >= 0);
        CHECK(begin(PGW_SECCOMP_ON, false));
        REFUSED(socket(AF_PACKET, SOCK_RAW, 0));
        REFUSED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
        REFUSED(listen(listener, 1));
        REFUSED(rename("/tmp/pgw-a", "/tmp/pgw-b"));
        REFUSED(mkdir("/tmp/pgw-a", 0700));
        REFUSED(chroot("/"));
        REFUSED(setuid(0));
        REFUSED(unshare(0));
        REFUSED(syscall(SYS_bpf, 0, NULL, 0));
        REFUSED(syscall(SYS_io_uring_setup, 1, NULL));
        REFUSED(syscall(SYS_mount, "", "", "", 0, NULL));
        REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
        REFUSED(syscall(SYS_init_module, NULL, 0, ""));
        REFUSED(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
        if (IS_SANITIZED)
                return 0;
        REFUSED(kill(getppid(), 0));
        REFUSED(fork());
        REFUSED(execve(argv[0], argv, argv + 1));
        REFUSED(open("/tmp/pgw-seccomp-test", O_WRONLY | O_CREAT, 0600));
        REFUSED(open("/dev/null", O_RDWR));
        REFUSED(syscall(SYS_ptrace, 0, 0, NULL, NULL));
        REFUSED(prctl(PR_SET_PDEATHSIG, SIGKILL));
        REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
        CHECK(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                  MAP_FAILED &&
              errno == ENOSYS);
        return 0;
}

static void *fork_here(void *arg)
{
        (void)arg;
        if (pgw_seccomp_thread(PGW_SECCOMP_ON, NULL))
                return NULL;
        const pid_t pid = fork();
        return pid == -1 && errno == ENOSYS ? "refused" : NULL;
}

static int main_thread_can_start_a_server(void)
{
        char *const argv[] = {"/bin/true", NULL};
        pthread_t thread;
        void *result = NULL;
        int status = -1;

        CHECK(begin(PGW_SECCOMP_ON, true));
        if (!IS_SANITIZED) {
                CHECK(pthread_create(&thread, NULL, fork_here, NULL) == 0);
                CHECK(pthread_join(thread, &result) == 0 && result);
        }
        const pid_t pid = fork();
        if (pid == 0) {
                execve(argv[0], argv, argv + 1);
                _exit(1);
        }
        CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
        REFUSED(syscall(SYS_bpf, 0, NULL, 0));
        REFUSED(chroot("/"));
        return 0;
}

static int looking_only(void)
{
        CHECK(begin(PGW_SECCOMP_LOG, false));
        CHECK(unshare(0) == 0);
        CHECK(prctl(PR_GET_SECCOMP) == 2);
        return 0;
}

static int not_at_all(void)
{
        CHECK(begin(PGW_SECCOMP_OFF, false) && pgw_seccomp_thread(PGW_SECCOMP_OFF, NULL) == PGW_OK);
        CHECK(prctl(PR_GET_SECCOMP) == 0 || IS_SANITIZED);
        return 0;
}

static void *wait_for_word(void *arg)
{
        char byte;

        return read(*(int *)arg, &byte, 1) == 1 && unshare(0) == -1 && errno == ENOSYS ? "refused"
                                                                                       : NULL;
}

static int reaches_threads_that_are_there_already(void)
{
        int fds[2];
        pthread_t thread;
        void *result = NULL;

        CHECK(pipe(fds) == 0 && pthread_create(&thread, NULL, wait_for_word, fds) == 0);
        CHECK(begin(PGW_SECCOMP_ON, false));
        CHECK(write(fds[1], "x", 1) == 1 && pthread_join(thread, &result) == 0 && result);
        return 0;
}

static int without_leave(void)
{
        struct pgw_fault fault = {"", ""};

        if (geteuid() != 0)
                return SKIPPED;
        CHECK(setresuid(65534, 65534, 65534) == 0);
        CHECK(pgw_seccomp_process(PGW_SECCOMP_ON, false, &fault) == PGW_E_SYSTEM);
        CHECK(strcmp(fault.pointer, "seccomp") == 0 && fault.detail[0]);
        return 0;
}

#define TEST(name, body)                                                                           \
        static void name(void **state)                                                             \
        {                                                                                          \
                (void)state;                                                                       \
                const int line = failed_line(body);                                                \
                if (line == SKIPPED)                                                               \
                        skip();                                                                    \
                assert_int_equal(line, 0);                                                         \
        }

TEST(what_serves_needs_is_allowed, threads_can_serve)
TEST(and_nothing_else, threads_can_do_no_more)
TEST(with_an_embedded_redis_only_the_main_thread_starts_programs, main_thread_can_start_a_server)
TEST(log_refuses_nothing, looking_only)
TEST(off_is_off, not_at_all)
TEST(every_thread_has_it, reaches_threads_that_are_there_already)
TEST(says_when_it_cannot, without_leave)

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_serves_needs_is_allowed),
            cmocka_unit_test(and_nothing_else),
            cmocka_unit_test(with_an_embedded_redis_only_the_main_thread_starts_programs),
            cmocka_unit_test(log_refuses_nothing),
            cmocka_unit_test(off_is_off),
            cmocka_unit_test(every_thread_has_it),
            cmocka_unit_test(says_when_it_cannot),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
