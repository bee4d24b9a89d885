#include "domain/delivery.h"

#include <stddef.h>

#include "base/metric.h"
#include "domain/script.h"

static const struct {
        const char *name;
        size_t offset, most;
} fields[] = {
    {"v", offsetof(struct pgw_delivery, verdict), PGW_DELIVERY_TEXT_MAX},
    {"i", offsetof(struct pgw_delivery, id), PGW_DELIVERY_ID_SHOWN},
    {"j", offsetof(struct pgw_delivery, job), PGW_DELIVERY_TEXT_MAX},
    {"a", offsetof(struct pgw_delivery, address), PGW_DELIVERY_TEXT_MAX},
    {"d", offsetof(struct pgw_delivery, detail), PGW_DELIVERY_TEXT_MAX},
    {"s", offsetof(struct pgw_delivery, secret), PGW_DELIVERY_TEXT_MAX},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static struct pgw_str *text_at(struct pgw_delivery *delivery, size_t field)
{
        return (struct pgw_str *)((char *)delivery + fields[field].offset);
}

static void on_written(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)reply;
        if (err)
                pgw_metric_add(PGW_M_HOOK_LINES_LOST, 1);
}

void pgw_delivery_write(struct pgw_redis *redis, const struct pgw_keyspace *ks, struct pgw_str hook,
                        bool is_signed, const struct pgw_delivery_conf *conf,
                        const struct pgw_delivery *given)
{
        struct pgw_delivery delivery = *given;
        char key[PGW_HOOK_KEY_MAX];
        size_t count = 0;

        for (size_t i = 0; i < FIELD_COUNT; i++)
                count += text_at(&delivery, i)->n > 0;
        pgw_script_begin(redis, PGW_SCRIPT_DELIVER, 1, 2 + 2 * count);
        pgw_redis_arg(redis, pgw_keyspace_hook(ks, hook, is_signed, key));
        pgw_redis_arg_u64(redis, is_signed || conf->kept_max < PGW_DELIVERIES_REFUSED
                                     ? conf->kept_max
                                     : PGW_DELIVERIES_REFUSED);
        pgw_redis_arg_u64(redis, conf->ttl_ms);
        for (size_t i = 0; i < FIELD_COUNT; i++) {
                struct pgw_str *text = text_at(&delivery, i);
                if (text->n == 0)
                        continue;
                pgw_redis_arg(redis, pgw_str_z(fields[i].name));
                pgw_redis_arg(
                    redis,
                    pgw_str_of(text->p, text->n < fields[i].most ? text->n : fields[i].most));
        }
        if (pgw_redis_end(redis, on_written, NULL))
                on_written(NULL, PGW_E_REDIS_FULL, NULL);
}

enum pgw_err pgw_delivery_ask(struct pgw_redis *redis, const struct pgw_keyspace *ks,
                              struct pgw_str hook, bool is_signed, struct pgw_entry_id from,
                              size_t count, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_HOOK_KEY_MAX], id[PGW_ENTRY_ID_SIZE];

        PGW_ASSERT(count >= 1 && count <= PGW_DELIVERIES_ASKED);
        pgw_redis_begin(redis, 6);
        pgw_redis_arg(redis, PGW_STR("XREVRANGE"));
        pgw_redis_arg(redis, pgw_keyspace_hook(ks, hook, is_signed, key));
        pgw_redis_arg(redis, pgw_str_of(id, pgw_entry_id_text(from, id)));
        pgw_redis_arg(redis, PGW_STR("-"));
        pgw_redis_arg(redis, PGW_STR("COUNT"));
        pgw_redis_arg_u64(redis, count);
        return pgw_redis_end(redis, done, ctx);
}

bool pgw_delivery_read(const struct pgw_reply *reply, size_t index, struct pgw_delivery *ret)
{
        const struct pgw_reply *entry = pgw_reply_at(reply, index), *pairs = pgw_reply_at(entry, 1);

        *ret = (struct pgw_delivery){.place = {0, 0}};
        if (pgw_entry_id_parse(pgw_reply_str(pgw_reply_at(entry, 0)), &ret->place))
                return false;
        for (size_t i = 0; pgw_reply_at(pairs, i + 1); i += 2)
                for (size_t f = 0; f < FIELD_COUNT; f++)
                        if (pgw_str_eq_z(pgw_reply_str(pgw_reply_at(pairs, i)), fields[f].name))
                                *text_at(ret, f) = pgw_reply_str(pgw_reply_at(pairs, i + 1));
        return true;
}
