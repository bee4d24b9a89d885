/* Any bytes as a header block: there are no more fields than bytes, and what is cut off has no more
 * than the whole. */
#include "base/panic.h"
#include "http/guard_h2.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const char *bytes = (const char *)data;
        const size_t fields = pgw_guard_hpack_fields(pgw_str_of(bytes, size));

        PGW_ASSERT(fields <= size);
        if (size) {
                const size_t cut = data[0] % size;
                PGW_ASSERT(pgw_guard_hpack_fields(pgw_str_of(bytes, cut)) <= fields);
        }
        return 0;
}
