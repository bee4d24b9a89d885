/* GET /v1/queues: what waits and what runs, as the last survey found it, and which lanes are
 * paused.
 *
 * POST /v1/queues/{queue}/pause and /resume; POST /v1/queues/{queue}/purge: what waits leaves the
 * queue for good, if it is no more than was said.
 */
#include <stdio.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/log.h"
#include "domain/cancel.h"
#include "domain/pause.h"
#include "http/actor.h"
#include "http/json_out.h"
#include "http/operations.h"
#include "http/selectors.h"

#define PGW_PURGE_CHUNK    100
#define PGW_LANE_NAMES_MAX 32
#define PGW_PURGE_ENDS_MAX (PGW_PURGE_CHUNK * (PGW_AUDIT_RECORD_MAX + 64))

/* ---- seeing ---- */

static enum pgw_err add_lane(struct pgw_buf *out, const struct pgw_gateway *g, enum pgw_lane lane,
                             uint64_t paused_ms)
{
        struct pgw_lane_survey s;

        pgw_surveyor_read(g->links.surveyor, lane, &s);
        enum pgw_err err = pgw_buf_printf(
            out, "%s{\"priority\":\"%s\",\"waiting\":%llu,\"running\":%llu,\"oldest_age_ms\":%llu",
            lane ? "," : "", pgw_lane_name(lane), (unsigned long long)s.waiting,
            (unsigned long long)s.running, (unsigned long long)s.oldest_age_ms);
        if (!err && paused_ms)
                err = pgw_json_time(out, ",\"paused_at\":\"", paused_ms);
        return err ? err : pgw_json_z(out, "}");
}

static enum pgw_err add_totals(struct pgw_buf *out, const struct pgw_gateway *g)
{
        const struct pgw_room_limits *room = &g->conf.room;
        struct pgw_queue_load load;

        pgw_surveyor_load(g->links.surveyor, &load);
        const uint64_t depth = load.waiting + load.put_off;
        return pgw_buf_printf(out,
                              "],\"depth\":%llu,\"depth_limit\":%llu,\"bytes\":%llu,"
                              "\"bytes_limit\":%llu}]}\n",
                              (unsigned long long)depth, (unsigned long long)room->jobs,
                              (unsigned long long)load.bytes, (unsigned long long)room->bytes);
}

static enum pgw_err write_queues(struct pgw_exchange *x, const uint64_t paused_ms[PGW_LANE_COUNT])
{
        const struct pgw_gateway *g = x->gateway;
        enum pgw_err err = pgw_buf_printf(&x->out, "{\"queues\":[{\"name\":\"%s\",\"lanes\":[",
                                          g->links.keyspace->queue);

        for (unsigned i = 0; i < PGW_LANE_COUNT && !err; i++)
                err = add_lane(&x->out, g, (enum pgw_lane)i, paused_ms[i]);
        if (!err)
                err = add_totals(&x->out, g);
        return err;
}

static void on_paused(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;
        uint64_t paused_ms[PGW_LANE_COUNT] = {0};

        /* Without the broker's word the last survey is still worth something. */
        if (!err)
                (void)pgw_pause_read(reply, paused_ms);
        x->status = 200;
        x->content_type = "application/json";
        err = x->gone ? PGW_OK : write_queues(x, paused_ms);
        pgw_exchange_resume(x, err);
}

enum pgw_step pgw_op_queues(struct pgw_exchange *x)
{
        const struct pgw_gateway_links *links = &x->gateway->links;
        const uint64_t none[PGW_LANE_COUNT] = {0};

        pgw_exchange_add_header(x, PGW_STR("cache-control"), PGW_STR("no-store"));
        if (!pgw_pause_ask(links->broker, links->keyspace, on_paused, x))
                return PGW_WAIT;
        x->status = 200;
        x->content_type = "application/json";
        x->err = write_queues(x, none);
        return x->err ? PGW_FAIL : PGW_NEXT;
}

/* ---- pausing ---- */

enum pgw_step pgw_op_queue_understand(struct pgw_exchange *x)
{
        if (pgw_str_eq_z(pgw_params_get(&x->params, "queue"), x->gateway->links.keyspace->queue))
                return PGW_NEXT;
        pgw_fault_set(&x->fault, "", "This service has the queue `%s`.",
                      x->gateway->links.keyspace->queue);
        x->err = PGW_E_NO_ROUTE;
        return PGW_FAIL;
}

