/* Sweeps: removing what a pattern matches.
 *
 * Redis has no index over keys, so a pattern costs a walk over all of them. One pass walks
 * the target for every pattern job in hand at once, on all its masters side by side
 * (work/walk.h): each key is matched against all of them, and each job is done when the pass has
 * come around to where the job joined it. Jobs that wait together therefore cost one walk.
 *
 * What a job has covered is one stretch of each walk's circle, which is all that a checkpoint
 * needs (domain/progress.h). When the masters change, the walks of those that stayed go on, those
 * that came are walked all around, and the slots that changed hands are looked through by
 * themselves at the end (work/slots.c).
 */
#include "work/sweep.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/metric.h"
#include "redis/slot.h"

#define PGW_SWEEP_SAVE_MS  1000
#define PGW_SWEEPS_AT_ONCE 8  /* that see a key between two looks at the clock */
#define PGW_SLOTS_SAMPLE   64 /* a node's slots mostly lie side by side */

/* ---- what is written down ---- */

static void on_said(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)ctx;
        (void)reply;
        /* A checkpoint that is not written costs the way from the one before. */
        if (err)
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

static void sum_up(struct pgw_part *part, struct pgw_position *positions)
{
        const size_t count = part->target->pass.walk_count;
        const struct pgw_sweep *s = part->sweep;
        unsigned percent = 0;

        for (size_t i = 0; i < count; i++) {
                const struct pgw_stand *stand = &s->stands[i];
                positions[i] = stand->position;
                percent += stand->done ? 100
                                       : pgw_circle_percent(&part->target->pass.walks[i]->circle,
                                                            &stand->position);
        }
        part->progress.percent = count ? percent / (unsigned)count : 0;
        part->progress.map = s->map;
}

void pgw_sweep_say_progress(struct pgw_part *part)
{
        struct pgw_worker *w = part->run->worker;
        struct pgw_position positions[PGW_POSITIONS_MAX];
        const size_t count = part->sweep ? part->target->pass.walk_count : 0;

        PGW_ASSERT(count <= PGW_POSITIONS_MAX);
        if (part->sweep)
                sum_up(part, positions);
        else if (part->progress.members)
                part->progress.percent =
                    part->progress.members_seen < part->progress.members
                        ? (unsigned)(part->progress.members_seen * 100 / part->progress.members)
                        : 100;
        if (!pgw_progress_save(w->links.broker, w->keyspace, &part->run->name,
                               part->target->conf.name, &part->progress, positions, count, on_said,
                               w))
                part->run->is_written = true;
}

void pgw_sweep_forget(struct pgw_run *run)
{
        struct pgw_worker *w = run->worker;

        /* Left behind, it expires. */
        if (run->is_written &&
            pgw_progress_forget(w->links.broker, w->keyspace, &run->name, on_said, w))
                pgw_metric_add(PGW_M_SETTLE_ERRORS, 1);
}

/* ---- joining and leaving ---- */

bool pgw_sweep_is_around(const struct pgw_sweep *s)
{
        const struct pgw_pass *pass = &s->part->target->pass;

        for (size_t i = 0; i < pass->walk_count; i++)
                if (!s->stands[i].done)
                        return false;
        return pass->walk_count > 0;
}

static void sweep_free(struct pgw_sweep *s)
{
        pgw_list_remove(&s->part->target->pass.sweeps, &s->link);
        for (size_t i = 0; i < s->glob_count; i++)
                pgw_glob_free(s->globs[i]);
        s->part->sweep = NULL;
        pgw_free(s->stands);
        pgw_free(s->moved);
        pgw_free(s);
}

void pgw_sweep_leave(struct pgw_sweep *s)
{
        struct pgw_part *part = s->part;

        sweep_free(s);
        part->patterns_done = !part->stopped;
        pgw_part_end(part);
}

/* The jobs that are over. What the walks of a cluster did not see is looked at behind them. */
static void part_with_ended(struct pgw_target *t)
{
        struct pgw_link *link = pgw_list_first(&t->pass.sweeps), *next;
        bool is_waiting = false;

        for (; link; link = next) {
                struct pgw_sweep *s = pgw_sweep_at(link);
                next = pgw_list_next(&t->pass.sweeps, link);
                if (s->part->awaited)
                        continue;
                if (pgw_part_is_off(s->part) || (pgw_sweep_is_around(s) && !t->pass.slots)) {
                        if (!t->pass.slots || !pgw_slots_has(t->pass.slots, s))
                                pgw_sweep_leave(s);
                } else if (pgw_sweep_is_around(s)) {
                        is_waiting = true;
                }
        }
        if (is_waiting)
                pgw_slots_go_on(t->pass.slots);
}

