/* Jobs over which workers may have died.
 *
 * A job that takes its worker down would go round for ever, and take one worker after another with
 * it; so it must be ended at some point. But whoever dies leaves everything that was in its hands,
 * and most of that is innocent. That a job was delivered again and again says that workers died
 * while they had it, not that they died of it.
 *
 * So what was delivered for the third time is under suspicion, and is done by itself: of the
 * suspects that a thread has, one at a time, the others wait behind it. How often a job was begun
 * like that is counted with its result (lua/begin.lua), and only that is held against it. A
 * bystander is done in its turn; the one that kills is alone with each of its victims, until it has
 * had enough of them.
 *
 * Walks through all keys or through a tag take long, and have a queue of their own.
 */
#include "work/worker_priv.h"

static struct pgw_suspects *suspects_of(const struct pgw_run *run)
{
        return &run->worker->suspects[run->pattern_count + run->tag_count ? PGW_SUSPECTS_WALKING
                                                                          : PGW_SUSPECTS_PLAIN];
}

static void go_on(struct pgw_suspects *s)
{
        struct pgw_link *link;

        while (!s->current && (link = pgw_list_first(&s->waiting))) {
                struct pgw_run *run = PGW_CONTAINER(link, struct pgw_run, stage);
                pgw_list_remove(&s->waiting, link);
                if (run->lost) {
                        pgw_run_lose(run);
                        continue;
                }
                s->current = run;
                pgw_keep_announce(run);
        }
}

bool pgw_suspect_is_one(const struct pgw_run *run)
{
        return !run->pass && run->deliveries >= PGW_SUSPECT_DELIVERIES;
}

uint64_t pgw_suspect_turns(const struct pgw_worker *w)
{
        return w->conf.retry.deliveries_max - (PGW_SUSPECT_DELIVERIES - 1);
}

void pgw_suspect_add(struct pgw_run *run)
{
        struct pgw_suspects *s = suspects_of(run);

        pgw_list_append(&s->waiting, &run->stage);
        go_on(s);
}

void pgw_suspect_ended(struct pgw_run *run)
{
        struct pgw_suspects *s = suspects_of(run);

        if (s->current != run)
                return;
        s->current = NULL;
        go_on(s);
}

void pgw_suspect_init(struct pgw_worker *w)
{
        for (size_t i = 0; i < PGW_SUSPECTS_COUNT; i++)
                pgw_list_init(&w->suspects[i].waiting);
}

void pgw_suspect_fini(struct pgw_worker *w)
{
        struct pgw_link *link;

        for (size_t i = 0; i < PGW_SUSPECTS_COUNT; i++)
                while ((link = pgw_list_first(&w->suspects[i].waiting)))
                        pgw_list_remove(&w->suspects[i].waiting, link);
}
