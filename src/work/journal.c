/* A ring of pages, each with the keys of about a second, as a list (domain/invalidation.h). A page
 * that is too old, or beyond the room there is, goes as a whole.
 *
 * A replay goes through the pages that there are when it begins, in small batches, and takes the
 * keys of the slots that have changed. When more changes while it is under way it begins
 * anew with all slots that have changed so far.
 */
#include "work/journal.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metric.h"
#include "domain/invalidation.h"
#include "redis/slot.h"

#define PGW_JOURNAL_PAGES    64
#define PGW_JOURNAL_BATCH    256
#define PGW_JOURNAL_LOOKED   4096 /* keys that are looked at in one turn of the loop */
#define PGW_JOURNAL_PAUSE_MS 20

struct page {
        uint64_t begun_ms;
        struct pgw_buf keys;
        size_t count;
};

struct replay_call {
        struct pgw_call call;
        struct pgw_journal *journal;
        struct pgw_str argv[2];
        char *key;
};

struct pgw_journal {
        struct pgw_target *target;
        uint64_t keep_ms;
        size_t bytes_max, bytes;
        size_t first, count; /* pages */
        struct page pages[PGW_JOURNAL_PAGES];

        unsigned char changed[PGW_REDIS_SLOTS / 8];
        bool is_replaying;
        size_t pages_left;   /* of the replay, the one under way included */
        size_t page_at;      /* in the ring */
        size_t offset;       /* in that page's keys */
        uint64_t page_begun; /* to notice that it has gone */
        size_t awaited;
        uint64_t sent, came_back;
        bool failed;
        struct pgw_deferred step;
        struct pgw_timer timer;
};

static struct page *page_at(struct pgw_journal *j, size_t index)
{
        return &j->pages[(j->first + index) % PGW_JOURNAL_PAGES];
}

static void drop_first(struct pgw_journal *j)
{
        struct page *page = page_at(j, 0);

        j->bytes -= page->keys.n;
        pgw_buf_fini(&page->keys);
        *page = (struct page){.begun_ms = 0};
        j->first = (j->first + 1) % PGW_JOURNAL_PAGES;
        j->count--;
}

static uint64_t page_ms(const struct pgw_journal *j)
{
        return j->keep_ms / (PGW_JOURNAL_PAGES - 4) + 1;
}

static void forget_old(struct pgw_journal *j, uint64_t now_ms)
{
        while (j->count && page_at(j, 0)->begun_ms + page_ms(j) + j->keep_ms < now_ms)
                drop_first(j);
        while (j->count && (j->bytes > j->bytes_max || j->count == PGW_JOURNAL_PAGES)) {
                pgw_metric_add(PGW_M_JOURNAL_DROPPED, page_at(j, 0)->count);
                drop_first(j);
        }
}

static struct page *page_now(struct pgw_journal *j)
{
        const uint64_t now_ms = pgw_loop_now_ms(j->target->worker->loop);
        struct page *page = j->count ? page_at(j, j->count - 1) : NULL;

        if (page && now_ms < page->begun_ms + page_ms(j) && j->bytes <= j->bytes_max)
                return page;
        forget_old(j, now_ms);
        page = page_at(j, j->count++);
        page->begun_ms = now_ms;
        pgw_buf_init(&page->keys, j->bytes_max + PGW_SAMPLE_BYTES_MAX);
        return page;
}

void pgw_journal_add(struct pgw_journal *j, struct pgw_str key)
{
        struct page *page = page_now(j);
        const size_t before = page->keys.n;

        if (pgw_keys_encode(&page->keys, &key, 1)) {
                page->keys.n = before;
                pgw_metric_add(PGW_M_JOURNAL_DROPPED, 1);
                return;
        }
        page->count++;
        j->bytes += page->keys.n - before;
}

/* ---- replaying ---- */

static bool is_wanted(const struct pgw_journal *j, struct pgw_str key)
{
        const unsigned slot =
            pgw_deployment_is_cluster(j->target->conf.keys) ? pgw_redis_slot(key) : 0;

        return j->changed[slot / 8] >> slot % 8 & 1;
}

static void go_on(struct pgw_journal *j)
{
        pgw_loop_defer(j->target->worker->loop, &j->step);
}

static void begin(struct pgw_journal *j)
{
        j->is_replaying = true;
        j->failed = false;
        j->pages_left = j->count;
        j->page_at = j->first;
        j->page_begun = j->count ? page_at(j, 0)->begun_ms : 0;
        j->offset = 0;
        go_on(j);
}

static void end(struct pgw_journal *j)
{
        j->is_replaying = false;
        if (j->failed) {
                pgw_timer_arm(j->target->worker->loop, &j->timer,
                              pgw_loop_now_ms(j->target->worker->loop) + PGW_JOURNAL_PAUSE_MS);
                return;
        }
        memset(j->changed, 0, sizeof j->changed);
        pgw_metric_add(PGW_M_JOURNAL_REPLAYS, 1);
        PGW_LOG(j->came_back ? PGW_LOG_WARN : PGW_LOG_INFO, "journal.replayed",
                PGW_L_STR("target", j->target->conf.name), PGW_L_INT("keys", (int64_t)j->sent),
                PGW_L_INT("came_back", (int64_t)j->came_back));
        j->sent = j->came_back = 0;
}

