/* role/plan.h - what this process is to do, worked out once at start.
 *
 * The settings say what the operator wants; a plan says what follows from it: where the
 * Redis deployments are, whether the results live beside the queue, how many threads do
 * what. Read-only after pgw_plan_make(), shared by all threads.
 */
#ifndef PGW_ROLE_PLAN_H
#define PGW_ROLE_PLAN_H

#include "domain/broker_check.h"
#include "domain/keyspace.h"
#include "domain/rebound.h"
#include "domain/target.h"
#include "role/place.h"
#include "role/settings.h"

enum pgw_role { PGW_ROLE_SERVE, PGW_ROLE_GATEWAY, PGW_ROLE_WORKER };

struct pgw_plan_target {
        char name[PGW_TARGET_NAME_MAX + 1];
        struct pgw_place place;
        struct pgw_rebounds rebounds;
};

struct pgw_plan {
        const struct pgw_settings *settings;
        enum pgw_role role;
        bool gates; /* answers HTTP */
        bool works; /* takes jobs */
        unsigned threads;
        size_t connections; /* of clients at a time, in all; set before the threads start */
        struct pgw_keyspace keyspace;
        struct pgw_place broker, results;
        struct pgw_plan_target targets[PGW_TARGETS_MAX];
        size_t target_count;
        bool results_beside; /* results live in the broker's server and database */
        struct pgw_broker_demands demands;
        char instance[80]; /* host, pid and random bits: no two processes ever share it */
};

/* True when any of the deployments is the embedded Redis. */
bool pgw_plan_needs_embedded(const struct pgw_settings *);

/* Whether the settings are enough for the role: who only answers or only works needs a broker that
 * the others share, and who answers needs an address. PGW_E_CONFIG with what is missing. */
enum pgw_err pgw_plan_check(const struct pgw_settings *, enum pgw_role,
                            struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* `embedded_socket` is where the embedded Redis listens; NULL when none is needed. The
 * settings must outlive the plan. */
enum pgw_err pgw_plan_make(struct pgw_plan *, const struct pgw_settings *, enum pgw_role,
                           const char *embedded_socket, struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* Also after a pgw_plan_make() that failed. */
void pgw_plan_end(struct pgw_plan *);

#endif
