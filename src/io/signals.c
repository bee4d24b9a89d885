/* A signalfd read by hand: h2o would take its records for a stream of bytes, and the
 * records are all we want. */
#include "io/signals.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <h2o.h>

#include "base/alloc.h"

struct pgw_signals {
        h2o_socket_t *socket;
        pgw_signal_f *on_signal;
        void *ctx;
};

static void fill(sigset_t *set)
{
        sigemptyset(set);
        sigaddset(set, SIGTERM);
        sigaddset(set, SIGINT);
        sigaddset(set, SIGHUP);
}

void pgw_signals_block(void)
{
        sigset_t set;

        fill(&set);
        PGW_ASSERT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
        PGW_ASSERT(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

bool pgw_signals_wants_end(void)
{
        sigset_t waiting;

        return sigpending(&waiting) == 0 &&
               (sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1);
}

static void on_readable(h2o_socket_t *socket, const char *err)
{
        struct pgw_signals *s = socket->data;
        struct signalfd_siginfo info;

        if (err)
                return;
        while (read(h2o_socket_get_fd(socket), &info, sizeof info) == (ssize_t)sizeof info)
                s->on_signal(s->ctx, (int)info.ssi_signo);
}

struct pgw_signals *pgw_signals_open(struct pgw_loop *loop, pgw_signal_f *on_signal, void *ctx)
{
        struct pgw_signals *s = pgw_alloc(sizeof *s);
        sigset_t set;

        fill(&set);
        const int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        PGW_ASSERT(fd >= 0);
        s->on_signal = on_signal;
        s->ctx = ctx;
        s->socket = h2o_evloop_socket_create(pgw_loop_h2o(loop), fd, H2O_SOCKET_FLAG_DONT_READ);
        s->socket->data = s;
        h2o_socket_read_start(s->socket, on_readable);
        return s;
}

void pgw_signals_close(struct pgw_signals *s)
{
        if (!s)
                return;
        h2o_socket_close(s->socket);
        pgw_free(s);
}
