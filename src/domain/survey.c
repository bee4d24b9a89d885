/* The numbers are written by one thread and read by many, each by itself: a reader may see
 * the waiting of one survey beside the running of the next, which is as true as either. */
#include "domain/survey.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/metric.h"
#include "domain/script.h"
#include "io/timer.h"

struct pgw_surveyor {
        struct pgw_loop *loop;
        struct pgw_redis *redis;
        const struct pgw_keyspace *keyspace;
        struct pgw_timer timer;
        unsigned asked; /* lane of the question under way */
        struct pgw_lane_survey lanes[PGW_LANE_COUNT];
        uint64_t put_off;
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

static void rest(struct pgw_surveyor *s)
{
        s->asked = 0;
        pgw_timer_arm(s->loop, &s->timer, pgw_loop_now_ms(s->loop) + PGW_SURVEY_EVERY_MS);
}

static uint64_t at_least_zero(int64_t number)
{
        return number > 0 ? (uint64_t)number : 0;
}

static void store(struct pgw_surveyor *s, unsigned lane, const struct pgw_reply *reply)
{
        const uint64_t waiting = at_least_zero(pgw_reply_int(pgw_reply_at(reply, 0), 0));
        const uint64_t running = at_least_zero(pgw_reply_int(pgw_reply_at(reply, 1), 0));
        const uint64_t oldest = at_least_zero(pgw_reply_int(pgw_reply_at(reply, 2), 0));
        const uint64_t now = pgw_wall_ms();
        const uint64_t age = oldest && now > oldest ? now - oldest : 0;

        __atomic_store_n(&s->lanes[lane].waiting, waiting, __ATOMIC_RELAXED);
        __atomic_store_n(&s->lanes[lane].running, running, __ATOMIC_RELAXED);
        __atomic_store_n(&s->lanes[lane].oldest_age_ms, age, __ATOMIC_RELAXED);
        pgw_metric_set(gauges[lane].waiting, (int64_t)waiting);
        pgw_metric_set(gauges[lane].running, (int64_t)running);
        pgw_metric_set(gauges[lane].oldest, (int64_t)(age / 1000));
}

static void on_put_off(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_surveyor *s = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (!err) {
                const uint64_t count = at_least_zero(pgw_reply_int(reply, 0));
                __atomic_store_n(&s->put_off, count, __ATOMIC_RELAXED);
                pgw_metric_set(PGW_G_QUEUE_SCHEDULED, (int64_t)count);
        }
        rest(s);
}

/* Jobs that wait for their time take room as others do. */
static void ask_put_off(struct pgw_surveyor *s)
{
        char key[PGW_STREAM_KEY_MAX];

        pgw_redis_begin(s->redis, 2);
        pgw_redis_arg(s->redis, PGW_STR("HLEN"));
        pgw_redis_arg(s->redis, pgw_keyspace_later(s->keyspace, key));
        if (pgw_redis_end(s->redis, on_put_off, s))
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
        if (++s->asked < PGW_LANE_COUNT)
                ask(s);
        else
                ask_put_off(s);
}

static void ask(struct pgw_surveyor *s)
{
        pgw_script_begin(s->redis, PGW_SCRIPT_SURVEY, 1, 1);
        pgw_redis_arg(s->redis, pgw_keyspace_stream(s->keyspace, (enum pgw_lane)s->asked));
        pgw_redis_arg(s->redis, PGW_STR(PGW_GROUP));
        if (pgw_redis_end(s->redis, on_survey, s))
                rest(s);
}

static void on_timer(struct pgw_timer *timer)
{
        ask(PGW_CONTAINER(timer, struct pgw_surveyor, timer));
}

struct pgw_surveyor *pgw_surveyor_new(struct pgw_loop *loop, struct pgw_redis *redis,
                                      const struct pgw_keyspace *keyspace)
{
        struct pgw_surveyor *s = pgw_alloc(sizeof *s);

        s->loop = loop;
        s->redis = redis;
        s->keyspace = keyspace;
        pgw_timer_init(&s->timer, on_timer);
        rest(s);
        return s;
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
        ret->waiting = __atomic_load_n(&s->lanes[lane].waiting, __ATOMIC_RELAXED);
        ret->running = __atomic_load_n(&s->lanes[lane].running, __ATOMIC_RELAXED);
        ret->oldest_age_ms = __atomic_load_n(&s->lanes[lane].oldest_age_ms, __ATOMIC_RELAXED);
}

uint64_t pgw_surveyor_depth(const struct pgw_surveyor *s)
{
        uint64_t depth = __atomic_load_n(&s->put_off, __ATOMIC_RELAXED);

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                depth += __atomic_load_n(&s->lanes[i].waiting, __ATOMIC_RELAXED);
        return depth;
}
