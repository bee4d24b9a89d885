/* domain/broker_facts.h - what a server says of itself.
 *
 * Read from the texts of INFO, CONFIG GET and CLIENT LIST. They come from outside: whatever they
 * hold, a text is cut to its field and what is no number is 0.
 */
#ifndef PGW_DOMAIN_BROKER_FACTS_H
#define PGW_DOMAIN_BROKER_FACTS_H

#include <stdbool.h>

#include "base/str.h"

/* Every connection of Purgeway to a Redis has a name that begins so. */
#define PGW_CLIENT_PREFIX "purgeway-"

struct pgw_broker_facts {
        char eviction[32];       /* maxmemory_policy of INFO memory; "" unknown */
        char appendonly[8];      /* CONFIG GET: "yes", "no"; "" when CONFIG is not permitted */
        char appendfsync[16];    /* CONFIG GET; "" when CONFIG is not permitted */
        char rest_on_rewrite[8]; /* CONFIG GET: no-appendfsync-on-rewrite, likewise */
        char save[64];           /* CONFIG GET, cut; "" when off, or when CONFIG is not permitted */
        char role[16];           /* master, slave */
        char aof_write[8];       /* "ok", "err"; "" when not said */
        char aof_rewrite[8];
        char rdb_save[8];
        char run_id[48];       /* another one after each start */
        uint64_t is_rewriting; /* the append-only file; 0 or 1 */
        uint64_t rewrite_scheduled;
        bool aof_is_partial; /* not said by the server: see domain/broker_check.h */
        uint64_t replicas;   /* online */
        uint64_t loading;    /* 0 or 1 */
        uint64_t evicted_keys;
        uint64_t rejected_connections;
        uint64_t blocked_clients;
        uint64_t own_blocked; /* of these: readers of Purgeway, who wait for jobs */
        uint64_t clients;
        uint64_t used_bytes;
        uint64_t uncounted_bytes; /* of these: buffers that maxmemory does not count */
        uint64_t max_bytes;       /* 0: no limit */
        uint64_t fragmentation;   /* percent; 0 when not said */
};

/* Take the facts from the text of INFO; those that are not in it keep their value. */
void pgw_broker_facts_info(struct pgw_broker_facts *, struct pgw_str info);

/* Take the value of one CONFIG GET: appendonly, appendfsync, no-appendfsync-on-rewrite or save. */
void pgw_broker_facts_config(struct pgw_broker_facts *, struct pgw_str name, struct pgw_str value);

/* Count our own blocked readers in the text of CLIENT LIST. */
void pgw_broker_facts_clients(struct pgw_broker_facts *, struct pgw_str list);

/* What the server compares with its maxmemory. */
uint64_t pgw_broker_facts_counted_bytes(const struct pgw_broker_facts *);

#endif
