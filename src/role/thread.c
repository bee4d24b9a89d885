/* A thread builds its things in the order in which they lean on each other and takes them
 * apart in reverse; both orders stand in two functions below, one under the other.
 *
 * Other threads speak to it through three atomics and a wake: a drain deadline, a new TLS
 * context, and new identities. A tick every 50 ms measures how late the loop is and, when draining,
 * asks whether all is done.
 */
#include "role/thread.h"

#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "domain/entry.h"
#include "domain/target_check.h"
#include "http/exchange.h"
#include "http/poll.h"
#include "io/timer.h"
#include "redis/leader.h"
#include "role/seccomp.h"
#include "role/watch.h"
#include "work/worker.h"

#define PGW_THREAD_TICK_MS         50
#define PGW_THREAD_FRONT_LATEST_MS 1000
#define PGW_THREAD_LAST_TURNS      5           /* for answers to leave */
#define PGW_THREAD_REPLY_MAX       (16u << 20) /* where no jobs come from */
#define PGW_THREAD_ENTRIES_MAX     (PGW_ENTRIES_BYTES + PGW_ENTRY_BYTES_MAX)
#define PGW_THREAD_WORK_IN_FLIGHT  8192
#define PGW_THREAD_WORK_BYTES      (32u << 20)
#define PGW_THREAD_GUIDE_IN_FLIGHT 16 /* who looks where the queue is says little */
#define PGW_THREAD_GUIDE_BYTES     (4u << 20)

struct link {
        struct pgw_thread *thread;
        const char *name;
        struct pgw_redis *redis;
        bool told; /* the loss was logged */
};

/* A target, as one of its users sees it. */
struct site {
        struct pgw_thread *thread;
        const char *name, *use;
        struct pgw_deployment *deployment;
        struct pgw_target_check *check; /* of the gateway's; else NULL */
        bool told;
};

struct pgw_thread {
        struct pgw_thread_conf conf;
        pthread_t pthread;
        struct pgw_loop *loop;
        struct pgw_resolver *resolver;
        struct pgw_leader *broker, *results;
        struct link gate_broker, gate_results, work_reader, work_broker, work_results;
        struct site gate_targets[PGW_TARGETS_MAX], work_keys[PGW_TARGETS_MAX],
            work_sweeps[PGW_TARGETS_MAX];
        struct pgw_broker_check *check;
        struct pgw_broker_alarms alarms;
        struct pgw_intake *intake;
        struct pgw_jobs *jobs;
        struct pgw_gateway *gateway;
        struct pgw_front *front;
        struct pgw_worker *worker;
        struct pgw_timer tick;
        uint64_t tick_due_us;
        uint64_t front_latest_ms;              /* answer by then, whatever the broker does */
        uint64_t drain_deadline_ms;            /* atomic; 0: not draining */
        struct pgw_tls_server *new_tls;        /* atomic; held */
        struct pgw_identities *new_identities; /* atomic; held */
        struct pgw_hooks *new_hooks;           /* atomic; held */
        bool taking; /* atomic: what is new has been picked up, and is not in force yet */
        bool drain_begun;
        bool ready; /* atomic */
        bool ended; /* atomic */
};

static void on_link_state(void *ctx, bool ready, enum pgw_err err)
{
        struct link *l = ctx;
        struct pgw_thread *t = l->thread;

        if (ready || !l->told)
                PGW_LOG(ready ? PGW_LOG_INFO : PGW_LOG_WARN, ready ? "redis.ready" : "redis.lost",
                        PGW_L_STR("link", l->name), PGW_L_INT("thread", t->conf.index),
                        PGW_L_STR("error", ready ? "" : pgw_err_slug(err)));
        l->told = !ready;
        if (l == &t->gate_broker && t->check)
                pgw_broker_check_on_state(t->check, ready, err);
        if (t->worker)
                pgw_worker_on_state(t->worker);
}

