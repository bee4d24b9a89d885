/* A deployment under load, for the tests of topologies: sets and unlinks keys without pause, and
 * says on request what it saw.
 *
 *      deployment_probe name=value...
 *
 *      shape=standalone|sentinel|cluster   unix=PATH   seeds=HOST:PORT,...   master=NAME
 *      user= password= sentinel_user= sentinel_password= db= timeout_ms= in_flight=
 *      tls=1 ca= cert= key= server_name= verify=0
 *      lanes=N      commands under way at once; 0: none until `start`
 *      rest_ms=N    pause of a lane between two rounds; 0: none
 *      prefix=TEXT  of the keys
 *
 * Names are those of tests/support/names.h.
 *
 * A lane sets two keys of one slot, unlinks both in one command, and begins anew. What
 * is refused or fails for a passing reason is done again; a pair that was set without a hitch
 * and is not there to be unlinked is counted as short.
 *
 * Commands, one a line, each answered with one line of JSON: stats, start, stop (each lane
 * ends with an UNLINK that succeeded), count (DBSIZE of all masters), ids, quit.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"

#include "base/clock.h"
#include "base/metric.h"
#include "redis/deployment.h"

#define LANES_MAX   20000
#define SEEDS_MAX   16
#define PAUSE_MS    10
#define WRITE_MAX   (16u << 20)
#define REPLY_MAX   (4u << 20)
#define TIMEOUT_MS  1000
#define LINE_MAX_N  256
#define MASTERS_MAX 64

enum step { SET_FIRST, SET_SECOND, UNLINK };

struct lane {
        struct pgw_call call;
        struct pgw_timer timer;
        struct pgw_str argv[3];
        char keys[2][96];
        enum step step;
        bool is_busy;
        bool is_smooth; /* no hitch since the first SET */
};

static struct {
        struct pgw_loop *loop;
        struct pgw_resolver *resolver;
        struct pgw_tls_client *tls;
        struct pgw_deployment *dep;
        struct pgw_deployment_conf conf;
        struct pgw_tls_client_conf tls_conf;
        struct pgw_seed seeds[SEEDS_MAX];
        const char *prefix;
        bool has_tls, stopping, quit;
        struct lane *lanes;
        size_t lane_count, busy;
        uint64_t rest_ms;
        uint64_t cycles, removed, short_unlinks, errors[PGW_ERR_COUNT];
        uint64_t ready_changes, new_masters, moves, moved_slots, rooms;
        enum pgw_err state_err;
        char reason[512];
        struct pgw_call counts[MASTERS_MAX];
        size_t counts_awaited;
        int64_t keys;
} p = {.prefix = "probe"};

static void go_on(struct lane *);

_Noreturn static void die(const char *what, const char *detail)
{
        fprintf(stderr, "deployment_probe: %s %s\n", what, detail);
        exit(2);
}

/* ---- the load ---- */

static void on_pause_over(struct pgw_timer *timer)
{
        go_on(PGW_CONTAINER(timer, struct lane, timer));
}

static void hitch(struct lane *lane, enum pgw_err err)
{
        p.errors[err]++;
        if (err == PGW_E_REDIS_CANCELLED)
                return;
        if (pgw_err_class(err) == PGW_CLASS_PERMANENT) {
                lane->is_busy = false;
                p.busy--;
                return;
        }
        lane->is_smooth = lane->is_smooth && err == PGW_E_REDIS_FULL;
        pgw_timer_arm(p.loop, &lane->timer, pgw_loop_now_ms(p.loop) + PAUSE_MS);
}

