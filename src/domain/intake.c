/* A ticket stands for one job between its XADD and its confirmation. Under `replicated`
 * a ticket whose XADD was answered joins `confirming`; the WAIT of the turn is sent
 * behind the XADDs of the turn and answered behind them, so what stands in `confirming`
 * when a WAIT is answered is covered by it.
 *
 * That holds only if the WAIT goes down the same link: on another one it would be answered at once,
 * about nothing. So it is never late. It has a reserved place on the link, which is enough: one is
 * sent for a turn that put something, and what was put found room without the reserve.
 */
#include "domain/intake.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"
#include "domain/script.h"

#define PGW_INTAKE_FREE_TICKETS 4096

struct ticket {
        struct pgw_link link; /* on `confirming` or `unused` */
        struct pgw_intake *intake;
        struct pgw_intake_job job;
        pgw_intake_f *done;
        void *ctx;
};

struct pgw_intake {
        struct pgw_loop *loop;
        struct pgw_redis *redis;
        const struct pgw_keyspace *keyspace;
        struct pgw_intake_conf conf;
        struct pgw_buf keys, patterns, tags; /* scratch */
        struct pgw_list confirming;
        struct pgw_list unused;
        struct pgw_deferred send_wait;
        bool owes_wait; /* something was put since the last one */
};

static void finish(struct ticket *t, enum pgw_err err)
{
        struct pgw_intake *intake = t->intake;

        t->done(t->ctx, err, err ? NULL : &t->job);
        if (intake->unused.count < PGW_INTAKE_FREE_TICKETS)
                pgw_list_append(&intake->unused, &t->link);
        else
                pgw_free(t);
}

static struct ticket *ticket_new(struct pgw_intake *intake)
{
        struct pgw_link *link = pgw_list_first(&intake->unused);

        if (!link)
                return pgw_alloc(sizeof(struct ticket));
        pgw_list_remove(&intake->unused, link);
        return PGW_CONTAINER(link, struct ticket, link);
}

static void on_wait(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_intake *intake = ctx;

        if (!err && pgw_reply_int(reply, 0) < (int64_t)intake->conf.replicas)
                err = PGW_E_REDIS_NOREPLICAS;
        /* Only those here now: a callback may put new jobs. */
        for (size_t left = intake->confirming.count; left > 0; left--) {
                struct pgw_link *link = pgw_list_first(&intake->confirming);
                if (!link)
                        break;
                pgw_list_remove(&intake->confirming, link);
                finish(PGW_CONTAINER(link, struct ticket, link), err);
        }
}

static void send_wait(struct pgw_deferred *d)
{
        struct pgw_intake *intake = PGW_CONTAINER(d, struct pgw_intake, send_wait);

        if (!intake->owes_wait)
                return;
        intake->owes_wait = false;
        pgw_redis_begin_reserved(intake->redis, 3);
        pgw_redis_arg(intake->redis, PGW_STR("WAIT"));
        pgw_redis_arg_u64(intake->redis, intake->conf.replicas);
        pgw_redis_arg_u64(intake->redis, intake->conf.replica_wait_ms);
        const enum pgw_err err =
            pgw_redis_end_slow(intake->redis, intake->conf.replica_wait_ms, on_wait, intake);
        PGW_ASSERT(err != PGW_E_REDIS_FULL);
        if (err)
                on_wait(intake, err, NULL);
}

/* Redis has it; whether that is enough is a matter of the class. */
static void on_kept(struct ticket *t, enum pgw_err err)
{
        if (!err && t->intake->conf.durability == PGW_DURABILITY_REPLICATED)
                pgw_list_append(&t->intake->confirming, &t->link);
        else
                finish(t, err);
}

static void on_added(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct ticket *t = ctx;

        if (!err && pgw_entry_id_parse(pgw_reply_str(reply), &t->job.id.entry))
                err = PGW_E_REDIS_PROTOCOL;
        on_kept(t, err);
}

