/* Watching over what is in hand: a job whose target does not answer, that takes longer than it
 * may, or that was cancelled is told to stop. It stops where it can be stopped without leaving
 * anything half done, at the next answer or the next slice, and goes the way of everything that
 * was not done (work/fate.c).
 *
 * Walks are worth more patience than keys: they take no room from others while they wait.
 */
#include "base/clock.h"
#include "base/log.h"
#include "domain/cancel.h"
#include "work/worker_priv.h"

#define PGW_WATCH_EVERY_MS    100
#define PGW_PATIENCE_KEYS_MS  500
#define PGW_PATIENCE_SWEEP_MS 30000

static enum pgw_kind kind_of(const struct pgw_run *run)
{
        if (run->pattern_count)
                return PGW_KIND_PATTERNS;
        return run->tag_count ? PGW_KIND_TAGS : PGW_KIND_KEYS;
}

static bool is_gone(const struct pgw_part *part, uint64_t now_ms)
{
        const struct pgw_target *t = part->target;
        /* Keys whose node answers need no other; walks are done when all masters are. */
        const uint64_t since_ms = part->keys_done ? t->torn_ms : t->gone_ms,
                       patience_ms = part->keys_done ? PGW_PATIENCE_SWEEP_MS : PGW_PATIENCE_KEYS_MS;

        return since_ms && (t->worker->draining || now_ms >= since_ms + patience_ms);
}

static enum pgw_err verdict_on(const struct pgw_part *part, uint64_t now_ms)
{
        const struct pgw_run *run = part->run;
        const struct pgw_worker_conf *conf = &run->worker->conf;
        const enum pgw_kind kind = kind_of(run);
        const uint64_t turn_ms = (pgw_mono_us() - run->taken_us) / 1000;

        if (conf->whole_ms[kind] && pgw_wall_ms() > run->since_ms + conf->whole_ms[kind])
                return PGW_E_TIME_LIMIT;
        if (conf->turn_ms[kind] && turn_ms > conf->turn_ms[kind])
                return PGW_E_YIELDED;
        if (is_gone(part, now_ms))
                return run->worker->draining ? PGW_E_DRAINING
                                             : pgw_deployment_absence(part->target->conf.keys);
        return PGW_OK;
}

static void stop(struct pgw_part *part, enum pgw_err why)
{
        if (part->sweep || pgw_link_is_on(&part->stage))
                if (part->keys_done)
                        pgw_sweep_say_progress(part);
        part->stopped = why;
}

/* Marks them only: what ends by it may take others with it. */
static bool mark(struct pgw_worker *w, uint64_t now_ms)
{
        struct pgw_link *link = pgw_list_first(&w->in_hand);
        bool found = false;

        for (; link; link = pgw_list_next(&w->in_hand, link)) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, in_hand);
                for (size_t i = 0; run->has_begun && i < run->part_count; i++) {
                        struct pgw_part *part = &run->parts[i];
                        if (part->ended || pgw_part_is_off(part))
                                continue;
                        const enum pgw_err why = verdict_on(part, now_ms);
                        if (why)
                                stop(part, why);
                        found = found || why;
                }
        }
        return found;
}

static void stop_marked(struct pgw_worker *w)
{
        for (size_t i = 0; i < w->target_count; i++) {
                pgw_remove_part_with_stopped(&w->targets[i]);
                pgw_sweep_go_on(&w->targets[i]);
                pgw_tag_sweep_go_on(&w->targets[i]);
        }
}

/* Since when it is so; 0 while it is not. */
static void note_since(uint64_t *since_ms, bool is_so, uint64_t now_ms)
{
        if (!is_so)
                *since_ms = 0;
        else if (!*since_ms)
                *since_ms = now_ms;
}

static void look_at_targets(struct pgw_worker *w, uint64_t now_ms)
{
        for (size_t i = 0; i < w->target_count; i++) {
                struct pgw_target *t = &w->targets[i];
                note_since(&t->torn_ms, !pgw_deployment_is_ready(t->conf.keys), now_ms);
                note_since(&t->gone_ms, !pgw_remove_can_send(t), now_ms);
        }
}

