/* The data directory and its lock.
 *
 * flock(2) and not the existence of a file: a lock of the kernel cannot be left behind
 * by kill -9. It belongs to the open file, which a child shares between fork and exec;
 * so for an instant after a kill -9 the lock can be held although the pid in the file
 * is dead. That is the one case in which opening waits.
 *
 * The lock file is never removed: unlinking it would let a third process lock a new
 * file of that name while a second one still waits for the old.
 */
#include "role/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

#define DEAD_HOLDER_WAIT_MS 5000
#define POLL_MS             10
#define PID_TEXT_SIZE       24

struct pgw_datadir {
        char path[PATH_MAX];
        int lock_fd;
};

static const char setting[] = "data_dir";

/* The pid that the lock file names; 0 when it names none. */
static pid_t holder_pid(int fd)
{
        char text[PID_TEXT_SIZE];
        uint64_t pid = 0;
        const ssize_t n = pread(fd, text, sizeof text, 0);

        if (n <= 0)
                return 0;
        struct pgw_str line = pgw_str_of(text, (size_t)n), rest;
        if (pgw_str_cut(line, '\n', &line, &rest) && !pgw_str_to_u64(line, INT_MAX, &pid))
                return (pid_t)pid;
        return 0;
}

static enum pgw_err take_lock(int fd, const char *path, struct pgw_fault *reterr_fault)
{
        const uint64_t deadline_ms = pgw_mono_ms() + DEAD_HOLDER_WAIT_MS;

        while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
                const int error = errno;
                const pid_t pid = holder_pid(fd);
                if (error != EWOULDBLOCK && error != EINTR) {
                        pgw_fault_set(reterr_fault, setting, "cannot lock %s: %s", path,
                                      strerrordesc_np(error));
                        return PGW_E_SYSTEM;
                }
                const bool is_dead = pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
                if (!is_dead || pgw_mono_ms() >= deadline_ms) {
                        pgw_fault_set(reterr_fault, setting,
                                      "%s is in use by another purgeway (pid %d)", path, (int)pid);
                        return PGW_E_SYSTEM;
                }
                nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
        }
        return PGW_OK;
}

static enum pgw_err write_pid(int fd, const char *path, struct pgw_fault *reterr_fault)
{
        char text[PID_TEXT_SIZE];
        const int n = snprintf(text, sizeof text, "%d\n", (int)getpid());

        if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n)
                return PGW_OK;
        pgw_fault_set(reterr_fault, setting, "cannot write %s/lock: %s", path,
                      strerrordesc_np(errno));
        return PGW_E_SYSTEM;
}

static enum pgw_err find_directory(const char *path, char absolute[PATH_MAX],
                                   struct pgw_fault *reterr_fault)
{
        struct stat found;

        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
                pgw_fault_set(reterr_fault, setting, "cannot create %s: %s", path,
                              strerrordesc_np(errno));
                return PGW_E_SYSTEM;
        }
        if (!realpath(path, absolute) || stat(absolute, &found) != 0) {
                pgw_fault_set(reterr_fault, setting, "cannot open %s: %s", path,
                              strerrordesc_np(errno));
                return PGW_E_SYSTEM;
        }
        if (!S_ISDIR(found.st_mode)) {
                pgw_fault_set(reterr_fault, setting, "%s is not a directory", path);
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

enum pgw_err pgw_datadir_open(const char *path, struct pgw_datadir **ret_dir,
                              struct pgw_fault *reterr_fault)
{
        struct pgw_datadir *dir = pgw_alloc(sizeof *dir);
        char name[PATH_MAX + 8];
        enum pgw_err err;

        dir->lock_fd = -1;
        err = find_directory(path, dir->path, reterr_fault);
        if (err)
                goto out;
        snprintf(name, sizeof name, "%s/lock", dir->path);
        dir->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (dir->lock_fd < 0) {
                pgw_fault_set(reterr_fault, setting, "cannot open %s: %s", name,
                              strerrordesc_np(errno));
                err = PGW_E_SYSTEM;
                goto out;
        }
        err = take_lock(dir->lock_fd, dir->path, reterr_fault);
        if (!err)
                err = write_pid(dir->lock_fd, dir->path, reterr_fault);
out:
        if (err)
                pgw_datadir_close(dir);
        else
                *ret_dir = dir;
        return err;
}

void pgw_datadir_close(struct pgw_datadir *dir)
{
        if (!dir)
                return;
        if (dir->lock_fd >= 0)
                close(dir->lock_fd);
        pgw_free(dir);
}

const char *pgw_datadir_path(const struct pgw_datadir *dir)
{
        return dir->path;
}