/* Draining: what is done is written down, and somebody else goes on. */
static void part_with_all(struct pgw_target *t)
{
        struct pgw_link *link = pgw_list_first(&t->pass.sweeps), *next;

        for (; link; link = next) {
                struct pgw_sweep *s = pgw_sweep_at(link);
                next = pgw_list_next(&t->pass.sweeps, link);
                if (s->part->awaited || (t->pass.slots && pgw_slots_has(t->pass.slots, s)))
                        continue;
                pgw_sweep_say_progress(s->part);
                s->part->stopped = PGW_E_DRAINING;
                pgw_sweep_leave(s);
        }
}

/* ---- the masters ---- */

static struct pgw_walk *walk_of_id(const struct pgw_pass *pass, const char *id)
{
        for (size_t i = 0; i < pass->walk_count; i++)
                if (id[0] && pass->walks[i] && strcmp(pass->walks[i]->id, id) == 0)
                        return pass->walks[i];
        return NULL;
}

/* What an earlier worker has written down is worth something while the slots lie as they did. */
static const struct pgw_position *resumed_at(const struct pgw_part *part, const char *id)
{
        if (!id[0] || part->progress.map != part->target->pass.map)
                return NULL;
        for (size_t i = 0; i < part->resumed_count; i++)
                if (strcmp(part->resumed[i].node, id) == 0)
                        return &part->resumed[i];
        return NULL;
}

/* The sweep's stands at these walks: as they were at those that stayed, given by their old index,
 * and new ones at the others. */
static void take_stands(struct pgw_sweep *s, struct pgw_walk *const *walks, const size_t *old,
                        size_t count)
{
        struct pgw_stand *stands = pgw_alloc((count + 1) * sizeof *stands);

        for (size_t i = 0; i < count; i++) {
                const struct pgw_position *resumed = resumed_at(s->part, walks[i]->id);
                if (old && old[i] != SIZE_MAX) {
                        stands[i] = s->stands[old[i]];
                } else if (resumed) {
                        stands[i].position = *resumed;
                        stands[i].done = pgw_circle_is_closed(&walks[i]->circle, resumed);
                        stands[i].placed = stands[i].done;
                }
        }
        pgw_free(s->stands);
        s->stands = stands;
}

static void start_over_at_others(struct pgw_target *t, size_t stayed)
{
        if (t->pass.walk_count && stayed < t->pass.walk_count && t->pass.sweeps.count)
                PGW_LOG(PGW_LOG_WARN, "sweep.started_over", PGW_L_STR("target", t->conf.name),
                        PGW_L_INT("jobs", (int64_t)t->pass.sweeps.count));
}

static bool has_begun(const struct pgw_sweep *s)
{
        for (size_t i = 0; i < s->part->target->pass.walk_count; i++)
                if (s->stands[i].placed)
                        return true;
        return false;
}

static void measure(struct pgw_circle *c, const struct pgw_node *node)
{
        unsigned end = 0;

        c->first_slot = 0;
        for (unsigned slot = 0; slot < PGW_REDIS_SLOTS; slot += PGW_SLOTS_SAMPLE) {
                if (!pgw_node_owns(node, slot))
                        continue;
                if (end == 0)
                        c->first_slot = slot;
                end = slot + PGW_SLOTS_SAMPLE;
        }
        c->slot_count = (end ? end : PGW_REDIS_SLOTS) - c->first_slot;
}

