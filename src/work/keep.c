/* Keeping jobs alive, and taking over those that are not.
 *
 * The beat goes to the broker for everything in hand, whatever it waits for, so a job is
 * taken over only when its worker is gone or stopped, never because it is slow. A job
 * that the broker says belongs to somebody else is marked lost: what was begun is
 * finished, which does no harm, and its result is dropped. A worker that stood still can be the one
 * that takes over what lies in its own hands: to the earlier attempt that is as if it were another.
 *
 * What lies in a lane that is paused waits for its end, like all that lies there, and nothing is
 * taken over by a worker that has not been told yet which lanes are.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rand.h"
#include "domain/cancel.h"
#include "domain/script.h"
#include "work/worker_priv.h"

/* A job that runs must not lose its fence to the expiry of a result. */
#define PGW_KEEP_FENCE_TTL_S 86400

struct beat {
        struct pgw_worker *worker;
        enum pgw_lane lane;
};

struct takeover {
        struct pgw_worker *worker;
        enum pgw_lane lane;
};

static void arm_beat(struct pgw_worker *w)
{
        pgw_timer_arm(w->loop, &w->beat_timer, pgw_loop_now_ms(w->loop) + w->conf.beat_ms);
}

static void arm_takeover(struct pgw_worker *w, uint64_t pause_ms)
{
        pgw_timer_arm(w->loop, &w->takeover_timer, pgw_loop_now_ms(w->loop) + pause_ms);
}

/* Each lane gives its own ids, and two lanes often the same. */
static void mark_lost(struct pgw_worker *w, enum pgw_lane lane, struct pgw_entry_id id)
{
        struct pgw_link *link = pgw_list_first(&w->in_hand);

        for (; link; link = pgw_list_next(&w->in_hand, link)) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, in_hand);
                if (run->id.lane == lane && run->id.entry.ms == id.ms &&
                    run->id.entry.seq == id.seq && !run->acknowledged)
                        run->lost = true;
        }
}

static void read_lost(const struct beat *b, const struct pgw_reply *reply)
{
        const struct pgw_reply *id = reply + 1;

        for (size_t i = 0; i < reply->count; i++, id = pgw_reply_next(id)) {
                struct pgw_entry_id entry;
                if (!pgw_entry_id_parse(pgw_reply_str(id), &entry))
                        mark_lost(b->worker, b->lane, entry);
        }
}

static void on_beat(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        /* After an error the next beat says the same again. */
        if (!err && reply->type == PGW_REPLY_ARRAY)
                read_lost(ctx, reply);
        pgw_free(ctx);
}

static void beat_some(struct pgw_worker *w, enum pgw_lane lane, struct pgw_entry_id *ids,
                      size_t count)
{
        struct pgw_redis *broker = w->links.broker;
        char text[PGW_ENTRY_ID_SIZE];

        if (count == 0)
                return;
        struct beat *b = pgw_alloc(sizeof *b);
        *b = (struct beat){w, lane};
        pgw_script_begin(broker, PGW_SCRIPT_BEAT, 1, 2 + count);
        pgw_redis_arg(broker, pgw_keyspace_stream(w->keyspace, lane));
        pgw_redis_arg(broker, PGW_STR(PGW_GROUP));
        pgw_redis_arg(broker, pgw_str_z(w->conf.consumer));
        for (size_t i = 0; i < count; i++)
                pgw_redis_arg(broker, pgw_str_of(text, pgw_entry_id_text(ids[i], text)));
        /* Refused: no link or no room; the next beat comes before the idle limit. */
        if (pgw_redis_end(broker, on_beat, b)) {
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
                pgw_free(b);
        }
}

static void beat_lane(struct pgw_worker *w, enum pgw_lane lane)
{
        struct pgw_entry_id ids[PGW_BEAT_BATCH_MAX];
        struct pgw_link *link = pgw_list_first(&w->in_hand);
        size_t count = 0;

        for (; link; link = pgw_list_next(&w->in_hand, link)) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, in_hand);
                if (run->id.lane != lane || run->acknowledged)
                        continue;
                ids[count++] = run->id.entry;
                if (count == PGW_BEAT_BATCH_MAX) {
                        beat_some(w, lane, ids, count);
                        count = 0;
                }
        }
        beat_some(w, lane, ids, count);
}

