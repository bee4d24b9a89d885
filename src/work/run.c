/* A run is allocated with its keys behind it, one block for one job. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "work/worker_priv.h"

/* An entry that cannot be read must not come back for ever; it ends as failed when it has
 * a name to fail under, and is let go of, loudly, when it has none. */
static void take_unreadable(struct pgw_run *run, bool has_nonce)
{
        char id[PGW_ENTRY_ID_SIZE];
        const size_t n = pgw_entry_id_text(run->id.entry, id);

        PGW_LOG(PGW_LOG_ERROR, "job.unreadable", PGW_L_BYTES("entry", id, n),
                PGW_L_STR("lane", pgw_lane_name(run->id.lane)));
        run->error = PGW_E_CODEC;
        if (!has_nonce)
                run->id.nonce = 0;
        pgw_run_end(run);
}

void pgw_run_take(struct pgw_worker *w, const struct pgw_reply *reply, enum pgw_lane lane,
                  uint64_t attempt)
{
        struct pgw_entry entry;
        bool has_nonce;
        enum pgw_err err = pgw_entry_read(reply, lane, &entry, &has_nonce);
        const size_t keys = err ? 0 : entry.keys.n, patterns = err ? 0 : entry.patterns.n,
                     tags = err ? 0 : entry.tags.n;
        struct pgw_run *run = pgw_alloc(sizeof *run + keys + patterns + tags);

        if (!err && entry.tag_count > PGW_TAGS_MAX)
                err = PGW_E_CODEC;

        run->worker = w;
        run->id = entry.id;
        run->attempt = attempt;
        run->started_ms = pgw_wall_ms();
        if (run->started_ms < entry.id.entry.ms)
                run->started_ms = entry.id.entry.ms; /* clocks of two machines */
        run->taken_us = pgw_mono_us();
        if (keys)
                memcpy(run->bytes, entry.keys.p, keys);
        if (patterns)
                memcpy(run->bytes + keys, entry.patterns.p, patterns);
        if (tags)
                memcpy(run->bytes + keys + patterns, entry.tags.p, tags);
        run->keys = run->unsent = run->unsettled = pgw_str_of(run->bytes, keys);
        run->patterns = pgw_str_of(run->bytes + keys, patterns);
        run->key_count = err ? 0 : entry.key_count;
        run->pattern_count = err ? 0 : entry.pattern_count;
        run->tags = pgw_str_of(run->bytes + keys + patterns, tags);
        run->tag_count = err ? 0 : entry.tag_count;
        run->all_tags = entry.all_tags;
        run->pass = entry.pass;
        run->origin_ms = entry.origin_ms;
        run->job = entry.pass ? entry.job : entry.id;
        if (run->pass && run->pass < entry.rebounds.count)
                run->pattern_count = 0; /* they have their turn in the last pass */
        run->soft_ttl_ms = entry.soft_ttl_ms;
        run->is_dry = entry.is_dry;
        pgw_buf_init(&run->sample, PGW_SAMPLE_BYTES_MAX);
        run->has_own_rebounds = entry.has_rebounds;
        /* To cut short once more what was refilled since would help nobody. */
        if (entry.has_rebounds)
                run->rebounds = entry.rebounds;
        else if (!entry.soft_ttl_ms && !entry.is_dry)
                run->rebounds = w->conf.rebounds;
        run->selector_count = run->key_count + run->pattern_count + run->tag_count;
        pgw_list_append(&w->in_hand, &run->in_hand);

        if (run->pass == 0) {
                pgw_metric_add(PGW_M_JOBS_TAKEN, 1);
                pgw_metric_observe_us(PGW_H_ACCEPT_TO_START,
                                      (run->started_ms - entry.id.entry.ms) * 1000);
        }
        PGW_FAILPOINT("take.after");
        if (err)
                take_unreadable(run, has_nonce);
        else if (attempt > 1 && run->pass == 0)
                pgw_keep_announce(run); /* a later pass has no result to fence */
        else
                pgw_remove_add(run);
}

unsigned pgw_run_next_pass(const struct pgw_run *run)
{
        const unsigned count = (unsigned)run->rebounds.count;

        if (run->error || run->is_dry || run->pass >= count)
                return 0;
        return run->keys.n || run->tags.n ? run->pass + 1 : count;
}

void pgw_run_end(struct pgw_run *run)
{
        PGW_ASSERT(run->awaited == 0);
        PGW_FAILPOINT("effect.after");
        if (run->lost) {
                pgw_metric_add(PGW_M_LATE_WRITES_REFUSED, 1);
                pgw_run_free(run);
                return;
        }
        if (run->pattern_count && !run->error) {
                pgw_sweep_add(run);
                run->pattern_count = 0;
                return;
        }
        if (run->tag_count && !run->error) {
                pgw_tag_sweep_add(run);
                return;
        }
        /* Of its keys as many as went, or would go. */
        run->matched = run->removed + run->found + run->progress.matched;
        run->removed += run->progress.removed;
        pgw_settle_add(run);
}

void pgw_run_free(struct pgw_run *run)
{
        PGW_ASSERT(!pgw_link_is_on(&run->stage) && !run->sweep);
        pgw_list_remove(&run->worker->in_hand, &run->in_hand);
        pgw_buf_fini(&run->sample);
        pgw_free(run);
}