/* Who the masters are now. */
static void look(struct pgw_deferred *d)
{
        struct pgw_target *t = PGW_CONTAINER(d, struct pgw_target, pass.look);
        struct pgw_pass *pass = &t->pass;
        struct pgw_deployment *dep = t->conf.sweeps;
        const size_t count = pgw_deployment_masters(dep) < PGW_POSITIONS_MAX
                                 ? pgw_deployment_masters(dep)
                                 : PGW_POSITIONS_MAX;
        struct pgw_walk **walks = pgw_alloc((count + 1) * sizeof(struct pgw_walk *));
        size_t *old = pgw_alloc((count + 1) * sizeof *old), stayed = 0;
        struct pgw_link *link;

        pass->epoch = pgw_deployment_epoch(dep);
        pass->map = pgw_deployment_map(dep);
        for (size_t i = 0; i < count; i++) {
                struct pgw_node *node = pgw_deployment_master(dep, i);
                walks[i] = walk_of_id(pass, pgw_node_run_id(node));
                old[i] = walks[i] ? walks[i]->index : SIZE_MAX;
                if (walks[i]) {
                        pass->walks[old[i]] = NULL;
                        walks[i]->node = node;
                        walks[i]->gate_us = pgw_gate_of(t, node);
                        walks[i]->is_timed = false;
                        stayed++;
                } else {
                        walks[i] = pgw_walk_new(t, node, i);
                }
                if (pass->slots)
                        measure(&walks[i]->circle, node);
        }
        start_over_at_others(t, stayed);
        for (link = pgw_list_first(&pass->sweeps); link;
             link = pgw_list_next(&pass->sweeps, link)) {
                struct pgw_sweep *s = pgw_sweep_at(link);
                if (!has_begun(s))
                        s->map = pass->map;
                take_stands(s, walks, old, count);
        }
        for (size_t i = 0; i < count; i++)
                walks[i]->index = i;
        struct pgw_walk **gone = pass->walks;
        const size_t gone_count = pass->walk_count;
        pass->walks = walks;
        pass->walk_count = count;
        for (size_t i = 0; i < gone_count; i++)
                if (gone[i])
                        pgw_walk_leave(gone[i]);
        pgw_free(gone);
        pgw_free(old);
        pgw_sweep_go_on(t);
}

static void on_change(void *ctx, enum pgw_change change, struct pgw_node *node, unsigned first,
                      unsigned last)
{
        struct pgw_target *t = ctx;
        struct pgw_link *link = pgw_list_first(&t->pass.sweeps);

        if (change != PGW_SLOTS_MOVED)
                return;
        /* Whoever is not walked yet will be, from the beginning. */
        const bool is_walked = !node || walk_of_id(&t->pass, pgw_node_run_id(node));
        for (; link && is_walked; link = pgw_list_next(&t->pass.sweeps, link)) {
                struct pgw_sweep *s = pgw_sweep_at(link);
                for (unsigned slot = first; s->moved && slot <= last; slot++)
                        s->moved[slot / 8] |= (unsigned char)(1u << slot % 8);
        }
        pgw_sweep_go_on(t);
}

/* ---- what a walk asks (work/walk.h) ---- */

bool pgw_sweep_wants(const struct pgw_walk *walk)
{
        const struct pgw_pass *pass = &walk->target->pass;
        struct pgw_link *link = pgw_list_first(&pass->sweeps);

        for (; link; link = pgw_list_next(&pass->sweeps, link)) {
                const struct pgw_sweep *s = pgw_sweep_at(link);
                if (!s->stands[walk->index].done && !pgw_part_is_off(s->part))
                        return true;
        }
        return false;
}

bool pgw_sweep_has_newcomers(const struct pgw_walk *walk)
{
        const struct pgw_pass *pass = &walk->target->pass;
        struct pgw_link *link = pgw_list_first(&pass->sweeps);

        for (; link; link = pgw_list_next(&pass->sweeps, link))
                if (!pgw_sweep_at(link)->stands[walk->index].placed)
                        return true;
        return false;
}

/* Newcomers join where the walk is. When it stands still it goes to where they were, or to the
 * beginning, from where a round can be told in whatever order. */
void pgw_sweep_place_newcomers(struct pgw_walk *walk)
{
        const struct pgw_pass *pass = &walk->target->pass;
        struct pgw_link *link;
        bool is_moving = false;

        for (link = pgw_list_first(&pass->sweeps); link;
             link = pgw_list_next(&pass->sweeps, link)) {
                const struct pgw_stand *stand = &pgw_sweep_at(link)->stands[walk->index];
                is_moving = is_moving || (stand->placed && !stand->done);
        }
        for (link = pgw_list_first(&pass->sweeps); link;
             link = pgw_list_next(&pass->sweeps, link)) {
                struct pgw_stand *stand = &pgw_sweep_at(link)->stands[walk->index];
                struct pgw_position *p = &stand->position;
                if (stand->placed)
                        continue;
                const bool is_known = walk->id[0] && strcmp(p->node, walk->id) == 0;
                if (is_known && !is_moving)
                        walk->at = p->at;
                if (!is_known) {
                        walk->at = is_moving ? walk->at : 0;
                        memcpy(p->node, walk->id, sizeof p->node);
                        p->start = p->at = walk->at;
                        p->wrapped = false;
                }
                stand->placed = is_moving = true;
        }
}

