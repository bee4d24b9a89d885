/* For the test that asks Redis: reads keys in hexadecimal from standard input, one a line, and
 * answers each with the number of its slot. */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "redis/slot.h"

#define LINE_MAX_SIZE 8192

int main(void)
{
        static char line[LINE_MAX_SIZE];

        while (fgets(line, sizeof line, stdin)) {
                const struct pgw_str text = pgw_str_of(line, strcspn(line, "\n"));
                PGW_ASSERT(pgw_unhex(text, (unsigned char *)line) == PGW_OK);
                printf("%u\n", pgw_redis_slot(pgw_str_of(line, text.n / 2)));
        }
        return 0;
}
