/* role/thread.h - one event loop with everything on it.
 *
 * A thread has its own listeners (SO_REUSEPORT), its own connections to Redis and its own
 * worker; nothing mutable is shared with others but counters and the survey.
 *
 *      made --start--> running --drain--> draining --(idle, or time is up)--> ended
 */
#ifndef PGW_ROLE_THREAD_H
#define PGW_ROLE_THREAD_H

#include "domain/survey.h"
#include "http/contract.h"
#include "http/front.h"
#include "http/hooks.h"
#include "http/identities.h"
#include "role/plan.h"

struct pgw_thread;

struct pgw_thread_conf {
        const struct pgw_plan *plan;
        const struct pgw_contract *contract; /* NULL without a gateway */
        const struct pgw_surveyor *surveyor;
        struct pgw_tls_server *tls;        /* held by the thread too; NULL: none */
        struct pgw_identities *identities; /* the same */
        struct pgw_limits *limits;         /* one for all threads */
        struct pgw_hooks *hooks;           /* the same */
        const struct pgw_front_listener *listeners;
        size_t listener_count;
        unsigned index;
        uint64_t *gates_us; /* one for all threads (work/worker.h) */
};

/* Start the thread. Everything in `conf` is borrowed until it is joined; the descriptors
 * of the listeners become the thread's. */
struct pgw_thread *pgw_thread_start(const struct pgw_thread_conf *);

/* Finish what is under way, take nothing new, end by `deadline_ms` at the latest. */
void pgw_thread_drain(struct pgw_thread *, uint64_t deadline_ms);

/* Use another certificate for new connections; the thread holds it too. */
void pgw_thread_set_tls(struct pgw_thread *, struct pgw_tls_server *);

/* Let requests in by these from now on; the thread holds them too. */
void pgw_thread_set_identities(struct pgw_thread *, struct pgw_identities *);

/* Judge deliveries by these from now on; the thread holds them too. */
void pgw_thread_set_hooks(struct pgw_thread *, struct pgw_hooks *);

/* True once the thread has taken the last of each that it was given. */
bool pgw_thread_is_up_to_date(const struct pgw_thread *);

/* True once every link that the thread needs has been ready. */
bool pgw_thread_is_ready(const struct pgw_thread *);

/* Turns of its loop so far, for the watchdog. */
uint64_t pgw_thread_turns(const struct pgw_thread *);

bool pgw_thread_has_ended(const struct pgw_thread *);

/* Wait for the end and free. */
void pgw_thread_join(struct pgw_thread *);

#endif
