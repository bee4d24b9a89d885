/* A run is allocated with its parts and its keys behind it, one block for one job. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "domain/tag.h"
#include "work/worker_priv.h"

/* An entry that cannot be read must not come back for ever; it ends as failed when it has
 * a name to fail under, and is let go of, loudly, when it has none. */
static void end_unreadable(struct pgw_run *run, enum pgw_err err, bool has_nonce)
{
        char id[PGW_ENTRY_ID_SIZE];
        const size_t n = pgw_entry_id_text(run->id.entry, id);

        PGW_LOG(PGW_LOG_ERROR, "job.unreadable", PGW_L_BYTES("entry", id, n),
                PGW_L_STR("lane", pgw_lane_name(run->id.lane)),
                PGW_L_STR("error", pgw_err_slug(err)));
        run->error = err;
        run->state = PGW_JOB_FAILED;
        if (!has_nonce) {
                run->id.nonce = 0;
                pgw_settle_add(run);
        } else {
                pgw_fate_decide(run);
        }
}

/* ---- which targets ---- */

static struct pgw_target *find_target(struct pgw_worker *w, struct pgw_str name)
{
        for (size_t i = 0; i < w->target_count; i++)
                if (pgw_str_eq_z(name, w->targets[i].conf.name))
                        return &w->targets[i];
        return NULL;
}

/* PGW_E_TARGET when one of the names is not known here. */
static enum pgw_err choose_targets(struct pgw_worker *w, struct pgw_str names, pgw_target_set *ret)
{
        pgw_target_set set = 0;
        bool more = names.n > 0;

        while (more) {
                struct pgw_str name = names;
                more = pgw_str_cut(names, ',', &name, &names);
                const struct pgw_target *target = find_target(w, more ? name : names);
                if (!target)
                        return PGW_E_TARGET;
                set |= (pgw_target_set)1 << target->index;
        }
        *ret = set ? set : (pgw_target_set)(((uint64_t)1 << w->target_count) - 1);
        return PGW_OK;
}

static void add_parts(struct pgw_run *run, pgw_target_set set)
{
        struct pgw_worker *w = run->worker;

        for (size_t i = 0; i < w->target_count; i++) {
                if (!(set >> i & 1))
                        continue;
                struct pgw_part *part = &run->parts[run->part_count++];
                part->run = run;
                part->target = &w->targets[i];
                part->patterns_done = run->pattern_count == 0;
                part->tags_done = run->tag_count == 0;
        }
        run->parts_left = run->part_count;
}

/* ---- into hand ---- */

static struct pgw_str keep(char **at, struct pgw_str bytes)
{
        const struct pgw_str kept = pgw_str_of(*at, bytes.n);

        if (bytes.n)
                memcpy(*at, bytes.p, bytes.n);
        *at += bytes.n;
        return kept;
}

static struct pgw_run *run_new(struct pgw_worker *w, const struct pgw_entry *e, size_t targets)
{
        const size_t parts = targets * sizeof(struct pgw_part);
        struct pgw_entry facts;
        pgw_record_facts(w, e, &facts);
        struct pgw_run *run =
            pgw_alloc(sizeof *run + parts + e->keys.n + e->patterns.n + e->tags.n + e->members.n +
                      e->outcomes.n + e->history.n + facts.actor.n + facts.request_id.n +
                      facts.reason.n + facts.targets.n + facts.sum.n);
        char *at = (char *)(run + 1) + parts;

