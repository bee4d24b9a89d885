#include "cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_secret(const char *text, size_t size)
{
        if (size == 0 || size > PGW_SECRET_SIZE_MAX)
                return false;
        for (size_t i = 0; i < size; i++)
                if (text[i] <= ' ' || text[i] > '~')
                        return false;
        return true;
}

static enum pgw_err refuse(struct pgw_fault *fault, const char *where)
{
        pgw_fault_set(fault, "", "%s is not one line of 1 to %d printable characters", where,
                      PGW_SECRET_SIZE_MAX);
        return PGW_E_INVALID;
}

enum pgw_err pgw_cli_secret_read(FILE *file, char out[PGW_SECRET_SIZE_MAX + 1],
                                 struct pgw_fault *fault)
{
        char line[PGW_SECRET_SIZE_MAX + 3] =
            ""; /* a secret, the end of its line, and one too many */
        size_t n = fread(line, 1, sizeof line, file);
        enum pgw_err err = PGW_OK;

        if (n && line[n - 1] == '\n')
                n--;
        if (ferror(file) || !is_secret(line, n))
                err = refuse(fault, "what was read");
        else
                memcpy(out, line, n);
        out[err ? 0 : n] = '\0';
        explicit_bzero(line, sizeof line);
        return err;
}

/* A FIFO that nobody writes to would keep open() for ever, and a terminal read(). */
static FILE *open_file(const char *path, const char **ret_why)
{
        const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
                close(fd);
                *ret_why = "it is not a regular file";
                return NULL;
        }
        FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
        *ret_why = strerrordesc_np(errno);
        return file;
}

static enum pgw_err read_file(const char *name, const char *path, char out[PGW_SECRET_SIZE_MAX + 1],
                              struct pgw_fault *fault)
{
        struct pgw_fault inner = {"", ""};
        const char *why = inner.detail;
        FILE *file = open_file(path, &why);
        enum pgw_err err = PGW_E_INVALID;

        if (file) {
                why = inner.detail;
                err = pgw_cli_secret_read(file, out, &inner);
                fclose(file);
        }
        if (err)
                pgw_fault_set(fault, "", "%s: %.120s: %s", name, path, why);
        return err;
}

/* Of the variable NAME, or of the file that NAME_FILE names. */
static enum pgw_err read_variable(const char *name, const char *file_name,
                                  char out[PGW_SECRET_SIZE_MAX + 1], struct pgw_fault *fault)
{
        const char *text = secure_getenv(name), *path = secure_getenv(file_name);

        out[0] = '\0';
        if (text && *text) {
                if (!is_secret(text, strlen(text)))
                        return refuse(fault, name);
                memcpy(out, text, strlen(text) + 1);
                return PGW_OK;
        }
        return path && *path ? read_file(file_name, path, out, fault) : PGW_OK;
}

enum pgw_err pgw_cli_secret(char out[PGW_SECRET_SIZE_MAX + 1], struct pgw_fault *fault)
{
        return read_variable("PURGEWAY_API_KEY", "PURGEWAY_API_KEY_FILE", out, fault);
}

enum pgw_err pgw_cli_pepper(char out[PGW_SECRET_SIZE_MAX + 1], struct pgw_fault *fault)
{
        return read_variable("PURGEWAY_IDENTITIES_PEPPER", "PURGEWAY_IDENTITIES_PEPPER_FILE", out,
                             fault);
}
