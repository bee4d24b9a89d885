/* Starting a redis-server so that it never outlives us unseen and never runs twice.
 *
 * The child asks the kernel for SIGTERM at our death, then takes the record lock on
 * DIR/redis.lock, and only then closes what it inherited, the flock on DIR/lock among
 * it. Whoever gets DIR/lock after our kill -9 therefore finds the old server's record
 * lock in place and can wait for its end; there is no instant in between. Record locks
 * survive exec, are not inherited by fork (so a Redis child that rewrites the AOF does
 * not hold it), and tell their owner's pid.
 *
 * Between fork and exec the child of a process with threads may call only what is
 * async-signal-safe, so everything it needs is prepared before.
 */
#include "role/redis_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define CONF_SIZE_MAX (64UL * 1024)
#define LOG_SIZE_MAX  (16L * 1024 * 1024)
#define EXEC_FAILED   127

static const char setting[] = "data_dir";

static bool find_program(const char *wanted, char out[PATH_MAX])
{
        const char *path = secure_getenv("PATH");
        struct pgw_str rest = pgw_str_z(path ? path : ""), part;

        if (wanted && *wanted)
                return snprintf(out, PATH_MAX, "%s", wanted) < PATH_MAX && access(out, X_OK) == 0;
        while (rest.n) {
                if (!pgw_str_cut(rest, ':', &part, &rest)) {
                        part = rest;
                        rest.n = 0;
                }
                /* Only absolute parts: a program found in the working directory is not
                 * what an administrator meant. */
                if (part.n && part.p[0] == '/' &&
                    snprintf(out, PATH_MAX, "%.*s/redis-server", (int)part.n, part.p) < PATH_MAX &&
                    access(out, X_OK) == 0)
                        return true;
        }
        snprintf(out, PATH_MAX, "/usr/bin/redis-server");
        return access(out, X_OK) == 0;
}

enum pgw_err pgw_redis_place_init(struct pgw_redis_place *place, const char *directory,
                                  const char *server, struct pgw_fault *reterr_fault)
{
        const int n = snprintf(place->socket, sizeof place->socket, "%s/redis.sock", directory);

        PGW_ASSERT(directory[0] == '/');
        if (n < 0 || (size_t)n >= sizeof place->socket) {
                pgw_fault_set(reterr_fault, setting,
                              "the path is too long for a Unix socket: %d bytes with /redis.sock, "
                              "at most %zu",
                              n, sizeof place->socket - 1);
                return PGW_E_CONFIG;
        }
        snprintf(place->directory, sizeof place->directory, "%s", directory);
        snprintf(place->conf, sizeof place->conf, "%s/redis.conf", directory);
        snprintf(place->log, sizeof place->log, "%s/redis.log", directory);
        snprintf(place->lock, sizeof place->lock, "%s/redis.lock", directory);
        if (!find_program(server, place->server)) {
                pgw_fault_set(reterr_fault, setting,
                              "cannot find an executable %s to run on it; install it or name "
                              "another Redis with broker.url",
                              server && *server ? server : "redis-server");
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

/* `name "DIR/file"` in the quoting of redis.conf: whatever is not plainly part of a name
 * goes as \xHH, so no directory name can add a directive. */
static enum pgw_err add_path(struct pgw_buf *out, const char *name, const char *path)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789/._-+=,@";
        enum pgw_err err = pgw_buf_printf(out, "%s \"", name);

        for (const char *c = path; *c && !err; c++)
                err = strchr(plain, *c) ? pgw_buf_add(out, c, 1)
                                        : pgw_buf_printf(out, "\\x%02x", (unsigned char)*c);
        return err ? err : pgw_buf_add_str(out, PGW_STR("\"\n"));
}

static enum pgw_err compose_conf(const struct pgw_redis_place *place, struct pgw_buf *out)
{
        /* Never rewritten by hand: the next start replaces it. Durability is the whole
         * point: a 202 promises that the job is on disk. A rewrite at 64 MiB keeps a
         * drained queue's file small without doing it all the time. */
        static const char fixed[] = "# Written by purgeway at every start; changes are lost.\n"
                                    "port 0\n"
                                    "unixsocketperm 700\n"
                                    "daemonize no\n"
                                    "supervised no\n"
                                    "loglevel notice\n"
                                    "appendonly yes\n"
                                    "appendfsync always\n"
                                    "no-appendfsync-on-rewrite no\n"
                                    "auto-aof-rewrite-percentage 100\n"
                                    "auto-aof-rewrite-min-size 64mb\n"
                                    "save \"\"\n"
                                    "maxmemory-policy noeviction\n";
        char pidfile[PATH_MAX + 16];
        enum pgw_err err = pgw_buf_add(out, fixed, sizeof fixed - 1);

        snprintf(pidfile, sizeof pidfile, "%s/redis.pid", place->directory);
        if (!err)
                err = add_path(out, "unixsocket", place->socket);
        if (!err)
                err = add_path(out, "dir", place->directory);
        if (!err)
                err = add_path(out, "pidfile", pidfile);
        if (!err)
                err = add_path(out, "logfile", place->log);
        return err;
}

static enum pgw_err replace_file(const char *name, struct pgw_str content,
                                 struct pgw_fault *reterr_fault)
{
        char fresh[PATH_MAX + 32];
        bool is_done = false;

        snprintf(fresh, sizeof fresh, "%s.new", name);
        unlink(fresh);
        const int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
                is_done = write(fd, content.p, content.n) == (ssize_t)content.n;
                is_done = close(fd) == 0 && is_done && rename(fresh, name) == 0;
        }
        if (is_done)
                return PGW_OK;
        pgw_fault_set(reterr_fault, setting, "cannot write %s: %s", name, strerrordesc_np(errno));
        return PGW_E_SYSTEM;
}