static void on_beat_timer(struct pgw_timer *timer)
{
        struct pgw_worker *w = PGW_CONTAINER(timer, struct pgw_worker, beat_timer);

        if (w->in_hand.count && pgw_redis_is_ready(w->links.broker))
                for (unsigned i = 0; i < PGW_LANE_COUNT; i++)
                        beat_lane(w, (enum pgw_lane)i);
        arm_beat(w);
}

/* An earlier attempt may have gone with its worker before it could stop. Not known: it begins, and
 * is asked about while it runs. */
static void on_score(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;
        const struct pgw_reply *score = err ? NULL : pgw_reply_at(reply, 0);

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (score && score->type != PGW_REPLY_NIL)
                pgw_fate_cancel(run);
        else
                pgw_run_begin(run);
}

static void begin_if_wanted(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;
        char id[PGW_JOB_ID_SIZE];

        pgw_job_id_text(&run->job, id);
        const struct pgw_str text = pgw_str_of(id, sizeof id);
        if (pgw_cancel_ask(w->links.broker, w->keyspace, &text, 1, on_score, run))
                pgw_run_begin(run);
}

/* Nothing known, or nothing that can be read: the whole way. */
static void resume(struct pgw_part *part, const struct pgw_reply *reply)
{
        const char *target = part->target->conf.name;

        if (pgw_progress_read(reply, target, &part->progress))
                return;
        part->run->is_written = true;
        part->resumed = pgw_alloc(PGW_POSITIONS_MAX * sizeof *part->resumed);
        part->resumed_count =
            pgw_progress_positions(reply, target, part->resumed, PGW_POSITIONS_MAX);
        if (part->resumed_count)
                part->resumed =
                    pgw_realloc(part->resumed, part->resumed_count * sizeof *part->resumed);
}

static void on_progress(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        for (size_t i = 0; i < run->part_count && !err; i++)
                resume(&run->parts[i], reply);
        begin_if_wanted(run);
}

static void go_on_from_progress(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;

        if (run->pattern_count + run->tag_count == 0 ||
            pgw_progress_ask(w->links.broker, w->keyspace, &run->name, on_progress, run))
                begin_if_wanted(run);
}

static void announce_again(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;

        pgw_list_append(&w->to_announce, &run->stage);
        arm_takeover(w, pgw_worker_pause_ms(3));
}

/* What the audit is to say of the job is what its result says. */
static void on_ended(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;
        struct pgw_job job = {.attempts = 0};

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err || pgw_job_read(reply, &job) || !pgw_job_state_is_terminal(job.state)) {
                announce_again(run); /* it may be gone by now: then nobody knows of its end */
                return;
        }
        run->is_told = true;
        run->settle_sent = true; /* by whom it was done; the entry may be out of the queue since */
        run->state = job.state;
        run->error = job.error;
        run->attempt = job.attempts;
        run->matched = job.matched;
        run->removed = job.removed;
        run->missing = job.missing;
        pgw_settle_add(run);
}

static void settle_ended(struct pgw_run *run)
{
        static const char *const fields[] = PGW_JOB_FIELDS;
        struct pgw_worker *w = run->worker;
        struct pgw_redis *r = w->links.results;
        char key[PGW_RESULT_KEY_MAX];

        if (!pgw_record_is_on(w)) {
                pgw_settle_add(run);
                return;
        }
        pgw_redis_begin(r, 2 + PGW_JOB_FIELD_COUNT);
        pgw_redis_arg(r, PGW_STR("HMGET"));
        pgw_redis_arg(r, pgw_keyspace_result(w->keyspace, &run->name, key));
        for (size_t i = 0; i < PGW_JOB_FIELD_COUNT; i++)
                pgw_redis_arg(r, pgw_str_z(fields[i]));
        if (pgw_redis_end(r, on_ended, run))
                announce_again(run);
}

