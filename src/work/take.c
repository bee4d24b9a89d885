/* Reading the lanes. A read of several streams takes its count from each of them, in the
 * order of the arguments: that is no priority. So the lanes are read by one command each,
 * in one write; lanes that had more than was asked last time share the room by weight, and
 * the others are asked for a little. Only when a whole round found nothing does one read
 * block on all lanes at once.
 */
#include "base/log.h"
#include "base/metric.h"
#include "work/worker_priv.h"

#define PGW_TAKE_BLOCK_MS 500

static void on_read(void *ctx, enum pgw_err err, const struct pgw_reply *reply);

static bool lane_of_stream(const struct pgw_worker *w, struct pgw_str stream, enum pgw_lane *ret)
{
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                if (!pgw_str_eq(stream, pgw_keyspace_stream(w->keyspace, (enum pgw_lane)i)))
                        continue;
                *ret = (enum pgw_lane)i;
                return true;
        }
        return false;
}

static void take_entries(struct pgw_worker *w, const struct pgw_reply *stream)
{
        const struct pgw_reply *entries = pgw_reply_at(stream, 1);
        enum pgw_lane lane;

        if (!lane_of_stream(w, pgw_reply_str(pgw_reply_at(stream, 0)), &lane) || !entries)
                return;
        w->got[lane] += entries->count;
        const struct pgw_reply *entry = entries + 1;
        for (size_t i = 0; i < entries->count; i++) {
                pgw_run_take(w, entry, lane, 1);
                entry = pgw_reply_next(entry);
        }
}

static void rest(struct pgw_worker *w)
{
        pgw_timer_arm(w->loop, &w->take_timer,
                      pgw_loop_now_ms(w->loop) + pgw_worker_pause_ms(w->take_failures++));
}

static void on_read(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;

        PGW_ASSERT(w->reads_awaited > 0);
        w->reads_awaited--;
        if (err) {
                if (err == PGW_E_REDIS_NOGROUP)
                        w->grouped = false;
                if (reply && err != PGW_E_REDIS_NOGROUP)
                        PGW_LOG(PGW_LOG_WARN, "worker.read_failed",
                                PGW_L_STR("error", pgw_err_slug(err)),
                                PGW_L_BYTES("detail", reply->str.p, reply->str.n));
                w->take_failures++;
        } else if (reply->type == PGW_REPLY_ARRAY) {
                const struct pgw_reply *stream = reply + 1;
                for (size_t i = 0; i < reply->count; i++) {
                        take_entries(w, stream);
                        stream = pgw_reply_next(stream);
                }
        }
        if (w->reads_awaited > 0)
                return;
        if (w->take_failures && err) {
                rest(w);
                return;
        }
        w->take_failures = 0;
        pgw_take_more(w);
}

static void on_group(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;

        PGW_ASSERT(w->reads_awaited > 0);
        w->reads_awaited--;
        /* BUSYGROUP says that the group exists, which is what was wanted. A full server does
         * not look; were it not read from then, it would never be drained. NOGROUP tells. */
        const bool exists = reply && pgw_str_starts(reply->str, PGW_STR("BUSYGROUP"));
        if (err && !exists && err != PGW_E_REDIS_OOM)
                w->grouped = false;
        else if (!err)
                PGW_LOG(PGW_LOG_INFO, "queue.group_created",
                        PGW_L_STR("queue", w->keyspace->queue));
        if (w->reads_awaited > 0)
                return;
        if (w->grouped)
                pgw_take_more(w);
        else
                rest(w);
}

/* From 0, never from the end: what is in the stream already was acknowledged to somebody. */
static void create_groups(struct pgw_worker *w)
{
        w->grouped = true;
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                pgw_redis_begin(w->links.reader, 6);
                pgw_redis_arg(w->links.reader, PGW_STR("XGROUP"));
                pgw_redis_arg(w->links.reader, PGW_STR("CREATE"));
                pgw_redis_arg(w->links.reader, pgw_keyspace_stream(w->keyspace, (enum pgw_lane)i));
                pgw_redis_arg(w->links.reader, PGW_STR(PGW_GROUP));
                pgw_redis_arg(w->links.reader, PGW_STR("0"));
                pgw_redis_arg(w->links.reader, PGW_STR("MKSTREAM"));
                if (!pgw_redis_end(w->links.reader, on_group, w))
                        w->reads_awaited++;
        }
        if (w->reads_awaited == 0) {
                w->grouped = false;
                rest(w);
        }
}

