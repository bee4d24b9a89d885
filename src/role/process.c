/* Start-up in order, each step undone by the one function at the end: embedded Redis,
 * plan, contract, certificate, listeners, the end of all privileges, a first look at the broker,
 * threads, readiness.
 *
 * A broker that would lose jobs stops the start; one that cannot be reached does not,
 * because it may come back, and until then requests are refused with 503.
 */
#include "role/process.h"
#include "role/descriptors.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "cli/cli.h"
#include "domain/survey.h"
#include "embed.h"
#include "http/gateway.h"
#include "io/listen.h"
#include "io/signals.h"
#include "io/timer.h"
#include "io/tls.h"
#include "redis/leader.h"
#include "role/embedded.h"
#include "role/file.h"
#include "role/file_watch.h"
#include "role/hooks_file.h"
#include "role/identities_file.h"
#include "role/notify.h"
#include "role/privileges.h"
#include "role/rates.h"
#include "role/seccomp.h"
#include "role/thread.h"
#include "role/usage.h"
#include "role/watch.h"
#include "work/worker.h"

#define PGW_PROCESS_TICK_MS         100
#define PGW_PROCESS_THREADS_WAIT_MS 500
#define PGW_PROCESS_FIRST_CHECK_MS  3000
#define PGW_PROCESS_DRAIN_SLACK_MS  2000
#define PGW_PROCESS_THREADS_MAX     128
#define PGW_PROCESS_LISTENERS_MAX   16
#define PGW_PROCESS_CONTRACT_MAX    (4u << 20)

#define PGW_EXIT_CONFIG 78

enum phase { STARTING, RUNNING, DRAINING };

struct process {
        struct pgw_settings *settings;
        enum pgw_role role;
        int argc;
        char **argv, **env;
        enum phase phase;
        struct pgw_notify notify;
        struct pgw_embedded *embedded;
        struct pgw_plan plan;
        struct pgw_contract *contract;
        struct pgw_tls_server *tls, *old_tls;
        struct pgw_identities *identities; /* NULL: whoever can ask may */
        struct pgw_limits *limits;
        struct pgw_hooks *hooks; /* NULL: none */
        struct pgw_file_watch identities_watch, hooks_watch;
        uint64_t files_at_ms;                           /* of the next look at them */
        uint64_t gates_us[PGW_TARGETS_MAX * PGW_GATES]; /* of all threads (work/worker.h) */
        struct pgw_loop *loop;
        struct pgw_resolver *resolver;
        struct pgw_signals *signals;
        struct pgw_leader *leader;
        struct pgw_redis *broker;
        struct pgw_broker_check *check;
        struct pgw_broker_alarms alarms;
        enum pgw_err verdict;
        bool told_refusal;
        bool judged; /* the first check of the broker is over */
        struct pgw_fault check_fault;
        struct pgw_surveyor *surveyor;
        struct pgw_timer tick;
        uint64_t watchdog_at_ms;
        uint64_t turns_seen[PGW_PROCESS_THREADS_MAX];
        struct pgw_front_listener listeners[PGW_PROCESS_THREADS_MAX][PGW_PROCESS_LISTENERS_MAX];
        size_t listener_count;
        struct pgw_thread *threads[PGW_PROCESS_THREADS_MAX];
        unsigned thread_count;
        bool told_ready;
        uint64_t drain_deadline_ms;
};

static int refuse(int code, const struct pgw_fault *fault)
{
        fprintf(stderr, "purgeway: %s%s%s\n", fault->pointer, fault->pointer[0] ? ": " : "",
                fault->detail);
        return code;
}

static int exit_code_of(enum pgw_err err)
{
        return err == PGW_E_SYSTEM ? PGW_EXIT_UNAVAILABLE : PGW_EXIT_CONFIG;
}

static void on_broker_state(void *ctx, bool ready, enum pgw_err err)
{
        struct process *p = ctx;

        if (p->check)
                pgw_broker_check_on_state(p->check, ready, err);
        if (!ready)
                p->verdict = err;
}

