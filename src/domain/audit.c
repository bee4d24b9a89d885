/* A record says what it says in the order of what matters, so that one which is too long loses its
 * end. Selectors are shown in part, because a job may have thousands of them and its record stays
 * for a month; the digest tells whether a list that somebody has is the one that was purged. It is
 * counted only where something is left out: for almost all jobs it would say nothing.
 */
#include "domain/audit.h"

#include <string.h>

#include "base/codec.h"
#include "base/sha256.h"
#include "domain/script.h"

#define DIGEST_BYTES 16

static const char *const words[PGW_AUDIT_ACTION_COUNT] = {
#define X(upper, word) word,
#include "tbl/audit_actions.h"
#undef X
};

const char *pgw_audit_action_word(enum pgw_audit_action action)
{
        PGW_ASSERT((unsigned)action < PGW_AUDIT_ACTION_COUNT);
        return words[action];
}

static enum pgw_err action_of(struct pgw_str word, enum pgw_audit_action *ret)
{
        for (unsigned i = 0; i < PGW_AUDIT_ACTION_COUNT; i++) {
                if (!pgw_str_eq_z(word, words[i]))
                        continue;
                *ret = (enum pgw_audit_action)i;
                return PGW_OK;
        }
        return PGW_E_CODEC;
}

void pgw_audit_who(struct pgw_str actor, struct pgw_str *ret_from, struct pgw_str *ret_who)
{
        if (pgw_str_cut(actor, ' ', ret_from, ret_who))
                return;
        *ret_from = actor;
        *ret_who = PGW_STR("");
}

/* ---- writing ---- */

/* Names have one letter; what pgw_keys_encode() writes, in one go. */
static enum pgw_err add(struct pgw_buf *out, const char *name, struct pgw_str value)
{
        char *room;

        if (value.n == 0)
                return PGW_OK;
        enum pgw_err err = pgw_buf_reserve(out, value.n + 12, &room);
        if (err)
                return err;
        char *at = room;
        *at++ = 1;
        *at++ = name[0];
        size_t left = value.n;
        for (; left > 127; left >>= 7)
                *at++ = (char)((left & 127) | 128);
        *at++ = (char)left;
        memcpy(at, value.p, value.n);
        out->n += (size_t)(at - room) + value.n;
        return PGW_OK;
}

static enum pgw_err add_number(struct pgw_buf *out, const char *name, uint64_t value)
{
        char text[20];

        return value ? add(out, name, pgw_str_of(text, pgw_u64_text(value, text))) : PGW_OK;
}

/* The part of the list that is shown: it begins like the whole one. */
static struct pgw_str shown_of(struct pgw_str list)
{
        struct pgw_str rest = list, key, shown = {list.p, 0};

        for (size_t i = 0; i < PGW_AUDIT_SHOWN && rest.n; i++) {
                if (pgw_keys_next(&rest, &key) || (size_t)(rest.p - list.p) > PGW_AUDIT_SHOWN_BYTES)
                        break;
                shown.n = (size_t)(rest.p - list.p);
        }
        return shown;
}

/* The lists are told apart by their lengths in front of them. */
static void hash_list(struct pgw_sha256 *sha, struct pgw_str list)
{
        char text[20];

        pgw_sha256_add(sha, text, pgw_u64_text(list.n, text));
        pgw_sha256_add(sha, " ", 1);
        pgw_sha256_add(sha, list.p, list.n);
}

static enum pgw_err add_digest(struct pgw_buf *out, const struct pgw_audit_selectors *s)
{
        struct pgw_sha256 *sha = pgw_sha256_new();
        unsigned char hash[PGW_SHA256_SIZE];
        char text[PGW_BASE64URL_SIZE(DIGEST_BYTES)];

        hash_list(sha, s->keys);
        hash_list(sha, s->patterns);
        hash_list(sha, s->tags);
        pgw_sha256_end(sha, hash);
        return add(out, "h", pgw_str_of(text, pgw_base64url(hash, DIGEST_BYTES, text)));
}