/* All of them unless the body says otherwise. */
static pgw_lane_set lanes_of(struct pgw_exchange *x)
{
        struct pgw_selectors names;
        pgw_lane_set lanes = 0;
        enum pgw_lane lane;

        pgw_selectors_texts(x, "lanes", &names);
        for (size_t i = 0; i < names.count; i++) {
                PGW_ASSERT(pgw_lane_of(names.items[i], &lane) == PGW_OK); /* the contract's enum */
                lanes |= 1u << lane;
        }
        return lanes ? lanes : PGW_LANES_ALL;
}

/* Separated by commas. */
static struct pgw_str lane_names(pgw_lane_set lanes, char out[PGW_LANE_NAMES_MAX])
{
        size_t n = 0;

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                if (lanes >> i & 1)
                        n += (size_t)snprintf(out + n, PGW_LANE_NAMES_MAX - n, "%s%s", n ? "," : "",
                                              pgw_lane_name((enum pgw_lane)i));
        return pgw_str_of(out, n);
}

static void on_changed(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_exchange *x = ctx;
        const struct pgw_gateway_links *links = &x->gateway->links;

        (void)reply;
        if (!err)
                err = pgw_pause_ask(links->broker, links->keyspace, on_paused, x);
        if (err)
                pgw_exchange_resume(x, err);
}

static enum pgw_step change(struct pgw_exchange *x, bool pauses)
{
        const struct pgw_gateway_links *links = &x->gateway->links;
        const pgw_lane_set lanes = lanes_of(x);

        PGW_LOG(PGW_LOG_INFO, pauses ? "queue.paused" : "queue.resumed",
                PGW_L_STR("queue", links->keyspace->queue), PGW_L_INT("lanes", (int64_t)lanes),
                PGW_L_STR("request_id", x->request_id));
        const struct pgw_audit_conf *audit = &x->gateway->conf.audit;
        char names[PGW_LANE_NAMES_MAX];
        struct pgw_audit act = {.action = pauses ? PGW_AUDIT_PAUSE : PGW_AUDIT_RESUME,
                                .lanes = lane_names(lanes, names)};
        struct pgw_buf record;
        const struct pgw_buf *written = pgw_actor_record(x, &act, &record);
        x->err = pauses ? pgw_pause_begin(links->broker, links->keyspace, lanes, audit, written,
                                          on_changed, x)
                        : pgw_pause_end(links->broker, links->keyspace, lanes, audit, written,
                                        on_changed, x);
        pgw_buf_fini(&record);
        return x->err ? PGW_FAIL : PGW_WAIT;
}

enum pgw_step pgw_op_pause(struct pgw_exchange *x)
{
        return change(x, true);
}

enum pgw_step pgw_op_resume(struct pgw_exchange *x)
{
        return change(x, false);
}

/* ---- purging ---- */

struct purge {
        struct pgw_exchange *x;
        pgw_lane_set lanes;
        enum pgw_lane lane; /* the one under way */
        size_t left;        /* that may still leave */
        size_t count;       /* that left */
        size_t awaited;     /* answers of the results */
        pgw_lane_set named; /* in the request */
        uint64_t expected;
        bool is_said;        /* the audit has the act */
        bool is_last;        /* of its lane */
        struct pgw_buf ends; /* what the audit is to say of those that are to leave next */
        size_t end_count;
};

static void go_on(struct purge *);

static void finish(struct purge *p, enum pgw_err err)
{
        struct pgw_exchange *x = p->x;

        PGW_LOG(PGW_LOG_WARN, "queue.purged", PGW_L_STR("queue", x->gateway->links.keyspace->queue),
                PGW_L_INT("jobs", (int64_t)p->count), PGW_L_STR("request_id", x->request_id),
                PGW_L_STR("error", err ? pgw_err_slug(err) : ""));
        if (!err && !x->gone)
                err = pgw_buf_printf(&x->out, "{\"count\":%zu}\n", p->count);
        x->status = 200;
        x->content_type = "application/json";
        pgw_buf_fini(&p->ends);
        pgw_free(p);
        pgw_exchange_resume(x, err);
}

static void on_result(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct purge *p = ctx;

        /* A job without this result is one that nobody knows of any more. */
        (void)err;
        (void)reply;
        if (--p->awaited == 0)
                go_on(p);
}

static void end_jobs(struct purge *p, const struct pgw_reply *entries)
{
        const struct pgw_gateway *g = p->x->gateway;
        const struct pgw_reply *entry = entries + 1;
        struct pgw_job_id id;
        uint64_t selectors;

        for (size_t i = 0; i < entries->count; i++, entry = pgw_reply_next(entry))
                if (pgw_cancel_entry(entry, p->lane, &id, &selectors) &&
                    !pgw_cancel_end(g->links.results, g->links.keyspace, &id, selectors,
                                    g->conf.result_ttl_s, on_result, p))
                        p->awaited++;
}