static void on_reply(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct replay_call *c = PGW_CONTAINER(call, struct replay_call, call);
        struct pgw_journal *j = c->journal;

        pgw_free(c->key);
        pgw_free(c);
        j->awaited--;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (err && pgw_err_class(err) != PGW_CLASS_PERMANENT) {
                j->failed = true;
        } else if (!err && pgw_reply_int(reply, 0) > 0) {
                j->came_back++;
                pgw_metric_add(PGW_M_RESURRECTIONS, 1);
        }
        if (j->awaited == 0)
                go_on(j);
}

static bool send_key(struct pgw_journal *j, struct pgw_str key)
{
        struct replay_call *c = pgw_alloc(sizeof *c);

        c->journal = j;
        c->key = pgw_memdup(key.p ? key.p : "", key.n);
        c->argv[0] = PGW_STR("UNLINK");
        c->argv[1] = pgw_str_of(c->key, key.n);
        c->call = (struct pgw_call){.argv = c->argv, .argc = 2, .key = 1, .reply = on_reply};
        if (pgw_deployment_call(j->target->conf.keys, &c->call) == PGW_OK) {
                j->awaited++;
                j->sent++;
                return true;
        }
        pgw_free(c->key);
        pgw_free(c);
        j->failed = true;
        return false;
}

/* The page under way; NULL when it was dropped meanwhile, and then it was too old. */
static struct page *page_under_way(struct pgw_journal *j)
{
        struct page *page = &j->pages[j->page_at];

        return page->begun_ms == j->page_begun && page->keys.n ? page : NULL;
}

static void next_page(struct pgw_journal *j)
{
        j->page_at = (j->page_at + 1) % PGW_JOURNAL_PAGES;
        j->page_begun = j->pages[j->page_at].begun_ms;
        j->offset = 0;
        j->pages_left--;
}

static void step(struct pgw_deferred *d)
{
        struct pgw_journal *j = PGW_CONTAINER(d, struct pgw_journal, step);
        size_t sent = 0, looked = 0;

        if (!j->is_replaying || j->awaited || pgw_timer_is_armed(&j->timer))
                return;
        while (j->pages_left && sent < PGW_JOURNAL_BATCH && looked < PGW_JOURNAL_LOOKED &&
               !j->failed) {
                struct page *page = page_under_way(j);
                if (!page || j->offset >= page->keys.n) {
                        next_page(j);
                        continue;
                }
                struct pgw_str rest =
                                   pgw_str_of(page->keys.p + j->offset, page->keys.n - j->offset),
                               key;
                PGW_ASSERT(pgw_keys_next(&rest, &key) == PGW_OK);
                j->offset = page->keys.n - rest.n;
                looked++;
                if (is_wanted(j, key))
                        sent += send_key(j, key);
        }
        if (j->awaited)
                return;
        /* What is deferred would have its turn in this one. */
        if (j->pages_left && !j->failed)
                pgw_timer_arm(j->target->worker->loop, &j->timer,
                              pgw_loop_now_ms(j->target->worker->loop) + 1);
        else
                end(j);
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_journal *j = PGW_CONTAINER(timer, struct pgw_journal, timer);

        if (j->is_replaying)
                go_on(j);
        else
                begin(j);
}

static bool has_changes(const struct pgw_journal *j)
{
        for (size_t i = 0; i < sizeof j->changed; i++)
                if (j->changed[i])
                        return true;
        return false;
}

void pgw_journal_on_change(struct pgw_journal *j, enum pgw_change change, unsigned first,
                           unsigned last)
{
        (void)change;
        if (!pgw_deployment_is_cluster(j->target->conf.keys))
                first = last = 0;
        for (unsigned slot = first; slot <= last; slot++)
                j->changed[slot / 8] |= (unsigned char)(1u << slot % 8);
        /* One under way has passed keys that are wanted now. */
        if (j->is_replaying)
                j->failed = true;
        else
                pgw_journal_go_on(j);
}

void pgw_journal_go_on(struct pgw_journal *j)
{
        if (j->is_replaying || !has_changes(j))
                return;
        if (!pgw_timer_is_armed(&j->timer))
                pgw_timer_arm(j->target->worker->loop, &j->timer,
                              pgw_loop_now_ms(j->target->worker->loop));
}

struct pgw_journal *pgw_journal_new(struct pgw_target *t, uint64_t keep_ms, size_t bytes_max)
{
        struct pgw_journal *j = pgw_alloc(sizeof *j);

        j->target = t;
        j->keep_ms = keep_ms;
        j->bytes_max = bytes_max;
        pgw_deferred_init(&j->step, step);
        pgw_timer_init(&j->timer, on_timer);
        return j;
}

void pgw_journal_free(struct pgw_journal *j)
{
        if (!j)
                return;
        pgw_loop_undefer(j->target->worker->loop, &j->step);
        pgw_timer_disarm(j->target->worker->loop, &j->timer);
        while (j->count)
                drop_first(j);
        pgw_free(j);
}