enum pgw_err pgw_audit_sum(struct pgw_buf *out, const struct pgw_audit_selectors *s)
{
        const struct {
                const char *count_name, *list_name;
                struct pgw_str list;
                size_t count;
        } kinds[] = {{"K", "k", s->keys, s->key_count},
                     {"P", "p", s->patterns, s->pattern_count},
                     {"G", "g", s->tags, s->tag_count}};
        enum pgw_err err = PGW_OK;
        bool is_whole = true;

        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !err; i++) {
                const struct pgw_str shown = shown_of(kinds[i].list);
                is_whole = is_whole && shown.n == kinds[i].list.n;
                err = add_number(out, kinds[i].count_name, kinds[i].count);
                if (!err)
                        err = add(out, kinds[i].list_name, shown);
        }
        return err || is_whole ? err : add_digest(out, s);
}

static struct pgw_str mode_of(const struct pgw_entry *e)
{
        if (e->is_dry)
                return PGW_STR("dry");
        if (e->soft_ttl_ms)
                return PGW_STR("soft");
        if (e->hold_ms)
                return e->version.n ? PGW_STR("versioned") : PGW_STR("tombstone");
        return PGW_STR("");
}

void pgw_audit_of_entry(const struct pgw_entry *e, struct pgw_buf *scratch, struct pgw_audit *ret)
{
        const struct pgw_audit_selectors selectors = {e->keys,      e->patterns,      e->tags,
                                                      e->key_count, e->pattern_count, e->tag_count};

        pgw_buf_clear(scratch);
        *ret = (struct pgw_audit){
            .action = PGW_AUDIT_PURGE,
            .actor = e->actor,
            .request_id = e->request_id,
            .reason = e->reason,
            .targets = e->targets,
            .mode = mode_of(e),
            .has_job = true,
            .job = e->has_job ? e->job : e->id,
            .attempts = e->attempts,
        };
        size_t count;
        if (e->sum.n && e->sum.n < PGW_AUDIT_RECORD_MAX / 2 &&
            pgw_keys_count(e->sum, &count) == PGW_OK && count % 2 == 0)
                ret->sum = e->sum;
        else if (pgw_audit_sum(scratch, &selectors) == PGW_OK)
                ret->sum = pgw_buf_str(scratch);
}

static enum pgw_err write_end(struct pgw_buf *out, const struct pgw_audit *a)
{
        enum pgw_err err = add(out, "s", pgw_str_z(pgw_job_state_word(a->state)));

        if (!err)
                err = add_number(out, "n", a->attempts);
        if (!err)
                err = add_number(out, "c", a->matched);
        if (!err)
                err = add_number(out, "d", a->removed);
        return err ? err : add_number(out, "m", a->missing);
}

static enum pgw_err write_all(struct pgw_buf *out, const struct pgw_audit *a)
{
        char id[PGW_JOB_ID_SIZE];
        enum pgw_err err = add(out, "a", pgw_str_z(pgw_audit_action_word(a->action)));

        if (!err)
                err = add(out, "A", a->actor);
        if (!err && a->has_job) {
                pgw_job_id_text(&a->job, id);
                err = add(out, "j", pgw_str_of(id, sizeof id));
        }
        if (!err && a->has_end)
                err = write_end(out, a);
        if (!err && a->error)
                err = add(out, "e", pgw_str_z(pgw_err_slug(a->error)));
        if (!err)
                err = add_number(out, "N", a->count);
        if (!err && a->sum.n)
                err = pgw_buf_add_str(out, a->sum);
        const struct {
                const char *name;
                struct pgw_str value;
        } texts[] = {{"O", a->operation}, {"l", a->lanes},   {"q", a->request_id}, {"r", a->reason},
                     {"o", a->mode},      {"x", a->targets}, {"y", a->outcomes}};
        for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !err; i++)
                err = add(out, texts[i].name, texts[i].value);
        return err;
}

