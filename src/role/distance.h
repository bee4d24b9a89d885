/* role/distance.h - how far a word is from the one that was meant. */
#ifndef PGW_ROLE_DISTANCE_H
#define PGW_ROLE_DISTANCE_H

#include "base/str.h"

#define PGW_DISTANCE_SIZE_MAX 80

/* Edits between two words (Levenshtein); `b` has at most PGW_DISTANCE_SIZE_MAX bytes. Pure. */
size_t pgw_distance(struct pgw_str a, struct pgw_str b);

#endif
