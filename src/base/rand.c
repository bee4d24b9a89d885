/* A thread-local page of kernel randomness, wiped as it is used up. A fork would
 * share the rest of the page, and nobody forks after the threads have started. */
#include "base/rand.h"

#include <string.h>
#include <sys/random.h>

#include "base/panic.h"

#define PGW_RAND_PAGE 4096

static _Thread_local unsigned char page[PGW_RAND_PAGE];
static _Thread_local size_t left;

static void refill(void)
{
        size_t have = 0;

        while (have < sizeof page) {
                const ssize_t n = getrandom(page + have, sizeof page - have, 0);
                if (n > 0)
                        have += (size_t)n;
        }
        left = sizeof page;
}

void pgw_rand_bytes(void *out, size_t size)
{
        unsigned char *to = out;

        while (size) {
                if (!left)
                        refill();
                const size_t n = size < left ? size : left;
                unsigned char *from = page + sizeof page - left;
                memcpy(to, from, n);
                memset(from, 0, n);
                left -= n;
                to += n;
                size -= n;
        }
}

uint64_t pgw_rand_u64(void)
{
        uint64_t value;

        pgw_rand_bytes(&value, sizeof value);
        return value;
}

uint64_t pgw_rand_below(uint64_t bound)
{
        PGW_ASSERT(bound > 0);
        return (uint64_t)(((unsigned __int128)pgw_rand_u64() * bound) >> 64);
}