/* Alarms have a line of their own. */
static void tell_verdict(struct process *p, enum pgw_err verdict, const struct pgw_fault *fault)
{
        bool has_alarm = false;

        for (unsigned i = 0; i < PGW_ALARM_COUNT; i++)
                has_alarm = has_alarm || (p->alarms.is_on[i] &&
                                          pgw_broker_alarm_breaks((enum pgw_broker_alarm)i));
        if (verdict && !has_alarm && !p->told_refusal) {
                PGW_LOG(PGW_LOG_ERROR, "broker.refused", PGW_L_STR("error", pgw_err_slug(verdict)),
                        PGW_L_STR("detail", fault->detail));
                p->told_refusal = true;
        } else if (!verdict && p->told_refusal) {
                PGW_LOG(PGW_LOG_INFO, "broker.accepted");
                p->told_refusal = false;
        }
}

static void on_checked(void *ctx, enum pgw_err verdict, const struct pgw_broker_facts *facts,
                       const struct pgw_fault *fault)
{
        struct process *p = ctx;
        struct pgw_loss loss;

        p->verdict = verdict;
        p->judged = true;
        p->check_fault = *fault;
        if (facts) {
                pgw_surveyor_loss(p->surveyor, &loss);
                pgw_watch_look(&p->alarms, facts, &loss, pgw_loop_now_ms(p->loop));
        }
        if (p->phase != STARTING)
                tell_verdict(p, verdict, fault);
}

static void open_broker(struct process *p)
{
        struct pgw_deployment_conf where = pgw_place_conf(&p->plan.broker);
        const struct pgw_redis_conf conf = {
            .name = p->plan.instance,
            .timeout_ms = p->settings->broker_timeout_ms,
            .in_flight_max = 64,
            .write_max = 1u << 20,
            .reply_max = 1u << 20,
            .latency_histogram = PGW_H_REDIS_BROKER,
        };

        where.name = conf.name;
        where.timeout_ms = conf.timeout_ms;
        where.in_flight_max = conf.in_flight_max;
        where.write_max = conf.write_max;
        where.reply_max = conf.reply_max;
        where.latency_histogram = conf.latency_histogram;
        p->leader = pgw_leader_open(p->loop, p->resolver, &where,
                                    pgw_keyspace_stream(&p->plan.keyspace, PGW_LANE_HIGH));
        p->broker = pgw_leader_client(p->leader, &conf, on_broker_state, p);
        const struct pgw_alarm_limits limits = pgw_watch_limits(p->settings);
        pgw_broker_alarms_init(&p->alarms, &p->plan.demands, &limits);
        p->check = pgw_broker_check_new(p->loop, p->broker, &p->plan.demands, on_checked, p);
        const struct pgw_audit_conf audit = {p->settings->audit_max, p->settings->audit_keep_s};
        p->surveyor = pgw_surveyor_new(p->loop, p->broker, &p->plan.keyspace, &audit);
}

/* Whether the broker keeps what we promise is worth a moment's wait at start. */
static int check_broker(struct process *p)
{
        const uint64_t until_ms = pgw_mono_ms() + PGW_PROCESS_FIRST_CHECK_MS;

        while (pgw_mono_ms() < until_ms && (!p->judged || p->verdict == PGW_E_REDIS_LOADING))
                pgw_loop_turn(p->loop, 50);
        if (!p->judged) {
                PGW_LOG(PGW_LOG_WARN, "broker.unreachable",
                        PGW_L_STR("error", pgw_err_slug(p->verdict)));
                return PGW_EXIT_OK;
        }
        if (p->verdict == PGW_E_EVICTION || p->verdict == PGW_E_DURABILITY)
                return refuse(PGW_EXIT_CONFIG, &p->check_fault);
        if (p->verdict)
                PGW_LOG(PGW_LOG_WARN, "broker.not_ready",
                        PGW_L_STR("detail", p->check_fault.detail));
        p->told_refusal = p->verdict != PGW_OK;
        return PGW_EXIT_OK;
}