        run->worker = w;
        run->number = ++w->taken_count;
        run->parts = (struct pgw_part *)(run + 1);
        run->id = e->id;
        run->started_ms = pgw_wall_ms();
        if (run->started_ms < e->id.entry.ms)
                run->started_ms = e->id.entry.ms; /* clocks of two machines */
        run->taken_us = pgw_mono_us();
        run->keys = keep(&at, e->keys);
        run->patterns = keep(&at, e->patterns);
        run->tags = keep(&at, e->tags);
        run->members = keep(&at, e->members);
        run->outcomes = keep(&at, e->outcomes);
        run->history = keep(&at, e->history);
        run->actor = keep(&at, facts.actor);
        run->request_id = keep(&at, facts.request_id);
        run->reason = keep(&at, facts.reason);
        run->names = keep(&at, facts.targets);
        run->sum = keep(&at, facts.sum);
        run->key_count = e->key_count;
        run->pattern_count = e->pattern_count;
        run->tag_count = e->tag_count;
        run->selector_count =
            e->requested ? e->requested : run->key_count + run->pattern_count + run->tag_count;
        run->attempts = e->attempts;
        run->tries = e->tries;
        run->has_place = e->has_job && !e->pass;
        run->all_tags = e->all_tags;
        run->pass = e->pass;
        run->origin_ms = e->origin_ms;
        run->job = e->has_job ? e->job : e->id;
        run->name = e->pass ? e->id : run->job;
        run->soft_ttl_ms = e->soft_ttl_ms;
        run->hold_ms = e->hold_ms;
        if (e->version.n)
                memcpy(run->version, e->version.p, e->version.n);
        /* A job that was put off on purpose is in time from when it became an entry. */
        run->since_ms = e->since_ms ? e->since_ms : e->id.entry.ms;
        run->is_dry = e->is_dry;
        run->is_for_any = e->targets.n == 0;
        run->has_own_rebounds = e->has_rebounds;
        run->rebounds = e->rebounds;
        if (run->pass && run->pass < e->rebounds.count)
                run->pattern_count = 0; /* they have their turn in the last pass */
        pgw_buf_init(&run->sample, PGW_SAMPLE_BYTES_MAX);
        pgw_list_append(&w->in_hand, &run->in_hand);
        return run;
}

/* It must not go round for ever. */
void pgw_run_bury(struct pgw_run *run)
{
        run->error = PGW_E_POISON;
        run->state = PGW_JOB_DEAD;
        pgw_fate_decide(run);
}

/* The contract bounds them; an entry may be somebody else's. To cut what is too long would purge
 * another tag. */
static bool are_tags(const struct pgw_entry *e)
{
        struct pgw_str tags = e->tags, tag;

        while (tags.n)
                if (pgw_keys_next(&tags, &tag) || tag.n > PGW_TAG_MAX)
                        return false;
        return e->tag_count <= PGW_TAGS_MAX;
}

void pgw_run_take(struct pgw_worker *w, const struct pgw_reply *reply, enum pgw_lane lane,
                  uint64_t deliveries)
{
        struct pgw_entry entry;
        pgw_target_set targets = 0;
        bool has_nonce;
        enum pgw_err err = pgw_entry_read(reply, lane, &entry, &has_nonce);

        if (!err && !are_tags(&entry))
                err = PGW_E_CODEC;
        if (!err)
                err = choose_targets(w, entry.targets, &targets);
        /* Of a job whose target was taken out of the settings all is known but where to go. */
        if (err && err != PGW_E_TARGET)
                entry = (struct pgw_entry){.id = entry.id,
                                           .has_job = entry.has_job,
                                           .job = entry.job,
                                           .pass = entry.pass,
                                           .attempts = entry.attempts,
                                           .actor = entry.actor,
                                           .request_id = entry.request_id,
                                           .reason = entry.reason};
        struct pgw_run *run = run_new(w, &entry, err ? 0 : w->target_count);
        run->deliveries = deliveries;
        run->attempt = run->attempts + deliveries;
        if (run->pass == 0) {
                pgw_metric_add(PGW_M_JOBS_TAKEN, 1);
                pgw_metric_observe_us(PGW_H_ACCEPT_TO_START,
                                      (run->started_ms - entry.id.entry.ms) * 1000);
        }
        PGW_FAILPOINT("take.after");
        if (err) {
                end_unreadable(run, err, has_nonce);
                return;
        }
        add_parts(run, targets);
        pgw_outcome_take_over(run);
        if (run->pass && deliveries > w->conf.retry.deliveries_max)
                pgw_run_bury(run);
        else if (run->pass)
                pgw_repeat_begin(run); /* and has no result to fence */
        else if (pgw_suspect_is_one(run))
                pgw_suspect_add(run);
        else if (run->attempt > 1)
                pgw_keep_announce(run);
        else
                pgw_run_begin(run);
}