static void on_site_state(void *ctx, bool ready, enum pgw_err err)
{
        struct site *site = ctx;
        struct pgw_thread *t = site->thread;

        if (ready || !site->told)
                PGW_LOG(ready ? PGW_LOG_INFO : PGW_LOG_WARN, ready ? "redis.ready" : "redis.lost",
                        PGW_L_STR("link", site->use), PGW_L_STR("target", site->name),
                        PGW_L_INT("thread", t->conf.index),
                        PGW_L_STR("error", ready ? "" : pgw_err_slug(err)),
                        PGW_L_STR("detail", ready || !site->deployment
                                                ? ""
                                                : pgw_deployment_reason(site->deployment)));
        site->told = !ready;
        if (site->check)
                pgw_target_check_on_state(site->check, ready);
        if (t->worker)
                pgw_worker_on_state(t->worker);
}

static void open_link(struct pgw_thread *t, struct link *l, const char *name,
                      struct pgw_leader *leader, const struct pgw_redis_conf *conf)
{
        l->thread = t;
        l->name = name;
        l->redis = pgw_leader_client(leader, conf, on_link_state, l);
}

static void build_front(struct pgw_thread *t)
{
        const struct pgw_settings *s = t->conf.plan->settings;
        const unsigned threads = t->conf.plan->threads;
        const struct pgw_front_conf conf = {
            .listeners = t->conf.listeners,
            .listener_count = t->conf.listener_count,
            .tls = t->conf.tls,
            .http2 = s->http2,
            .connections_max = (t->conf.plan->connections + threads - 1) / threads,
            .bodies_total_max = s->limits_bodies_total_bytes / threads,
            .bytes_per_s = s->limits_connection_bytes_per_s,
            .header_bytes_max = s->limits_header_bytes,
            .body_bytes_max = s->limits_body_bytes,
            .bodies_bytes_max = s->limits_bodies_bytes,
            .streams_max = s->limits_streams,
            .request_ms = s->limits_request_ms,
            .idle_ms = s->limits_idle_ms,
            .handshake_ms = s->limits_handshake_ms,
            .on_request = pgw_exchange_on_request,
            .on_refusal = pgw_exchange_on_refusal,
            .on_late = pgw_exchange_on_late,
            .ctx = t->gateway,
        };

        t->front = pgw_front_start(t->loop, &conf);
}

/* Clients wait in the kernel's queue until the broker has been looked at, so that nobody is
 * refused for having come a millisecond too early. */
static void answer_from_now(struct pgw_thread *t)
{
        if (t->gateway && !t->front)
                build_front(t);
}

/* What is said of it, the process says (role/process.c): it looks as often, and is one. */
static void on_checked(void *ctx, enum pgw_err verdict, const struct pgw_broker_facts *facts,
                       const struct pgw_fault *fault)
{
        struct pgw_thread *t = ctx;
        struct pgw_loss loss;

        (void)verdict;
        if (facts) {
                pgw_surveyor_loss(t->conf.surveyor, &loss);
                (void)pgw_broker_alarms_look(&t->alarms, facts, &loss, pgw_loop_now_ms(t->loop));
        }
        t->gateway->check_fault = *fault;
        answer_from_now(t);
}

static struct pgw_redis_conf link_conf(const struct pgw_plan *plan, uint64_t timeout_ms,
                                       unsigned histogram)
{
        return (struct pgw_redis_conf){
            .name = plan->instance,
            .timeout_ms = timeout_ms,
            .in_flight_max = PGW_THREAD_WORK_IN_FLIGHT,
            .write_max = PGW_THREAD_WORK_BYTES,
            .reply_max = PGW_THREAD_ENTRIES_MAX,
            .latency_histogram = histogram,
        };
}

