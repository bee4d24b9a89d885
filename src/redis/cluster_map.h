/* redis/cluster_map.h - what a cluster says about itself, as values; without I/O.
 *
 * Two things are read here, and both come from outside: the answer to CLUSTER SLOTS and
 * the text of a redirection. Whatever contradicts itself, names more than is allowed or
 * does not look like what Redis says gives PGW_E_REDIS_PROTOCOL, and then nothing of it
 * is used: half a map would send keys to the wrong server.
 */
#ifndef PGW_REDIS_CLUSTER_MAP_H
#define PGW_REDIS_CLUSTER_MAP_H

#include "redis/slot.h"
#include "redis/wire.h"

#define PGW_MASTERS_MAX   1000
#define PGW_NODE_ID_MAX   64
#define PGW_NODE_HOST_MAX 255

/* The texts lie in the reply that was read, without NULs and blanks. */
struct pgw_map_master {
        struct pgw_str id;
        struct pgw_str host; /* empty: the host that was asked */
        uint16_t port;
};

struct pgw_map {
        size_t count;
        struct pgw_map_master masters[PGW_MASTERS_MAX];
        uint16_t owner[PGW_REDIS_SLOTS]; /* 1 + index into masters; 0: nobody */
        uint16_t _index[2048];           /* masters by the checksum of their id */
};

/* Fill in `map` from an answer to CLUSTER SLOTS. Replicas are skipped. Slots may be missing;
 * a slot that is named twice, or a master of two addresses, is not Redis's protocol. */
enum pgw_err pgw_map_read(struct pgw_map *map, const struct pgw_reply *slots) PGW_MUSTUSE;

struct pgw_redirect {
        bool ask; /* for this one command; else the slot has moved */
        unsigned slot;
        struct pgw_str host; /* in the text; empty: the host that was asked */
        uint16_t port;
};

/* "MOVED 3999 127.0.0.1:6381", "ASK 0 ::1:7000", "MOVED 7 :7001". */
enum pgw_err pgw_redirect_read(struct pgw_str text, struct pgw_redirect *ret) PGW_MUSTUSE;

#endif