static void on_reply(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        struct lane *lane = PGW_CONTAINER(call, struct lane, call);

        if (err) {
                hitch(lane, err);
                return;
        }
        if (lane->step == UNLINK) {
                const int64_t removed = pgw_reply_int(reply, 0);
                p.cycles++;
                p.removed += (uint64_t)removed;
                p.short_unlinks += lane->is_smooth && removed != 2;
                lane->step = SET_FIRST;
                if (p.stopping) {
                        lane->is_busy = false;
                        p.busy--;
                        return;
                }
                if (p.rest_ms) {
                        pgw_timer_arm(p.loop, &lane->timer, pgw_loop_now_ms(p.loop) + p.rest_ms);
                        return;
                }
        } else {
                lane->step++;
        }
        go_on(lane);
}

static void go_on(struct lane *lane)
{
        const struct pgw_str first = pgw_str_z(lane->keys[0]), second = pgw_str_z(lane->keys[1]);

        if (lane->step == SET_FIRST)
                lane->is_smooth = true;
        lane->argv[0] = lane->step == UNLINK ? PGW_STR("UNLINK") : PGW_STR("SET");
        lane->argv[1] = lane->step == SET_SECOND ? second : first;
        lane->argv[2] = lane->step == UNLINK ? second : PGW_STR("v");
        lane->call.argv = lane->argv;
        lane->call.argc = 3;
        lane->call.key = 1;
        lane->call.reply = on_reply;
        enum pgw_err err = pgw_deployment_call(p.dep, &lane->call);
        if (err)
                hitch(lane, err);
}

static void start(void)
{
        p.stopping = false;
        for (size_t i = 0; i < p.lane_count; i++) {
                struct lane *lane = &p.lanes[i];
                if (lane->is_busy)
                        continue;
                lane->is_busy = true;
                lane->step = SET_FIRST;
                p.busy++;
                go_on(lane);
        }
}

static void make_lanes(void)
{
        p.lanes = calloc(p.lane_count + 1, sizeof *p.lanes);
        for (size_t i = 0; i < p.lane_count; i++) {
                for (int k = 0; k < 2; k++)
                        snprintf(p.lanes[i].keys[k], sizeof p.lanes[i].keys[k], "{%.40s:%zu}:%d",
                                 p.prefix, i, k);
                pgw_timer_init(&p.lanes[i].timer, on_pause_over);
        }
}

/* ---- what it sees ---- */

static void on_state(void *ctx, bool ready, enum pgw_err err)
{
        static bool was_ready;

        (void)ctx;
        p.ready_changes += ready != was_ready;
        was_ready = ready;
        p.state_err = err;
        if (!ready && p.dep)
                snprintf(p.reason, sizeof p.reason, "%s", pgw_deployment_reason(p.dep));
}

static void on_change(void *ctx, enum pgw_change change, struct pgw_node *node, unsigned first,
                      unsigned last)
{
        (void)ctx;
        (void)node;
        p.new_masters += change == PGW_NODE_NEW_MASTER;
        p.moves += change == PGW_SLOTS_MOVED;
        p.moved_slots += change == PGW_SLOTS_MOVED ? last - first + 1 : 0;
}

static void on_room(void *ctx)
{
        (void)ctx;
        p.rooms++;
}

static void print_text(const char *text)
{
        putchar('"');
        for (; *text; text++)
                putchar(*text >= ' ' && *text != '"' && *text != '\\' && *text <= '~' ? *text
                                                                                      : '?');
        putchar('"');
}