static int load_contract(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_str bytes = pgw_str_of(pgw_embed_openapi_yaml, pgw_embed_openapi_yaml_len);
        const char *path = p->settings->contract;
        char *file = NULL;
        enum pgw_err err = PGW_OK;

        if (path && path[0]) {
                size_t size;
                err = pgw_file_read(path, PGW_PROCESS_CONTRACT_MAX, &file, &size, &fault);
                bytes = pgw_str_of(file, err ? 0 : size);
        }
        if (!err)
                err = pgw_contract_load(bytes, pgw_gateway_operations, &fault, &p->contract);
        pgw_free(file);
        return err ? refuse(PGW_EXIT_CONFIG, &fault) : PGW_EXIT_OK;
}

static enum pgw_err load_tls(const struct pgw_settings *s, struct pgw_fault *fault,
                             struct pgw_tls_server **ret)
{
        struct pgw_fault cause = {"", ""};
        const struct pgw_tls_server_conf conf = {.http2 = s->http2,
                                                 .on_close_notify = pgw_front_on_close_notify,
                                                 .authority_path =
                                                     s->tls_client_ca[0] ? s->tls_client_ca : NULL,
                                                 .needs_certificate = s->tls_client_required,
                                                 .on_peer_name = pgw_front_on_peer_name};

        enum pgw_err err = pgw_tls_server_new(s->tls_certificate, s->tls_key, &conf, &cause, ret);
        if (err)
                pgw_fault_set(fault, "tls.certificate, tls.key, tls.client_ca", "%s: %s",
                              cause.pointer, cause.detail);
        return err;
}

/* One address, one listener for each thread. The first decides the port when it is 0. */
static int listen_at(struct process *p, const char *address, bool is_tls)
{
        char bound[PGW_LISTEN_ADDRESS_MAX];
        struct pgw_fault fault = {"", ""};

        for (unsigned i = 0; i < p->plan.threads; i++) {
                int fd;
                enum pgw_err err = pgw_listen_tcp(i ? bound : address, &fd, &fault);
                if (err) {
                        fprintf(stderr, "purgeway: %s: %s: %s\n", is_tls ? "tls.listen" : "listen",
                                fault.pointer, fault.detail);
                        return err == PGW_E_SYSTEM ? PGW_EXIT_UNAVAILABLE : PGW_EXIT_CONFIG;
                }
                p->listeners[i][p->listener_count] =
                    (struct pgw_front_listener){.fd = fd, .is_tls = is_tls};
                if (i == 0)
                        pgw_listen_address(fd, bound);
        }
        p->listener_count++;
        PGW_LOG(PGW_LOG_INFO, "http.listening", PGW_L_STR("address", bound),
                PGW_L_STR("tls", is_tls ? "yes" : "no"));
        return PGW_EXIT_OK;
}

static int listen_all(struct process *p)
{
        const struct pgw_settings *s = p->settings;
        int code = PGW_EXIT_OK;

        if (s->listen_count + s->tls_listen_count > PGW_PROCESS_LISTENERS_MAX) {
                const struct pgw_fault fault = {"listen", "at most 16 addresses"};
                return refuse(PGW_EXIT_CONFIG, &fault);
        }
        for (size_t i = 0; i < s->listen_count && !code; i++)
                code = listen_at(p, s->listen[i], false);
        for (size_t i = 0; i < s->tls_listen_count && !code; i++)
                code = listen_at(p, s->tls_listen[i], true);
        return code;
}

/* "Reloaded" shall mean that the next connection sees it. */
static void wait_for_threads(const struct process *p)
{
        const uint64_t until_ms = pgw_mono_ms() + PGW_PROCESS_THREADS_WAIT_MS;

        for (unsigned i = 0; i < p->thread_count; i++)
                while (!pgw_thread_is_up_to_date(p->threads[i]) && pgw_mono_ms() < until_ms)
                        usleep(1000);
}

/* Threads take it within a turn; what they leave is freed at the reload after. */
static void hand_out_tls(struct process *p, struct pgw_tls_server *tls)
{
        pgw_tls_server_free(p->old_tls);
        p->old_tls = p->tls;
        p->tls = tls;
        for (unsigned i = 0; i < p->thread_count; i++)
                pgw_thread_set_tls(p->threads[i], tls);
}