enum pgw_err pgw_redis_place_write_conf(const struct pgw_redis_place *place,
                                        struct pgw_fault *reterr_fault)
{
        struct pgw_buf conf;

        pgw_buf_init(&conf, CONF_SIZE_MAX);
        enum pgw_err err = compose_conf(place, &conf);
        if (!err)
                err = replace_file(place->conf, pgw_buf_str(&conf), reterr_fault);
        else
                pgw_fault_set(reterr_fault, setting, "the path is too long");
        pgw_buf_fini(&conf);
        return err;
}

static PGW_NORETURN void child_fail(const char *what)
{
        static const char tail[] = ": cannot start redis-server\n";

        if (write(STDERR_FILENO, what, strlen(what)) < 0 ||
            write(STDERR_FILENO, tail, sizeof tail - 1) < 0)
                _exit(EXEC_FAILED);
        _exit(EXEC_FAILED);
}

/* In the child, async-signal-safe calls only. The order is the file's opening essay. */
static PGW_NORETURN void child_run(struct pgw_redis_place *place, pid_t parent, int log_fd)
{
        static char name[] = "redis-server", path[] = "PATH=/usr/bin:/bin", locale[] = "LC_ALL=C";
        char *const argv[] = {name, place->conf, NULL};
        /* None of our environment: it may hold secrets. */
        char *const env[] = {path, locale, NULL};
        const struct sigaction by_default = {.sa_handler = SIG_DFL};
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        sigset_t none;

        setpgid(0, 0);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
                _exit(EXEC_FAILED);
        umask(0077);
        const int null_fd = open("/dev/null", O_RDONLY);
        if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
            dup2(log_fd, STDERR_FILENO) < 0)
                _exit(EXEC_FAILED);
        const int lock_fd = open(place->lock, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
        if (lock_fd < 0 || fcntl(lock_fd, F_SETLK, &whole) != 0)
                child_fail("redis.lock");
        if (lock_fd > STDERR_FILENO + 1)
                close_range(STDERR_FILENO + 1, (unsigned)lock_fd - 1, 0);
        close_range((unsigned)lock_fd + 1, ~0U, 0);

        for (int signal_number = 1; signal_number < NSIG; signal_number++)
                sigaction(signal_number, &by_default, NULL);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(place->server, argv, env);
        child_fail(place->server);
}

enum pgw_err pgw_redis_spawn(struct pgw_redis_place *place, pid_t *ret_pid,
                             struct pgw_fault *reterr_fault)
{
        const pid_t parent = getpid();
        sigset_t all, before;

