/* A head that is called fine has one Host under HTTP/1.1, one way to its end, no line that ends in
 * another way than CRLF, and means the same whatever follows it. */
#include <string.h>

#include "base/panic.h"
#include "http/guard_h1.h"

#define HEAD_MAX 16384

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* How many lines of the head begin with `name`, case ignored. */
static unsigned count(struct pgw_str head, struct pgw_str name)
{
        unsigned found = 0;

        for (size_t i = 2; i + name.n <= head.n; i++)
                if (head.p[i - 1] == '\n' &&
                    pgw_str_eq_nocase(pgw_str_of(head.p + i, name.n), name))
                        found++;
        return found;
}

static void check_fine(struct pgw_str head, bool chunked)
{
        const struct pgw_str old = PGW_STR(" HTTP/1.0\r\n");
        const unsigned hosts = count(head, PGW_STR("host:")),
                       lengths = count(head, PGW_STR("content-length:")),
                       encodings = count(head, PGW_STR("transfer-encoding:"));
        const char *end = memchr(head.p, '\n', head.n);
        const bool is_old =
            end - head.p + 1 >= (ptrdiff_t)old.n && !memcmp(end + 1 - old.n, old.p, old.n);

        PGW_ASSERT(head.n <= HEAD_MAX && lengths + encodings <= 1);
        PGW_ASSERT(hosts == 1 || (is_old && hosts == 0));
        PGW_ASSERT(chunked == (encodings == 1));
        for (size_t i = 0; i < head.n; i++) {
                PGW_ASSERT(head.p[i] != '\n' || (i && head.p[i - 1] == '\r'));
                PGW_ASSERT(head.p[i] != '\r' || (i + 1 < head.n && head.p[i + 1] == '\n'));
                PGW_ASSERT((unsigned char)head.p[i] >= ' ' || strchr("\r\n\t", head.p[i]));
                PGW_ASSERT(head.p[i] && head.p[i] != 0x7f);
        }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const struct pgw_str bytes = pgw_str_of((const char *)data, size);
        const struct pgw_h1_verdict v = pgw_guard_h1(bytes, HEAD_MAX);

        PGW_ASSERT((v.status == 0) == (v.reason == NULL));
        PGW_ASSERT(v.size <= size);
        if (v.status)
                return 0;
        check_fine(pgw_str_of(bytes.p, v.size), v.chunked);
        const struct pgw_h1_verdict alone = pgw_guard_h1(pgw_str_of(bytes.p, v.size), HEAD_MAX);
        PGW_ASSERT(alone.status == 0 && alone.size == v.size && alone.chunked == v.chunked);
        return 0;
}