static void hand_out_identities(struct process *p, struct pgw_identities *identities)
{
        const struct pgw_limits_conf *limits = &p->limits->conf;

        pgw_identities_meter(identities, p->identities, &limits->requests, &limits->keys);
        pgw_identities_drop(p->identities);
        p->identities = identities;
        for (unsigned i = 0; i < p->thread_count; i++)
                pgw_thread_set_identities(p->threads[i], identities);
        PGW_LOG(PGW_LOG_INFO, "identities.loaded",
                PGW_L_INT("count", (int64_t)pgw_identities_count(identities)));
}

static void hand_out_hooks(struct process *p, struct pgw_hooks *hooks)
{
        pgw_hooks_drop(p->hooks);
        p->hooks = hooks;
        for (unsigned i = 0; i < p->thread_count; i++)
                pgw_thread_set_hooks(p->threads[i], hooks);
        PGW_LOG(PGW_LOG_INFO, "hooks.loaded", PGW_L_INT("count", (int64_t)pgw_hooks_count(hooks)));
}

/* Secrets are in memory while requests are: neither a core nor another process shall have them.
 * (LeakSanitizer is such a process.) */
static void keep_memory_private(void)
{
#ifndef __SANITIZE_ADDRESS__
        if (prctl(PR_SET_DUMPABLE, 0) != 0)
                PGW_LOG(PGW_LOG_WARN, "process.dumpable");
#endif
}

static void watch_identities_from_now(struct process *p)
{
        pgw_file_watch_begin(&p->identities_watch);
        pgw_file_watch_add(&p->identities_watch, p->settings->identities_file);
}

static int load_identities(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_identities *identities;

        watch_identities_from_now(p);
        if (pgw_identities_file_read(p->settings, &fault, &identities))
                return refuse(PGW_EXIT_CONFIG, &fault);
        if (identities)
                hand_out_identities(p, identities);
        return PGW_EXIT_OK;
}

static int load_hooks(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_hooks *hooks;

        if (pgw_hooks_file_read(p->settings, p->identities, &p->hooks_watch, &fault, &hooks))
                return refuse(PGW_EXIT_CONFIG, &fault);
        if (hooks)
                hand_out_hooks(p, hooks);
        return PGW_EXIT_OK;
}

/* A file that cannot be read changes nothing, not even by its absence: that it is gone does not
 * mean that everybody may come in, nor that nobody may. True when others are in force. */
static bool watch_identities(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_identities *fresh;

        if (!p->identities || !pgw_file_watch_look(&p->identities_watch))
                return false;
        watch_identities_from_now(p);
        if (pgw_identities_file_read(p->settings, &fault, &fresh)) {
                PGW_LOG(PGW_LOG_ERROR, "identities.reload_failed",
                        PGW_L_STR("where", fault.pointer), PGW_L_STR("detail", fault.detail));
                return false;
        }
        hand_out_identities(p, fresh);
        return true;
}

/* A hook that acts as somebody who comes later is taken then. */
static void watch_hooks(struct process *p, bool has_new_identities)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_hooks *fresh;

        if (!p->hooks || (!pgw_file_watch_look(&p->hooks_watch) && !has_new_identities))
                return;
        if (pgw_hooks_file_read(p->settings, p->identities, &p->hooks_watch, &fault, &fresh))
                PGW_LOG(PGW_LOG_ERROR, "hooks.reload_failed", PGW_L_STR("where", fault.pointer),
                        PGW_L_STR("detail", fault.detail));
        else
                hand_out_hooks(p, fresh);
}

/* The identities first: hooks act as them. */
static void watch_files(struct process *p)
{
        const uint64_t now_ms = pgw_mono_ms();

        if (now_ms < p->files_at_ms)
                return;
        p->files_at_ms = now_ms + PGW_FILE_WATCH_MS;
        watch_hooks(p, watch_identities(p));
}

