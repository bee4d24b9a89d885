/* The soft limit is 1,024 almost everywhere, for the sake of programs that use select(). The hard
 * limit is what the operator means, so the soft one is raised towards it. */
#include "role/descriptors.h"

#include <sys/resource.h>

size_t pgw_descriptors_for_clients(size_t wanted, unsigned threads)
{
        const size_t spare = PGW_DESCRIPTORS_SPARE + (size_t)threads * PGW_DESCRIPTORS_SPARE_EACH;
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
                return wanted;
        if (limit.rlim_cur < wanted + spare) {
                const rlim_t before = limit.rlim_cur;
                limit.rlim_cur = limit.rlim_max < wanted + spare ? limit.rlim_max : wanted + spare;
                if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
                        limit.rlim_cur = before;
        }
        if (limit.rlim_cur >= wanted + spare)
                return wanted;
        return limit.rlim_cur > spare ? limit.rlim_cur - spare : 1;
}
