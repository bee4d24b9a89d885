/* A head that is called fine has exactly one Host under HTTP/1.1 and one way to its end. */
#include "http/guard_h1.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const struct pgw_h1_verdict v = pgw_guard_h1(pgw_str_of((const char *)data, size), 16384);

        PGW_ASSERT(v.status == 0 || v.reason != NULL);
        PGW_ASSERT(v.size <= size);
        return 0;
}
