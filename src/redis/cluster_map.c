/* A cluster whose slots are scattered names each master thousands of times, so masters are
 * found by a small hash of their ids: open addressing, twice as many places as masters, no
 * removal. A peer can make the ids collide; then a look-up walks at most all masters.
 */
#include "redis/cluster_map.h"

#include <string.h>

#define INDEX_SIZE (sizeof((struct pgw_map *)0)->_index / sizeof(uint16_t))

_Static_assert((INDEX_SIZE & (INDEX_SIZE - 1)) == 0 && INDEX_SIZE > 2 * PGW_MASTERS_MAX,
               "a power of two with room to spare");

static bool is_word(struct pgw_str text, size_t max)
{
        if (text.n == 0 || text.n > max)
                return false;
        for (size_t i = 0; i < text.n; i++)
                if (text.p[i] <= ' ' || text.p[i] > '~')
                        return false;
        return true;
}

/* The address beside a name that is not known: the metadata of Redis 7 is an array of names
 * and values. */
static struct pgw_str metadata_ip(const struct pgw_reply *node)
{
        const struct pgw_reply *metadata = pgw_reply_at(node, 3);
        const struct pgw_reply *name = pgw_reply_at(metadata, 0);

        for (size_t i = 0; name && i + 1 < metadata->count; i += 2) {
                const struct pgw_reply *value = pgw_reply_next(name);
                if (pgw_str_eq_z(pgw_reply_str(name), "ip"))
                        return pgw_reply_str(value);
                name = pgw_reply_next(value);
        }
        return (struct pgw_str){NULL, 0};
}

/* Nil and "" say that the node does not know how it is reached: at the host that was asked.
 * "?" says that it is to be reached by a host name and has none: by its address, then. */
static enum pgw_err read_host(const struct pgw_reply *node, struct pgw_str *ret)
{
        const struct pgw_reply *host = pgw_reply_at(node, 0);

        if (host->type != PGW_REPLY_STRING && host->type != PGW_REPLY_NIL)
                return PGW_E_REDIS_PROTOCOL;
        *ret = pgw_reply_str(host);
        if (pgw_str_eq_z(*ret, "?"))
                *ret = metadata_ip(node);
        return ret->n == 0 || is_word(*ret, PGW_NODE_HOST_MAX) ? PGW_OK : PGW_E_REDIS_PROTOCOL;
}

static enum pgw_err read_master(const struct pgw_reply *node, struct pgw_map_master *ret)
{
        if (!node || node->type != PGW_REPLY_ARRAY || node->count < 3)
                return PGW_E_REDIS_PROTOCOL;
        const int64_t port = pgw_reply_int(pgw_reply_at(node, 1), 0);
        ret->id = pgw_reply_str(pgw_reply_at(node, 2));
        if (port < 1 || port > UINT16_MAX || !is_word(ret->id, PGW_NODE_ID_MAX))
                return PGW_E_REDIS_PROTOCOL;
        ret->port = (uint16_t)port;
        return read_host(node, &ret->host);
}

/* 1 + its index. */
static enum pgw_err find_or_add(struct pgw_map *map, const struct pgw_map_master *master,
                                uint16_t *ret)
{
        size_t at = pgw_redis_crc16(master->id) % INDEX_SIZE;

        for (; map->_index[at]; at = (at + 1) % INDEX_SIZE) {
                const struct pgw_map_master *known = &map->masters[map->_index[at] - 1];
                if (!pgw_str_eq(known->id, master->id))
                        continue;
                if (known->port != master->port || !pgw_str_eq(known->host, master->host))
                        return PGW_E_REDIS_PROTOCOL;
                *ret = map->_index[at];
                return PGW_OK;
        }
        if (map->count == PGW_MASTERS_MAX)
                return PGW_E_REDIS_PROTOCOL;
        map->masters[map->count++] = *master;
        *ret = map->_index[at] = (uint16_t)map->count;
        return PGW_OK;
}

static enum pgw_err read_range(struct pgw_map *map, const struct pgw_reply *range)
{
        struct pgw_map_master master;
        uint16_t owner;

        if (range->type != PGW_REPLY_ARRAY || range->count < 3)
                return PGW_E_REDIS_PROTOCOL;
        const int64_t first = pgw_reply_int(pgw_reply_at(range, 0), -1);
        const int64_t last = pgw_reply_int(pgw_reply_at(range, 1), -1);
        if (first < 0 || first > last || last >= PGW_REDIS_SLOTS)
                return PGW_E_REDIS_PROTOCOL;
        enum pgw_err err = read_master(pgw_reply_at(range, 2), &master);
        if (!err)
                err = find_or_add(map, &master, &owner);
        for (int64_t slot = first; slot <= last && !err; slot++) {
                if (map->owner[slot])
                        err = PGW_E_REDIS_PROTOCOL;
                map->owner[slot] = owner;
        }
        return err;
}

enum pgw_err pgw_map_read(struct pgw_map *map, const struct pgw_reply *slots)
{
        map->count = 0;
        memset(map->owner, 0, sizeof map->owner);
        memset(map->_index, 0, sizeof map->_index);
        if (!slots || slots->type != PGW_REPLY_ARRAY)
                return PGW_E_REDIS_PROTOCOL;
        const struct pgw_reply *range = pgw_reply_at(slots, 0);
        for (size_t i = 0; i < slots->count; i++) {
                enum pgw_err err = read_range(map, range);
                if (err)
                        return err;
                range = pgw_reply_next(range);
        }
        return PGW_OK;
}

/* The port is behind the last colon: an IPv6 address has some of its own and no brackets. */
static enum pgw_err read_address(struct pgw_str text, struct pgw_redirect *ret)
{
        size_t colon = text.n;
        uint64_t port;

        while (colon > 0 && text.p[colon - 1] != ':')
                colon--;
        if (colon == 0 ||
            pgw_str_to_u64(pgw_str_of(text.p + colon, text.n - colon), UINT16_MAX, &port) ||
            port == 0)
                return PGW_E_REDIS_PROTOCOL;
        struct pgw_str host = pgw_str_of(text.p, colon - 1);
        if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
                host = pgw_str_of(host.p + 1, host.n - 2);
        if (pgw_str_eq_z(host, "?"))
                host.n = 0;
        if (host.n && !is_word(host, PGW_NODE_HOST_MAX))
                return PGW_E_REDIS_PROTOCOL;
        ret->host = host;
        ret->port = (uint16_t)port;
        return PGW_OK;
}

enum pgw_err pgw_redirect_read(struct pgw_str text, struct pgw_redirect *ret)
{
        struct pgw_redirect r = {0};
        struct pgw_str word, rest, number, address;
        uint64_t slot;

        if (!pgw_str_cut(text, ' ', &word, &rest) || !pgw_str_cut(rest, ' ', &number, &address))
                return PGW_E_REDIS_PROTOCOL;
        r.ask = pgw_str_eq_z(word, "ASK");
        if ((!r.ask && !pgw_str_eq_z(word, "MOVED")) ||
            pgw_str_to_u64(number, PGW_REDIS_SLOTS - 1, &slot) || read_address(address, &r))
                return PGW_E_REDIS_PROTOCOL;
        r.slot = (unsigned)slot;
        *ret = r;
        return PGW_OK;
}
