/* The bytes come from Redis, where anybody may have written: nothing is taken on trust. */
#include "domain/entry.h"

#include "domain/hold.h"

#define PGW_ENTRY_BESIDES_BYTES (1u << 20) /* all but the selectors, of which each has a bound */

size_t pgw_entry_selectors_max(size_t body_bytes)
{
        return body_bytes > PGW_SELECTORS_BYTES_MIN ? body_bytes : PGW_SELECTORS_BYTES_MIN;
}

size_t pgw_entry_bytes_max(size_t body_bytes)
{
        return pgw_entry_selectors_max(body_bytes) + PGW_ENTRY_BESIDES_BYTES;
}

/* The values of the fields, by their one-letter names (domain/invalidation.h). */
struct raw {
        struct pgw_str of['z' - 'A' + 1];
};

static struct pgw_str raw_get(const struct raw *raw, char name)
{
        return raw->of[name - 'A'];
}

static void take_field(struct raw *raw, struct pgw_str name, struct pgw_str value)
{
        if (name.n == 1 && name.p[0] >= 'A' && name.p[0] <= 'z')
                raw->of[name.p[0] - 'A'] = value;
}

static void take_texts(struct pgw_entry *e, const struct raw *raw)
{
        e->targets = raw_get(raw, 'x');
        e->members = raw_get(raw, 'm');
        e->keys = raw_get(raw, 'k');
        e->patterns = raw_get(raw, 'p');
        e->tags = raw_get(raw, 'g');
        e->version = raw_get(raw, 'c');
        e->outcomes = raw_get(raw, 'y');
        e->history = raw_get(raw, 'l');
        e->reason = raw_get(raw, 'r');
        e->request_id = raw_get(raw, 'q');
        e->traceparent = raw_get(raw, 't');
        e->actor = raw_get(raw, 'A');
        e->sum = raw_get(raw, 'S');
        e->is_dry = pgw_str_eq_z(raw_get(raw, 'd'), "1");
        e->all_tags = pgw_str_eq_z(raw_get(raw, 'a'), "1");
        e->has_rebounds = raw_get(raw, 'w').n > 0;
        e->has_job = raw_get(raw, 'j').n > 0;
}

static enum pgw_err read_pass(struct pgw_entry *e, const struct raw *raw)
{
        uint64_t pass;

        if (pgw_str_to_u64(raw_get(raw, 'b'), PGW_REBOUNDS_MAX, &pass) || pass == 0 ||
            pgw_str_to_u64(raw_get(raw, 'o'), UINT64_MAX, &e->origin_ms) ||
            pgw_job_id_parse(raw_get(raw, 'j'), &e->job))
                return PGW_E_CODEC;
        e->pass = (unsigned)pass;
        return PGW_OK;
}

/* A number that is not there is zero. */
static enum pgw_err read_number(struct pgw_str text, uint64_t *ret)
{
        *ret = 0;
        return text.n && pgw_str_to_u64(text, PGW_JSON_INTEGER_MAX, ret) ? PGW_E_CODEC : PGW_OK;
}

static enum pgw_err read_span(struct pgw_str text, uint64_t *ret)
{
        const enum pgw_err err = read_number(text, ret);

        return !err && *ret > PGW_ENTRY_SPAN_MS_MAX ? PGW_E_CODEC : err;
}

static enum pgw_err read_tries(struct pgw_entry *e, const struct raw *raw)
{
        if (read_number(raw_get(raw, 'e'), &e->attempts) ||
            read_number(raw_get(raw, 'u'), &e->tries.used) ||
            read_number(raw_get(raw, 'z'), &e->tries.waited) ||
            read_number(raw_get(raw, 'f'), &e->since_ms) ||
            read_number(raw_get(raw, 'i'), &e->requested))
                return PGW_E_CODEC;
        return PGW_OK;
}

/* Version 1 knows of keys only, and a field that it does not know is to be ignored. */
static enum pgw_err check(struct pgw_entry *e, const struct raw *raw)
{
        enum pgw_err err = PGW_OK;