/* Kept now, or by an earlier request. */
static void on_once(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct ticket *t = ctx;
        struct pgw_str rest;

        if (!err)
                err = pgw_once_read(reply, &rest, &t->job.is_repeat);
        if (!err)
                err = pgw_once_job_read(rest, &t->job.id);
        on_kept(t, err);
}

struct pgw_intake *pgw_intake_new(struct pgw_loop *loop, struct pgw_redis *redis,
                                  const struct pgw_keyspace *keyspace,
                                  const struct pgw_intake_conf *conf)
{
        struct pgw_intake *intake = pgw_alloc(sizeof *intake);

        intake->loop = loop;
        intake->redis = redis;
        intake->keyspace = keyspace;
        intake->conf = *conf;
        pgw_buf_init(&intake->keys, conf->selectors_max);
        pgw_buf_init(&intake->patterns, conf->selectors_max);
        pgw_buf_init(&intake->tags, conf->selectors_max);
        pgw_list_init(&intake->confirming);
        pgw_list_init(&intake->unused);
        pgw_deferred_init(&intake->send_wait, send_wait);
        return intake;
}

void pgw_intake_free(struct pgw_intake *intake)
{
        struct pgw_link *link;

        if (!intake)
                return;
        pgw_loop_undefer(intake->loop, &intake->send_wait);
        on_wait(intake, PGW_E_REDIS_CANCELLED, NULL);
        while ((link = pgw_list_first(&intake->unused))) {
                pgw_list_remove(&intake->unused, link);
                pgw_free(PGW_CONTAINER(link, struct ticket, link));
        }
        pgw_buf_fini(&intake->keys);
        pgw_buf_fini(&intake->patterns);
        pgw_buf_fini(&intake->tags);
        pgw_free(intake);
}

/* ---- the fields of an entry ---- */

enum { FIELDS_MAX = 18 };

struct field {
        struct pgw_str name, value;
};

/* What the fields that are numbers point to. */
struct field_texts {
        char nonce[PGW_NONCE_SIZE], soft[20], hold[20], job[PGW_JOB_ID_SIZE];
};

/* Version 1 can be done by any reader; whatever else there is must not be ignored. */
static struct pgw_str version_of(const struct pgw_invalidation *inv)
{
        if (inv->targets.n || inv->pattern_count + inv->tag_count || inv->soft_ttl_ms ||
            inv->hold_ms || inv->due_ms || inv->is_dry)
                return PGW_STR(PGW_INVALIDATION_VERSION_SELECTORS);
        return PGW_STR(PGW_INVALIDATION_VERSION_KEYS);
}

static struct pgw_str number(char out[20], uint64_t value)
{
        return value ? pgw_str_of(out, pgw_u64_text(value, out)) : PGW_STR("");
}

/* Those that have a value; returns how many. */
static size_t list_fields(const struct pgw_intake *intake, const struct pgw_invalidation *inv,
                          const struct ticket *t, struct field_texts *texts,
                          struct field out[FIELDS_MAX])
{
        const struct pgw_str none = {NULL, 0};
        const bool is_later = pgw_job_id_is_later(&t->job.id);

        pgw_nonce_text(t->job.id.nonce, texts->nonce);
        if (is_later)
                pgw_job_id_text(&t->job.id, texts->job);
        const struct field all[] = {
            {PGW_STR("v"), version_of(inv)},
            {PGW_STR("n"), pgw_str_of(texts->nonce, sizeof texts->nonce)},
            {PGW_STR("j"), is_later ? pgw_str_of(texts->job, sizeof texts->job) : none},
            {PGW_STR("x"), inv->targets},
            {PGW_STR("k"), pgw_buf_str(&intake->keys)},
            {PGW_STR("p"), pgw_buf_str(&intake->patterns)},
            {PGW_STR("g"), pgw_buf_str(&intake->tags)},
            {PGW_STR("a"), inv->all_tags ? PGW_STR("1") : none},
            {PGW_STR("s"), number(texts->soft, inv->soft_ttl_ms)},
            {PGW_STR("h"), number(texts->hold, inv->hold_ms)},
            {PGW_STR("c"), inv->version},
            {PGW_STR("d"), inv->is_dry ? PGW_STR("1") : none},
            {PGW_STR("w"), inv->rebounds},
            {PGW_STR("r"), inv->reason},
            {PGW_STR("q"), inv->request_id},
            {PGW_STR("t"), inv->traceparent},
            {PGW_STR("A"), inv->actor},
        };
        size_t count = 0;