/* How many to ask each lane for. */
static void share(struct pgw_worker *w, size_t room)
{
        unsigned weights = 0;

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                if (w->asked[i] && w->got[i] >= w->asked[i])
                        weights += pgw_lane_weight((enum pgw_lane)i);
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                const bool hungry = w->asked[i] && w->got[i] >= w->asked[i];
                const size_t part =
                    hungry ? room * pgw_lane_weight((enum pgw_lane)i) / weights : room / 8;
                w->asked[i] = part ? part : 1;
                w->got[i] = 0;
        }
}

static void begin_read(struct pgw_worker *w, size_t streams, bool block, size_t count)
{
        struct pgw_redis *r = w->links.reader;

        pgw_redis_begin(r, 7 + (block ? 2u : 0u) + 2 * streams);
        pgw_redis_arg(r, PGW_STR("XREADGROUP"));
        pgw_redis_arg(r, PGW_STR("GROUP"));
        pgw_redis_arg(r, PGW_STR(PGW_GROUP));
        pgw_redis_arg(r, pgw_str_z(w->conf.consumer));
        pgw_redis_arg(r, PGW_STR("COUNT"));
        pgw_redis_arg_u64(r, count);
        if (block) {
                pgw_redis_arg(r, PGW_STR("BLOCK"));
                pgw_redis_arg_u64(r, PGW_TAKE_BLOCK_MS);
        }
        pgw_redis_arg(r, PGW_STR("STREAMS"));
}

static void read_lanes(struct pgw_worker *w, size_t room)
{
        share(w, room);
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                begin_read(w, 1, false, w->asked[i]);
                pgw_redis_arg(w->links.reader, pgw_keyspace_stream(w->keyspace, (enum pgw_lane)i));
                pgw_redis_arg(w->links.reader, PGW_STR(">"));
                if (!pgw_redis_end(w->links.reader, on_read, w))
                        w->reads_awaited++;
        }
}

static void read_blocking(struct pgw_worker *w, size_t room)
{
        const size_t count = room / PGW_LANE_COUNT ? room / PGW_LANE_COUNT : 1;

        begin_read(w, PGW_LANE_COUNT, true, count);
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                w->asked[i] = count;
                w->got[i] = 0;
                pgw_redis_arg(w->links.reader, pgw_keyspace_stream(w->keyspace, (enum pgw_lane)i));
        }
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                pgw_redis_arg(w->links.reader, PGW_STR(">"));
        if (!pgw_redis_end_slow(w->links.reader, PGW_TAKE_BLOCK_MS, on_read, w))
                w->reads_awaited++;
}

static void take(struct pgw_deferred *d)
{
        struct pgw_worker *w = PGW_CONTAINER(d, struct pgw_worker, take);
        size_t room = pgw_worker_room(w), found = 0;

        if (w->draining || w->reads_awaited || room == 0)
                return;
        if (pgw_timer_is_armed(&w->take_timer) || !pgw_redis_is_ready(w->links.reader))
                return;
        if (!w->grouped) {
                create_groups(w);
                return;
        }
        if (room > w->conf.batch)
                room = w->conf.batch;
        bool first = true;
        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                first = first && w->asked[i] == 0;
                found += w->got[i];
        }
        if (found || first)
                read_lanes(w, room);
        else
                read_blocking(w, room);
        if (w->reads_awaited == 0)
                rest(w);
}

static void on_take_timer(struct pgw_timer *timer)
{
        pgw_take_more(PGW_CONTAINER(timer, struct pgw_worker, take_timer));
}

void pgw_take_more(struct pgw_worker *w)
{
        if (!w->draining && w->reads_awaited == 0)
                pgw_loop_defer(w->loop, &w->take);
}

void pgw_take_init(struct pgw_worker *w)
{
        pgw_deferred_init(&w->take, take);
        pgw_timer_init(&w->take_timer, on_take_timer);
}

void pgw_take_fini(struct pgw_worker *w)
{
        pgw_loop_undefer(w->loop, &w->take);
        pgw_timer_disarm(w->loop, &w->take_timer);
}
