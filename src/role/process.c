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
#include "io/listen.h"
#include "io/signals.h"
#include "io/timer.h"
#include "redis/leader.h"
#include "role/contract_file.h"
#include "role/embedded.h"
#include "role/live.h"
#include "role/notify.h"
#include "role/privileges.h"
#include "role/rates.h"
#include "role/rehearse.h"
#include "role/seccomp.h"
#include "role/thread.h"
#include "role/usage.h"
#include "role/watch.h"
#include "work/worker.h"

#define PGW_PROCESS_TICK_MS        100
#define PGW_PROCESS_FIRST_CHECK_MS 3000
#define PGW_PROCESS_DRAIN_SLACK_MS 2000
#define PGW_PROCESS_THREADS_MAX    128
#define PGW_PROCESS_LISTENERS_MAX  16

#define PGW_EXIT_CONFIG 78

enum phase { STARTING, RUNNING, DRAINING };

struct process {
        struct pgw_settings *settings;
        enum pgw_role role;
        struct pgw_live_sources sources;
        enum phase phase;
        struct pgw_notify notify;
        struct pgw_embedded *embedded;
        struct pgw_plan plan;
        struct pgw_contract *contract;
        struct pgw_limits *limits;
        struct pgw_live live;
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
        bool wants_reload; /* asked for while there was nothing yet to reload */
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
        else if (p->surveyor)
                pgw_surveyor_look(p->surveyor);
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

