/* SIGKILL and not abort(): nothing may be cleaned up, as when the machine takes it. */
#include "base/failpoint.h"

#ifdef PGW_FAILPOINTS
#include <signal.h>
#include <stdlib.h>

#include "base/str.h"

void pgw_failpoint(const char *name)
{
        static uint64_t passes;
        const char *wanted = getenv("PURGEWAY_FAILPOINT");
        struct pgw_str where, count_text;
        uint64_t count;

        if (!wanted || !pgw_str_cut(pgw_str_z(wanted), ':', &where, &count_text))
                return;
        if (!pgw_str_eq_z(where, name) || pgw_str_to_u64(count_text, UINT64_MAX, &count))
                return;
        if (__atomic_add_fetch(&passes, 1, __ATOMIC_RELAXED) == count)
                (void)raise(SIGKILL);
}
#else
/* ISO C wants a declaration in every file. */
typedef int pgw_failpoints_are_off;
#endif
