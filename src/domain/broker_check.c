/* A check is INFO and a few CONFIG GET. Hosted servers often forbid CONFIG; then `fsync` cannot be
 * verified, and a promise that cannot be verified is not made.
 *
 * A file that is turned on at run time says `appendonly yes` at once, while what is written goes to
 * a part of it that no restart reads before the first rewrite has ended. From outside that looks
 * like any rewrite, so it is remembered what was seen of this run of the server.
 *
 * Of a server that has blocked clients, it is asked who they are; not of one that has so many
 * clients that the answer would be long: there our own count for little.
 */
#include "domain/broker_check.h"

#include <string.h>

#include "base/alloc.h"
#include "io/timer.h"

#define PGW_BROKER_LIST_MAX 1000 /* clients; each is a line of up to 500 bytes */

/* The append-only file of the server's present run. */
enum aof { AOF_UNKNOWN, AOF_WAS_OFF, AOF_WHOLE };

struct pgw_broker_check {
        struct pgw_loop *loop;
        struct pgw_redis *redis;
        struct pgw_broker_demands demands;
        pgw_broker_check_f *done;
        void *ctx;
        struct pgw_timer timer;
        struct pgw_broker_facts facts;
        char run_id[sizeof((struct pgw_broker_facts *)0)->run_id]; /* that `aof` is of */
        enum aof aof;
        enum pgw_err verdict;
        unsigned pending;
        enum pgw_err failure;
};

enum pgw_err pgw_broker_judge_eviction(const struct pgw_broker_facts *f,
                                       const struct pgw_broker_demands *d, struct pgw_fault *fault)
{
        if (!d->allow_eviction && strcmp(f->eviction, "noeviction") != 0) {
                pgw_fault_set(
                    fault, "broker",
                    "the broker's maxmemory-policy is %s: it may evict the queue and lose "
                    "accepted jobs. Run CONFIG SET maxmemory-policy noeviction on it, or set "
                    "broker.allow_eviction to true to accept that",
                    f->eviction[0] ? f->eviction : "unknown");
                return PGW_E_EVICTION;
        }
        return PGW_OK;
}

enum pgw_err pgw_broker_judge_disk(const struct pgw_broker_facts *f, struct pgw_fault *fault)
{
        if (!f->aof_write[0] || strcmp(f->aof_write, "ok") == 0)
                return PGW_OK;
        pgw_fault_set(fault, "broker",
                      "the broker cannot write its append-only file (aof_last_write_status is %s): "
                      "look at its log, and make room on its disk",
                      f->aof_write);
        return PGW_E_REDIS_MISCONF;
}

static enum pgw_err judge_settings(const struct pgw_broker_facts *f, struct pgw_fault *fault)
{
        if (!f->appendonly[0])
                pgw_fault_set(fault, "broker.durability",
                              "the broker does not let us read its settings (CONFIG GET), so "
                              "durability 'fsync' cannot be verified: permit CONFIG|GET, or "
                              "set broker.durability to 'memory' or 'replicated'");
        else if (strcmp(f->appendonly, "yes") != 0 || strcmp(f->appendfsync, "always") != 0)
                pgw_fault_set(fault, "broker.durability",
                              "durability 'fsync' needs appendonly yes and appendfsync always, "
                              "the broker has appendonly %s and appendfsync %s: run CONFIG SET "
                              "appendonly yes and CONFIG SET appendfsync always on it, or set "
                              "broker.durability to 'memory'",
                              f->appendonly, f->appendfsync);
        else if (strcmp(f->rest_on_rewrite, "yes") == 0)
                pgw_fault_set(fault, "broker.durability",
                              "durability 'fsync' needs no-appendfsync-on-rewrite no, the broker "
                              "has yes and syncs nothing while it rewrites its append-only file: "
                              "run CONFIG SET no-appendfsync-on-rewrite no on it, or set "
                              "broker.durability to 'memory'");
        else
                return PGW_OK;
        return PGW_E_DURABILITY;
}

/* It mends itself, unlike a setting. */
static enum pgw_err judge_file(const struct pgw_broker_facts *f, struct pgw_fault *fault)
{
        if (!f->aof_is_partial)
                return PGW_OK;
        pgw_fault_set(fault, "broker.durability",
                      "the broker rewrites its append-only file, which was not seen complete since "
                      "this process began: wait until the rewrite has ended; when it does not "
                      "(aof_last_bgrewrite_status %s), see the broker's log",
                      f->aof_rewrite[0] ? f->aof_rewrite : "unknown");
        return PGW_E_REDIS_MISCONF;
}

enum pgw_err pgw_broker_judge_durability(const struct pgw_broker_facts *f,
                                         const struct pgw_broker_demands *d,
                                         struct pgw_fault *fault)
{
        if (d->durability == PGW_DURABILITY_FSYNC) {
                const enum pgw_err err = judge_settings(f, fault);
                return err ? err : judge_file(f, fault);
        }
        if (d->durability == PGW_DURABILITY_REPLICATED && f->replicas < d->replicas) {
                pgw_fault_set(
                    fault, "broker.replicas",
                    "durability 'replicated' needs %u replicas, the broker has %llu: attach "
                    "replicas, or lower broker.replicas",
                    d->replicas, (unsigned long long)f->replicas);
                return PGW_E_REDIS_NOREPLICAS;
        }
        return PGW_OK;
}

