/* The bytes come from Redis, where anybody may have written: nothing is taken on trust. */
#include "domain/entry.h"

#include "domain/hold.h"

/* What is read once it is known that it is ours to read. */
struct raw {
        struct pgw_str version, nonce, rebounds, pass, origin, job, soft, hold;
};

static void take_field(struct pgw_entry *e, struct raw *raw, struct pgw_str name,
                       struct pgw_str value)
{
        if (name.n != 1)
                return;
        switch (name.p[0]) {
        case 'v':
                raw->version = value;
                break;
        case 'n':
                raw->nonce = value;
                break;
        case 'x':
                e->targets = value;
                break;
        case 'm':
                e->members = value;
                break;
        case 'k':
                e->keys = value;
                break;
        case 'p':
                e->patterns = value;
                break;
        case 'w':
                raw->rebounds = value;
                break;
        case 's':
                raw->soft = value;
                break;
        case 'h':
                raw->hold = value;
                break;
        case 'c':
                e->version = value;
                break;
        case 'd':
                e->is_dry = pgw_str_eq_z(value, "1");
                break;
        case 'b':
                raw->pass = value;
                break;
        case 'o':
                raw->origin = value;
                break;
        case 'j':
                raw->job = value;
                break;
        case 'g':
                e->tags = value;
                break;
        case 'a':
                e->all_tags = pgw_str_eq_z(value, "1");
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

static enum pgw_err read_pass(struct pgw_entry *e, const struct raw *raw)
{
        uint64_t pass;

        if (pgw_str_to_u64(raw->pass, PGW_REBOUNDS_MAX, &pass) || pass == 0 ||
            pgw_str_to_u64(raw->origin, UINT64_MAX, &e->origin_ms) ||
            pgw_job_id_parse(raw->job, &e->job))
                return PGW_E_CODEC;
        e->pass = (unsigned)pass;
        return PGW_OK;
}

/* Version 1 knows of keys only, and a field that it does not know is to be ignored. */
static enum pgw_err check(struct pgw_entry *e, const struct raw *raw)
{
        enum pgw_err err = PGW_OK;

        if (pgw_str_eq_z(raw->version, PGW_INVALIDATION_VERSION_KEYS))
                e->targets = e->patterns = e->tags = (struct pgw_str){NULL, 0};
        else if (!pgw_str_eq_z(raw->version, PGW_INVALIDATION_VERSION_SELECTORS))
                return PGW_E_CODEC;
        else if (raw->pass.n)
                err = read_pass(e, raw);
        else if (raw->job.n)
                err = pgw_job_id_parse(raw->job, &e->job);
        e->has_job = raw->job.n > 0;
        if (raw->soft.n && pgw_str_to_u64(raw->soft, UINT64_MAX, &e->soft_ttl_ms))
                err = PGW_E_CODEC;
        if (raw->hold.n && pgw_str_to_u64(raw->hold, UINT64_MAX, &e->hold_ms))
                err = PGW_E_CODEC;
        if (e->version.n > PGW_HOLD_VERSION_MAX)
                err = PGW_E_CODEC;
        e->has_rebounds = raw->rebounds.n > 0;
        if (!err && pgw_rebounds_parse(raw->rebounds, &e->rebounds))
                err = PGW_E_CODEC;
        if (!err)
                err = pgw_keys_count(e->keys, &e->key_count);
        if (!err)
                err = pgw_keys_count(e->patterns, &e->pattern_count);
        if (!err)
                err = pgw_keys_count(e->tags, &e->tag_count);
        if (err)
                return err;
        return e->key_count + e->pattern_count + e->tag_count ? PGW_OK : PGW_E_CODEC;
}

enum pgw_err pgw_entry_read(const struct pgw_reply *reply, enum pgw_lane lane,
                            struct pgw_entry *ret, bool *ret_has_nonce)
{
        struct raw raw = {.version = {NULL, 0}};
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
                take_field(ret, &raw, pgw_reply_str(name), pgw_reply_str(value));
                name = pgw_reply_next(value);
        }
        *ret_has_nonce = pgw_nonce_parse(raw.nonce, &ret->id.nonce) == PGW_OK;
        return *ret_has_nonce ? check(ret, &raw) : PGW_E_CODEC;
}

/* The value of a field, or NULL. */
static const struct pgw_reply *find(const struct pgw_reply *fields, const char *wanted)
{
        if (!fields || fields->type != PGW_REPLY_ARRAY)
                return NULL;
        const struct pgw_reply *name = fields + 1;
        for (size_t i = 0; i + 1 < fields->count; i += 2) {
                const struct pgw_reply *value = pgw_reply_next(name);
                if (pgw_str_eq_z(pgw_reply_str(name), wanted))
                        return value;
                name = pgw_reply_next(value);
        }
        return NULL;
}

bool pgw_entry_takes_long(const struct pgw_reply *fields)
{
        return find(fields, "p") != NULL || find(fields, "g") != NULL;
}

enum pgw_err pgw_entry_nonce(const struct pgw_reply *fields, uint64_t *ret)
{
        const struct pgw_reply *nonce = find(fields, "n");

        return nonce ? pgw_nonce_parse(pgw_reply_str(nonce), ret) : PGW_E_CODEC;
}
