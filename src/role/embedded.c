/* Supervising the private redis-server.
 *
 * The process is our child, so waitpid() is the only witness needed for its death; the
 * record lock on DIR/redis.lock (role/redis_server.h) is the witness for a server that
 * an earlier, killed Purgeway left behind. Such a server already has its SIGTERM from
 * the kernel and mostly needs a few milliseconds; it is not adopted, because nobody
 * would be told of its death.
 *
 * A restart in a tick does not wait for readiness: clients reconnect by themselves, and
 * the main thread must go on feeding the watchdog.
 */
#include "role/embedded.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "io/signals.h"
#include "role/datadir.h"
#include "role/redis_server.h"

#define POLL_MS              10
#define PING_TIMEOUT_MS      1000
#define READY_WAIT_MS        30000
#define LEFTOVER_WAIT_MS     5000
#define LEFTOVER_TERM_MS     3000
#define END_WAIT_MS          10000
#define KILL_WAIT_MS         5000
#define RESTART_DELAY_MS     100
#define RESTART_DELAY_MS_MAX 10000
#define STABLE_MS            10000
#define TAIL_SIZE            180

struct pgw_embedded {
        struct pgw_datadir *dir;
        struct pgw_redis_place place;
        pid_t pid;              /* 0 while down */
        uint64_t started_ms;    /* monotonic; of the running or last process */
        uint64_t restart_at_ms; /* while down */
        uint64_t delay_ms;      /* before the next restart */
        uint64_t restart_count;
        off_t log_start; /* size of the log when the process was started */
};

static void nap(void)
{
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

const char *pgw_embedded_event_name(enum pgw_embedded_event event)
{
        switch (event) {
        case PGW_EMBEDDED_DIED:
                return "embedded.died";
        case PGW_EMBEDDED_RESTARTED:
                return "embedded.restarted";
        case PGW_EMBEDDED_RESTART_FAILED:
                return "embedded.restart_failed";
        case PGW_EMBEDDED_NOTHING:
                break;
        }
        return "";
}

/* Whoever ends us while we start shall not wait for the rest of it. */
static enum pgw_err refuse_to_go_on(struct pgw_fault *reterr_fault)
{
        pgw_fault_set(reterr_fault, "", "told to end while starting");
        return PGW_E_DRAINING;
}

/* Wait until no server runs on the directory; false when one still does at the end. */
static bool wait_vacant(const struct pgw_redis_place *place, uint64_t timeout_ms)
{
        const uint64_t deadline_ms = pgw_mono_ms() + timeout_ms;

        while (pgw_redis_holder(place) != 0) {
                if (pgw_mono_ms() >= deadline_ms || pgw_signals_wants_end())
                        return false;
                nap();
        }
        return true;
}

/* The directory is locked by us, so a server on it is a leftover without a master. */
static enum pgw_err end_leftover(const struct pgw_redis_place *place,
                                 struct pgw_fault *reterr_fault)
{
        static const struct {
                int signal_number;
                uint64_t wait_ms;
        } steps[] = {{SIGTERM, LEFTOVER_TERM_MS}, {SIGKILL, KILL_WAIT_MS}};

        if (wait_vacant(place, LEFTOVER_WAIT_MS))
                return PGW_OK;
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
                if (pgw_signals_wants_end())
                        return refuse_to_go_on(reterr_fault);
                const pid_t pid = pgw_redis_holder(place);
                if (pid > 0)
                        pgw_redis_signal_holder(place, pid, steps[i].signal_number);
                if (wait_vacant(place, steps[i].wait_ms))
                        return PGW_OK;
        }
        pgw_fault_set(reterr_fault, "data_dir",
                      "%s is still in use by the redis-server of an earlier run (pid %d)",
                      place->directory, (int)pgw_redis_holder(place));
        return PGW_E_SYSTEM;
}

/* A server that somebody else started on our socket holds no lock of ours; starting a
 * second one would steal its socket and share its files. */
static enum pgw_err refuse_stranger(const struct pgw_redis_place *place,
                                    struct pgw_fault *reterr_fault)
{
        if (pgw_redis_ping(place, PING_TIMEOUT_MS) == PGW_REDIS_SILENT)
                return PGW_OK;
        pgw_fault_set(reterr_fault, "data_dir",
                      "%s is served by a redis-server that purgeway did not start", place->socket);
        return PGW_E_SYSTEM;
}

static enum pgw_err spawn(struct pgw_embedded *embedded, struct pgw_fault *reterr_fault)
{
        embedded->log_start = pgw_redis_log_size(&embedded->place);
        embedded->started_ms = pgw_mono_ms();
        return pgw_redis_spawn(&embedded->place, &embedded->pid, reterr_fault);
}

/* Collect the process if it has ended; says how in the fault. */
static bool has_ended(struct pgw_embedded *embedded, struct pgw_fault *reterr_fault)
{
        char tail[TAIL_SIZE];
        int status = 0;
        const pid_t pid = waitpid(embedded->pid, &status, WNOHANG);

        PGW_ASSERT(embedded->pid > 0);
        if (pid == 0 || (pid < 0 && errno == EINTR))
                return false;
        embedded->pid = 0;
        pgw_redis_log_tail(&embedded->place, embedded->log_start, tail, sizeof tail);
        if (pid > 0 && WIFSIGNALED(status))
                pgw_fault_set(reterr_fault, "", "redis-server was ended by signal %d: %s",
                              WTERMSIG(status), tail);
        else
                pgw_fault_set(reterr_fault, "", "redis-server ended with status %d: %s",
                              pid > 0 ? WEXITSTATUS(status) : -1, tail);
        return true;
}

