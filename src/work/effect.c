/* Keys that were cut short together would come back to the caches' origin together: the time
 * that is left to them is up to a tenth less than asked for.
 *
 * A command is an object, because a cluster may send it elsewhere before it is answered. There
 * are as many as are under way, and they are used again.
 */
#include "work/effect.h"

#include <string.h>

#include "base/alloc.h"
#include "base/metric.h"
#include "base/rand.h"
#include "domain/script.h"
#include "work/journal.h"

#define PGW_EFFECTS_UNUSED_MAX 8192

size_t pgw_effect_chunk(const struct pgw_part *part)
{
        if (part->run->soft_ttl_ms || part->run->hold_ms ||
            pgw_deployment_is_cluster(part->target->conf.sweeps))
                return 1;
        return PGW_EFFECT_CHUNK_MAX;
}

static struct pgw_effect *effect_new(struct pgw_worker *w)
{
        struct pgw_link *link = pgw_list_first(&w->unused_effects);

        if (!link)
                return pgw_alloc(sizeof(struct pgw_effect));
        pgw_list_remove(&w->unused_effects, link);
        return PGW_CONTAINER(link, struct pgw_effect, _unused);
}

static void effect_free(struct pgw_effect *e, struct pgw_worker *w)
{
        pgw_free(e->_copy);
        pgw_free(e->_marker);
        e->_copy = e->_marker = NULL;
        if (w->unused_effects.count < PGW_EFFECTS_UNUSED_MAX)
                pgw_list_append(&w->unused_effects, &e->_unused);
        else
                pgw_free(e);
}

static bool removes(const struct pgw_run *run)
{
        return !run->soft_ttl_ms && !run->is_dry;
}

/* How many keys were affected. */
static int64_t take_number(struct pgw_effect *e, const struct pgw_reply *reply)
{
        if (!e->_is_held)
                return pgw_reply_int(reply, 0);
        if (pgw_reply_int(pgw_reply_at(reply, 1), 0) != 1) {
                e->part->has_unheld = true;
                pgw_metric_add(PGW_M_HOLDS_LOST, 1);
        }
        return pgw_reply_int(pgw_reply_at(reply, 0), 0);
}

static void on_reply(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct pgw_effect *e = PGW_CONTAINER(call, struct pgw_effect, call);
        struct pgw_target *target = e->part->target;
        const int64_t number = err ? 0 : take_number(e, reply);

        /* A key that was not there may be at the replica that is the next master. */
        if (!err && target->journal && removes(e->part->run))
                for (size_t i = 0; i < e->key_count; i++)
                        pgw_journal_add(target->journal, e->keys[i]);
        e->_done(e, err, number > 0 ? (uint64_t)number : 0, reply);
        effect_free(e, target->worker);
}

/* Where the keys are until the answer. */
static void hold_keys(struct pgw_effect *e, struct pgw_str *argv, const struct pgw_str *keys,
                      size_t count, enum pgw_keys_life life)
{
        size_t size = 0;
        char *at;

        memcpy(argv, keys, count * sizeof *keys);
        e->keys = argv;
        e->key_count = count;
        if (life == PGW_KEYS_STAY)
                return;
        for (size_t i = 0; i < count; i++)
                size += keys[i].n;
        at = e->_copy = pgw_alloc(size + 1);
        for (size_t i = 0; i < count; i++) {
                if (keys[i].n)
                        memcpy(at, keys[i].p, keys[i].n);
                argv[i].p = at;
                at += keys[i].n;
        }
}

/* EVAL of lua/hold.lua; 0 when the key can have no marker. */
static size_t write_hold(struct pgw_effect *e)
{
        const struct pgw_run *run = e->part->run;
        const struct pgw_str key = e->_argv[1];
        size_t n = 0;

        e->_marker = pgw_alloc(key.n + PGW_HOLD_MARKER_MORE);
        const struct pgw_str marker = pgw_str_of(e->_marker, pgw_hold_marker(key, e->_marker));
        if (marker.n == 0) {
                e->part->has_unheld = true;
                return 0;
        }
        e->_is_held = true;
        e->call.key = 3;
        e->_argv[n++] = PGW_STR("EVAL");
        e->_argv[n++] = pgw_script_text(PGW_SCRIPT_HOLD);
        e->_argv[n++] = PGW_STR("2");
        e->_argv[n++] = key;
        e->_argv[n++] = marker;
        e->_argv[n++] = pgw_str_of(e->_number, pgw_u64_text(run->hold_ms, e->_number));
        e->_argv[n++] = pgw_str_z(run->version);
        e->keys = e->_argv + 3;
        return n;
}

static size_t write_command(struct pgw_effect *e, const struct pgw_str *keys, size_t count,
                            enum pgw_keys_life life)
{
        const struct pgw_run *run = e->part->run;

        hold_keys(e, e->_argv + 1, keys, count, life);
        if (run->is_dry) {
                e->_argv[0] = PGW_STR("EXISTS");
                return 1 + count;
        }
        if (run->hold_ms) {
                const size_t argc = write_hold(e);
                if (argc)
                        return argc;
        }
        if (!run->soft_ttl_ms) {
                e->_argv[0] = PGW_STR("UNLINK");
                return 1 + count;
        }
        const uint64_t spread = run->soft_ttl_ms / 10 + 1;
        e->_argv[0] = PGW_STR("PEXPIRE");
        e->_argv[2] = pgw_str_of(
            e->_number, pgw_u64_text(run->soft_ttl_ms - pgw_rand_below(spread), e->_number));
        e->_argv[3] = PGW_STR("LT");
        return 4;
}

enum pgw_err pgw_effect_send(struct pgw_deployment *deployment, struct pgw_part *part,
                             const struct pgw_str *keys, size_t count, enum pgw_keys_life life,
                             pgw_effect_f *done, void *ctx)
{
        struct pgw_worker *w = part->run->worker;
        struct pgw_effect *e = effect_new(w);

        PGW_ASSERT(count >= 1 && count <= pgw_effect_chunk(part));
        e->part = part;
        e->ctx = ctx;
        e->_done = done;
        e->call.key = 1;
        e->_is_held = false;
        e->call.argc = write_command(e, keys, count, life);
        e->call.argv = e->_argv;
        e->call.reply = on_reply;
        enum pgw_err err = pgw_deployment_call(deployment, &e->call);
        if (err)
                effect_free(e, w);
        return err;
}

void pgw_effect_show(struct pgw_run *run, struct pgw_str key)
{
        if (!run->is_dry || run->sample_count == PGW_SAMPLE_MAX || key.n > PGW_SAMPLE_KEY_MAX)
                return;
        if (pgw_keys_encode(&run->sample, &key, 1) == PGW_OK)
                run->sample_count++;
}

void pgw_effects_free(struct pgw_worker *w)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&w->unused_effects))) {
                pgw_list_remove(&w->unused_effects, link);
                pgw_free(PGW_CONTAINER(link, struct pgw_effect, _unused));
        }
}