void pgw_audit_write(struct pgw_buf *out, const struct pgw_audit *a)
{
        pgw_buf_clear(out);
        (void)!write_all(out, a);
}

/* ---- reading ---- */

/* The values of the fields, by their one-letter names. */
struct raw {
        struct pgw_str of[128];
};

static struct pgw_str get(const struct raw *raw, char name)
{
        return raw->of[(unsigned char)name];
}

static void take(struct raw *raw, struct pgw_str name, struct pgw_str value)
{
        if (name.n == 1 && (unsigned char)name.p[0] < sizeof raw->of / sizeof raw->of[0])
                raw->of[(unsigned char)name.p[0]] = value;
}

static enum pgw_err read_number(const struct raw *raw, char name, uint64_t *ret)
{
        const struct pgw_str text = get(raw, name);

        *ret = 0;
        return text.n && pgw_str_to_u64(text, PGW_JSON_INTEGER_MAX, ret) ? PGW_E_CODEC : PGW_OK;
}

static enum pgw_err read_end(const struct raw *raw, struct pgw_audit *a)
{
        const struct pgw_str error = get(raw, 'e');

        a->has_end = get(raw, 's').n > 0;
        a->error = pgw_err_of_slug(error.p, error.n);
        if (read_number(raw, 'n', &a->attempts) || read_number(raw, 'c', &a->matched) ||
            read_number(raw, 'd', &a->removed) || read_number(raw, 'm', &a->missing))
                return PGW_E_CODEC;
        return a->has_end ? pgw_job_state_of(get(raw, 's'), &a->state) : PGW_OK;
}

static enum pgw_err read_sum(const struct raw *raw, struct pgw_audit *a)
{
        uint64_t keys, patterns, tags;

        if (read_number(raw, 'K', &keys) || read_number(raw, 'P', &patterns) ||
            read_number(raw, 'G', &tags))
                return PGW_E_CODEC;
        a->key_count = (size_t)keys;
        a->pattern_count = (size_t)patterns;
        a->tag_count = (size_t)tags;
        a->keys = get(raw, 'k');
        a->patterns = get(raw, 'p');
        a->tags = get(raw, 'g');
        a->digest = get(raw, 'h');
        return PGW_OK;
}

static enum pgw_err read_record(const struct raw *raw, struct pgw_audit *a)
{
        const struct pgw_str job = get(raw, 'j');

        a->actor = get(raw, 'A');
        a->request_id = get(raw, 'q');
        a->reason = get(raw, 'r');
        a->targets = get(raw, 'x');
        a->mode = get(raw, 'o');
        a->lanes = get(raw, 'l');
        a->operation = get(raw, 'O');
        a->outcomes = get(raw, 'y');
        a->has_job = job.n > 0;
        if ((a->has_job && pgw_job_id_parse(job, &a->job)) ||
            action_of(get(raw, 'a'), &a->action) || read_number(raw, 'N', &a->count) ||
            read_end(raw, a))
                return PGW_E_CODEC;
        return read_sum(raw, a);
}

enum pgw_err pgw_audit_read(const struct pgw_reply *reply, struct pgw_audit *ret)
{
        const struct pgw_reply *fields = pgw_reply_at(reply, 1);
        struct raw raw = {.of = {{NULL, 0}}};
        struct pgw_str record = {NULL, 0}, job = {NULL, 0}, name, value;

        *ret = (struct pgw_audit){.action = PGW_AUDIT_PURGE};
        if (pgw_entry_id_parse(pgw_reply_str(pgw_reply_at(reply, 0)), &ret->id) || !fields ||
            fields->type != PGW_REPLY_ARRAY)
                return PGW_E_CODEC;
        const struct pgw_reply *field = fields + 1;
        for (size_t i = 0; i + 1 < fields->count; i += 2) {
                const struct pgw_reply *text = pgw_reply_next(field);
                if (pgw_str_eq_z(pgw_reply_str(field), "d"))
                        record = pgw_reply_str(text);
                else if (pgw_str_eq_z(pgw_reply_str(field), "j"))
                        job = pgw_reply_str(text);
                field = pgw_reply_next(text);
        }
        while (record.n) {
                if (pgw_keys_next(&record, &name) || record.n == 0 ||
                    pgw_keys_next(&record, &value))
                        return PGW_E_CODEC;
                take(&raw, name, value);
        }
        if (job.n)
                take(&raw, PGW_STR("j"), job);
        return read_record(&raw, ret);
}

