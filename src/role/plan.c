/* Empty addresses mean the embedded Redis for the broker; for results and target they
 * mean the same, because one small installation should need one server. */
#include "role/plan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/rand.h"

static bool is_empty(const char *text)
{
        return !text || !text[0];
}

bool pgw_plan_needs_embedded(const struct pgw_settings *s)
{
        return is_empty(s->broker_url);
}

static bool gates(enum pgw_role role)
{
        return role != PGW_ROLE_WORKER;
}

enum pgw_err pgw_plan_check(const struct pgw_settings *s, enum pgw_role role,
                            struct pgw_fault *fault)
{
        if (role != PGW_ROLE_SERVE && is_empty(s->broker_url)) {
                pgw_fault_set(fault, "broker.url",
                              "`purgeway %s` needs the Redis that gateways and workers share; "
                              "`purgeway serve` starts one of its own",
                              role == PGW_ROLE_GATEWAY ? "gateway" : "worker");
                return PGW_E_CONFIG;
        }
        if (gates(role) && s->listen_count + s->tls_listen_count == 0) {
                pgw_fault_set(fault, "listen",
                              "at least one address is needed here or in tls.listen");
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

static void name_instance(struct pgw_plan *plan)
{
        char host[40];

        if (gethostname(host, sizeof host) != 0)
                snprintf(host, sizeof host, "host");
        host[sizeof host - 1] = '\0';
        for (char *c = host; *c; c++)
                if (*c <= ' ' || *c > '~')
                        *c = '-';
        snprintf(plan->instance, sizeof plan->instance, PGW_CLIENT_PREFIX "%s-%ld-%08llx", host,
                 (long)getpid(), (unsigned long long)(pgw_rand_u64() & 0xffffffffu));
}

/* Which setting it is that names what cannot be read. */
static enum pgw_err open_place(struct pgw_place *place, const char *setting, const char *url,
                               const char *password, struct pgw_fault *fault)
{
        struct pgw_fault inner = {"", ""};
        enum pgw_err err = pgw_place_open(place, url, password, &inner);

        if (err)
                pgw_fault_set(fault, setting, "%s%s%s", inner.pointer, inner.pointer[0] ? ": " : "",
                              inner.detail);
        return err;
}

static enum pgw_err open_target(struct pgw_plan *plan, const char *setting, struct pgw_str name,
                                const char *url, const char *password, struct pgw_fault *fault)
{
        struct pgw_plan_target *target = &plan->targets[plan->target_count];

        PGW_ASSERT(plan->target_count < PGW_TARGETS_MAX);
        memcpy(target->name, name.p, name.n);
        enum pgw_err err = open_place(&target->place, setting, url, password, fault);
        if (err)
                return err;
        plan->target_count++;
        const char *own = target->place.url.rebounds;
        const char *text = own[0] ? own : plan->settings->rebounds;
        /* What was checked can be parsed. */
        PGW_ASSERT(pgw_rebounds_parse(pgw_str_z(text), &target->rebounds) == PGW_OK);
        return PGW_OK;
}

/* The one without a name of its own comes first; it is left out when there are only others. */
static enum pgw_err open_targets(struct pgw_plan *plan, const char *broker, struct pgw_fault *fault)
{
        const struct pgw_settings *s = plan->settings;
        const bool has_own = !is_empty(s->target_url);
        enum pgw_err err = PGW_OK;

        if (has_own || s->targets_count == 0)
                err = open_target(plan, "target.url", PGW_STR(PGW_TARGET_DEFAULT),
                                  has_own ? s->target_url : broker,
                                  has_own ? s->target_password : s->broker_password, fault);
        for (size_t i = 0; i < s->targets_count && !err; i++) {
                struct pgw_str name, url;
                /* Settings that were checked can be read. */
                PGW_ASSERT(pgw_target_split(pgw_str_z(s->targets[i]), &name, &url) == PGW_OK);
                err = open_target(plan, "targets", name, url.p, NULL, fault);
        }
        return err;
}

static enum pgw_err open_all(struct pgw_plan *plan, const char *embedded_socket,
                             struct pgw_fault *fault)
{
        const struct pgw_settings *s = plan->settings;
        char embedded[256] = "";

        if (embedded_socket)
                snprintf(embedded, sizeof embedded, "unix://%s", embedded_socket);
        const char *broker = is_empty(s->broker_url) ? embedded : s->broker_url;
        const bool own_results = !is_empty(s->results_url);
        enum pgw_err err =
            open_place(&plan->broker, "broker.url", broker, s->broker_password, fault);
        if (!err)
                err =
                    open_place(&plan->results, "results.url", own_results ? s->results_url : broker,
                               own_results ? s->results_password : s->broker_password, fault);
        if (!err)
                err = open_targets(plan, broker, fault);
        plan->results_beside = pgw_place_is_same(&plan->broker, &plan->results);
        return err;
}

static unsigned thread_count(const struct pgw_settings *s)
{
        const long cores = sysconf(_SC_NPROCESSORS_ONLN);

        if (s->threads)
                return (unsigned)s->threads;
        return cores > 0 ? (unsigned)cores : 1;
}

enum pgw_err pgw_plan_make(struct pgw_plan *plan, const struct pgw_settings *s, enum pgw_role role,
                           const char *embedded_socket, struct pgw_fault *fault)
{
        memset(plan, 0, sizeof *plan);
        plan->settings = s;
        plan->role = role;
        plan->gates = gates(role);
        plan->works = role != PGW_ROLE_GATEWAY;
        plan->threads = thread_count(s);
        if (pgw_keyspace_init(&plan->keyspace, s->queue_name)) {
                pgw_fault_set(fault, "queue.name",
                              "a queue's name has 1 to %d letters, digits, '-', '_' or '.'",
                              PGW_QUEUE_NAME_MAX);
                return PGW_E_CONFIG;
        }
        plan->demands = (struct pgw_broker_demands){
            .durability = (enum pgw_durability)s->broker_durability,
            .replicas = (unsigned)s->broker_replicas,
            .allow_eviction = s->broker_allow_eviction,
        };
        name_instance(plan);
        return open_all(plan, embedded_socket, fault);
}

void pgw_plan_end(struct pgw_plan *plan)
{
        pgw_place_close(&plan->broker);
        pgw_place_close(&plan->results);
        for (size_t i = 0; i < plan->target_count; i++)
                pgw_place_close(&plan->targets[i].place);
}