static struct pgw_leader *lead(struct pgw_thread *t, const struct pgw_place *place,
                               uint64_t timeout_ms, unsigned histogram)
{
        const struct pgw_plan *plan = t->conf.plan;
        struct pgw_deployment_conf conf = pgw_place_conf(place);

        conf.name = plan->instance;
        conf.timeout_ms = timeout_ms;
        conf.in_flight_max = PGW_THREAD_GUIDE_IN_FLIGHT;
        conf.write_max = PGW_THREAD_GUIDE_BYTES;
        conf.reply_max = PGW_THREAD_GUIDE_BYTES;
        conf.latency_histogram = histogram;
        return pgw_leader_open(t->loop, t->resolver, &conf,
                               pgw_keyspace_stream(&plan->keyspace, PGW_LANE_HIGH));
}

static void build_leaders(struct pgw_thread *t)
{
        const struct pgw_plan *plan = t->conf.plan;
        const struct pgw_settings *s = plan->settings;

        t->broker = lead(t, &plan->broker, s->broker_timeout_ms, PGW_H_REDIS_BROKER);
        t->results = lead(t, &plan->results, s->broker_timeout_ms, PGW_H_REDIS_RESULTS);
}

static void open_site(struct pgw_thread *t, struct site *site, size_t index, const char *use)
{
        const struct pgw_plan *plan = t->conf.plan;
        struct pgw_deployment_conf conf = pgw_place_conf(&plan->targets[index].place);

        conf.name = plan->instance;
        conf.timeout_ms = plan->settings->target_timeout_ms;
        conf.in_flight_max = PGW_THREAD_WORK_IN_FLIGHT;
        conf.write_max = PGW_THREAD_WORK_BYTES;
        conf.reply_max = PGW_THREAD_REPLY_MAX;
        conf.latency_histogram = PGW_H_REDIS_TARGET;
        site->thread = t;
        site->name = plan->targets[index].name;
        site->use = use;
        site->deployment = pgw_deployment_open(t->loop, t->resolver, &conf, on_site_state, site);
}

static struct pgw_intake_conf intake_conf(const struct pgw_plan *plan)
{
        const struct pgw_settings *s = plan->settings;

        return (struct pgw_intake_conf){
            .durability = plan->demands.durability,
            .replicas = plan->demands.replicas,
            .replica_wait_ms = s->broker_replica_wait_ms,
            .once = {s->idempotency_ttl_s * 1000, s->idempotency_keys},
            .selectors_max = pgw_entry_selectors_max(s->limits_body_bytes),
        };
}

static void build_gateway(struct pgw_thread *t)
{
        const struct pgw_plan *plan = t->conf.plan;
        const struct pgw_settings *s = plan->settings;
        struct pgw_redis_conf conf = link_conf(plan, s->broker_timeout_ms, PGW_H_REDIS_BROKER);
        const struct pgw_intake_conf intake = intake_conf(plan);

        conf.in_flight_max = s->broker_in_flight;
        conf.write_max = s->broker_in_flight_bytes;
        open_link(t, &t->gate_broker, "gateway.broker", t->broker, &conf);
        conf = link_conf(plan, s->broker_timeout_ms, PGW_H_REDIS_RESULTS);
        open_link(t, &t->gate_results, "gateway.results", t->results, &conf);
        struct pgw_gateway_target targets[PGW_TARGETS_MAX];
        for (size_t i = 0; i < plan->target_count; i++) {
                struct site *site = &t->gate_targets[i];
                open_site(t, site, i, "gateway.target");
                site->check = pgw_target_check_new(t->loop, site->deployment);
                targets[i] =
                    (struct pgw_gateway_target){site->name, site->deployment, site->check,
                                                plan->works ? t->work_keys[i].deployment : NULL};
        }
        const struct pgw_alarm_limits limits = pgw_watch_limits(s);
        pgw_broker_alarms_init(&t->alarms, &plan->demands, &limits);
        t->check =
            pgw_broker_check_new(t->loop, t->gate_broker.redis, &plan->demands, on_checked, t);
        t->intake = pgw_intake_new(t->loop, t->gate_broker.redis, &plan->keyspace, &intake);
        t->jobs = pgw_jobs_new(t->gate_broker.redis, t->gate_results.redis, &plan->keyspace);

        const struct pgw_gateway_links links = {
            .contract = t->conf.contract,
            .keyspace = &plan->keyspace,
            .broker = t->gate_broker.redis,
            .results = t->gate_results.redis,
            .targets = targets,
            .target_count = plan->target_count,
            .intake = t->intake,
            .jobs = t->jobs,
            .check = t->check,
            .alarms = &t->alarms,
            .surveyor = t->conf.surveyor,
            .identities = t->conf.identities,
            .limits = t->conf.limits,
            .hooks = t->conf.hooks,
        };
        const struct pgw_gateway_conf gateway = {
            .names = s->listen_names,
            .name_count = s->listen_names_count,
            .any_name = s->listen_anywhere,
            .result_ttl_s = s->results_ttl_s,
            .room = {.jobs = s->queue_depth,
                     .bytes = s->queue_bytes,
                     .age_ms = s->queue_age_s * 1000,
                     .memory_percent = (unsigned)s->queue_memory_share},
            .selectors_max = intake.selectors_max,
            .uri_key = s->uri_key,
            .uri_tag = s->uri_tag,
            .log_requests = s->log_access,
            .waits_max = (s->limits_waits + plan->threads - 1) / plan->threads,
            .audit = {s->audit_max, s->audit_keep_s},
            .has_worker = plan->works,
            .patterns_allowed = s->patterns_allowed,
            .pattern_stars_max = s->patterns_stars,
            .pattern_prefix_min = s->patterns_prefix,
            .answers_max = s->limits_answers_bytes / plan->threads,
            .deliveries = {.kept_max = s->hooks_log, .ttl_ms = s->hooks_log_s * 1000},
            .selector_bytes_max = s->limits_body_bytes,
        };
        t->gateway = pgw_gateway_new(t->loop, &links, &gateway);
}