static enum pgw_err wait_ready(struct pgw_embedded *embedded, struct pgw_fault *reterr_fault)
{
        const uint64_t deadline_ms = pgw_mono_ms() + READY_WAIT_MS;
        enum pgw_redis_voice voice = PGW_REDIS_SILENT;

        while (pgw_mono_ms() < deadline_ms) {
                if (has_ended(embedded, reterr_fault))
                        return PGW_E_SYSTEM;
                if (pgw_signals_wants_end())
                        return refuse_to_go_on(reterr_fault);
                voice = pgw_redis_ping(&embedded->place, PING_TIMEOUT_MS);
                if (voice == PGW_REDIS_READY)
                        return PGW_OK;
                nap();
        }
        if (voice == PGW_REDIS_LOADING)
                return PGW_OK;
        pgw_fault_set(reterr_fault, "data_dir", "redis-server does not answer on %s",
                      embedded->place.socket);
        return PGW_E_REDIS_TIMEOUT;
}

enum pgw_err pgw_embedded_start(const char *data_dir, const char *server,
                                struct pgw_embedded **ret_embedded, struct pgw_fault *reterr_fault)
{
        struct pgw_embedded *embedded = pgw_alloc(sizeof *embedded);
        struct pgw_redis_place *place = &embedded->place;
        enum pgw_err err;

        PGW_ASSERT(gettid() == getpid());
        embedded->delay_ms = RESTART_DELAY_MS;
        err = pgw_datadir_open(data_dir, &embedded->dir, reterr_fault);
        if (!err)
                err = pgw_redis_place_init(place, pgw_datadir_path(embedded->dir), server,
                                           reterr_fault);
        if (!err)
                err = end_leftover(place, reterr_fault);
        if (!err)
                err = refuse_stranger(place, reterr_fault);
        if (!err)
                err = pgw_redis_place_write_conf(place, reterr_fault);
        if (!err)
                err = spawn(embedded, reterr_fault);
        if (!err)
                err = wait_ready(embedded, reterr_fault);
        if (err)
                pgw_embedded_stop(embedded);
        else
                *ret_embedded = embedded;
        return err;
}

static enum pgw_embedded_event plan_restart(struct pgw_embedded *embedded,
                                            enum pgw_embedded_event event)
{
        const uint64_t now_ms = pgw_mono_ms();

        PGW_ASSERT(embedded->pid == 0);
        if (now_ms - embedded->started_ms >= STABLE_MS)
                embedded->delay_ms = RESTART_DELAY_MS;
        embedded->restart_at_ms = now_ms + embedded->delay_ms;
        embedded->delay_ms *= 2;
        if (embedded->delay_ms > RESTART_DELAY_MS_MAX)
                embedded->delay_ms = RESTART_DELAY_MS_MAX;
        return event;
}

enum pgw_embedded_event pgw_embedded_tick(struct pgw_embedded *embedded,
                                          struct pgw_fault *reterr_fault)
{
        PGW_ASSERT(gettid() == getpid());
        if (embedded->pid) {
                if (!has_ended(embedded, reterr_fault))
                        return PGW_EMBEDDED_NOTHING;
                return plan_restart(embedded, PGW_EMBEDDED_DIED);
        }
        if (pgw_mono_ms() < embedded->restart_at_ms)
                return PGW_EMBEDDED_NOTHING;
        if (spawn(embedded, reterr_fault))
                return plan_restart(embedded, PGW_EMBEDDED_RESTART_FAILED);
        embedded->restart_count++;
        pgw_fault_set(reterr_fault, "", "redis-server runs again with pid %d", (int)embedded->pid);
        return PGW_EMBEDDED_RESTARTED;
}

pid_t pgw_embedded_pid(const struct pgw_embedded *embedded)
{
        return embedded->pid;
}

uint64_t pgw_embedded_restart_count(const struct pgw_embedded *embedded)
{
        return embedded->restart_count;
}

const char *pgw_embedded_socket(const struct pgw_embedded *embedded)
{
        return embedded->place.socket;
}

static void end_server(struct pgw_embedded *embedded)
{
        const uint64_t deadline_ms = pgw_mono_ms() + END_WAIT_MS;

        kill(embedded->pid, SIGTERM);
        while (!has_ended(embedded, NULL)) {
                if (pgw_mono_ms() < deadline_ms) {
                        nap();
                        continue;
                }
                /* The whole group: a child of it may be rewriting the AOF. */
                kill(-embedded->pid, SIGKILL);
                while (waitpid(embedded->pid, NULL, 0) < 0 && errno == EINTR)
                        continue;
                embedded->pid = 0;
                return;
        }
}

void pgw_embedded_stop(struct pgw_embedded *embedded)
{
        if (!embedded)
                return;
        if (embedded->pid)
                end_server(embedded);
        pgw_datadir_close(embedded->dir);
        pgw_free(embedded);
}
