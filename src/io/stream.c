/* Two buffers take turns: one collects what this turn says while the kernel takes the
 * other. So a stream has at most one write under way, however many callers there are.
 *
 * A stream may be closed from inside its own on_data; `closed` then keeps the rest of
 * that call from touching it, and the memory goes when the call is over.
 *
 * TLS is h2o's affair once the handshake is over; the stream begins it when the socket is
 * connected, and is open when it has succeeded.
 */
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <h2o.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "io/timer.h"

#define PGW_STREAM_USER_TIMEOUT_MS 10000

struct pgw_stream {
        struct pgw_tls_peer peer; /* first: io/tls_client.h finds it there */
        struct pgw_loop *loop;
        h2o_socket_t *socket;
        struct pgw_stream_conf conf;
        const struct pgw_stream_events *events;
        void *ctx;
        struct pgw_buf buffers[2];
        unsigned filling; /* index of the buffer that collects */
        bool writing;     /* the other one is on its way */
        bool shaking;     /* hands: connected, and not open yet */
        bool open;
        bool in_event;
        bool closed;
        struct pgw_deferred flush;
        struct pgw_deferred fail;
        int failure; /* errno of a connection that was refused at once */
        struct pgw_timer connect_timer;
};

_Static_assert(offsetof(struct pgw_stream, peer) == 0, "where io/tls_client.c looks for it");

static void release(struct pgw_stream *s)
{
        pgw_loop_undefer(s->loop, &s->flush);
        pgw_loop_undefer(s->loop, &s->fail);
        pgw_timer_disarm(s->loop, &s->connect_timer);
        pgw_buf_fini(&s->buffers[0]);
        pgw_buf_fini(&s->buffers[1]);
        pgw_free(s);
}

void pgw_stream_close(struct pgw_stream *s)
{
        if (!s || s->closed)
                return;
        s->closed = true;
        if (s->socket)
                h2o_socket_close(s->socket);
        s->socket = NULL;
        if (!s->in_event)
                release(s);
}

/* `reason` is not the stream's own, which goes here. */
static void fail(struct pgw_stream *s, enum pgw_err err, const char *reason)
{
        const struct pgw_stream_events *events = s->events;
        void *ctx = s->ctx;

        pgw_stream_close(s);
        events->on_close(ctx, err, reason);
}

static void fail_tls(struct pgw_stream *s, const char *otherwise)
{
        char reason[PGW_TLS_REASON_MAX];

        snprintf(reason, sizeof reason, "%s",
                 s->peer.reason[0] ? s->peer.reason : pgw_tls_client_last_error(otherwise));
        fail(s, PGW_E_REDIS_TLS, reason);
}

static void fail_later(struct pgw_deferred *d)
{
        struct pgw_stream *s = PGW_CONTAINER(d, struct pgw_stream, fail);

        fail(s, PGW_E_REDIS_CONNECT, strerror(s->failure));
}

static void on_connect_timeout(struct pgw_timer *timer)
{
        struct pgw_stream *s = PGW_CONTAINER(timer, struct pgw_stream, connect_timer);

        fail(s, PGW_E_REDIS_TIMEOUT, s->shaking ? "no answer to the TLS handshake" : "");
}

static void on_written(h2o_socket_t *socket, const char *err)
{
        struct pgw_stream *s = socket->data;

        s->writing = false;
        pgw_buf_clear(&s->buffers[!s->filling]);
        if (err) {
                fail(s, PGW_E_REDIS_CLOSED, "");
                return;
        }
        if (s->buffers[s->filling].n)
                pgw_loop_defer(s->loop, &s->flush);
}

static void flush(struct pgw_deferred *d)
{
        struct pgw_stream *s = PGW_CONTAINER(d, struct pgw_stream, flush);
        struct pgw_buf *out = &s->buffers[s->filling];

        if (s->writing || !s->open || out->n == 0)
                return;
        s->writing = true;
        s->filling = !s->filling;
        h2o_iovec_t iov = h2o_iovec_init(out->p, out->n);
        h2o_socket_write(s->socket, &iov, 1, on_written);
}

