/* Frames in arbitrary pieces: the guard must judge whole frames the same however they come,
 * and never read past what it was given. */
#include "http/guard_h2.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        struct pgw_guard_h2 whole;

        pgw_guard_h2_init(&whole, 32768, 100000, 0);
        whole.preface_seen = size && data[0] & 1;
        whole.draining = size && data[0] & 2;
        (void)pgw_guard_h2_scan(&whole, pgw_str_of((const char *)data, size), 5);
        (void)pgw_guard_hpack_fields(pgw_str_of((const char *)data, size));
        pgw_guard_h2_fini(&whole);
        return 0;
}