/* ---- who was cancelled? ---- */

/* Jobs that take long, or wait for something: the others are over before anybody can ask. */
static bool is_asked(const struct pgw_run *run)
{
        return run->has_begun && run->parts_left && !run->pass &&
               pgw_mono_us() - run->taken_us > 2 * PGW_WATCH_EVERY_MS * 1000;
}

/* In turns, as they came into hand: those behind the last one that was asked about, which may be
 * gone, then those from the front. */
static size_t list_asked(struct pgw_worker *w, struct pgw_run *runs[PGW_WATCH_IDS_MAX])
{
        size_t count = 0;

        for (int is_behind = 1; is_behind >= 0; is_behind--) {
                struct pgw_link *link = pgw_list_first(&w->in_hand);
                for (; link && count < PGW_WATCH_IDS_MAX; link = pgw_list_next(&w->in_hand, link)) {
                        struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, in_hand);
                        if ((run->number > w->asked_to) == is_behind && is_asked(run))
                                runs[count++] = run;
                }
        }
        return count;
}

static void cancel(struct pgw_worker *w, const struct pgw_job_id *id)
{
        struct pgw_link *link = pgw_list_first(&w->in_hand);

        for (; link; link = pgw_list_next(&w->in_hand, link)) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, in_hand);
                if (run->pass || run->job.nonce != id->nonce || run->job.entry.seq != id->entry.seq)
                        continue;
                for (size_t i = 0; i < run->part_count; i++)
                        if (!run->parts[i].ended && !pgw_part_is_off(&run->parts[i]))
                                stop(&run->parts[i], PGW_E_CANCELLED);
        }
}

static void on_scores(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_worker *w = ctx;

        w->asking_cancelled = false;
        if (err || reply->type != PGW_REPLY_ARRAY)
                return; /* asked again at the next look */
        const struct pgw_reply *score = reply + 1;
        for (size_t i = 0; i < reply->count && i < w->asked_count;
             i++, score = pgw_reply_next(score))
                if (score->type != PGW_REPLY_NIL)
                        cancel(w, &w->asked_ids[i]);
        stop_marked(w);
}

static void ask_cancelled(struct pgw_worker *w)
{
        struct pgw_run *runs[PGW_WATCH_IDS_MAX];
        struct pgw_str ids[PGW_WATCH_IDS_MAX];
        char texts[PGW_WATCH_IDS_MAX][PGW_JOB_ID_SIZE];

        if (w->asking_cancelled || !pgw_redis_is_ready(w->links.broker))
                return;
        const size_t count = list_asked(w, runs);
        if (count == 0)
                return;
        for (size_t i = 0; i < count; i++) {
                pgw_job_id_text(&runs[i]->job, texts[i]);
                ids[i] = pgw_str_of(texts[i], sizeof texts[i]);
                w->asked_ids[i] = runs[i]->job;
        }
        w->asked_count = count;
        w->asking_cancelled =
            !pgw_cancel_ask(w->links.broker, w->keyspace, ids, count, on_scores, w);
        if (w->asking_cancelled)
                w->asked_to = runs[count - 1]->number;
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_worker *w = PGW_CONTAINER(timer, struct pgw_worker, watch_timer);
        const uint64_t now_ms = pgw_loop_now_ms(w->loop);

        look_at_targets(w, now_ms);
        if (mark(w, now_ms))
                stop_marked(w);
        ask_cancelled(w);
        pgw_timer_arm(w->loop, &w->watch_timer, now_ms + PGW_WATCH_EVERY_MS);
}

void pgw_watch_init(struct pgw_worker *w)
{
        pgw_timer_init(&w->watch_timer, on_timer);
        pgw_timer_arm(w->loop, &w->watch_timer, pgw_loop_now_ms(w->loop) + PGW_WATCH_EVERY_MS);
}

void pgw_watch_fini(struct pgw_worker *w)
{
        pgw_timer_disarm(w->loop, &w->watch_timer);
}