static void say_stats(void)
{
        const struct pgw_deployment_counts *c = pgw_deployment_counts(p.dep);
        const char *comma = "";

        printf("{\"ready\": %s, \"busy\": %zu, \"cycles\": %llu, \"removed\": %llu, "
               "\"short\": %llu, \"epoch\": %llu, \"masters\": %zu, \"full\": %s, ",
               pgw_deployment_is_ready(p.dep) ? "true" : "false", p.busy,
               (unsigned long long)p.cycles, (unsigned long long)p.removed,
               (unsigned long long)p.short_unlinks, (unsigned long long)pgw_deployment_epoch(p.dep),
               pgw_deployment_masters(p.dep), pgw_deployment_is_full(p.dep) ? "true" : "false");
        printf("\"moved\": %llu, \"asked\": %llu, \"tried_again\": %llu, \"refreshes\": %llu, "
               "\"links\": %llu, \"ready_changes\": %llu, \"new_masters\": %llu, "
               "\"moves\": %llu, \"moved_slots\": %llu, \"rooms\": %llu, \"state\": \"%s\", "
               "\"now_ms\": %llu, \"reason\": ",
               (unsigned long long)c->moved, (unsigned long long)c->asked,
               (unsigned long long)c->tried_again, (unsigned long long)c->refreshes,
               (unsigned long long)c->links, (unsigned long long)p.ready_changes,
               (unsigned long long)p.new_masters, (unsigned long long)p.moves,
               (unsigned long long)p.moved_slots, (unsigned long long)p.rooms,
               pgw_err_name(p.state_err), (unsigned long long)pgw_mono_ms());
        print_text(p.reason);
        printf(", \"errors\": {");
        for (int err = 0; err < PGW_ERR_COUNT; err++) {
                if (!p.errors[err])
                        continue;
                printf("%s\"%s\": %llu", comma, pgw_err_name((enum pgw_err)err),
                       (unsigned long long)p.errors[err]);
                comma = ", ";
        }
        puts("}}");
}

static void say_ids(void)
{
        printf("{\"ids\": [");
        for (size_t i = 0; i < pgw_deployment_masters(p.dep); i++) {
                printf("%s", i ? ", " : "");
                print_text(pgw_node_id(pgw_deployment_master(p.dep, i)));
        }
        puts("]}");
}

static void on_count(struct pgw_call *call, enum pgw_err err, const struct pgw_reply *reply)
{
        (void)call;
        p.errors[err] += err != PGW_OK;
        p.keys = err || p.keys < 0 ? -1 : p.keys + pgw_reply_int(reply, -1);
        if (--p.counts_awaited == 0) {
                printf("{\"keys\": %lld}\n", (long long)p.keys);
                fflush(stdout);
        }
}

static void count(void)
{
        static const struct pgw_str words[] = {{"DBSIZE", 6}};
        const size_t masters = pgw_deployment_masters(p.dep);

        p.keys = 0;
        for (size_t i = 0; i < masters && i < MASTERS_MAX; i++) {
                p.counts[i] = (struct pgw_call){.argv = words, .argc = 1, .reply = on_count};
                if (pgw_node_call(pgw_deployment_master(p.dep, i), &p.counts[i]))
                        p.keys = -1;
                else
                        p.counts_awaited++;
        }
        if (p.counts_awaited == 0)
                puts("{\"keys\": -1}");
}

/* ---- commands and options ---- */

static void obey(const char *line)
{
        if (strcmp(line, "stats") == 0)
                say_stats();
        else if (strcmp(line, "ids") == 0)
                say_ids();
        else if (strcmp(line, "count") == 0)
                count();
        else if (strcmp(line, "start") == 0) {
                start();
                puts("{}");
        } else if (strcmp(line, "stop") == 0) {
                p.stopping = true;
                puts("{}");
        } else if (strcmp(line, "quit") == 0)
                p.quit = true;
        else
                die("no such command:", line);
        fflush(stdout);
}

static void read_commands(void)
{
        static char line[LINE_MAX_N];
        static size_t n;
        char c;
        ssize_t got;

        while ((got = read(STDIN_FILENO, &c, 1)) == 1) {
                if (c != '\n') {
                        if (n + 1 < sizeof line)
                                line[n++] = c;
                        continue;
                }
                line[n] = '\0';
                n = 0;
                obey(line);
        }
        if (got == 0)
                p.quit = true;
}

static void set_seeds(char *list)
{
        char *save, *seed = strtok_r(list, ",", &save);

        for (; seed; seed = strtok_r(NULL, ",", &save)) {
                char *colon = strrchr(seed, ':');
                if (!colon || p.conf.seed_count == SEEDS_MAX)
                        die("bad seed", seed);
                *colon = '\0';
                p.seeds[p.conf.seed_count++] = (struct pgw_seed){seed, colon + 1};
        }
        p.conf.seeds = p.seeds;
}

