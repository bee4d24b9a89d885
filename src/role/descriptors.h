/* role/descriptors.h - how many connections the process may have open.
 *
 * At the limit of descriptors nothing can be accepted, no Redis reached and no file read. So the
 * connections of clients are kept below it, with some to spare for all else.
 */
#ifndef PGW_ROLE_DESCRIPTORS_H
#define PGW_ROLE_DESCRIPTORS_H

#include <stddef.h>

/* Descriptors that are not for clients: files, and for each thread its loop, its listeners and its
 * links to Redis. */
#define PGW_DESCRIPTORS_SPARE      32
#define PGW_DESCRIPTORS_SPARE_EACH 16

/* `wanted`, or fewer, and at least one. Raises the process's soft limit as far as it needs to and
 * may. */
size_t pgw_descriptors_for_clients(size_t wanted, unsigned threads);

#endif
