/* failing_sync.c - a disk that says, for a while, that it could not write.
 *
 * To be preloaded. While the file that PGW_SYNC_FAILS names exists, fsync and fdatasync fail, as
 * they do once when the kernel could not write a page back.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sync_or_fail(long number, int fd)
{
        const char *path = getenv("PGW_SYNC_FAILS");

        if (path && access(path, F_OK) == 0) {
                errno = EIO;
                return -1;
        }
        return (int)syscall(number, fd);
}

int fsync(int fd)
{
        return sync_or_fail(SYS_fsync, fd);
}

int fdatasync(int fd)
{
        return sync_or_fail(SYS_fdatasync, fd);
}