static void build_worker(struct pgw_thread *t)
{
        const struct pgw_plan *plan = t->conf.plan;
        const struct pgw_settings *s = plan->settings;
        struct pgw_redis_conf conf = link_conf(plan, s->broker_timeout_ms, PGW_H_REDIS_BROKER);

        open_link(t, &t->work_broker, "worker.broker", t->broker, &conf);
        /* A read brings a batch of entries whatever they take, and when it waits one of each lane.
         * What is more, because gateways with other settings let it in, is taken over, by bytes. */
        conf.reply_max = PGW_THREAD_ENTRIES_MAX +
                         (s->worker_batch > PGW_LANE_COUNT ? s->worker_batch : PGW_LANE_COUNT) *
                             pgw_entry_bytes_max(s->limits_body_bytes);
        open_link(t, &t->work_reader, "worker.reader", t->broker, &conf);
        conf = link_conf(plan, s->broker_timeout_ms, PGW_H_REDIS_RESULTS);
        open_link(t, &t->work_results, "worker.results", t->results, &conf);
        struct pgw_worker_target targets[PGW_TARGETS_MAX];
        for (size_t i = 0; i < plan->target_count; i++) {
                open_site(t, &t->work_keys[i], i, "worker.target");
                open_site(t, &t->work_sweeps[i], i, "worker.sweep");
                targets[i] = (struct pgw_worker_target){
                    .name = plan->targets[i].name,
                    .keys = t->work_keys[i].deployment,
                    .sweeps = t->work_sweeps[i].deployment,
                    .gates_us = t->conf.gates_us + i * PGW_GATES,
                    .rebounds = plan->targets[i].rebounds,
                };
        }

        const struct pgw_worker_links links = {t->work_reader.redis, t->work_broker.redis,
                                               t->work_results.redis, targets, plan->target_count};
        struct pgw_worker_conf worker = {
            .batch = s->worker_batch,
            .in_hand_max = s->worker_in_hand,
            .idle_ms = s->worker_idle_ms,
            .beat_ms = s->worker_beat_ms ? s->worker_beat_ms : s->worker_idle_ms / 3,
            .result_ttl_s = s->results_ttl_s,
            .sweep_share = s->sweep_share,
            .prune_ms = t->conf.index == 0 ? s->tags_prune_s * 1000 : 0,
            .journal_ms = s->journal_ms,
            .journal_bytes = s->journal_bytes,
            .retry = {s->retry_base_ms, s->retry_cap_ms, s->retry_tries, s->retry_deliveries},
            .dead_max = s->dead_max,
            .audit = {s->audit_max, s->audit_keep_s},
            .turn_ms = {s->limits_keys_turn_s * 1000, s->limits_tags_turn_s * 1000,
                        s->limits_patterns_turn_s * 1000},
            .whole_ms = {s->limits_keys_s * 1000, s->limits_tags_s * 1000,
                         s->limits_patterns_s * 1000},
            .results_beside = plan->results_beside,
        };
        snprintf(worker.consumer, sizeof worker.consumer, "%s-%u", plan->instance, t->conf.index);
        t->worker = pgw_worker_new(t->loop, &links, &plan->keyspace, &worker);
}

