/* The bytes come from Redis, where anybody may have written: nothing is taken on trust. */
#include "domain/entry.h"

static void take_field(struct pgw_entry *e, struct pgw_str name, struct pgw_str value,
                       struct pgw_str *version, struct pgw_str *nonce)
{
        if (name.n != 1)
                return;
        switch (name.p[0]) {
        case 'v':
                *version = value;
                break;
        case 'n':
                *nonce = value;
                break;
        case 'k':
                e->keys = value;
                break;
        case 'r':
                e->reason = value;
                break;
        case 'q':
                e->request_id = value;
                break;
        case 't':
                e->traceparent = value;
                break;
        default:
                break;
        }
}

enum pgw_err pgw_entry_read(const struct pgw_reply *reply, enum pgw_lane lane,
                            struct pgw_entry *ret, bool *ret_has_nonce)
{
        struct pgw_str version = {NULL, 0}, nonce = {NULL, 0};
        const struct pgw_reply *fields = pgw_reply_at(reply, 1);

        *ret = (struct pgw_entry){.id = {.lane = lane}};
        *ret_has_nonce = false;
        enum pgw_err err =
            pgw_entry_id_parse(pgw_reply_str(pgw_reply_at(reply, 0)), &ret->id.entry);
        if (err)
                return err;
        if (!fields || fields->type != PGW_REPLY_ARRAY)
                return PGW_E_CODEC;

        const struct pgw_reply *name = fields + 1;
        for (size_t i = 0; i + 1 < fields->count; i += 2) {
                const struct pgw_reply *value = pgw_reply_next(name);
                take_field(ret, pgw_reply_str(name), pgw_reply_str(value), &version, &nonce);
                name = pgw_reply_next(value);
        }
        *ret_has_nonce = pgw_nonce_parse(nonce, &ret->id.nonce) == PGW_OK;
        if (!*ret_has_nonce || !pgw_str_eq_z(version, PGW_INVALIDATION_VERSION) || ret->keys.n == 0)
                return PGW_E_CODEC;
        return pgw_keys_count(ret->keys, &ret->key_count);
}

enum pgw_err pgw_entry_nonce(const struct pgw_reply *fields, uint64_t *ret)
{
        if (!fields || fields->type != PGW_REPLY_ARRAY)
                return PGW_E_CODEC;
        const struct pgw_reply *name = fields + 1;
        for (size_t i = 0; i + 1 < fields->count; i += 2) {
                const struct pgw_reply *value = pgw_reply_next(name);
                if (pgw_str_eq_z(pgw_reply_str(name), "n"))
                        return pgw_nonce_parse(pgw_reply_str(value), ret);
                name = pgw_reply_next(value);
        }
        return PGW_E_CODEC;
}