static void reload(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_settings *fresh = NULL;
        struct pgw_tls_server *tls = NULL;
        struct pgw_identities *identities = NULL;
        struct pgw_hooks *hooks = NULL;

        /* All of it or nothing: whatever can fail is done with the new settings beside the old. */
        pgw_notify_reloading(&p->notify);
        enum pgw_err err = pgw_settings_load(p->argc, p->argv, p->env, &fault, &fresh);
        if (!err && p->tls)
                err = load_tls(fresh, &fault, &tls);
        if (!err && p->identities) {
                watch_identities_from_now(p);
                err = pgw_identities_file_read(p->settings, &fault, &identities);
        }
        if (!err && p->hooks) {
                err = pgw_hooks_file_read(p->settings, identities, &p->hooks_watch, &fault, &hooks);
        }
        if (err) {
                pgw_identities_drop(identities);
                pgw_tls_server_free(tls);
                pgw_settings_free(fresh);
                PGW_LOG(PGW_LOG_ERROR, "config.reload_failed", PGW_L_STR("where", fault.pointer),
                        PGW_L_STR("detail", fault.detail));
        } else {
                pgw_settings_take(p->settings, fresh, &fault);
                if (tls)
                        hand_out_tls(p, tls);
                if (identities)
                        hand_out_identities(p, identities);
                if (hooks)
                        hand_out_hooks(p, hooks);
                wait_for_threads(p);
                pgw_log_set_level((enum pgw_log_level)p->settings->log_level);
#ifdef PGW_UNGUARDED
                PGW_LOG(
                    PGW_LOG_ERROR, "process.unguarded",
                    PGW_L_STR("detail", "a test build, open to every attack: never to be used"));
#endif
                PGW_LOG(PGW_LOG_INFO, "config.reloaded", PGW_L_STR("note", fault.detail));
        }
        pgw_notify_ready(&p->notify, "serving");
}

static void drain(struct process *p)
{
        if (p->phase == DRAINING)
                return;
        p->phase = DRAINING;
        pgw_notify_stopping(&p->notify);
        PGW_LOG(PGW_LOG_INFO, "process.draining", PGW_L_INT("drain_ms", p->settings->drain_ms));
        p->drain_deadline_ms = pgw_mono_ms() + p->settings->drain_ms;
        for (unsigned i = 0; i < p->thread_count; i++)
                pgw_thread_drain(p->threads[i], p->drain_deadline_ms);
}

static void on_signal(void *ctx, int signal)
{
        struct process *p = ctx;

        if (signal == SIGHUP)
                reload(p);
        else
                drain(p);
}

/* systemd restarts us when any loop has stopped turning. */
static void feed_watchdog(struct process *p)
{
        const uint32_t every_ms = pgw_notify_watchdog_interval_ms(&p->notify);
        const uint64_t now_ms = pgw_mono_ms();
        bool all_turn = true;

        if (!every_ms || now_ms < p->watchdog_at_ms)
                return;
        for (unsigned i = 0; i < p->thread_count; i++) {
                const uint64_t turns = pgw_thread_turns(p->threads[i]);
                all_turn = all_turn && (turns != p->turns_seen[i] || p->phase == DRAINING);
                p->turns_seen[i] = turns;
        }
        if (all_turn)
                pgw_notify_watchdog(&p->notify);
        p->watchdog_at_ms = now_ms + every_ms;
}

static void tell_ready(struct process *p)
{
        if (p->told_ready)
                return;
        for (unsigned i = 0; i < p->thread_count; i++)
                if (!pgw_thread_is_ready(p->threads[i]))
                        return;
        p->told_ready = true;
        pgw_notify_ready(&p->notify, "serving");
        PGW_LOG(PGW_LOG_INFO, "process.ready", PGW_L_INT("threads", p->thread_count));
}

static void tick_embedded(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        const enum pgw_embedded_event event =
            p->embedded ? pgw_embedded_tick(p->embedded, &fault) : PGW_EMBEDDED_NOTHING;

        if (event != PGW_EMBEDDED_NOTHING)
                PGW_LOG(event == PGW_EMBEDDED_RESTARTED ? PGW_LOG_WARN : PGW_LOG_ERROR,
                        pgw_embedded_event_name(event), PGW_L_STR("detail", fault.detail));
}

