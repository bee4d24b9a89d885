/* role/embedded.h - a private redis-server, started, watched and stopped with us.
 *
 * It listens on DIR/redis.sock only, keeps everything in an append-only file that is
 * synced before each answer, and never evicts. Its data outlive us.
 *
 *      start ──> up ──died──> down ──delay over──> up
 *                 └───────────── stop ─────────────┘──> ended, data kept
 *
 * When this process is killed the server gets SIGTERM from the kernel, saves and ends;
 * the next start waits for that end before it starts another.
 *
 * All functions are for the main thread: the kernel ties the server's life to the thread
 * that started it. Only start and stop block.
 */
#ifndef PGW_ROLE_EMBEDDED_H
#define PGW_ROLE_EMBEDDED_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pgw_embedded;

/* What a tick found; the caller logs it under pgw_embedded_event_name(). */
enum pgw_embedded_event {
        PGW_EMBEDDED_NOTHING,
        PGW_EMBEDDED_DIED,      /* it ended by itself; a restart is planned */
        PGW_EMBEDDED_RESTARTED, /* a new process was started; it may still be loading */
        PGW_EMBEDDED_RESTART_FAILED
};

/* "embedded.died" and so on; "" for nothing. Static. */
const char *pgw_embedded_event_name(enum pgw_embedded_event);

/* Take `data_dir` (made with mode 0700 when missing), write its redis.conf, end what an
 * earlier run left behind, start `server` (NULL or "": redis-server on PATH or in
 * /usr/bin) and wait until it answers. A server that is alive but still loading its data
 * after 30 s counts as started: its clients are told LOADING until it is done. When it
 * ends early the fault holds what it logged last. PGW_E_DRAINING, with nothing left running, when
 * this process was told to end meanwhile (io/signals.h). */
enum pgw_err pgw_embedded_start(const char *data_dir, const char *server,
                                struct pgw_embedded **ret_embedded,
                                struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* To be called every 100 ms to 1 s; never waits. Restarts a server that died, at first
 * after 100 ms, then doubling up to 10 s until one has lived for 10 s. `reterr_fault`
 * (may be NULL) says how it died or why it could not be restarted. */
enum pgw_embedded_event pgw_embedded_tick(struct pgw_embedded *, struct pgw_fault *reterr_fault);

/* The server's process; 0 while it is down. */
pid_t pgw_embedded_pid(const struct pgw_embedded *);

/* How often it had to be restarted. */
uint64_t pgw_embedded_restart_count(const struct pgw_embedded *);

/* Where it listens; lives as long as `embedded`. */
const char *pgw_embedded_socket(const struct pgw_embedded *);

/* SIGTERM, up to 10 s of waiting, then SIGKILL; frees everything and gives the directory
 * back. NULL is allowed. */
void pgw_embedded_stop(struct pgw_embedded *);

#endif
