/* What a hostile node says of its cluster: any bytes as the answer to CLUSTER SLOTS, and as a
 * redirection. What is accepted holds together. */
#include "base/panic.h"
#include "redis/cluster_map.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_map(const struct pgw_map *map)
{
        PGW_ASSERT(map->count <= PGW_MASTERS_MAX);
        for (size_t i = 0; i < map->count; i++) {
                PGW_ASSERT(map->masters[i].id.n && map->masters[i].id.n <= PGW_NODE_ID_MAX);
                PGW_ASSERT(map->masters[i].host.n <= PGW_NODE_HOST_MAX && map->masters[i].port);
        }
        for (size_t slot = 0; slot < PGW_REDIS_SLOTS; slot++)
                PGW_ASSERT(map->owner[slot] <= map->count);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        static const struct pgw_wire_limits limits = {10000, 65536};
        static struct pgw_map map;
        const struct pgw_str text = pgw_str_of((const char *)data, size);
        struct pgw_wire *wire = pgw_wire_new(&limits);
        const struct pgw_reply *reply;
        struct pgw_redirect redirect;
        size_t used;

        if (pgw_wire_read(wire, text, &reply, &used) == PGW_OK && reply &&
            pgw_map_read(&map, reply) == PGW_OK)
                check_map(&map);
        if (pgw_redirect_read(text, &redirect) == PGW_OK)
                PGW_ASSERT(redirect.slot < PGW_REDIS_SLOTS && redirect.port &&
                           redirect.host.n <= PGW_NODE_HOST_MAX);
        pgw_wire_free(wire);
        return 0;
}