static void on_announced(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_run *run = ctx;

        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err) {
                announce_again(run);
                return;
        }
        switch (pgw_reply_int(reply, 0)) {
        case 1:
                go_on_from_progress(run);
                break;
        case 2: /* it had ended; only its acknowledgement is missing */
                settle_ended(run);
                break;
        case 3:
                pgw_run_bury(run);
                break;
        default:
                pgw_run_lose(run);
                break;
        }
}

static void announce_some(struct pgw_worker *w)
{
        struct pgw_redis *results = w->links.results;
        struct pgw_link *link;
        char key[PGW_RESULT_KEY_MAX];

        while ((link = pgw_list_first(&w->to_announce)) && pgw_redis_is_ready(results)) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, stage);
                pgw_script_begin(results, PGW_SCRIPT_BEGIN, 1, 5);
                pgw_redis_arg(results, pgw_keyspace_result(w->keyspace, &run->name, key));
                pgw_redis_arg_u64(results, run->attempt);
                pgw_redis_arg_u64(results, run->started_ms);
                pgw_redis_arg_u64(results, PGW_KEEP_FENCE_TTL_S);
                pgw_redis_arg_u64(results, run->attempts);
                if (pgw_suspect_is_one(run))
                        pgw_redis_arg_u64(results, pgw_suspect_turns(w));
                else
                        pgw_redis_arg(results, PGW_STR(""));
                if (pgw_redis_end(results, on_announced, run))
                        return;
                pgw_list_remove(&w->to_announce, link);
        }
}

/* Entries whose body is gone: somebody deleted or trimmed them. Nothing can be done for
 * them, and nothing of ours does that, so it is said loudly. */
static void report_vanished(struct pgw_worker *w, enum pgw_lane lane, const struct pgw_reply *ids)
{
        if (!ids || ids->type != PGW_REPLY_ARRAY || ids->count == 0)
                return;
        const struct pgw_str first = pgw_reply_str(pgw_reply_at(ids, 0));
        PGW_LOG(PGW_LOG_ERROR, "queue.entries_vanished", PGW_L_STR("queue", w->keyspace->queue),
                PGW_L_STR("lane", pgw_lane_name(lane)), PGW_L_INT("count", (int64_t)ids->count),
                PGW_L_BYTES("first", first.p, first.n));
        pgw_metric_add(PGW_M_ENTRIES_VANISHED, ids->count);
}

static bool ask_takeover(struct pgw_worker *w, unsigned lane, struct pgw_str from);

static void take_over_entries(struct takeover *t, const struct pgw_reply *reply)
{
        const struct pgw_reply *entries = pgw_reply_at(reply, 1);
        const struct pgw_reply *attempts = pgw_reply_at(reply, 2);

        if (!entries || entries->type != PGW_REPLY_ARRAY || entries->count == 0)
                return;
        PGW_LOG(PGW_LOG_WARN, "worker.took_over", PGW_L_STR("lane", pgw_lane_name(t->lane)),
                PGW_L_INT("count", (int64_t)entries->count));
        pgw_metric_add(PGW_M_JOBS_TAKEN_OVER, entries->count);
        const struct pgw_reply *entry = entries + 1;
        for (size_t i = 0; i < entries->count; i++, entry = pgw_reply_next(entry)) {
                struct pgw_entry_id id;
                if (!pgw_entry_id_parse(pgw_reply_str(pgw_reply_at(entry, 0)), &id))
                        mark_lost(t->worker, t->lane, id);
                pgw_run_take(t->worker, entry, t->lane,
                             (uint64_t)pgw_reply_int(pgw_reply_at(attempts, i), 2));
        }
}