static void set_kind(const char *value)
{
        static const char *const kinds[] = {"standalone", "sentinel", "cluster"};

        for (unsigned i = 0; i < 3; i++)
                if (strcmp(value, kinds[i]) == 0)
                        p.conf.kind = (enum pgw_deployment_kind)i;
}

static void set_option(char *option)
{
        const struct {
                const char *name, **text;
        } texts[] = {{"unix", &p.conf.unix_path},
                     {"master", &p.conf.master_name},
                     {"user", &p.conf.user},
                     {"password", &p.conf.password},
                     {"sentinel_user", &p.conf.sentinel_user},
                     {"sentinel_password", &p.conf.sentinel_password},
                     {"ca", &p.tls_conf.authority_path},
                     {"cert", &p.tls_conf.certificate_path},
                     {"key", &p.tls_conf.key_path},
                     {"server_name", &p.tls_conf.server_name},
                     {"prefix", &p.prefix}};
        char *value = strchr(option, '=');

        if (!value)
                die("bad option", option);
        *value++ = '\0';
        const unsigned long number = strtoul(value, NULL, 10);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                if (strcmp(option, texts[i].name) == 0) {
                        *texts[i].text = value;
                        return;
                }
        }
        if (strcmp(option, "shape") == 0)
                set_kind(value);
        else if (strcmp(option, "seeds") == 0)
                set_seeds(value);
        else if (strcmp(option, "db") == 0)
                p.conf.db = (unsigned)number;
        else if (strcmp(option, "timeout_ms") == 0)
                p.conf.timeout_ms = number;
        else if (strcmp(option, "in_flight") == 0)
                p.conf.in_flight_max = number;
        else if (strcmp(option, "lanes") == 0 && number <= LANES_MAX)
                p.lane_count = number;
        else if (strcmp(option, "rest_ms") == 0)
                p.rest_ms = number;
        else if (strcmp(option, "tls") == 0)
                p.has_tls = number != 0;
        else if (strcmp(option, "verify") == 0)
                p.tls_conf.unverified = number == 0;
        else
                die("bad option", option);
}

int main(int argc, char **argv)
{
        struct pgw_fault fault = {0};

        p.conf = (struct pgw_deployment_conf){.name = "probe",
                                              .timeout_ms = TIMEOUT_MS,
                                              .in_flight_max = LANES_MAX,
                                              .write_max = WRITE_MAX,
                                              .reply_max = REPLY_MAX,
                                              .latency_histogram = PGW_H_REDIS_TARGET};
        for (int i = 1; i < argc; i++)
                set_option(argv[i]);
        if (p.has_tls && pgw_tls_client_new(&p.tls_conf, &fault, &p.tls))
                die(fault.pointer, fault.detail);
        p.conf.tls = p.tls;
        (void)signal(SIGPIPE, SIG_IGN);
        make_lanes();
        p.loop = pgw_loop_new();
        p.resolver = pgw_resolver_new(p.loop);
        p.dep = pgw_deployment_open(p.loop, p.resolver, &p.conf, on_state, NULL);
        pgw_deployment_on_change(p.dep, on_change, NULL);
        pgw_deployment_on_room(p.dep, on_room, NULL);
        (void)fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
        while (!p.quit) {
                pgw_loop_turn(p.loop, 2);
                read_commands();
        }
        pgw_deployment_close(p.dep);
        for (size_t i = 0; i < p.lane_count; i++)
                pgw_timer_disarm(p.loop, &p.lanes[i].timer);
        pgw_resolver_free(p.resolver);
        pgw_loop_free(p.loop);
        pgw_tls_client_free(p.tls);
        free(p.lanes);
        return 0;
}