struct pgw_str pgw_sweep_only_pattern(const struct pgw_walk *walk)
{
        const struct pgw_pass *pass = &walk->target->pass;
        struct pgw_link *link = pgw_list_first(&pass->sweeps);

        /* With one pattern the node can spare us what does not match. */
        if (!link || pass->sweeps.count != 1 || pgw_sweep_at(link)->glob_count != 1)
                return (struct pgw_str){NULL, 0};
        return pgw_glob_text(pgw_sweep_at(link)->globs[0]);
}

static void on_removed(struct pgw_effect *e, enum pgw_err err, uint64_t affected,
                       const struct pgw_reply *reply)
{
        struct pgw_part *part = e->part;

        (void)reply;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        PGW_ASSERT(part->awaited > 0);
        part->awaited--;
        part->progress.removed += affected;
        if (err && pgw_err_class(err) == PGW_CLASS_PERMANENT) {
                part->error = err;
                if (part->target->pass.sweeps.count > 1)
                        pgw_walk_refused(e->ctx);
                err = PGW_OK;
        }
        pgw_walk_answered(e->ctx, err);
}

static void flush_chunk(struct pgw_sweep *s, struct pgw_walk *walk)
{
        const size_t count = s->chunk_count;

        s->chunk_count = 0;
        if (count == 0 || walk->broken)
                return;
        walk->broken = pgw_effect_send(walk->target->conf.sweeps, s->part, s->chunk, count,
                                       PGW_KEYS_GO, on_removed, walk);
        if (walk->broken)
                return;
        s->part->awaited++;
        walk->awaited++;
}

bool pgw_sweep_matches(const struct pgw_sweep *s, struct pgw_str key)
{
        for (size_t i = 0; i < s->glob_count; i++)
                if (pgw_glob_match(s->globs[i], key))
                        return true;
        return false;
}

/* A key goes once, in the name of the first job that wants it just gone; all of these count it as
 * theirs. When that is refused the slice is done again without the job. To be cut short, or gone
 * with a marker, is something else, which each job says by itself. */
static void match_one(struct pgw_walk *walk, struct pgw_sweep *s, struct pgw_str key)
{
        struct pgw_stand *stand = &s->stands[walk->index];
        const struct pgw_run *run = s->part->run;

        if (!stand->placed || stand->done || pgw_part_is_off(s->part) || !pgw_sweep_matches(s, key))
                return;
        stand->slice_matched++;
        if (run->is_dry) {
                pgw_effect_show(s->part->run, key);
                return;
        }
        if (walk->is_going && pgw_sweep_is_plain(run))
                return;
        walk->is_going = walk->is_going || pgw_sweep_is_plain(run);
        s->chunk[s->chunk_count++] = key;
        if (s->chunk_count == pgw_effect_chunk(s->part))
                flush_chunk(s, walk);
}

static enum pgw_looked match(void *ctx, struct pgw_str key, uint64_t until_us)
{
        struct pgw_walk *walk = ctx;
        struct pgw_link *link = pgw_list_first(&walk->target->pass.sweeps);
        size_t count = 0;

        for (; link && !pgw_str_starts(key, PGW_STR(PGW_KEYS_OWN)) && !walk->broken;
             link = pgw_list_next(&walk->target->pass.sweeps, link)) {
                struct pgw_sweep *s = pgw_sweep_at(link);
                if (s->number < walk->from_sweep)
                        continue;
                if (++count % PGW_SWEEPS_AT_ONCE == 0 && pgw_mono_us() >= until_us) {
                        walk->from_sweep = s->number;
                        return PGW_LOOK_AGAIN;
                }
                match_one(walk, s, key);
        }
        walk->from_sweep = 0;
        walk->is_going = false;
        return walk->broken ? PGW_LOOK_NO_MORE : PGW_LOOK_NEXT;
}

static void flush_all(struct pgw_walk *walk)
{
        const struct pgw_pass *pass = &walk->target->pass;
        struct pgw_link *link = pgw_list_first(&pass->sweeps);

        for (; link; link = pgw_list_next(&pass->sweeps, link))
                flush_chunk(pgw_sweep_at(link), walk);
}

void pgw_sweep_look_at(struct pgw_walk *walk, const struct pgw_reply *keys)
{
        pgw_look_at(&walk->unseen, keys, match, walk);
        flush_all(walk);
}

void pgw_sweep_look_on(struct pgw_walk *walk)
{
        pgw_look_on(&walk->unseen, match, walk);
        flush_all(walk);
}