static bool all_ready(const struct pgw_thread *t)
{
        if (t->gateway && (!t->front || pgw_broker_check_verdict(t->check) != PGW_OK ||
                           !pgw_redis_is_ready(t->gate_results.redis)))
                return false;
        if (t->worker && (!pgw_redis_is_ready(t->work_reader.redis) ||
                          !pgw_redis_is_ready(t->work_broker.redis) ||
                          !pgw_redis_is_ready(t->work_results.redis)))
                return false;
        for (size_t i = 0; t->worker && i < t->conf.plan->target_count; i++)
                if (!pgw_deployment_is_ready(t->work_keys[i].deployment) ||
                    !pgw_deployment_is_ready(t->work_sweeps[i].deployment))
                        return false;
        return true;
}

static bool is_done(const struct pgw_thread *t)
{
        if (t->worker && !pgw_worker_is_idle(t->worker))
                return false;
        if (t->front && !pgw_front_is_idle(t->front))
                return false;
        return !t->gateway || t->gateway->exchanges == 0;
}

/* What was set aside is taken here, in one turn with the requests behind it. */
static void take_identities(struct pgw_thread *t)
{
        struct pgw_identities *fresh =
            __atomic_exchange_n(&t->new_identities, NULL, __ATOMIC_ACQ_REL);

        if (fresh && t->gateway)
                pgw_gateway_set_identities(t->gateway, fresh);
        pgw_identities_drop(fresh);
}

static void take_hooks(struct pgw_thread *t)
{
        struct pgw_hooks *fresh = __atomic_exchange_n(&t->new_hooks, NULL, __ATOMIC_ACQ_REL);

        if (fresh && t->gateway)
                pgw_gateway_set_hooks(t->gateway, fresh);
        pgw_hooks_drop(fresh);
}

static void take_tls(struct pgw_thread *t)
{
        struct pgw_tls_server *fresh = __atomic_exchange_n(&t->new_tls, NULL, __ATOMIC_ACQ_REL);

        if (!fresh)
                return;
        if (t->front)
                pgw_front_set_tls(t->front, fresh);
        pgw_tls_server_drop(t->conf.tls);
        t->conf.tls = fresh;
}

static void take_what_is_new(struct pgw_thread *t)
{
        __atomic_store_n(&t->taking, true, __ATOMIC_RELEASE);
        take_tls(t);
        take_identities(t);
        take_hooks(t);
        __atomic_store_n(&t->taking, false, __ATOMIC_RELEASE);
}

static void on_wake(void *ctx)
{
        struct pgw_thread *t = ctx;

        take_what_is_new(t);
        if (!__atomic_load_n(&t->drain_deadline_ms, __ATOMIC_ACQUIRE) || t->drain_begun)
                return;
        t->drain_begun = true;
        answer_from_now(t);
        if (t->gateway)
                pgw_gateway_drain(t->gateway);
        if (t->front)
                pgw_front_drain(t->front);
        if (t->worker)
                pgw_worker_drain(t->worker);
}