void pgw_run_begin(struct pgw_run *run)
{
        /* The last part may end, and the run with it, before the loop does. */
        const size_t count = run->part_count;
        struct pgw_part *parts = run->parts;

        run->has_begun = true;
        for (size_t i = 0; i < count; i++)
                pgw_remove_add(&parts[i]);
}

/* ---- passes ---- */

unsigned pgw_run_next_pass(const struct pgw_run *run, const struct pgw_rebounds *rebounds)
{
        const unsigned count = (unsigned)rebounds->count;

        if (run->is_dry || run->pass >= count)
                return 0;
        return run->keys.n || run->tags.n ? run->pass + 1 : count;
}

const struct pgw_rebounds *pgw_part_rebounds(const struct pgw_part *part)
{
        static const struct pgw_rebounds none = {.count = 0};
        const struct pgw_run *run = part->run;

        if (run->has_own_rebounds)
                return &run->rebounds;
        /* To cut short once more what was refilled since would help nobody. */
        if (run->soft_ttl_ms || run->is_dry)
                return &none;
        /* A marker does better what they do, where it stands. */
        if (run->hold_ms && !part->has_unheld)
                return &none;
        return &part->target->conf.rebounds;
}

/* ---- out of hand ---- */

/* A pass has ended at all targets: the place to tell in-process caches, before anybody can read
 * that the job has ended, for the first pass as for those behind it. */
static void tell(const struct pgw_run *run)
{
        char id[PGW_JOB_ID_SIZE];

        pgw_job_id_text(&run->job, id);
        PGW_LOG(PGW_LOG_DEBUG, "job.pass_ended", PGW_L_BYTES("job_id", id, sizeof id),
                PGW_L_INT("pass", run->pass), PGW_L_INT("removed", (int64_t)run->removed));
}

static bool is_stopped(const struct pgw_run *run)
{
        for (size_t i = 0; i < run->part_count; i++)
                if (run->parts[i].stopped)
                        return true;
        return false;
}

static void end_run(struct pgw_run *run)
{
        PGW_FAILPOINT("effect.after");
        if (run->lost) {
                pgw_run_lose(run);
                return;
        }
        if (!is_stopped(run))
                pgw_outcome_sum_up(run);
        tell(run);
        pgw_fate_decide(run);
}

void pgw_run_lose(struct pgw_run *run)
{
        pgw_metric_add(PGW_M_LATE_WRITES_REFUSED, 1);
        pgw_run_free(run);
}

void pgw_part_end(struct pgw_part *part)
{
        struct pgw_run *run = part->run;

        PGW_ASSERT(part->awaited == 0 && !part->ended);
        if (!pgw_part_is_off(part)) {
                if (!part->patterns_done) {
                        pgw_sweep_add(part);
                        return;
                }
                if (!part->tags_done) {
                        pgw_tag_sweep_add(part);
                        return;
                }
        }
        part->ended = true;
        PGW_ASSERT(run->parts_left > 0);
        if (--run->parts_left == 0)
                end_run(run);
}

void pgw_run_free(struct pgw_run *run)
{
        PGW_ASSERT(!pgw_link_is_on(&run->stage));
        pgw_suspect_ended(run);
        for (size_t i = 0; i < run->part_count; i++) {
                struct pgw_part *part = &run->parts[i];
                PGW_ASSERT(!pgw_link_is_on(&part->stage) && !part->sweep);
                pgw_buf_fini(&part->again[0]);
                pgw_buf_fini(&part->again[1]);
                pgw_free(part->resumed);
        }
        pgw_list_remove(&run->worker->in_hand, &run->in_hand);
        pgw_buf_fini(&run->sample);
        pgw_free(run);
}
