/* The numbers are written by one thread and read by many, each by itself: a reader may see
 * the waiting of one survey beside the running of the next, which is as true as either. */
#include "domain/survey.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/metric.h"
#include "domain/broker_facts.h"
#include "domain/drain.h"
#include "domain/script.h"
#include "io/timer.h"

struct pgw_surveyor {
        struct pgw_loop *loop;
        struct pgw_redis *redis;
        const struct pgw_keyspace *keyspace;
        struct pgw_audit_conf audit;
        uint64_t trimmed_ms;  /* the audit, of the loop */
        uint64_t surveyed_ms; /* atomic; monotonic, when all lanes were known last; 0: never */
        struct pgw_timer timer;
        unsigned asked; /* lane of the question under way */
        struct pgw_lane_survey lanes[PGW_LANE_COUNT];
        struct pgw_lane_look looks[PGW_LANE_COUNT];
        struct pgw_loss loss;
        struct pgw_drain drain;
        struct pgw_queue_load load; /* but for what the lanes say */
};

static const struct {
        enum pgw_gauge waiting, running, oldest;
} gauges[PGW_LANE_COUNT] = {
    [PGW_LANE_HIGH] = {PGW_G_QUEUE_WAITING_HIGH, PGW_G_QUEUE_RUNNING_HIGH, PGW_G_QUEUE_OLDEST_HIGH},
    [PGW_LANE_NORMAL] = {PGW_G_QUEUE_WAITING_NORMAL, PGW_G_QUEUE_RUNNING_NORMAL,
                         PGW_G_QUEUE_OLDEST_NORMAL},
    [PGW_LANE_LOW] = {PGW_G_QUEUE_WAITING_LOW, PGW_G_QUEUE_RUNNING_LOW, PGW_G_QUEUE_OLDEST_LOW},
};

static void ask(struct pgw_surveyor *);

static void forget(void)
{
        static const enum pgw_gauge others[] = {PGW_G_DEAD_LETTERS, PGW_G_QUEUE_SCHEDULED,
                                                PGW_G_QUEUE_BYTES, PGW_G_QUEUE_DRAIN};

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                pgw_metric_forget(gauges[i].waiting);
                pgw_metric_forget(gauges[i].running);
                pgw_metric_forget(gauges[i].oldest);
        }
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
                pgw_metric_forget(others[i]);
}

static void rest(struct pgw_surveyor *s)
{
        if (!pgw_surveyor_is_fresh(s))
                forget();
        s->asked = 0;
        pgw_timer_arm(s->loop, &s->timer, pgw_loop_now_ms(s->loop) + PGW_SURVEY_EVERY_MS);
}

static uint64_t at_least_zero(int64_t number)
{
        return number > 0 ? (uint64_t)number : 0;
}

static void put(uint64_t *shared, uint64_t value)
{
        __atomic_store_n(shared, value, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *shared)
{
        return __atomic_load_n(shared, __ATOMIC_RELAXED);
}

static uint64_t age_of(const struct pgw_reply *wall_ms, uint64_t now_ms)
{
        const uint64_t at_ms = at_least_zero(pgw_reply_int(wall_ms, 0));

        return at_ms && now_ms > at_ms ? now_ms - at_ms : 0;
}

/* The count last: who reads it has the rest, or that of a later loss. */
static void store_loss(struct pgw_surveyor *s, const struct pgw_loss *loss)
{
        pgw_metric_add(PGW_M_QUEUE_LOST, 1);
        put(&s->loss.lane, loss->lane);
        put(&s->loss.waiting, loss->waiting);
        put(&s->loss.running, loss->running);
        put(&s->loss.is_group_only, loss->is_group_only);
        __atomic_store_n(&s->loss.count, loss->count, __ATOMIC_RELEASE);
}

static void compare(struct pgw_surveyor *s, unsigned lane, const struct pgw_lane_look *look)
{
        struct pgw_loss loss = s->loss;

        if (pgw_loss_note(&loss, (enum pgw_lane)lane, &s->looks[lane], look))
                store_loss(s, &loss);
        s->looks[lane] = *look;
}

static void store(struct pgw_surveyor *s, unsigned lane, const struct pgw_reply *reply)
{
        const struct pgw_lane_look look = {
            .is_known = true,
            .waiting = at_least_zero(pgw_reply_int(pgw_reply_at(reply, 0), 0)),
            .running = at_least_zero(pgw_reply_int(pgw_reply_at(reply, 1), 0)),
            .given = pgw_reply_int(pgw_reply_at(reply, 5), PGW_GIVEN_UNKNOWN),
            .added = pgw_reply_int(pgw_reply_at(reply, 6), PGW_GIVEN_UNKNOWN),
        };
        const uint64_t now_ms = pgw_wall_ms();
        const uint64_t age_ms = age_of(pgw_reply_at(reply, 2), now_ms);

        put(&s->lanes[lane].waiting, look.waiting);
        put(&s->lanes[lane].running, look.running);
        put(&s->lanes[lane].oldest_age_ms, age_ms);
        put(&s->lanes[lane].waiting_age_ms, age_of(pgw_reply_at(reply, 4), now_ms));
        compare(s, lane, &look);
        pgw_metric_set(gauges[lane].waiting, (int64_t)look.waiting);
        pgw_metric_set(gauges[lane].running, (int64_t)look.running);
        pgw_metric_set(gauges[lane].oldest, (int64_t)(age_ms / 1000));
}

/* What workers were given and does not run any more has ended. False when the server has lost
 * count of it. */
static bool count_ended(const struct pgw_surveyor *s, uint64_t *ret)
{
        uint64_t ended = 0;

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                const struct pgw_lane_look *look = &s->looks[i];
                const uint64_t given = at_least_zero(look->given);
                if (look->given == PGW_GIVEN_UNKNOWN)
                        return false;
                if (given > look->running)
                        ended += given - look->running;
        }
        *ret = ended;
        return true;
}

