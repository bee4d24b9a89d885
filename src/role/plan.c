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

static enum pgw_err resolve(struct pgw_redis_url *url, struct pgw_redis_address *address,
                            const char *text, const char *password, struct pgw_fault *fault)
{
        enum pgw_err err = pgw_redis_url_parse(text, url, fault);

        if (err)
                return err;
        *address = (struct pgw_redis_address){
            .unix_path = url->unix_path[0] ? url->unix_path : NULL,
            .host = url->host,
            .port = url->port,
            .user = url->user[0] ? url->user : NULL,
            .password = is_empty(password) ? NULL : password,
            .db = url->db,
        };
        return PGW_OK;
}

/* The same server by the same name. Two names of one server are taken for two, which
 * costs an acknowledgement of its own and nothing else. */
static bool is_same_place(const struct pgw_redis_address *a, const struct pgw_redis_address *b)
{
        if (a->db != b->db || !a->unix_path != !b->unix_path)
                return false;
        if (a->unix_path)
                return strcmp(a->unix_path, b->unix_path) == 0;
        return strcmp(a->host, b->host) == 0 && strcmp(a->port, b->port) == 0;
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
        snprintf(plan->instance, sizeof plan->instance, "%s-%ld-%08llx", host, (long)getpid(),
                 (unsigned long long)(pgw_rand_u64() & 0xffffffffu));
}

static enum pgw_err resolve_all(struct pgw_plan *plan, const char *embedded_socket,
                                struct pgw_fault *fault)
{
        const struct pgw_settings *s = plan->settings;
        char embedded[256] = "";

        if (embedded_socket)
                snprintf(embedded, sizeof embedded, "unix://%s", embedded_socket);
        const char *broker = is_empty(s->broker_url) ? embedded : s->broker_url;
        enum pgw_err err =
            resolve(&plan->urls[0], &plan->broker, broker, s->broker_password, fault);
        if (err)
                return err;
        const bool own_results = !is_empty(s->results_url), own_target = !is_empty(s->target_url);
        err = resolve(&plan->urls[1], &plan->results, own_results ? s->results_url : broker,
                      own_results ? s->results_password : s->broker_password, fault);
        if (err)
                return err;
        err = resolve(&plan->urls[2], &plan->target, own_target ? s->target_url : broker,
                      own_target ? s->target_password : s->broker_password, fault);
        plan->results_beside = is_same_place(&plan->broker, &plan->results);
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
        plan->gates = role != PGW_ROLE_WORKER;
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
        /* Settings that were checked can be parsed. */
        PGW_ASSERT(pgw_rebounds_parse(pgw_str_z(s->rebounds), &plan->rebounds) == PGW_OK);
        name_instance(plan);
        return resolve_all(plan, embedded_socket, fault);
}