static void on_readable(h2o_socket_t *socket, const char *err)
{
        struct pgw_stream *s = socket->data;

        s->in_event = true;
        if (socket->input->size) {
                struct pgw_str unread = pgw_str_of(socket->input->bytes, socket->input->size);
                const size_t used = s->events->on_data(s->ctx, unread);
                if (!s->closed)
                        h2o_buffer_consume(&socket->input, used);
        }
        s->in_event = false;
        if (s->closed)
                release(s);
        else if (err == h2o_socket_error_ssl_decode || (err && s->peer.reason[0]))
                fail_tls(s, err);
        else if (err)
                fail(s, PGW_E_REDIS_CLOSED, "");
        else if (socket->input->size > s->conf.unread_max)
                fail(s, PGW_E_REDIS_PROTOCOL, "");
}

static void begin(struct pgw_stream *s)
{
        pgw_timer_disarm(s->loop, &s->connect_timer);
        s->shaking = false;
        s->open = true;
        h2o_socket_read_start(s->socket, on_readable);
        s->in_event = true;
        s->events->on_open(s->ctx);
        s->in_event = false;
        if (s->closed)
                release(s);
        else
                pgw_loop_defer(s->loop, &s->flush);
}

/* What h2o thinks of the certificate does not count: see io/tls_client.c. */
static bool is_opinion(const char *err)
{
        return err == h2o_socket_error_ssl_no_cert || err == h2o_socket_error_ssl_cert_invalid ||
               err == h2o_socket_error_ssl_cert_name_mismatch;
}

static void on_handshake(h2o_socket_t *socket, const char *err)
{
        struct pgw_stream *s = socket->data;

        if (err && !is_opinion(err))
                fail_tls(s, err);
        else
                begin(s);
}

static void on_connected(h2o_socket_t *socket, const char *err)
{
        struct pgw_stream *s = socket->data;
        int failure = 0;
        socklen_t size = sizeof failure;

        if (err || getsockopt(h2o_socket_get_fd(socket), SOL_SOCKET, SO_ERROR, &failure, &size) ||
            failure) {
                fail(s, PGW_E_REDIS_CONNECT, failure ? strerror(failure) : "");
                return;
        }
        if (!s->conf.tls) {
                begin(s);
                return;
        }
        s->shaking = true;
        s->peer.name = pgw_tls_client_name(s->conf.tls, s->conf.host ? s->conf.host : "");
        h2o_socket_ssl_handshake(socket, pgw_tls_client_ssl(s->conf.tls),
                                 pgw_tls_client_sni(s->peer.name), on_handshake);
}

static int connect_fd(const struct sockaddr *addr, socklen_t size)
{
        const int one = 1, user_timeout_ms = PGW_STREAM_USER_TIMEOUT_MS;
        int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -1;
        if (addr->sa_family != AF_UNIX) {
                (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
                                 sizeof user_timeout_ms);
        }
        if (connect(fd, addr, size) != 0 && errno != EINPROGRESS) {
                const int failure = errno;
                close(fd);
                errno = failure;
                return -1;
        }
        return fd;
}

struct pgw_stream *pgw_stream_open(struct pgw_loop *loop, const struct sockaddr *addr,
                                   socklen_t size, const struct pgw_stream_conf *conf,
                                   const struct pgw_stream_events *events, void *ctx)
{
        struct pgw_stream *s = pgw_alloc(sizeof *s);

        s->loop = loop;
        s->conf = *conf;
        s->events = events;
        s->ctx = ctx;
        pgw_buf_init(&s->buffers[0], conf->write_max);
        pgw_buf_init(&s->buffers[1], conf->write_max);
        pgw_deferred_init(&s->flush, flush);
        pgw_deferred_init(&s->fail, fail_later);
        pgw_timer_init(&s->connect_timer, on_connect_timeout);

        const int fd = connect_fd(addr, size);
        if (fd < 0) {
                s->failure = errno;
                pgw_loop_defer(loop, &s->fail);
                return s;
        }
        s->socket = h2o_evloop_socket_create(pgw_loop_h2o(loop), fd, 0);
        s->socket->data = s;
        pgw_timer_arm(loop, &s->connect_timer, pgw_loop_now_ms(loop) + conf->connect_timeout_ms);
        h2o_socket_notify_write(s->socket, on_connected);
        return s;
}

struct pgw_buf *pgw_stream_out(struct pgw_stream *s)
{
        return &s->buffers[s->filling];
}

void pgw_stream_flush_later(struct pgw_stream *s)
{
        pgw_loop_defer(s->loop, &s->flush);
}