        PGW_ASSERT(gettid() == parent);
        /* Here, because the child has nobody to tell. */
        const int log_fd =
            open(place->log, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (log_fd < 0) {
                pgw_fault_set(reterr_fault, setting, "cannot write %s: %s", place->log,
                              strerrordesc_np(errno));
                return PGW_E_SYSTEM;
        }
        /* No handler of ours may run in the child. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        const pid_t pid = fork();
        if (pid == 0)
                child_run(place, parent, log_fd);
        const int error = errno;
        close(log_fd);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (pid < 0) {
                pgw_fault_set(reterr_fault, "", "cannot start redis-server: %s",
                              strerrordesc_np(error));
                return PGW_E_SYSTEM;
        }
        /* Here too, so that the group exists whoever runs first. */
        setpgid(pid, pid);
        *ret_pid = pid;
        return PGW_OK;
}

pid_t pgw_redis_holder(const struct pgw_redis_place *place)
{
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        const int fd = open(place->lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return 0;
        const int rc = fcntl(fd, F_GETLK, &whole);
        close(fd);
        if (rc != 0 || whole.l_type == F_UNLCK)
                return 0;
        return whole.l_pid > 0 ? whole.l_pid : -1;
}

void pgw_redis_signal_holder(const struct pgw_redis_place *place, pid_t pid, int signal_number)
{
        const int fd = pidfd_open(pid, 0);

        if (fd < 0)
                return;
        /* Asked again with the process pinned: a pid that was reused meanwhile does not
         * hold the lock. */
        if (pgw_redis_holder(place) == pid)
                pidfd_send_signal(fd, signal_number, NULL, 0);
        close(fd);
}

/* True when the socket became ready for `events` before the deadline. */
static bool wait_for(int fd, short events, uint64_t deadline_ms)
{
        struct pollfd one = {.fd = fd, .events = events};

        for (;;) {
                const uint64_t now_ms = pgw_mono_ms();
                if (now_ms >= deadline_ms)
                        return false;
                const int n = poll(&one, 1, (int)(deadline_ms - now_ms));
                if (n > 0)
                        return true;
                if (n < 0 && errno != EINTR)
                        return false;
        }
}

static enum pgw_redis_voice converse(int fd, uint64_t deadline_ms)
{
        static const char ask[] = "PING\r\n";
        char answer[64];
        size_t have = 0;

        /* Six bytes always fit into the buffer of a fresh socket. */
        if (send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) != (ssize_t)sizeof ask - 1)
                return PGW_REDIS_SILENT;
        while (have < sizeof answer && !memchr(answer, '\n', have)) {
                if (!wait_for(fd, POLLIN, deadline_ms))
                        return PGW_REDIS_SILENT;
                const ssize_t n = recv(fd, answer + have, sizeof answer - have, 0);
                if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
                        return PGW_REDIS_SILENT;
                have += n > 0 ? (size_t)n : 0;
        }
        const struct pgw_str text = pgw_str_of(answer, have);
        if (pgw_str_starts(text, PGW_STR("+PONG\r\n")))
                return PGW_REDIS_READY;
        return pgw_str_starts(text, PGW_STR("-LOADING")) ? PGW_REDIS_LOADING : PGW_REDIS_SILENT;
}

enum pgw_redis_voice pgw_redis_ping(const struct pgw_redis_place *place, int timeout_ms)
{
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        const uint64_t deadline_ms = pgw_mono_ms() + (uint64_t)timeout_ms;
        enum pgw_redis_voice voice = PGW_REDIS_SILENT;

        memcpy(to.sun_path, place->socket, sizeof to.sun_path);
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return PGW_REDIS_SILENT;
        /* A Unix socket connects at once or not at all (EAGAIN: its backlog is full). */
        if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
                voice = converse(fd, deadline_ms);
        close(fd);
        return voice;
}

void pgw_redis_log_tail(const struct pgw_redis_place *place, off_t from, char *out, size_t size)
{
        ssize_t n = 0;
        const int fd = open(place->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        PGW_ASSERT(size > 0);
        if (fd >= 0) {
                const off_t end = lseek(fd, 0, SEEK_END);
                const off_t room = (off_t)size - 1;
                const off_t at = end - from > room ? end - room : from;
                n = pread(fd, out, size - 1, at);
                close(fd);
        }
        n = n < 0 ? 0 : n;
        while (n > 0 && out[n - 1] == '\n')
                n--;
        for (ssize_t i = 0; i < n; i++)
                if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
                        out[i] = ' ';
        out[n] = 0;
}

off_t pgw_redis_log_size(const struct pgw_redis_place *place)
{
        char aside[PATH_MAX + 32];
        struct stat found;

        if (stat(place->log, &found) != 0)
                return 0;
        if (found.st_size <= LOG_SIZE_MAX)
                return found.st_size;
        snprintf(aside, sizeof aside, "%s.1", place->log);
        return rename(place->log, aside) == 0 ? 0 : found.st_size;
}