static void on_tick(struct pgw_timer *timer)
{
        struct process *p = PGW_CONTAINER(timer, struct process, tick);
        bool all_ended = p->phase == DRAINING;

        tick_embedded(p);
        watch_files(p);
        if (p->phase == RUNNING)
                tell_ready(p);
        feed_watchdog(p);
        for (unsigned i = 0; i < p->thread_count; i++)
                all_ended = all_ended && pgw_thread_has_ended(p->threads[i]);
        if (all_ended)
                pgw_loop_stop(p->loop);
        pgw_timer_arm(p->loop, timer, pgw_loop_now_ms(p->loop) + PGW_PROCESS_TICK_MS);
}

static void start_threads(struct process *p)
{
        for (unsigned i = 0; i < p->plan.threads; i++) {
                const struct pgw_thread_conf conf = {
                    .plan = &p->plan,
                    .contract = p->contract,
                    .surveyor = p->surveyor,
                    .gates_us = p->gates_us,
                    .tls = p->tls,
                    .identities = p->identities,
                    .limits = p->limits,
                    .hooks = p->hooks,
                    .listeners = p->listeners[i],
                    .listener_count = p->listener_count,
                    .index = i,
                };
                p->threads[p->thread_count++] = pgw_thread_start(&conf);
        }
        p->phase = RUNNING;
}

static void count_descriptors(struct process *p)
{
        p->plan.connections =
            pgw_descriptors_for_clients(p->settings->limits_connections, p->plan.threads);
        if (p->plan.connections < p->settings->limits_connections)
                PGW_LOG(PGW_LOG_WARN, "http.fewer_connections",
                        PGW_L_INT("connections", p->plan.connections),
                        PGW_L_STR("detail", "the limit of open files allows no more"));
}

/* A kernel without filters, or a container that allows none, is no reason not to serve. */
static void filter_calls(struct process *p, bool has_embedded)
{
        struct pgw_fault fault = {"", ""};

        if (pgw_seccomp_process((enum pgw_seccomp)p->settings->seccomp, has_embedded, &fault))
                PGW_LOG(PGW_LOG_WARN, "process.unfiltered", PGW_L_STR("detail", fault.detail));
}

/* All that needs rights is open, and no thread has been started that would keep them. */
static int confine(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        enum pgw_err err = pgw_privileges_drop(&fault);

        if (err)
                return refuse(exit_code_of(err), &fault);
        if (geteuid() == 0)
                PGW_LOG(PGW_LOG_WARN, "process.root",
                        PGW_L_STR("detail", "runs as root, which nothing here needs; set user"));
        if (!p->embedded)
                filter_calls(p, false);
        return PGW_EXIT_OK;
}

static int prepare(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        int code = PGW_EXIT_OK;

        enum pgw_err err = pgw_privileges_lower(p->settings->user, p->settings->group, &fault);
        if (err)
                return refuse(exit_code_of(err), &fault);
        keep_memory_private();
        pgw_log_set_level((enum pgw_log_level)p->settings->log_level);
        pgw_metric_set_queue(p->settings->queue_name);
        if (pgw_plan_needs_embedded(p->settings)) {
                /* Before it is started, so that the first one runs as every later one will. */
                filter_calls(p, true);
                err = pgw_embedded_start(p->settings->data_dir, NULL, &p->embedded, &fault);
                if (err)
                        return refuse(exit_code_of(err), &fault);
        }
        err = pgw_plan_make(&p->plan, p->settings, p->role,
                            p->embedded ? pgw_embedded_socket(p->embedded) : NULL, &fault);
        if (err)
                return refuse(PGW_EXIT_CONFIG, &fault);
        if (p->plan.threads > PGW_PROCESS_THREADS_MAX)
                p->plan.threads = PGW_PROCESS_THREADS_MAX;
        if (p->plan.gates) {
                count_descriptors(p);
                const struct pgw_limits_conf limits = pgw_rates_of(p->settings);
                p->limits = pgw_limits_new(&limits);
                code = load_contract(p);
                if (!code)
                        code = load_identities(p);
                if (!code)
                        code = load_hooks(p);
                if (!code && p->settings->tls_listen_count &&
                    load_tls(p->settings, &fault, &p->tls))
                        code = refuse(PGW_EXIT_CONFIG, &fault);
                if (!code)
                        code = listen_all(p);
        }
        if (!code)
                code = confine(p);
        if (code)
                return code;
        open_broker(p);
        return check_broker(p);
}

