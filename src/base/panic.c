/* A panic uses nothing that could itself be broken: one stack buffer, one write. */
#include "base/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pgw_panic(const char *format, ...)
{
        char line[512] = "purgeway: panic: ";
        const size_t head = strlen(line);
        va_list args;

        va_start(args, format);
        int n = vsnprintf(line + head, sizeof line - head - 1, format, args);
        va_end(args);

        size_t size = head + (n > 0 ? (size_t)n : 0);
        if (size > sizeof line - 1)
                size = sizeof line - 1;
        line[size] = '\n';
        if (write(STDERR_FILENO, line, size + 1) < 0)
                abort();
        abort();
}