        while (p->phase == STARTING && pgw_mono_ms() < until_ms &&
               (!p->judged || p->verdict == PGW_E_REDIS_LOADING))
                pgw_loop_turn(p->loop, 50);
        if (p->phase != STARTING)
                return PGW_EXIT_OK;
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

/* Two gateways of one broker share an address while one takes the other's place. With a Redis of
 * our own nobody can be the other: half of the requests would go to another queue. */
static int share_address(const struct process *p, const char *address, const char *setting)
{
        if (!pgw_listen_is_taken(address))
                return PGW_EXIT_OK;
        if (p->embedded) {
                fprintf(stderr, "purgeway: %s: another process listens on %s\n", setting, address);
                return PGW_EXIT_UNAVAILABLE;
        }
        PGW_LOG(PGW_LOG_WARN, "http.shared", PGW_L_STR("address", address),
                PGW_L_STR("detail", "another process listens there too, and gets a share of the "
                                    "connections: right while one gateway takes another's place"));
        return PGW_EXIT_OK;
}

/* One address, one listener for each thread. The first decides the port when it is 0. */
static int listen_at(struct process *p, const char *address, bool is_tls)
{
        const char *setting = is_tls ? "tls.listen" : "listen";
        char bound[PGW_LISTEN_ADDRESS_MAX];
        struct pgw_fault fault = {"", ""};

        for (unsigned i = 0; i < p->plan.threads; i++) {
                int fd;
                enum pgw_err err = pgw_listen_tcp(i ? bound : address, &fd, &fault);
                if (err) {
                        fprintf(stderr, "purgeway: %s: %s: %s\n", setting, fault.pointer,
                                fault.detail);
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
        /* All of them before one is ours: two of our own may be the same place. */
        for (size_t i = 0; i < s->listen_count && !code; i++)
                code = share_address(p, s->listen[i], "listen");
        for (size_t i = 0; i < s->tls_listen_count && !code; i++)
                code = share_address(p, s->tls_listen[i], "tls.listen");
        for (size_t i = 0; i < s->listen_count && !code; i++)
                code = listen_at(p, s->listen[i], false);
        for (size_t i = 0; i < s->tls_listen_count && !code; i++)
                code = listen_at(p, s->tls_listen[i], true);
        return code;
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

/* Systemd takes READY for the end of a start, too: who is not ready yet does not say that it is. */
static void reload(struct process *p)
{
        if (p->told_ready)
                pgw_notify_reloading(&p->notify);
        pgw_live_reload(&p->live, &p->sources);
        if (p->told_ready)
                pgw_notify_ready(&p->notify, "serving");
}

static void on_hangup(struct process *p)
{
        if (p->phase == RUNNING)
                reload(p);
        else if (p->phase == STARTING)
                p->wants_reload = true;
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
                on_hangup(p);
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
        pgw_live_watch(&p->live);
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
                    .tls = p->live.tls,
                    .identities = p->live.identities,
                    .limits = p->limits,
                    .hooks = p->live.hooks,
                    .listeners = p->listeners[i],
                    .listener_count = p->listener_count,
                    .index = i,
                };
                p->threads[p->thread_count++] = pgw_thread_start(&conf);
        }
        pgw_live_serve(&p->live, p->threads, p->thread_count);
        p->phase = RUNNING;
        if (p->wants_reload)
                reload(p);
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

static int prepare_gateway(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        const struct pgw_limits_conf limits = pgw_rates_of(p->settings);

        count_descriptors(p);
        p->limits = pgw_limits_new(&limits);
        p->live.limits = p->limits;
        enum pgw_err err = pgw_contract_file_read(p->settings, &fault, &p->contract);
        p->live.contract = p->contract;
        if (!err)
                err = pgw_live_load(&p->live, &fault);
        return err ? refuse(PGW_EXIT_CONFIG, &fault) : listen_all(p);
}

/* Not a failure: somebody wanted it. */
static int end_early(struct process *p)
{
        drain(p);
        return PGW_EXIT_OK;
}

static int prepare(struct process *p)
{
        struct pgw_fault fault = {"", ""};
        int code = PGW_EXIT_OK;

        enum pgw_err err = pgw_plan_check(p->settings, p->role, &fault);
        if (!err)
                err = pgw_privileges_lower(p->settings->user, p->settings->group, &fault);
        if (err)
                return refuse(exit_code_of(err), &fault);
        keep_memory_private();
        pgw_log_set_level((enum pgw_log_level)p->settings->log_level);
#ifdef PGW_UNGUARDED
        PGW_LOG(PGW_LOG_ERROR, "process.unguarded",
                PGW_L_STR("detail", "a test build, open to every attack: never to be used"));
#endif
        pgw_metric_set_queue(p->settings->queue_name);
        if (pgw_plan_needs_embedded(p->settings)) {
                /* Before it is started, so that the first one runs as every later one will. */
                filter_calls(p, true);
                err = pgw_embedded_start(p->settings->data_dir, NULL, &p->embedded, &fault);
                if (err == PGW_E_DRAINING)
                        return end_early(p);
                if (err)
                        return refuse(exit_code_of(err), &fault);
        }
        err = pgw_plan_make(&p->plan, p->settings, p->role,
                            p->embedded ? pgw_embedded_socket(p->embedded) : NULL, &fault);
        if (err)
                return refuse(PGW_EXIT_CONFIG, &fault);
        if (p->plan.threads > PGW_PROCESS_THREADS_MAX)
                p->plan.threads = PGW_PROCESS_THREADS_MAX;
        if (p->plan.gates)
                code = prepare_gateway(p);
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
        pgw_live_fini(&p->live);
        pgw_limits_free(p->limits);
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

        p->live.settings = p->settings;

        const int code = prepare(p);
        if (code == PGW_EXIT_OK && p->phase == STARTING) {
                start_threads(p);
                pgw_timer_arm(p->loop, &p->tick, pgw_loop_now_ms(p->loop));
                pgw_loop_run(p->loop);
        }
        if (code == PGW_EXIT_OK)
                PGW_LOG(PGW_LOG_INFO, "process.ended", PGW_L_INT("exit", code));
        tear_down(p);
        return code;
}

static int print_settings(const struct pgw_settings *settings)
{
        pgw_settings_print(settings, stdout);
        return PGW_EXIT_OK;
}

static int check_settings(struct pgw_settings *settings, enum pgw_role role)
{
        struct pgw_fault fault = {"", ""};

        if (pgw_rehearse(settings, role, &fault))
                return refuse(PGW_EXIT_CONFIG, &fault);
        puts("ok");
        return PGW_EXIT_OK;
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
        if (take_word(&argc, argv, "--help") || take_word(&argc, argv, "-h")) {
                pgw_usage(stdout, verb);
                return pgw_cli_end(verb, PGW_EXIT_OK);
        }
        const bool check = take_word(&argc, argv, "--check-config");
        const bool print = take_word(&argc, argv, "--print-config");
        enum pgw_err err = pgw_settings_load(argc, argv, env, &fault, &settings);
        if (err)
                return refuse(err == PGW_E_INVALID ? PGW_EXIT_USAGE : PGW_EXIT_CONFIG, &fault);
        if (check || print) {
                const int code = print ? print_settings(settings) : check_settings(settings, role);
                pgw_settings_free(settings);
                return pgw_cli_end(verb, code);
        }
        struct process *p = pgw_alloc(sizeof *p);
        p->settings = settings;
        p->role = role;
        p->sources = (struct pgw_live_sources){argc, argv, pgw_settings_take_env(env)};
        const int code = run(p);
        pgw_settings_free_env(p->sources.env);
        pgw_free(p);
        return code;
}