        take_texts(e, raw);
        if (pgw_str_eq_z(raw_get(raw, 'v'), PGW_INVALIDATION_VERSION_KEYS))
                e->targets = e->patterns = e->tags = e->outcomes = e->history =
                    (struct pgw_str){NULL, 0};
        else if (!pgw_str_eq_z(raw_get(raw, 'v'), PGW_INVALIDATION_VERSION_SELECTORS))
                err = PGW_E_CODEC;
        else if (raw_get(raw, 'b').n)
                err = read_pass(e, raw);
        else if (raw_get(raw, 'j').n)
                err = pgw_job_id_parse(raw_get(raw, 'j'), &e->job);
        if (read_span(raw_get(raw, 's'), &e->soft_ttl_ms) ||
            read_span(raw_get(raw, 'h'), &e->hold_ms))
                err = PGW_E_CODEC;
        if (!err && pgw_str_eq_z(raw_get(raw, 'v'), PGW_INVALIDATION_VERSION_SELECTORS))
                err = read_tries(e, raw);
        if (e->version.n > PGW_HOLD_VERSION_MAX)
                err = PGW_E_CODEC;
        if (!err && pgw_rebounds_parse(raw_get(raw, 'w'), &e->rebounds))
                err = PGW_E_CODEC;
        if (!err)
                err = pgw_keys_count(e->keys, &e->key_count);
        if (!err)
                err = pgw_keys_count(e->patterns, &e->pattern_count);
        if (!err)
                err = pgw_keys_count(e->tags, &e->tag_count);
        if (err) {
                e->has_job = e->has_job && pgw_job_id_parse(raw_get(raw, 'j'), &e->job) == PGW_OK;
                return err;
        }
        return e->key_count + e->pattern_count + e->tag_count ? PGW_OK : PGW_E_CODEC;
}

enum pgw_err pgw_entry_read(const struct pgw_reply *reply, enum pgw_lane lane,
                            struct pgw_entry *ret, bool *ret_has_nonce)
{
        struct raw raw = {.of = {{NULL, 0}}};
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
                take_field(&raw, pgw_reply_str(name), pgw_reply_str(value));
                name = pgw_reply_next(value);
        }
        *ret_has_nonce = pgw_nonce_parse(raw_get(&raw, 'n'), &ret->id.nonce) == PGW_OK;
        return *ret_has_nonce ? check(ret, &raw) : PGW_E_CODEC;
}

enum pgw_err pgw_entry_read_record(struct pgw_str record, struct pgw_entry *ret,
                                   bool *ret_has_nonce)
{
        struct raw raw = {.of = {{NULL, 0}}};
        struct pgw_str lane, name, value;
        uint64_t number;

        *ret = (struct pgw_entry){.id = {.lane = PGW_LANE_NORMAL}};
        *ret_has_nonce = false;
        if (pgw_keys_next(&record, &lane) || pgw_str_to_u64(lane, PGW_LANE_COUNT - 1, &number))
                return PGW_E_CODEC;
        ret->id.lane = (enum pgw_lane)number;
        while (record.n) {
                if (pgw_keys_next(&record, &name) || record.n == 0 ||
                    pgw_keys_next(&record, &value))
                        return PGW_E_CODEC;
                take_field(&raw, name, value);
        }
        *ret_has_nonce = pgw_nonce_parse(raw_get(&raw, 'n'), &ret->id.nonce) == PGW_OK;
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

static uint64_t number_of(const struct pgw_reply *fields, const char *name)
{
        const struct pgw_reply *value = find(fields, name);
        uint64_t number;

        return value && !read_number(pgw_reply_str(value), &number) ? number : 0;
}

uint64_t pgw_entry_attempts(const struct pgw_reply *fields)
{
        return number_of(fields, "e");
}

uint64_t pgw_entry_requested(const struct pgw_reply *fields)
{
        return number_of(fields, "i");
}

struct pgw_str pgw_entry_history(const struct pgw_reply *fields)
{
        return pgw_reply_str(find(fields, "l"));
}

struct pgw_str pgw_entry_outcomes(const struct pgw_reply *fields)
{
        return pgw_reply_str(find(fields, "y"));
}

enum pgw_err pgw_entry_nonce(const struct pgw_reply *fields, uint64_t *ret)
{
        const struct pgw_reply *nonce = find(fields, "n");

        return nonce ? pgw_nonce_parse(pgw_reply_str(nonce), ret) : PGW_E_CODEC;
}