static void on_takeover(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct takeover *t = ctx;
        struct pgw_worker *w = t->worker;
        const enum pgw_lane lane = t->lane;

        w->taking_over = false;
        if (err == PGW_E_REDIS_CANCELLED) {
                pgw_free(t);
                return;
        }
        if (!err) {
                take_over_entries(t, reply);
                report_vanished(w, lane, pgw_reply_at(reply, 3));
                announce_some(w);
        } else if (err == PGW_E_REDIS_NOGROUP || reply) {
                w->grouped = w->grouped && err != PGW_E_REDIS_NOGROUP;
        }
        pgw_free(t);

        const struct pgw_str next = err ? PGW_STR("0-0") : pgw_reply_str(pgw_reply_at(reply, 0));
        if (!pgw_str_eq_z(next, "0-0") && next.n && ask_takeover(w, lane, next))
                return;
        if (ask_takeover(w, lane + 1, PGW_STR("0-0")))
                return;
        arm_takeover(w, w->conf.idle_ms / 4 + pgw_rand_below(w->conf.idle_ms / 4 + 1));
}

/* That lane, or where it is paused the first behind it that is not. False when it cannot be asked
 * now, or there is none. */
static bool ask_takeover(struct pgw_worker *w, unsigned lane, struct pgw_str from)
{
        struct pgw_redis *broker = w->links.broker;
        size_t count = pgw_worker_room(w);

        for (; lane < PGW_LANE_COUNT && w->paused >> lane & 1; lane++)
                from = PGW_STR("0-0");
        if (lane == PGW_LANE_COUNT || !w->knows_paused)
                return false;
        if (w->draining || count == 0 || !pgw_redis_is_ready(broker))
                return false;
        if (count > w->conf.batch)
                count = w->conf.batch;
        struct takeover *t = pgw_alloc(sizeof *t);
        *t = (struct takeover){w, (enum pgw_lane)lane};
        pgw_script_begin(broker, PGW_SCRIPT_TAKE_OVER, 1, 6);
        pgw_redis_arg(broker, pgw_keyspace_stream(w->keyspace, t->lane));
        pgw_redis_arg(broker, PGW_STR(PGW_GROUP));
        pgw_redis_arg(broker, pgw_str_z(w->conf.consumer));
        pgw_redis_arg_u64(broker, w->conf.idle_ms);
        pgw_redis_arg_u64(broker, count);
        pgw_redis_arg(broker, from);
        pgw_redis_arg_u64(broker, PGW_ENTRIES_BYTES);
        if (pgw_redis_end(broker, on_takeover, t)) {
                pgw_free(t);
                return false;
        }
        w->taking_over = true;
        return true;
}

static void on_takeover_timer(struct pgw_timer *timer)
{
        struct pgw_worker *w = PGW_CONTAINER(timer, struct pgw_worker, takeover_timer);

        announce_some(w);
        if (w->taking_over || w->draining)
                return;
        if (!ask_takeover(w, PGW_LANE_HIGH, PGW_STR("0-0")))
                arm_takeover(w, w->conf.idle_ms / 4);
}

static void announce(struct pgw_deferred *d)
{
        announce_some(PGW_CONTAINER(d, struct pgw_worker, announce));
}

void pgw_keep_announce(struct pgw_run *run)
{
        pgw_list_append(&run->worker->to_announce, &run->stage);
        pgw_loop_defer(run->worker->loop, &run->worker->announce);
}

void pgw_keep_go_on(struct pgw_worker *w)
{
        announce_some(w);
        if (!w->taking_over && !w->draining)
                arm_takeover(w, 0);
}

void pgw_keep_init(struct pgw_worker *w)
{
        pgw_deferred_init(&w->announce, announce);
        pgw_timer_init(&w->beat_timer, on_beat_timer);
        pgw_timer_init(&w->takeover_timer, on_takeover_timer);
        arm_beat(w);
        arm_takeover(w, 0);
}

void pgw_keep_fini(struct pgw_worker *w)
{
        pgw_loop_undefer(w->loop, &w->announce);
        pgw_timer_disarm(w->loop, &w->beat_timer);
        pgw_timer_disarm(w->loop, &w->takeover_timer);
}