enum pgw_err pgw_broker_judge(const struct pgw_broker_facts *f, const struct pgw_broker_demands *d,
                              struct pgw_fault *fault)
{
        if (f->loading) {
                pgw_fault_set(fault, "broker", "the broker is still loading its data");
                return PGW_E_REDIS_LOADING;
        }
        if (strcmp(f->role, "slave") == 0) {
                pgw_fault_set(fault, "broker.url",
                              "the broker is a read-only replica: point broker.url at its master");
                return PGW_E_REDIS_READONLY;
        }
        enum pgw_err err = pgw_broker_judge_eviction(f, d, fault);
        if (!err)
                err = pgw_broker_judge_disk(f, fault);
        return err ? err : pgw_broker_judge_durability(f, d, fault);
}

/* A rewrite that failed says nothing of a file that was on from the start. */
static void note_aof(struct pgw_broker_check *c)
{
        struct pgw_broker_facts *f = &c->facts;
        const bool is_quiet = !f->is_rewriting && !f->rewrite_scheduled,
                   has_failed = f->aof_rewrite[0] && strcmp(f->aof_rewrite, "ok") != 0;

        if (strcmp(c->run_id, f->run_id) != 0) {
                memcpy(c->run_id, f->run_id, sizeof c->run_id);
                c->aof = AOF_UNKNOWN;
        }
        if (strcmp(f->appendonly, "yes") != 0)
                c->aof = AOF_WAS_OFF;
        else if (is_quiet && !(has_failed && c->aof == AOF_WAS_OFF))
                c->aof = AOF_WHOLE;
        f->aof_is_partial = c->aof != AOF_WHOLE;
}

static void conclude(struct pgw_broker_check *c)
{
        struct pgw_fault fault = {"", ""};

        if (c->failure) {
                c->verdict = c->failure;
                pgw_fault_set(&fault, "broker", "the check of the broker failed: %s",
                              pgw_err_title(c->failure));
        } else {
                note_aof(c);
                c->verdict = pgw_broker_judge(&c->facts, &c->demands, &fault);
        }
        pgw_timer_arm(c->loop, &c->timer,
                      pgw_loop_now_ms(c->loop) +
                          (c->verdict ? PGW_BROKER_RECHECK_MS : PGW_BROKER_CHECK_EVERY_MS));
        c->done(c->ctx, c->verdict, c->failure ? NULL : &c->facts, &fault);
}

static void answered(struct pgw_broker_check *c, enum pgw_err err)
{
        if (err && !c->failure)
                c->failure = err;
        PGW_ASSERT(c->pending > 0);
        if (--c->pending == 0)
                conclude(c);
}

static void on_clients(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_broker_check *c = ctx;

        pgw_broker_facts_clients(&c->facts, pgw_reply_str(reply));
        /* A refusal is a fact, not a failure of the check. */
        answered(c, reply ? PGW_OK : err);
}

static void on_info(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_broker_check *c = ctx;

        pgw_broker_facts_info(&c->facts, pgw_reply_str(reply));
        if (!err && c->facts.blocked_clients && c->facts.clients <= PGW_BROKER_LIST_MAX &&
            !pgw_redis_say(c->redis, on_clients, c, "CLIENT", "LIST", NULL))
                c->pending++;
        answered(c, err);
}

static void on_config(void *ctx, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_broker_check *c = ctx;

        pgw_broker_facts_config(&c->facts, pgw_reply_str(pgw_reply_at(reply, 0)),
                                pgw_reply_str(pgw_reply_at(reply, 1)));
        answered(c, reply ? PGW_OK : err);
}

static void start(struct pgw_broker_check *c)
{
        static const char *const settings[] = {"appendonly", "appendfsync",
                                               "no-appendfsync-on-rewrite", "save"};

        if (c->pending || !pgw_redis_is_ready(c->redis))
                return;
        memset(&c->facts, 0, sizeof c->facts);
        c->failure = PGW_OK;
        c->pending = 1;
        enum pgw_err err = PGW_OK;
        for (size_t i = 0; i < sizeof settings / sizeof settings[0] && !err; i++) {
                err = pgw_redis_say(c->redis, on_config, c, "CONFIG", "GET", settings[i], NULL);
                c->pending += !err;
        }
        if (!err)
                err = pgw_redis_say(c->redis, on_info, c, "INFO", NULL);
        if (err)
                answered(c, err);
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_broker_check *c = PGW_CONTAINER(timer, struct pgw_broker_check, timer);

        start(c);
}

struct pgw_broker_check *pgw_broker_check_new(struct pgw_loop *loop, struct pgw_redis *redis,
                                              const struct pgw_broker_demands *demands,
                                              pgw_broker_check_f *done, void *ctx)
{
        struct pgw_broker_check *c = pgw_alloc(sizeof *c);

        c->loop = loop;
        c->redis = redis;
        c->demands = *demands;
        c->done = done;
        c->ctx = ctx;
        c->verdict = PGW_E_REDIS_CONNECT;
        pgw_timer_init(&c->timer, on_timer);
        return c;
}

void pgw_broker_check_free(struct pgw_broker_check *c)
{
        if (!c)
                return;
        pgw_timer_disarm(c->loop, &c->timer);
        pgw_free(c);
}

void pgw_broker_check_on_state(struct pgw_broker_check *c, bool ready, enum pgw_err err)
{
        if (ready) {
                start(c);
                return;
        }
        c->verdict = err;
        pgw_timer_disarm(c->loop, &c->timer);
}

enum pgw_err pgw_broker_check_verdict(const struct pgw_broker_check *c)
{
        return c->verdict;
}