static void on_left(struct purge *p, const struct pgw_reply *entries)
{
        p->count += entries->count;
        p->left -= entries->count < p->left ? entries->count : p->left;
        if (p->is_last)
                p->lanes &= ~(1u << p->lane);
        p->awaited = 1;
        end_jobs(p, entries);
        if (--p->awaited == 0)
                go_on(p);
}

static enum pgw_err send_purge(struct purge *p);

/* They have left, or it is known what there is to be said of them and they can be told to. */
static void on_entries(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct purge *p = ctx;
        const bool has_left = p->end_count > 0 || p->x->gateway->conf.audit.max == 0;

        if (!err && reply->type != PGW_REPLY_ARRAY)
                err = PGW_E_REDIS_PROTOCOL;
        if (!err && (has_left || reply->count == 0)) {
                p->is_last = p->end_count ? p->is_last : reply->count < PGW_PURGE_CHUNK;
                p->is_said = p->is_said || p->end_count > 0;
                p->end_count = 0;
                pgw_buf_clear(&p->ends);
                on_left(p, reply);
                return;
        }
        if (!err) {
                p->is_last = reply->count < PGW_PURGE_CHUNK;
                err = pgw_cancel_ends(reply, p->lane, &p->ends, &p->end_count);
        }
        if (!err)
                err = send_purge(p);
        if (err)
                finish(p, err);
}

static enum pgw_err send_purge(struct purge *p)
{
        const struct pgw_gateway *g = p->x->gateway;
        char names[PGW_LANE_NAMES_MAX];
        struct pgw_audit act = {.action = PGW_AUDIT_PURGE_QUEUE,
                                .lanes = lane_names(p->named, names),
                                .count = p->expected};
        struct pgw_buf record;
        const struct pgw_buf *written = pgw_actor_record(p->x, &act, &record);
        const struct pgw_cancel_lane lane = {
            .lane = p->lane,
            .count = p->left < PGW_PURGE_CHUNK ? p->left : PGW_PURGE_CHUNK,
            .conf = &g->conf.audit,
            .act = p->is_said ? NULL : written,
            .ends = pgw_buf_str(&p->ends),
            .end_count = p->end_count,
        };
        const enum pgw_err err =
            pgw_cancel_waiting(g->links.broker, g->links.keyspace, &lane, on_entries, p);

        pgw_buf_fini(&record);
        return err;
}

/* PGW_E_NO_JOB when there is nothing more to ask for. */
static enum pgw_err ask(struct purge *p)
{
        unsigned lane = 0;

        while (lane < PGW_LANE_COUNT && !(p->lanes >> lane & 1))
                lane++;
        if (lane == PGW_LANE_COUNT || p->left == 0)
                return PGW_E_NO_JOB;
        p->lane = (enum pgw_lane)lane;
        return send_purge(p);
}

static void go_on(struct purge *p)
{
        const enum pgw_err err = ask(p);

        if (err)
                finish(p, err == PGW_E_NO_JOB ? PGW_OK : err);
}

enum pgw_step pgw_op_purge_queue(struct pgw_exchange *x)
{
        const struct pgw_gateway *g = x->gateway;
        const uint64_t expected =
            (uint64_t)json_integer_value(json_object_get(x->body, "expected_count"));
        const pgw_lane_set lanes = lanes_of(x);
        uint64_t waiting = 0;

        for (unsigned i = 0; i < PGW_LANE_COUNT; i++) {
                struct pgw_lane_survey s;
                pgw_surveyor_read(g->links.surveyor, (enum pgw_lane)i, &s);
                waiting += lanes >> i & 1 ? s.waiting : 0;
        }
        if (waiting > expected) {
                pgw_fault_set(&x->fault, "",
                              "%llu jobs wait, %llu were expected at most. Nothing was done.",
                              (unsigned long long)waiting, (unsigned long long)expected);
                x->err = PGW_E_COUNT;
                return PGW_FAIL;
        }
        struct purge *p = pgw_alloc(sizeof *p);
        *p = (struct purge){
            .x = x, .lanes = lanes, .named = lanes, .expected = expected, .left = (size_t)expected};
        pgw_buf_init(&p->ends, PGW_PURGE_ENDS_MAX);
        (void)pgw_actor(x);
        x->err = ask(p);
        if (!x->err)
                return PGW_WAIT;
        pgw_free(p);
        return PGW_FAIL;
}
