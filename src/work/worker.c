/* The worker is some small machines that hand runs to each other: take reads entries,
 * keep announces, beats and takes over, remove empties the caches of keys, sweep and tag
 * sweep of what patterns match and tags hold, watch stops what gets no further, release lets go of
 * what is to be tried again, settle writes results and acknowledges. Each owns its
 * timers and its list, and none waits inside a call.
 */
#include "work/worker.h"

#include "base/alloc.h"
#include "base/rand.h"
#include "work/effect.h"
#include "work/journal.h"
#include "work/prune.h"

#define PGW_WORKER_PAUSE_MIN_MS 20
#define PGW_WORKER_PAUSE_MAX_MS 2000

uint64_t pgw_worker_pause_ms(unsigned failures)
{
        uint64_t pause_ms = PGW_WORKER_PAUSE_MIN_MS;

        while (failures-- > 0 && pause_ms < PGW_WORKER_PAUSE_MAX_MS)
                pause_ms *= 2;
        return 1 + pgw_rand_below(pause_ms);
}

static void on_room(void *ctx)
{
        struct pgw_target *t = ctx;

        pgw_sweep_go_on(t);
        pgw_tag_sweep_go_on(t);
}

static void on_keys_change(void *ctx, enum pgw_change change, struct pgw_node *node, unsigned first,
                           unsigned last)
{
        struct pgw_target *t = ctx;

        (void)node;
        pgw_journal_on_change(t->journal, change, first, last);
}

static void open_targets(struct pgw_worker *w)
{
        const struct pgw_worker_links *links = &w->links;

        PGW_ASSERT(links->target_count >= 1 && links->target_count <= PGW_TARGETS_MAX);
        w->targets = pgw_alloc(links->target_count * sizeof *w->targets);
        w->target_count = links->target_count;
        for (size_t i = 0; i < w->target_count; i++) {
                struct pgw_target *t = &w->targets[i];
                t->worker = w;
                t->conf = links->targets[i];
                t->index = (unsigned)i;
                pgw_remove_init(t);
                pgw_sweep_init(t);
                pgw_tag_sweep_init(t);
                pgw_deployment_on_room(t->conf.sweeps, on_room, t);
                if (w->conf.prune_ms)
                        t->pruner = pgw_pruner_new(t, w->conf.prune_ms);
                if (w->conf.journal_ms == 0)
                        continue;
                t->journal = pgw_journal_new(t, w->conf.journal_ms,
                                             w->conf.journal_bytes / w->target_count + 1);
                pgw_deployment_on_change(t->conf.keys, on_keys_change, t);
        }
}

static void close_targets(struct pgw_worker *w)
{
        for (size_t i = 0; i < w->target_count; i++) {
                struct pgw_target *t = &w->targets[i];
                pgw_remove_fini(t);
                pgw_sweep_fini(t);
                pgw_tag_sweep_fini(t);
                pgw_journal_free(t->journal);
                pgw_pruner_free(t->pruner);
        }
}

struct pgw_worker *pgw_worker_new(struct pgw_loop *loop, const struct pgw_worker_links *links,
                                  const struct pgw_keyspace *keyspace,
                                  const struct pgw_worker_conf *conf)
{
        struct pgw_worker *w = pgw_alloc(sizeof *w);

        w->loop = loop;
        w->links = *links;
        w->keyspace = keyspace;
        w->conf = *conf;
        pgw_list_init(&w->in_hand);
        pgw_list_init(&w->to_announce);
        pgw_list_init(&w->to_settle);
        pgw_list_init(&w->to_release);
        pgw_list_init(&w->unused_effects);
        pgw_suspect_init(w);
        open_targets(w);
        pgw_take_init(w);
        pgw_later_init(w);
        pgw_settle_init(w);
        pgw_record_init(w);
        pgw_release_init(w);
        pgw_watch_init(w);
        pgw_present_init(w);
        pgw_keep_init(w);
        return w;
}

void pgw_worker_on_state(struct pgw_worker *w)
{
        pgw_take_more(w);
        for (size_t i = 0; i < w->target_count; i++) {
                pgw_remove_go_on(&w->targets[i]);
                pgw_sweep_go_on(&w->targets[i]);
                pgw_tag_sweep_go_on(&w->targets[i]);
                if (w->targets[i].journal)
                        pgw_journal_go_on(w->targets[i].journal);
        }
        pgw_settle_go_on(w);
        pgw_release_go_on(w);
        pgw_keep_go_on(w);
}

size_t pgw_worker_room(const struct pgw_worker *w)
{
        const size_t parts = pgw_worker_sweeps(w),
                     walking = parts < w->in_hand.count ? parts : w->in_hand.count,
                     free_of_charge = walking < PGW_SWEEPS_MAX ? walking : PGW_SWEEPS_MAX,
                     held = w->in_hand.count - free_of_charge;

        return held < w->conf.in_hand_max ? w->conf.in_hand_max - held : 0;
}

void pgw_worker_drain(struct pgw_worker *w)
{
        w->draining = true;
        pgw_present_drain(w);
        for (size_t i = 0; i < w->target_count; i++) {
                pgw_sweep_go_on(&w->targets[i]);
                pgw_tag_sweep_go_on(&w->targets[i]);
        }
}

bool pgw_worker_is_idle(const struct pgw_worker *w)
{
        return w->draining && w->in_hand.count == 0 && w->reads_awaited == 0 && !w->taking_over &&
               w->has_left;
}

size_t pgw_worker_in_hand(const struct pgw_worker *w)
{
        return w->in_hand.count;
}

size_t pgw_worker_sweeps(const struct pgw_worker *w)
{
        size_t count = 0;

        for (size_t i = 0; i < w->target_count; i++)
                count += w->targets[i].pass.sweeps.count + w->targets[i].tags.parts.count;
        return count;
}

void pgw_worker_free(struct pgw_worker *w)
{
        struct pgw_link *link;

        if (!w)
                return;
        pgw_take_fini(w);
        close_targets(w);
        pgw_later_fini(w);
        pgw_settle_fini(w);
        pgw_release_fini(w);
        pgw_record_fini(w);
        pgw_watch_fini(w);
        pgw_present_fini(w);
        pgw_keep_fini(w);
        pgw_suspect_fini(w);
        while ((link = pgw_list_first(&w->to_announce)))
                pgw_list_remove(&w->to_announce, link);
        while ((link = pgw_list_first(&w->to_settle)))
                pgw_list_remove(&w->to_settle, link);
        while ((link = pgw_list_first(&w->to_release)))
                pgw_list_remove(&w->to_release, link);
        while ((link = pgw_list_first(&w->in_hand)))
                pgw_run_free(PGW_CONTAINER(link, struct pgw_run, in_hand));
        pgw_effects_free(w);
        pgw_free(w->targets);
        pgw_free(w);
}