static void note_drain(struct pgw_surveyor *s)
{
        uint64_t ended;

        if (count_ended(s, &ended))
                pgw_drain_note(&s->drain, ended, pgw_loop_now_ms(s->loop));
        else
                s->drain = (struct pgw_drain){.is_known = false};
        const uint64_t rate = pgw_drain_per_1000s(&s->drain);
        put(&s->load.ended_per_1000s, rate);
        if (rate == PGW_DRAIN_UNKNOWN)
                pgw_metric_forget(PGW_G_QUEUE_DRAIN);
        else
                pgw_metric_set(PGW_G_QUEUE_DRAIN, (int64_t)rate);
}

static void on_memory(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_surveyor *s = ctx;
        struct pgw_broker_facts facts = {.used_bytes = 0};

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (!err) {
                pgw_broker_facts_info(&facts, pgw_reply_str(reply));
                put(&s->load.used_bytes, pgw_broker_facts_counted_bytes(&facts));
                put(&s->load.max_bytes, facts.max_bytes);
        }
        rest(s);
}

static void on_weighed(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_surveyor *s = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (!err && reply->type == PGW_REPLY_ARRAY) {
                const uint64_t put_off = at_least_zero(pgw_reply_int(pgw_reply_at(reply, 0), 0)),
                               bytes = at_least_zero(pgw_reply_int(pgw_reply_at(reply, 1), 0));
                put(&s->load.put_off, put_off);
                put(&s->load.bytes, bytes);
                pgw_metric_set(PGW_G_DEAD_LETTERS, pgw_reply_int(pgw_reply_at(reply, 2), 0));
                pgw_metric_set(PGW_G_QUEUE_SCHEDULED, (int64_t)put_off);
                pgw_metric_set(PGW_G_QUEUE_BYTES, (int64_t)bytes);
        }
        if (pgw_redis_say(s->redis, on_memory, s, "INFO", "memory", NULL))
                rest(s);
}

/* Jobs that wait for their time take room as others do. */
static void weigh(struct pgw_surveyor *s)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_script_begin(s->redis, PGW_SCRIPT_WEIGH, 3 + PGW_LANE_COUNT, 1);
        pgw_redis_arg(s->redis, pgw_keyspace_dead_at(s->keyspace, key));
        pgw_redis_arg(s->redis, pgw_keyspace_later(s->keyspace, key));
        pgw_redis_arg(s->redis, pgw_keyspace_scheduled(s->keyspace, key));
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                pgw_redis_arg(s->redis, pgw_keyspace_stream(s->keyspace, (enum pgw_lane)i));
        pgw_redis_arg_u64(s->redis, PGW_SURVEY_SAMPLES);
        if (pgw_redis_end(s->redis, on_weighed, s))
                rest(s);
}

