/* http/gateway.h - what the requests of one thread share.
 *
 * A gateway holds borrowed things: the contract, the way into the queue, the way to the
 * results. role/ makes them and takes them apart; a gateway adds only the mapping from
 * operations to functions, and the requests that wait for a job's end.
 */
#ifndef PGW_HTTP_GATEWAY_H
#define PGW_HTTP_GATEWAY_H

#include "domain/audit.h"
#include "domain/broker_alarm.h"
#include "domain/delivery.h"
#include "domain/intake.h"
#include "domain/lookup.h"
#include "domain/room.h"
#include "domain/survey.h"
#include "domain/target.h"
#include "http/hooks.h"
#include "http/identities.h"
#include "http/limits.h"
#include "http/refusals.h"
#include "redis/deployment.h"

struct pgw_aside;
struct pgw_contract;
struct pgw_exchange;
struct pgw_gateway;

struct pgw_gateway_conf {
        char *const *names; /* by which it may be called without identities (http/page.h) */
        size_t name_count;
        bool any_name;
        struct pgw_room_limits room;
        size_t selectors_max;          /* bytes of a job's (domain/entry.h) */
        const char *uri_key, *uri_tag; /* http/uri_body.h */
        uint64_t result_ttl_s;
        bool log_requests;
        size_t waits_max; /* for jobs to end */
        struct pgw_audit_conf audit;
        bool has_worker; /* this process works too; readiness asks for the target then */
        bool patterns_allowed;
        size_t pattern_stars_max;
        size_t pattern_prefix_min; /* bytes */
        uint64_t answers_max;      /* bytes of large answers that wait for their clients */
        struct pgw_delivery_conf deliveries;
        size_t selector_bytes_max; /* that a delivery may name, as the body of a request may */
};

struct pgw_gateway_target {
        const char *name;
        struct pgw_deployment *tags; /* for what is answered at once */
        const struct pgw_target_check *check;
        const struct pgw_deployment *worker; /* the worker's; NULL without one */
};

/* All borrowed; must outlive the gateway. */
struct pgw_gateway_links {
        const struct pgw_contract *contract;
        const struct pgw_keyspace *keyspace;
        struct pgw_redis *broker;
        struct pgw_redis *results;
        const struct pgw_gateway_target *targets; /* copied */
        size_t target_count;
        struct pgw_intake *intake;
        struct pgw_jobs *jobs;
        struct pgw_broker_check *check;
        const struct pgw_broker_alarms *alarms;
        const struct pgw_surveyor *surveyor;
        struct pgw_identities *identities; /* NULL: whoever can ask may; held by the gateway too */
        struct pgw_limits *limits;         /* of all threads */
        struct pgw_hooks *hooks;           /* NULL: none; held by the gateway too */
};

/* Lines about deliveries that are not signed (http/hook_log.h). */
struct pgw_hook_lines {
        uint64_t since_ms;
        unsigned written;
};

struct pgw_gateway {
        struct pgw_loop *loop;
        struct pgw_gateway_links links;
        struct pgw_gateway_target targets[PGW_TARGETS_MAX];
        struct pgw_gateway_conf conf;
        struct pgw_fault check_fault; /* of the last check that did not pass */
        bool draining;                /* waits for a job's end are cut short */
        struct pgw_list polls;        /* requests that ask after a job, or wait for its end */
        size_t waits;                 /* those that wait */
        struct pgw_refusals refusals; /* for the audit */
        struct pgw_hook_lines hook_lines;
        struct pgw_aside *aside; /* for large bodies */
        uint64_t answers;        /* bytes of large answers, until their clients have them */
        size_t exchanges;        /* under way */
        struct pgw_list unused;  /* exchanges kept for reuse */
};

/* On the loop's thread. */
struct pgw_gateway *pgw_gateway_new(struct pgw_loop *, const struct pgw_gateway_links *,
                                    const struct pgw_gateway_conf *);
void pgw_gateway_free(struct pgw_gateway *); /* no exchange may be under way */

/* Nobody comes any more; waits for a job's end are cut short. */
void pgw_gateway_drain(struct pgw_gateway *);

/* Bodies that are being read, or wait to be, are given up. */
void pgw_gateway_stop_reading(struct pgw_gateway *);

/* The links are closed: from now on nothing is written any more. */
void pgw_gateway_unlink(struct pgw_gateway *);

/* Requests from now on are let in by these; the gateway holds them too. */
void pgw_gateway_set_identities(struct pgw_gateway *, struct pgw_identities *);

/* Deliveries from now on are judged by these; the gateway holds them too. */
void pgw_gateway_set_hooks(struct pgw_gateway *, struct pgw_hooks *);

/* The operations that this program has, as the contract names them; ends with NULL. The
 * index of an operation is `handler` of struct pgw_operation. */
extern const char *const pgw_gateway_operations[];

/* The function of an operation: the act room of its exchange. */
enum pgw_step;
typedef enum pgw_step pgw_operation_f(struct pgw_exchange *);

struct pgw_gateway_handler {
        pgw_operation_f *understand; /* NULL: nothing beyond the contract */
        pgw_operation_f *act;
        bool takes_forms;   /* http/form.h */
        bool is_probe;      /* asked by what starts and stops us, and answered always */
        bool takes_bytes;   /* the body is the operation's to read */
        bool ignores_query; /* who asks for it adds to an address what they like */
        bool is_signed;     /* who sends it is known by the body: the operation charges for it */
};
const struct pgw_gateway_handler *pgw_gateway_handler(unsigned index);

#endif
