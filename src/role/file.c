/* Read in one go; files here are settings, secrets and contracts, small and whole. */
#include "role/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static enum pgw_err read_all(int fd, const char *path, size_t size, char *bytes,
                             struct pgw_fault *fault)
{
        size_t have = 0;

        while (have < size) {
                const ssize_t n = read(fd, bytes + have, size - have);
                if (n > 0) {
                        have += (size_t)n;
                        continue;
                }
                if (n < 0 && errno == EINTR)
                        continue;
                pgw_fault_set(fault, path, "%s", n < 0 ? strerror(errno) : "it became shorter");
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

enum pgw_err pgw_file_read(const char *path, size_t max_size, char **ret_bytes, size_t *ret_size,
                           struct pgw_fault *fault)
{
        /* A FIFO that nobody writes to would keep open() for ever. */
        const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd < 0) {
                pgw_fault_set(fault, path, "%s", strerror(errno));
                return PGW_E_CONFIG;
        }
        if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size > max_size) {
                pgw_fault_set(fault, path, "not a regular file of at most %zu bytes", max_size);
                close(fd);
                return PGW_E_CONFIG;
        }
        const size_t size = (size_t)st.st_size;
        char *bytes = pgw_alloc(size + 1);
        enum pgw_err err = read_all(fd, path, size, bytes, fault);
        close(fd);
        if (err) {
                pgw_free(bytes);
                return err;
        }
        *ret_bytes = bytes;
        *ret_size = size;
        return PGW_OK;
}