static void tear_down(struct process *p)
{
        for (unsigned i = 0; i < p->thread_count; i++)
                pgw_thread_join(p->threads[i]);
        pgw_timer_disarm(p->loop, &p->tick);
        pgw_leader_close(p->leader);
        pgw_redis_close(p->broker);
        pgw_broker_check_free(p->check);
        pgw_surveyor_free(p->surveyor);
        pgw_signals_close(p->signals);
        pgw_resolver_free(p->resolver);
        pgw_loop_free(p->loop);
        pgw_tls_server_free(p->tls);
        pgw_tls_server_free(p->old_tls);
        pgw_identities_drop(p->identities);
        pgw_limits_free(p->limits);
        pgw_hooks_drop(p->hooks);
        pgw_file_watch_fini(&p->identities_watch);
        pgw_file_watch_fini(&p->hooks_watch);
        pgw_contract_free(p->contract);
        pgw_plan_end(&p->plan);
        pgw_embedded_stop(p->embedded);
        pgw_notify_close(&p->notify);
        pgw_settings_free(p->settings);
}

static int run(struct process *p)
{
        p->verdict = PGW_E_REDIS_CONNECT;
        /* It may open a descriptor of its own, which is not allowed later. */
        pgw_log_set_fd(STDERR_FILENO);
        pgw_signals_block();
        pgw_notify_open(&p->notify);
        pgw_metric_thread_register();
        p->loop = pgw_loop_new();
        p->resolver = pgw_resolver_new(p->loop);
        p->signals = pgw_signals_open(p->loop, on_signal, p);
        pgw_timer_init(&p->tick, on_tick);

        const int code = prepare(p);
        if (code == PGW_EXIT_OK) {
                start_threads(p);
                pgw_timer_arm(p->loop, &p->tick, pgw_loop_now_ms(p->loop));
                pgw_loop_run(p->loop);
                PGW_LOG(PGW_LOG_INFO, "process.ended", PGW_L_INT("exit", code));
        }
        tear_down(p);
        return code;
}

/* Take the words that are no settings out of argv; they may stand anywhere. */
static bool take_word(int *argc, char **argv, const char *word)
{
        for (int i = 0; i < *argc; i++) {
                if (strcmp(argv[i], word) != 0)
                        continue;
                memmove(argv + i, argv + i + 1, (size_t)(*argc - i - 1) * sizeof *argv);
                (*argc)--;
                return true;
        }
        return false;
}

int pgw_process_main(enum pgw_role role, int argc, char **argv, char **env)
{
        struct pgw_fault fault = {"", ""};
        struct pgw_settings *settings;
        const char *verb = argv[0];

        argc--;
        argv++;
        if (take_word(&argc, argv, "--help")) {
                pgw_usage(stdout, verb);
                return PGW_EXIT_OK;
        }
        const bool check = take_word(&argc, argv, "--check-config");
        const bool print = take_word(&argc, argv, "--print-config");
        enum pgw_err err = pgw_settings_load(argc, argv, env, &fault, &settings);
        if (err)
                return refuse(err == PGW_E_INVALID ? PGW_EXIT_USAGE : PGW_EXIT_CONFIG, &fault);
        if (check || print) {
                if (print)
                        pgw_settings_print(settings, stdout);
                else
                        puts("ok");
                pgw_settings_free(settings);
                return PGW_EXIT_OK;
        }
        struct process *p = pgw_alloc(sizeof *p);
        p->settings = settings;
        p->role = role;
        p->argc = argc;
        p->argv = argv;
        p->env = pgw_settings_take_env(env);
        const int code = run(p);
        pgw_settings_free_env(p->env);
        pgw_free(p);
        return code;
}