static void on_tick(struct pgw_timer *timer)
{
        struct pgw_thread *t = PGW_CONTAINER(timer, struct pgw_thread, tick);
        const uint64_t now_us = pgw_mono_us();

        pgw_metric_observe_us(PGW_H_LOOP_LAG,
                              now_us > t->tick_due_us ? now_us - t->tick_due_us : 0);
        if (now_us / 1000 >= t->front_latest_ms)
                answer_from_now(t);
        if (t->worker) {
                pgw_metric_set(PGW_G_JOBS_IN_HAND, (int64_t)pgw_worker_in_hand(t->worker));
                pgw_metric_set(PGW_G_SWEEPS, (int64_t)pgw_worker_sweeps(t->worker));
        }
        __atomic_store_n(&t->ready, all_ready(t), __ATOMIC_RELEASE);
        if (t->drain_begun && (is_done(t) || now_us / 1000 >= t->drain_deadline_ms))
                pgw_loop_stop(t->loop);
        t->tick_due_us = now_us + PGW_THREAD_TICK_MS * 1000;
        pgw_timer_arm(t->loop, timer, t->tick_due_us / 1000);
}

static void build(struct pgw_thread *t)
{
        const struct pgw_plan *plan = t->conf.plan;

        pgw_metric_thread_register();
        t->resolver = pgw_resolver_new(t->loop);
        build_leaders(t);
        if (plan->works)
                build_worker(t);
        if (plan->gates)
                build_gateway(t);
        t->front_latest_ms = pgw_loop_now_ms(t->loop) + PGW_THREAD_FRONT_LATEST_MS;
        pgw_metric_set(PGW_G_WORKERS_ALIVE, plan->works ? 1 : 0);
        pgw_timer_init(&t->tick, on_tick);
        t->tick_due_us = pgw_mono_us();
        pgw_timer_arm(t->loop, &t->tick, pgw_loop_now_ms(t->loop));
        pgw_loop_on_wake(t->loop, on_wake, t);
        pgw_loop_wake(t->loop); /* a drain may have been asked for already */
}

/* Requests that still wait for a store hear that it is over while their clients are there to be
 * told. True when no connection is left. */
static bool stop_front(struct pgw_thread *t)
{
        if (!t->front)
                return true;
        pgw_redis_hang_up(t->gate_broker.redis, PGW_E_DRAINING);
        pgw_redis_hang_up(t->gate_results.redis, PGW_E_DRAINING);
        for (int i = 0; i < PGW_THREAD_LAST_TURNS; i++)
                pgw_loop_turn(t->loop, 0);
        return pgw_front_stop(t->front);
}

/* Links go before what hears from them: closing fails what is in flight. */
static void tear_down(struct pgw_thread *t)
{
        pgw_timer_disarm(t->loop, &t->tick);
        bool is_quiet = stop_front(t);
        if (t->gateway)
                pgw_gateway_stop_reading(t->gateway);
        pgw_leader_close(t->broker);
        pgw_leader_close(t->results);
        pgw_redis_close(t->gate_broker.redis);
        pgw_redis_close(t->gate_results.redis);
        pgw_redis_close(t->work_reader.redis);
        pgw_redis_close(t->work_broker.redis);
        pgw_redis_close(t->work_results.redis);
        for (size_t i = 0; i < PGW_TARGETS_MAX; i++) {
                pgw_deployment_close(t->gate_targets[i].deployment);
                pgw_deployment_close(t->work_keys[i].deployment);
                pgw_deployment_close(t->work_sweeps[i].deployment);
                pgw_target_check_free(t->gate_targets[i].check);
        }
        if (t->gateway)
                pgw_poll_cancel_all(t->gateway);
        pgw_broker_check_free(t->check);
        pgw_worker_free(t->worker);
        pgw_intake_free(t->intake);
        pgw_jobs_free(t->jobs);
        if (t->gateway)
                pgw_gateway_unlink(t->gateway);
        if (!is_quiet)
                is_quiet = pgw_front_stop(t->front);
        if (is_quiet)
                pgw_gateway_free(t->gateway);
        else
                PGW_LOG(PGW_LOG_WARN, "http.connections_left", PGW_L_INT("thread", t->conf.index));
        pgw_resolver_free(t->resolver);
}

