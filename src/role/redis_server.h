/* role/redis_server.h - one redis-server process on a directory: its files, its birth,
 * its voice.
 *
 * Stateless: every function works on a place, a plain value. What is kept alive and for
 * how long is decided in role/embedded.h.
 *
 * A redis-server started here holds a record lock on DIR/redis.lock from before its
 * first instruction until its end, whatever ends it. So the kernel itself answers
 * "which process runs on this directory", and no pid from a file is ever trusted.
 */
#ifndef PGW_ROLE_REDIS_SERVER_H
#define PGW_ROLE_REDIS_SERVER_H

#include <limits.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"

struct pgw_redis_place {
        char directory[PATH_MAX];
        char server[PATH_MAX];                                    /* the program */
        char socket[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* DIR/redis.sock */
        char conf[PATH_MAX + 16];
        char log[PATH_MAX + 16];
        char lock[PATH_MAX + 16];
};

enum pgw_redis_voice {
        PGW_REDIS_SILENT, /* nobody listens, or no answer in time */
        PGW_REDIS_LOADING,
        PGW_REDIS_READY
};

/* Fill in the names under the absolute `directory` and find the program: `server` when
 * not NULL and not empty, else redis-server on PATH, else in /usr/bin. PGW_E_CONFIG when
 * the socket's name would be longer than Unix sockets allow (107 bytes) or there is no
 * such program. */
enum pgw_err pgw_redis_place_init(struct pgw_redis_place *, const char *directory,
                                  const char *server, struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* Write DIR/redis.conf, replacing it in one step. */
enum pgw_err pgw_redis_place_write_conf(const struct pgw_redis_place *,
                                        struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* Start the program; returns before it is ready. It leads a process group of its own and
 * gets SIGTERM when the calling thread ends, which therefore must be the main thread. */
enum pgw_err pgw_redis_spawn(struct pgw_redis_place *, pid_t *ret_pid,
                             struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* The process that runs on this directory; 0 when there is none, -1 when there is one
 * whose pid cannot be seen from here (another pid namespace). */
pid_t pgw_redis_holder(const struct pgw_redis_place *);

/* Send `signal` to the process that runs on this directory, if it still is `pid`. */
void pgw_redis_signal_holder(const struct pgw_redis_place *, pid_t pid, int signal);

/* Ask with a PING; waits at most `timeout_ms`. */
enum pgw_redis_voice pgw_redis_ping(const struct pgw_redis_place *, int timeout_ms);

/* The end of what was logged behind `from`, as one line of at most `size` - 1 bytes. */
void pgw_redis_log_tail(const struct pgw_redis_place *, off_t from, char *out, size_t size);

/* The size of the log; 0 when there is none. A log over 16 MiB is put aside first (as
 * redis.log.1, replacing the one before), so call it while no server runs. */
off_t pgw_redis_log_size(const struct pgw_redis_place *);

#endif