        _Static_assert(sizeof all / sizeof all[0] <= FIELDS_MAX, "room for all");
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
                if (all[i].value.n)
                        out[count++] = all[i];
        return count;
}

/* The command up to the fields of the entry. */
static void begin_add(struct pgw_intake *intake, const struct pgw_invalidation *inv,
                      const struct ticket *t, size_t field_count)
{
        const struct pgw_str stream = pgw_keyspace_stream(intake->keyspace, inv->lane);
        struct pgw_redis *redis = intake->redis;
        char id[PGW_JOB_ID_SIZE];

        if (inv->once) {
                pgw_once_job_text(&t->job.id, id);
                pgw_once_begin(redis, intake->keyspace, inv->once, 1, 2 * field_count);
                pgw_redis_arg(redis, stream);
                pgw_once_args(redis, intake->keyspace, inv->once, &intake->conf.once,
                              pgw_str_of(id, sizeof id));
                return;
        }
        pgw_redis_begin(redis, 3 + 2 * field_count);
        pgw_redis_arg(redis, PGW_STR("XADD"));
        pgw_redis_arg(redis, stream);
        pgw_redis_arg(redis, PGW_STR("*"));
}

static enum pgw_err send_add(struct pgw_intake *intake, const struct pgw_invalidation *inv,
                             struct ticket *t)
{
        struct pgw_redis *redis = intake->redis;
        struct field_texts texts;
        struct field fields[FIELDS_MAX];
        const size_t count = list_fields(intake, inv, t, &texts, fields);

        begin_add(intake, inv, t, count);
        for (size_t i = 0; i < count; i++) {
                pgw_redis_arg(redis, fields[i].name);
                pgw_redis_arg(redis, fields[i].value);
        }
        return pgw_redis_end(redis, inv->once ? on_once : on_added, t);
}

/* ---- jobs that are put off ---- */

static void on_put_off(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)reply;
        on_kept(ctx, err);
}

static enum pgw_err write_record(struct pgw_buf *record, enum pgw_lane lane,
                                 const struct field *fields, size_t count)
{
        char text[20];
        const struct pgw_str lane_text = pgw_str_of(text, pgw_u64_text((uint64_t)lane, text));
        enum pgw_err err = pgw_keys_encode(record, &lane_text, 1);

        for (size_t i = 0; i < count && !err; i++) {
                const struct pgw_str pair[] = {fields[i].name, fields[i].value};
                err = pgw_keys_encode(record, pair, 2);
        }
        return err;
}

/* The command up to when it is due. */
static void begin_put_off(struct pgw_intake *intake, const struct pgw_invalidation *inv,
                          struct pgw_str id)
{
        struct pgw_redis *redis = intake->redis;
        char key[PGW_STREAM_KEY_MAX];

        if (inv->once)
                pgw_once_begin(redis, intake->keyspace, inv->once, 2, 3);
        else
                pgw_script_begin(redis, PGW_SCRIPT_PUT_OFF, 2, 3);
        pgw_redis_arg(redis, pgw_keyspace_scheduled(intake->keyspace, key));
        pgw_redis_arg(redis, pgw_keyspace_later(intake->keyspace, key));
        if (inv->once)
                pgw_once_args(redis, intake->keyspace, inv->once, &intake->conf.once, id);
}

static enum pgw_err send_put_off(struct pgw_intake *intake, const struct pgw_invalidation *inv,
                                 struct ticket *t)
{
        struct pgw_redis *redis = intake->redis;
        char text[PGW_JOB_ID_SIZE];
        struct field_texts texts;
        struct field fields[FIELDS_MAX];
        const size_t count = list_fields(intake, inv, t, &texts, fields);
        struct pgw_buf record;