/* Without an embedded Redis the process has this filter already (role/seccomp.h). That there can be
 * none has been told once, by the process. */
static void confine(const struct pgw_thread *t)
{
        const struct pgw_settings *s = t->conf.plan->settings;

        if (pgw_plan_needs_embedded(s))
                (void)!pgw_seccomp_thread((enum pgw_seccomp)s->seccomp, NULL);
}

static void *thread_main(void *arg)
{
        struct pgw_thread *t = arg;

        confine(t);
        build(t);
        pgw_loop_run(t->loop);
        tear_down(t);
        __atomic_store_n(&t->ended, true, __ATOMIC_RELEASE);
        return NULL;
}

struct pgw_thread *pgw_thread_start(const struct pgw_thread_conf *conf)
{
        struct pgw_thread *t = pgw_alloc(sizeof *t);

        t->conf = *conf;
        pgw_tls_server_hold(t->conf.tls);
        pgw_identities_hold(t->conf.identities);
        pgw_hooks_hold(t->conf.hooks);
        /* Made here, because others may wake it as soon as this returns. */
        t->loop = pgw_loop_new();
        if (pthread_create(&t->pthread, NULL, thread_main, t))
                pgw_panic("cannot start a thread");
        return t;
}

void pgw_thread_drain(struct pgw_thread *t, uint64_t deadline_ms)
{
        __atomic_store_n(&t->drain_deadline_ms, deadline_ms, __ATOMIC_RELEASE);
        pgw_loop_wake(t->loop);
}

void pgw_thread_set_tls(struct pgw_thread *t, struct pgw_tls_server *tls)
{
        pgw_tls_server_hold(tls);
        pgw_tls_server_drop(__atomic_exchange_n(&t->new_tls, tls, __ATOMIC_ACQ_REL));
        pgw_loop_wake(t->loop);
}

void pgw_thread_set_identities(struct pgw_thread *t, struct pgw_identities *identities)
{
        pgw_identities_hold(identities);
        pgw_identities_drop(__atomic_exchange_n(&t->new_identities, identities, __ATOMIC_ACQ_REL));
        pgw_loop_wake(t->loop);
}

void pgw_thread_set_hooks(struct pgw_thread *t, struct pgw_hooks *hooks)
{
        pgw_hooks_hold(hooks);
        pgw_hooks_drop(__atomic_exchange_n(&t->new_hooks, hooks, __ATOMIC_ACQ_REL));
        pgw_loop_wake(t->loop);
}

bool pgw_thread_is_up_to_date(const struct pgw_thread *t)
{
        return __atomic_load_n(&t->new_tls, __ATOMIC_ACQUIRE) == NULL &&
               __atomic_load_n(&t->new_identities, __ATOMIC_ACQUIRE) == NULL &&
               __atomic_load_n(&t->new_hooks, __ATOMIC_ACQUIRE) == NULL &&
               !__atomic_load_n(&t->taking, __ATOMIC_ACQUIRE);
}

bool pgw_thread_is_ready(const struct pgw_thread *t)
{
        return __atomic_load_n(&t->ready, __ATOMIC_ACQUIRE);
}

uint64_t pgw_thread_turns(const struct pgw_thread *t)
{
        return pgw_loop_turns(t->loop);
}

bool pgw_thread_has_ended(const struct pgw_thread *t)
{
        return __atomic_load_n(&t->ended, __ATOMIC_ACQUIRE);
}

void pgw_thread_join(struct pgw_thread *t)
{
        pthread_join(t->pthread, NULL);
        pgw_loop_free(t->loop);
        pgw_tls_server_drop(t->conf.tls);
        pgw_tls_server_drop(t->new_tls);
        pgw_identities_drop(t->conf.identities);
        pgw_identities_drop(t->new_identities);
        pgw_hooks_drop(t->conf.hooks);
        pgw_hooks_drop(t->new_hooks);
        pgw_free(t);
}