static void on_survey(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_surveyor *s = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err || reply->type != PGW_REPLY_ARRAY) {
                rest(s);
                return;
        }
        store(s, s->asked, reply);
        if (++s->asked < PGW_LANE_COUNT) {
                ask(s);
                return;
        }
        note_drain(s);
        put(&s->surveyed_ms, pgw_mono_ms());
        weigh(s);
}

static void ask(struct pgw_surveyor *s)
{
        pgw_script_begin(s->redis, PGW_SCRIPT_SURVEY, 1, 1);
        pgw_redis_arg(s->redis, pgw_keyspace_stream(s->keyspace, (enum pgw_lane)s->asked));
        pgw_redis_arg(s->redis, PGW_STR(PGW_GROUP));
        if (pgw_redis_end(s->redis, on_survey, s))
                rest(s);
}

static void on_trimmed(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        /* After an error the next one does it. */
        if (!err)
                pgw_metric_set(PGW_G_AUDIT_RECORDS, pgw_reply_int(reply, 0));
}

static void trim_audit(struct pgw_surveyor *s)
{
        const uint64_t now_ms = pgw_loop_now_ms(s->loop);

        if (s->audit.max == 0 || now_ms < s->trimmed_ms + PGW_AUDIT_TRIM_MS)
                return;
        if (!pgw_audit_trim(s->redis, s->keyspace, &s->audit, on_trimmed, s))
                s->trimmed_ms = now_ms;
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_surveyor *s = PGW_CONTAINER(timer, struct pgw_surveyor, timer);

        trim_audit(s);
        ask(s);
}

struct pgw_surveyor *pgw_surveyor_new(struct pgw_loop *loop, struct pgw_redis *redis,
                                      const struct pgw_keyspace *keyspace,
                                      const struct pgw_audit_conf *audit)
{
        struct pgw_surveyor *s = pgw_alloc(sizeof *s);

        s->loop = loop;
        s->redis = redis;
        s->keyspace = keyspace;
        s->audit = *audit;
        s->load.ended_per_1000s = PGW_DRAIN_UNKNOWN;
        pgw_timer_init(&s->timer, on_timer);
        rest(s);
        return s;
}

void pgw_surveyor_look(struct pgw_surveyor *s)
{
        /* Armed is who rests; who does not has a question under way. */
        if (pgw_timer_is_armed(&s->timer))
                pgw_timer_arm(s->loop, &s->timer, pgw_loop_now_ms(s->loop));
}

bool pgw_surveyor_is_fresh(const struct pgw_surveyor *s)
{
        const uint64_t at_ms = get(&s->surveyed_ms);

        return at_ms && pgw_mono_ms() - at_ms < PGW_SURVEY_STALE_MS;
}

void pgw_surveyor_free(struct pgw_surveyor *s)
{
        if (!s)
                return;
        pgw_timer_disarm(s->loop, &s->timer);
        pgw_free(s);
}

void pgw_surveyor_read(const struct pgw_surveyor *s, enum pgw_lane lane,
                       struct pgw_lane_survey *ret)
{
        ret->waiting = get(&s->lanes[lane].waiting);
        ret->running = get(&s->lanes[lane].running);
        ret->oldest_age_ms = get(&s->lanes[lane].oldest_age_ms);
        ret->waiting_age_ms = get(&s->lanes[lane].waiting_age_ms);
}

void pgw_surveyor_load(const struct pgw_surveyor *s, struct pgw_queue_load *ret)
{
        struct pgw_lane_survey lane;

        *ret = (struct pgw_queue_load){
            .put_off = get(&s->load.put_off),
            .bytes = get(&s->load.bytes),
            .used_bytes = get(&s->load.used_bytes),
            .max_bytes = get(&s->load.max_bytes),
            .ended_per_1000s = get(&s->load.ended_per_1000s),
        };
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                pgw_surveyor_read(s, (enum pgw_lane)i, &lane);
                ret->waiting += lane.waiting;
                ret->running += lane.running;
                if (lane.waiting_age_ms > ret->age_ms)
                        ret->age_ms = lane.waiting_age_ms;
        }
}

void pgw_surveyor_loss(const struct pgw_surveyor *s, struct pgw_loss *ret)
{
        ret->count = __atomic_load_n(&s->loss.count, __ATOMIC_ACQUIRE);
        ret->lane = get(&s->loss.lane);
        ret->waiting = get(&s->loss.waiting);
        ret->running = get(&s->loss.running);
        ret->is_group_only = get(&s->loss.is_group_only);
        ret->missed = pgw_metric_counter(PGW_M_GROUPS_MISSED);
}