void pgw_sweep_commit(struct pgw_walk *walk)
{
        struct pgw_target *t = walk->target;
        const uint64_t now_ms = pgw_loop_now_ms(t->worker->loop);
        const bool save = now_ms >= walk->saved_ms + PGW_SWEEP_SAVE_MS;
        struct pgw_link *link = pgw_list_first(&t->pass.sweeps);

        for (; link; link = pgw_list_next(&t->pass.sweeps, link)) {
                struct pgw_sweep *s = pgw_sweep_at(link);
                struct pgw_stand *stand = &s->stands[walk->index];
                if (stand->placed && !stand->done)
                        stand->done = pgw_circle_extend(&walk->circle, &stand->position, walk->at,
                                                        walk->next);
                s->part->progress.matched += stand->slice_matched;
                stand->slice_matched = 0;
                if (save && stand->placed && !pgw_sweep_is_around(s))
                        pgw_sweep_say_progress(s->part);
        }
        walk->at = walk->next;
        if (save) {
                walk->saved_ms = now_ms;
                pgw_deployment_refresh(t->conf.sweeps);
                PGW_FAILPOINT("sweep.saved");
        }
        part_with_ended(t);
        if (t->worker->draining)
                part_with_all(t);
}

void pgw_sweep_forget_slice(struct pgw_walk *walk)
{
        struct pgw_target *t = walk->target;
        struct pgw_link *link = pgw_list_first(&t->pass.sweeps);

        for (; link; link = pgw_list_next(&t->pass.sweeps, link))
                pgw_sweep_at(link)->stands[walk->index].slice_matched = 0;
        pgw_sweep_go_on(t);
}

void pgw_sweep_fail_all(struct pgw_walk *walk, enum pgw_err err)
{
        struct pgw_link *link = pgw_list_first(&walk->target->pass.sweeps);

        for (; link; link = pgw_list_next(&walk->target->pass.sweeps, link))
                pgw_sweep_at(link)->part->error = err;
}

/* ---- the pass ---- */

void pgw_sweep_add(struct pgw_part *part)
{
        struct pgw_target *t = part->target;
        struct pgw_str patterns = part->run->patterns, pattern;
        struct pgw_sweep *s = pgw_alloc(sizeof *s + part->run->pattern_count * sizeof s->globs[0]);

        s->part = part;
        s->number = ++t->pass.sweep_number;
        part->sweep = s;
        s->map = t->pass.map;
        if (t->pass.slots)
                s->moved = pgw_alloc(PGW_REDIS_SLOTS / 8);
        while (patterns.n) {
                PGW_ASSERT(pgw_keys_next(&patterns, &pattern) == PGW_OK);
                s->globs[s->glob_count++] = pgw_glob_new(pattern);
        }
        take_stands(s, t->pass.walks, NULL, t->pass.walk_count);
        pgw_list_append(&t->pass.sweeps, &s->link);
        pgw_sweep_go_on(t);
}

void pgw_sweep_go_on(struct pgw_target *t)
{
        struct pgw_pass *pass = &t->pass;

        if (pass->epoch != pgw_deployment_epoch(t->conf.sweeps)) {
                pgw_loop_defer(t->worker->loop, &pass->look);
                return;
        }
        if (pass->sweeps.count == 0)
                return;
        if (t->worker->draining)
                part_with_all(t);
        part_with_ended(t);
        for (size_t i = 0; i < pass->walk_count && pass->sweeps.count; i++)
                pgw_walk_go_on(pass->walks[i]);
        if (pass->slots)
                pgw_slots_go_on(pass->slots);
}

void pgw_sweep_init(struct pgw_target *t)
{
        pgw_list_init(&t->pass.sweeps);
        pgw_deferred_init(&t->pass.look, look);
        if (pgw_deployment_is_cluster(t->conf.sweeps))
                t->pass.slots = pgw_slots_new(t);
        pgw_deployment_on_change(t->conf.sweeps, on_change, t);
}

void pgw_sweep_fini(struct pgw_target *t)
{
        struct pgw_link *link;

        pgw_loop_undefer(t->worker->loop, &t->pass.look);
        pgw_slots_free(t->pass.slots);
        while ((link = pgw_list_first(&t->pass.sweeps)))
                sweep_free(pgw_sweep_at(link));
        for (size_t i = 0; i < t->pass.walk_count; i++)
                pgw_walk_free(t->pass.walks[i]);
        pgw_free(t->pass.walks);
}
