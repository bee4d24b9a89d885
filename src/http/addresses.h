/* http/addresses.h - a bucket for each address that asks, in a table that does not grow.
 *
 * An IPv6 address stands for its /64, which is what one customer gets, an IPv4 address in IPv6 for
 * itself. Where an address lies is decided by a hash with a key of this process, so that nobody can
 * choose addresses that crowd out another one.
 *
 * A newcomer takes the place of the address whose bucket has been full longest: that one loses
 * nothing. Where none is full, it takes the place of the one that is nearest to it, as it is: more
 * addresses than the table has room for get no more than it holds buckets.
 *
 * Any thread.
 */
#ifndef PGW_HTTP_ADDRESSES_H
#define PGW_HTTP_ADDRESSES_H

#include <stddef.h>

#include "base/bucket.h"

struct sockaddr;
struct pgw_addresses;

#define PGW_ADDRESS_KEY_SIZE 16

/* The same for the same address in this sense; who does not know the key cannot tell which. 0 for
 * what is no address. */
uint64_t pgw_address_hash(const unsigned char key[PGW_ADDRESS_KEY_SIZE], const struct sockaddr *);

/* Room for `count` addresses, rounded up to a power of two. */
struct pgw_addresses *pgw_addresses_new(size_t count);
void pgw_addresses_free(struct pgw_addresses *);

/* The bucket of an address; NULL for what is none (a Unix socket). Valid as long as the table. */
struct pgw_bucket *pgw_addresses_bucket(struct pgw_addresses *, const struct sockaddr *);

#endif
