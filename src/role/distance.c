#include "role/distance.h"

size_t pgw_distance(struct pgw_str a, struct pgw_str b)
{
        size_t row[PGW_DISTANCE_SIZE_MAX + 1];

        PGW_ASSERT(b.n <= PGW_DISTANCE_SIZE_MAX);
        for (size_t j = 0; j <= b.n; j++)
                row[j] = j;
        for (size_t i = 1; i <= a.n; i++) {
                size_t diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= b.n; j++) {
                        const size_t change = diagonal + (a.p[i - 1] != b.p[j - 1]);
                        size_t best = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
                        diagonal = row[j];
                        row[j] = change < best ? change : best;
                }
        }
        return row[b.n];
}