        pgw_buf_init(&record, 2 * intake->conf.selectors_max);
        enum pgw_err err = write_record(&record, inv->lane, fields, count);
        if (!err) {
                pgw_job_id_text(&t->job.id, text);
                const struct pgw_str id = pgw_str_of(text, sizeof text);
                begin_put_off(intake, inv, id);
                pgw_redis_arg_u64(redis, inv->due_ms);
                pgw_redis_arg(redis, id);
                pgw_redis_arg(redis, pgw_buf_str(&record));
                err = pgw_redis_end(redis, inv->once ? on_once : on_put_off, t);
        }
        pgw_buf_fini(&record);
        return err;
}

/* Before the command that is to be confirmed, so that the WAIT leaves in the same write. */
static void defer_wait(struct pgw_intake *intake)
{
        if (intake->conf.durability == PGW_DURABILITY_REPLICATED)
                pgw_loop_defer(intake->loop, &intake->send_wait);
}

/* Or not, with this error. */
static enum pgw_err sent(struct ticket *t, enum pgw_err err)
{
        if (err)
                pgw_free(t);
        else
                t->intake->owes_wait = true;
        return err;
}

enum pgw_err pgw_intake_put(struct pgw_intake *intake, const struct pgw_invalidation *inv,
                            pgw_intake_f *done, void *ctx)
{
        struct ticket *t;

        PGW_ASSERT(inv->key_count + inv->pattern_count + inv->tag_count > 0);
        pgw_buf_clear(&intake->keys);
        pgw_buf_clear(&intake->patterns);
        pgw_buf_clear(&intake->tags);
        enum pgw_err err = pgw_keys_encode(&intake->keys, inv->keys, inv->key_count);
        if (!err)
                err = pgw_keys_encode(&intake->patterns, inv->patterns, inv->pattern_count);
        if (!err)
                err = pgw_keys_encode(&intake->tags, inv->tags, inv->tag_count);
        if (!err &&
            intake->keys.n + intake->patterns.n + intake->tags.n > intake->conf.selectors_max)
                err = PGW_E_TOO_LARGE;
        if (err)
                return err;

        t = ticket_new(intake);
        *t = (struct ticket){.intake = intake,
                             .job.id = {.lane = inv->lane, .nonce = pgw_nonce_make(inv->owner)},
                             .done = done,
                             .ctx = ctx};
        if (inv->due_ms) {
                t->job.id.partition = PGW_PARTITION_LATER;
                t->job.id.entry = (struct pgw_entry_id){pgw_wall_ms(), pgw_rand_below(UINT32_MAX)};
        }

        defer_wait(intake);
        err = inv->due_ms ? send_put_off(intake, inv, t) : send_add(intake, inv, t);
        return sent(t, err);
}

enum pgw_err pgw_intake_ask(struct pgw_intake *intake, const struct pgw_once *once,
                            pgw_intake_f *done, void *ctx)
{
        const struct pgw_once_conf no_more = {.ttl_ms = intake->conf.once.ttl_ms};
        struct ticket *t = ticket_new(intake);

        *t = (struct ticket){.intake = intake, .done = done, .ctx = ctx};
        defer_wait(intake);
        pgw_once_begin(intake->redis, intake->keyspace, once, 0, 0);
        pgw_once_args(intake->redis, intake->keyspace, once, &no_more, PGW_STR(""));
        return sent(t, pgw_redis_end(intake->redis, on_once, t));
}

enum pgw_err pgw_intake_claim(struct pgw_intake *intake, const struct pgw_once *once,
                              struct pgw_str group, pgw_redis_reply_f *done, void *ctx)
{
        pgw_once_begin(intake->redis, intake->keyspace, once, 0, 0);
        pgw_once_args(intake->redis, intake->keyspace, once, &intake->conf.once, group);
        return pgw_redis_end(intake->redis, done, ctx);
}
