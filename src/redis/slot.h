/* redis/slot.h - which slot of a Redis Cluster a key belongs to.
 *
 * CRC-16/XMODEM of the key modulo 16384. When the key has a `{` and a later `}` with
 * something between the first of the one and the first of the other behind it, only that
 * something counts: the hash tag, by which keys are made to lie together.
 */
#ifndef PGW_REDIS_SLOT_H
#define PGW_REDIS_SLOT_H

#include "base/str.h"

#define PGW_REDIS_SLOTS 16384

/* 0 .. PGW_REDIS_SLOTS - 1; any bytes are a key, none at all too. */
unsigned pgw_redis_slot(struct pgw_str key);

/* The checksum under it. */
uint16_t pgw_redis_crc16(struct pgw_str);

#endif