/* ---- asking ---- */

static bool is_on(const struct pgw_audit_conf *conf, const struct pgw_buf *record)
{
        return conf && conf->max && record && record->n;
}

void pgw_audit_args(struct pgw_redis *r, const struct pgw_audit_conf *conf,
                    const struct pgw_buf *record)
{
        if (!is_on(conf, record)) {
                pgw_redis_arg(r, PGW_STR(""));
                pgw_redis_arg(r, PGW_STR(""));
                return;
        }
        pgw_redis_arg_u64(r, conf->max);
        pgw_redis_arg(r, pgw_buf_str(record));
}

enum pgw_err pgw_audit_act(struct pgw_redis *r, const struct pgw_keyspace *ks,
                           const struct pgw_audit_conf *conf, const struct pgw_buf *record,
                           struct pgw_str command, struct pgw_str key, const struct pgw_str *args,
                           size_t count, pgw_redis_reply_f *done, void *ctx)
{
        char audit[PGW_STREAM_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_ACT, 2, 3 + count);
        pgw_redis_arg(r, key);
        pgw_redis_arg(r, pgw_keyspace_audit(ks, audit));
        pgw_audit_args(r, conf, record);
        pgw_redis_arg(r, command);
        for (size_t i = 0; i < count; i++)
                pgw_redis_arg(r, args[i]);
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_audit_add(struct pgw_redis *r, const struct pgw_keyspace *ks,
                           const struct pgw_audit_conf *conf, const struct pgw_buf *record,
                           pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_redis_begin(r, 8);
        pgw_redis_arg(r, PGW_STR("XADD"));
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
        pgw_redis_arg(r, PGW_STR("MAXLEN"));
        pgw_redis_arg(r, PGW_STR("~"));
        pgw_redis_arg_u64(r, conf->max);
        pgw_redis_arg(r, PGW_STR("*"));
        pgw_redis_arg(r, PGW_STR("d"));
        pgw_redis_arg(r, pgw_buf_str(record));
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_audit_ask(struct pgw_redis *r, const struct pgw_keyspace *ks,
                           const struct pgw_audit_range *range, size_t count,
                           pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX], first[PGW_ENTRY_ID_SIZE], last[PGW_ENTRY_ID_SIZE];
        const struct pgw_str from = pgw_str_of(first, pgw_entry_id_text(range->first, first)),
                             to = pgw_str_of(last, pgw_entry_id_text(range->last, last));

        PGW_ASSERT(count >= 1 && count <= PGW_AUDIT_PAGE_MAX);
        pgw_redis_begin(r, 6);
        pgw_redis_arg(r, range->newest_first ? PGW_STR("XREVRANGE") : PGW_STR("XRANGE"));
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
        pgw_redis_arg(r, range->newest_first ? to : from);
        pgw_redis_arg(r, range->newest_first ? from : to);
        pgw_redis_arg(r, PGW_STR("COUNT"));
        pgw_redis_arg_u64(r, count);
        return pgw_redis_end(r, done, ctx);
}

enum pgw_err pgw_audit_trim(struct pgw_redis *r, const struct pgw_keyspace *ks,
                            const struct pgw_audit_conf *conf, pgw_redis_reply_f *done, void *ctx)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_script_begin(r, PGW_SCRIPT_FORGET, 1, 1);
        pgw_redis_arg(r, pgw_keyspace_audit(ks, key));
        pgw_redis_arg_u64(r, conf->keep_s);
        return pgw_redis_end(r, done, ctx);
}
