/* Where each fact stands is two tables; reading is the same for all of them. */
#include "domain/broker_facts.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAGMENTATION_MAX 1e6

#define TEXT(name, field)                                                                          \
        {                                                                                          \
                name, offsetof(struct pgw_broker_facts, field),                                    \
                    sizeof((struct pgw_broker_facts *)0)->field                                    \
        }
#define NUMBER(name, field)                                                                        \
        {                                                                                          \
                name, offsetof(struct pgw_broker_facts, field), 0                                  \
        }

struct place {
        const char *name;
        size_t offset, size; /* 0: a number */
};

static const struct place info_places[] = {
    TEXT("maxmemory_policy", eviction),
    TEXT("role", role),
    TEXT("aof_last_write_status", aof_write),
    TEXT("aof_last_bgrewrite_status", aof_rewrite),
    TEXT("rdb_last_bgsave_status", rdb_save),
    TEXT("run_id", run_id),
    NUMBER("aof_rewrite_in_progress", is_rewriting),
    NUMBER("aof_rewrite_scheduled", rewrite_scheduled),
    NUMBER("connected_slaves", replicas),
    NUMBER("loading", loading),
    NUMBER("evicted_keys", evicted_keys),
    NUMBER("rejected_connections", rejected_connections),
    NUMBER("blocked_clients", blocked_clients),
    NUMBER("connected_clients", clients),
    NUMBER("used_memory", used_bytes),
    NUMBER("mem_not_counted_for_evict", uncounted_bytes),
    NUMBER("maxmemory", max_bytes),
};

static const struct place config_places[] = {
    TEXT("appendonly", appendonly),
    TEXT("appendfsync", appendfsync),
    TEXT("no-appendfsync-on-rewrite", rest_on_rewrite),
    TEXT("save", save),
};

static void take(struct pgw_broker_facts *f, const struct place *place, struct pgw_str value)
{
        char *const at = (char *)f + place->offset;
        uint64_t number = 0;

        if (place->size) {
                snprintf(at, place->size, "%.*s", (int)value.n, value.n ? value.p : "");
                return;
        }
        if (pgw_str_to_u64(value, UINT64_MAX, &number))
                number = 0;
        memcpy(at, &number, sizeof number);
}

static void find_and_take(struct pgw_broker_facts *f, const struct place *places, size_t count,
                          struct pgw_str name, struct pgw_str value)
{
        for (size_t i = 0; i < count; i++)
                if (pgw_str_eq_z(name, places[i].name))
                        take(f, &places[i], value);
}

static void take_fragmentation(struct pgw_broker_facts *f, struct pgw_str value)
{
        char text[32];

        snprintf(text, sizeof text, "%.*s", (int)value.n, value.n ? value.p : "");
        const double ratio = strtod(text, NULL);
        /* What a server says may be no number. */
        f->fragmentation =
            ratio > 0 && ratio < FRAGMENTATION_MAX ? (uint64_t)(ratio * 100 + 0.5) : 0;
}

void pgw_broker_facts_info(struct pgw_broker_facts *f, struct pgw_str info)
{
        struct pgw_str line, name, value;

        while (pgw_str_cut(info, '\n', &line, &info)) {
                if (line.n && line.p[line.n - 1] == '\r')
                        line.n--;
                if (!pgw_str_cut(line, ':', &name, &value))
                        continue;
                if (pgw_str_eq_z(name, "mem_fragmentation_ratio"))
                        take_fragmentation(f, value);
                else
                        find_and_take(f, info_places, sizeof info_places / sizeof info_places[0],
                                      name, value);
        }
}

void pgw_broker_facts_config(struct pgw_broker_facts *f, struct pgw_str name, struct pgw_str value)
{
        find_and_take(f, config_places, sizeof config_places / sizeof config_places[0], name,
                      value);
}

/* `id=3 name=purgeway-... flags=b ... cmd=xreadgroup ...` */
static bool is_own_reader(struct pgw_str line)
{
        struct pgw_str word, name, value;
        bool is_own = false, is_blocked = false, is_reader = false, has_more = true;

        while (has_more) {
                has_more = pgw_str_cut(line, ' ', &word, &line);
                if (!has_more)
                        word = line;
                if (!pgw_str_cut(word, '=', &name, &value))
                        continue;
                if (pgw_str_eq_z(name, "name"))
                        is_own = pgw_str_starts(value, PGW_STR(PGW_CLIENT_PREFIX));
                else if (pgw_str_eq_z(name, "flags"))
                        is_blocked = value.n && memchr(value.p, 'b', value.n);
                else if (pgw_str_eq_z(name, "cmd"))
                        is_reader = pgw_str_eq_z(value, "xreadgroup");
        }
        return is_own && is_blocked && is_reader;
}

void pgw_broker_facts_clients(struct pgw_broker_facts *f, struct pgw_str list)
{
        struct pgw_str line;

        f->own_blocked = 0;
        while (pgw_str_cut(list, '\n', &line, &list))
                if (is_own_reader(line))
                        f->own_blocked++;
}

uint64_t pgw_broker_facts_counted_bytes(const struct pgw_broker_facts *f)
{
        return f->used_bytes > f->uncounted_bytes ? f->used_bytes - f->uncounted_bytes : 0;
}
