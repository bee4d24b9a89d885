/* The worker is six small machines that hand runs to each other: take reads entries,
 * keep announces, beats and takes over, remove empties the caches of keys, sweep and tag
 * sweep of what patterns match and tags hold, settle writes results and acknowledges. Each owns its
 * timers and its list, and none waits inside a call.
 */
#include "work/worker.h"

#include "base/alloc.h"
#include "base/rand.h"
#include "work/worker_priv.h"

#define PGW_WORKER_PAUSE_MIN_MS 20
#define PGW_WORKER_PAUSE_MAX_MS 2000

uint64_t pgw_worker_pause_ms(unsigned failures)
{
        uint64_t pause_ms = PGW_WORKER_PAUSE_MIN_MS;

        while (failures-- > 0 && pause_ms < PGW_WORKER_PAUSE_MAX_MS)
                pause_ms *= 2;
        return 1 + pgw_rand_below(pause_ms);
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
        pgw_list_init(&w->to_remove);
        pgw_list_init(&w->to_settle);
        pgw_sweep_init(w);
        pgw_tag_sweep_init(w);
        pgw_take_init(w);
        pgw_remove_init(w);
        pgw_later_init(w);
        pgw_settle_init(w);
        pgw_keep_init(w);
        return w;
}

void pgw_worker_on_state(struct pgw_worker *w)
{
        pgw_take_more(w);
        pgw_remove_go_on(w);
        pgw_sweep_go_on(w);
        pgw_tag_sweep_go_on(w);
        pgw_settle_go_on(w);
        pgw_keep_go_on(w);
}

size_t pgw_worker_room(const struct pgw_worker *w)
{
        const size_t walking = pgw_worker_sweeps(w),
                     free_of_charge = walking < PGW_SWEEPS_MAX ? walking : PGW_SWEEPS_MAX,
                     held = w->in_hand.count - free_of_charge;

        return held < w->conf.in_hand_max ? w->conf.in_hand_max - held : 0;
}

void pgw_worker_drain(struct pgw_worker *w)
{
        w->draining = true;
        pgw_sweep_go_on(w);
        pgw_tag_sweep_go_on(w);
}

bool pgw_worker_is_idle(const struct pgw_worker *w)
{
        return w->draining && w->in_hand.count == 0 && w->reads_awaited == 0 && !w->taking_over;
}

size_t pgw_worker_in_hand(const struct pgw_worker *w)
{
        return w->in_hand.count;
}

size_t pgw_worker_sweeps(const struct pgw_worker *w)
{
        return w->sweeps.count + w->tagged.count;
}

void pgw_worker_free(struct pgw_worker *w)
{
        struct pgw_link *link;

        if (!w)
                return;
        pgw_take_fini(w);
        pgw_remove_fini(w);
        pgw_sweep_fini(w);
        pgw_tag_sweep_fini(w);
        pgw_later_fini(w);
        pgw_settle_fini(w);
        pgw_keep_fini(w);
        while ((link = pgw_list_first(&w->to_announce)))
                pgw_list_remove(&w->to_announce, link);
        while ((link = pgw_list_first(&w->to_remove)))
                pgw_list_remove(&w->to_remove, link);
        while ((link = pgw_list_first(&w->to_settle)))
                pgw_list_remove(&w->to_settle, link);
        while ((link = pgw_list_first(&w->in_hand)))
                pgw_run_free(PGW_CONTAINER(link, struct pgw_run, in_hand));
        pgw_free(w);
}
