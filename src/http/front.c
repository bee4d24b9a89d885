/* Accepting. At the cap a newcomer takes the place of somebody who does nothing (front_crowd.c).
 * When there is nobody, or no free descriptor, the listeners are not read: the kernel's queue holds
 * the newcomers, and the loop does not spin on them.
 */
#include "http/front.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metric.h"
#include "http/front_priv.h"

#define PGW_FRONT_ACCEPT_PER_TURN 64
#define PGW_FRONT_SWEEP_MS        250
#define PGW_FRONT_BODY_SLACK      (1u << 20)
#define PGW_FRONT_STOP_TURNS      200
#define PGW_FRONT_NEVER_MS        315360000000 /* ten years */
#define PGW_FRONT_RECEIVE_BYTES   65536

static void pause_listeners(struct pgw_front *f)
{
        if (f->paused)
                return;
        f->paused = true;
        for (size_t i = 0; i < f->listener_count; i++)
                h2o_socket_read_stop(f->listeners[i]);
}

static void on_incoming(h2o_socket_t *listener, const char *err);

static void resume_listeners(struct pgw_front *f)
{
        if (!f->paused || f->draining)
                return;
        f->paused = false;
        for (size_t i = 0; i < f->listener_count; i++)
                h2o_socket_read_start(f->listeners[i], on_incoming);
}

void pgw_front_on_room(struct pgw_front *f)
{
        resume_listeners(f);
}

static void before_wait(void *ctx)
{
        struct pgw_front *f = ctx;

        pgw_conn_watch(f);
        pgw_conn_settle(f);
        if (f->pausing.count == 0 && f->unwatched.count == 0)
                pgw_loop_before_wait(f->loop, NULL, NULL);
}

void pgw_front_before_wait(struct pgw_front *f)
{
        pgw_loop_before_wait(f->loop, before_wait, f);
}

/* False when there is nothing more to accept, or no room for it. */
static bool accept_one(struct pgw_front *f, size_t index)
{
        struct pgw_conn *leaves = NULL;

        if (PGW_GUARDED && pgw_crowd_is_full(f)) {
                leaves = pgw_crowd_may_take(f) ? pgw_crowd_whom(f) : NULL;
                if (!leaves) {
                        pause_listeners(f);
                        return false;
                }
        }
        errno = 0;
        h2o_socket_t *socket = h2o_evloop_socket_accept(f->listeners[index]);
        if (!socket) {
                if (!PGW_GUARDED)
                        return false;
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                        /* The sweep starts the listeners again. */
                        PGW_LOG(PGW_LOG_ERROR, "http.out_of_descriptors",
                                PGW_L_INT("connections", f->conns.count));
                        pause_listeners(f);
                }
                return false;
        }
        pgw_metric_add(PGW_M_CONNECTIONS_ACCEPTED, 1);
        if (leaves)
                pgw_crowd_end(leaves);
        pgw_conn_begin(f, socket, f->listener_is_tls[index]);
        return true;
}

static void on_incoming(h2o_socket_t *listener, const char *err)
{
        struct pgw_front *f = listener->data;
        size_t index = 0;

        if (err)
                return;
        while (f->listeners[index] != listener)
                index++;
        for (int i = 0; i < PGW_FRONT_ACCEPT_PER_TURN && accept_one(f, index); i++)
                ;
}

static int on_request(h2o_handler_t *super, h2o_req_t *req)
{
        (void)super;
        return pgw_conn_on_request(req);
}

/* What the library refuses by itself (a body far beyond the limit, a broken chunk) it says in plain
 * text. This filter gives those answers the form of all the others. */
struct problem_stream {
        h2o_ostream_t super;
        h2o_iovec_t body;
};

static void send_problem(h2o_ostream_t *self, h2o_req_t *req, h2o_iovec_t *bufs, size_t count,
                         h2o_send_state_t state)
{
        struct problem_stream *out = (void *)self;

        (void)bufs;
        /* It sends nothing in answer to HEAD. */
        h2o_ostream_send_next(self, req, &out->body, count && state == H2O_SEND_STATE_FINAL ? 1 : 0,
                              state);
}

static bool is_of_the_library(const h2o_req_t *req)
{
        const ssize_t at = h2o_find_header(&req->res.headers, H2O_TOKEN_CONTENT_TYPE, -1);

        return req->res.status >= 400 && at >= 0 && req->res.headers.entries[at].value.len >= 10 &&
               h2o_memis(req->res.headers.entries[at].value.base, 10, H2O_STRLIT("text/plain"));
}

/* What it refuses once it has begun a request, and guard_h1 has found nothing wrong. */
static struct pgw_str say_instead(h2o_req_t *req)
{
        struct pgw_conn *c = req->conn->callbacks->get_socket(req->conn)->on_close.data;
        const struct pgw_front_conf *conf = &c->front->conf;

        pgw_linger_prepare(c);
        if (req->res.status == 413)
                return conf->on_refusal(conf->ctx, req, PGW_E_BODY_SIZE, PGW_BODY_SIZE_ADVICE);
        return conf->on_refusal(conf->ctx, req, PGW_E_HTTP,
                                req->version < 0x200
                                    ? "the size of the body, or of a chunk of it, cannot be read"
                                    : "a header field holds a character that is not allowed");
}

static void on_answer(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
        (void)self;
        if (is_of_the_library(req)) {
                struct problem_stream *out = (void *)h2o_add_ostream(req, sizeof *out, slot);
                const struct pgw_str body = say_instead(req);
                out->super.do_send = send_problem;
                out->body = h2o_iovec_init(body.p, body.n);
                slot = &out->super.next;
        }
        h2o_setup_next_ostream(req, slot);
}

static void on_sweep(struct pgw_timer *timer)
{
        struct pgw_front *f = PGW_CONTAINER(timer, struct pgw_front, sweep);

        pgw_front_h2_await_bodies(f);
        pgw_conn_sweep(f);
        pgw_conn_make_room(f);
        resume_listeners(f);
        pgw_metric_set(PGW_G_CONNECTIONS_OPEN, (int64_t)f->conns.count);
        pgw_timer_arm(f->loop, timer, pgw_loop_now_ms(f->loop) + PGW_FRONT_SWEEP_MS);
}

/* The library's own timers follow the wall clock, wherever it jumps: they are put out of reach,
 * and the sweep does their work. */
static void bound(struct pgw_front *f)
{
        /* Beyond the limit there is room for a proper answer; beyond the slack the library
         * refuses by itself. */
        f->config.max_request_entity_size = f->conf.body_bytes_max + PGW_FRONT_BODY_SLACK;
        f->config.http1.req_timeout = PGW_FRONT_NEVER_MS;
        f->config.http2.idle_timeout = PGW_FRONT_NEVER_MS;
        const size_t least = 2 * f->config.max_request_entity_size;
        if (f->conf.bodies_bytes_max < least)
                f->conf.bodies_bytes_max = least;
        if (f->conf.bodies_total_max < 2 * f->conf.bodies_bytes_max)
                f->conf.bodies_total_max = 2 * f->conf.bodies_bytes_max;
        /* Whoever sends the largest body as fast as it is read must not be found too slow. */
        const uint64_t least_per_s = 2 * f->conf.body_bytes_max * 1000 / f->conf.request_ms;
        if (f->conf.bytes_per_s < least_per_s)
                f->conf.bytes_per_s = least_per_s;
}

static void configure(struct pgw_front *f)
{
        h2o_config_init(&f->config);
        f->config.server_name = h2o_iovec_init(NULL, 0);
        f->config.http1.req_timeout = f->conf.request_ms;
        if (PGW_GUARDED)
                bound(f);
        f->config.http1.upgrade_to_http2 = 0;
        if (!PGW_GUARDED) /* front_turn.c */
                f->config.http2.max_concurrent_requests_per_connection = f->conf.streams_max;
        f->config.http2.max_streams_for_priority = 16;

        h2o_hostconf_t *host =
            h2o_config_register_host(&f->config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
        h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
        h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_request;
        /* The library's own refusals belong to no path yet. */
        h2o_create_filter(&host->fallback_path, sizeof(h2o_filter_t))->on_setup_ostream = on_answer;
        h2o_create_filter(path, sizeof(h2o_filter_t))->on_setup_ostream = on_answer;
        h2o_context_init(&f->ctx, pgw_loop_h2o(f->loop), &f->config);
        f->accept_ctx.ctx = &f->ctx;
        f->accept_ctx.hosts = f->config.hosts;
}

/* The library reads until there is nothing more, into one buffer: it must not be possible to send
 * faster than it reads. What is accepted inherits the listener's. */
static void bound_reads(int fd)
{
        const int bytes = PGW_FRONT_RECEIVE_BYTES;

        if (PGW_GUARDED)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

struct pgw_front *pgw_front_start(struct pgw_loop *loop, const struct pgw_front_conf *conf)
{
        struct pgw_front *f = pgw_alloc(sizeof *f);

        PGW_ASSERT(conf->listener_count <= PGW_FRONT_LISTENERS_MAX);
        f->loop = loop;
        f->conf = *conf;
        pgw_list_init(&f->conns);
        pgw_crowd_init(&f->crowd);
        pgw_linger_init(f);
        pgw_list_init(&f->pausing);
        pgw_list_init(&f->unwatched);
        pgw_front_tls_init(f);
        pgw_front_turn_init(f);
        configure(f);
        for (size_t i = 0; i < conf->listener_count; i++) {
                bound_reads(conf->listeners[i].fd);
                f->listeners[i] = h2o_evloop_socket_create(
                    pgw_loop_h2o(loop), conf->listeners[i].fd, H2O_SOCKET_FLAG_DONT_READ);
                f->listeners[i]->data = f;
                f->listener_is_tls[i] = conf->listeners[i].is_tls;
                f->listener_count++;
                h2o_socket_read_start(f->listeners[i], on_incoming);
        }
        pgw_timer_init(&f->sweep, on_sweep);
        pgw_timer_arm(loop, &f->sweep, pgw_loop_now_ms(loop) + PGW_FRONT_SWEEP_MS);
        return f;
}

void pgw_front_set_tls(struct pgw_front *f, struct pgw_tls_server *tls)
{
        f->conf.tls = tls;
}

static void close_listeners(struct pgw_front *f)
{
        for (size_t i = 0; i < f->listener_count; i++)
                h2o_socket_close(f->listeners[i]);
        f->listener_count = 0;
}

void pgw_front_drain(struct pgw_front *f)
{
        if (f->draining)
                return;
        /* Clients in the kernel's queue believe that they are connected. */
        for (size_t i = 0; i < f->listener_count; i++)
                while (accept_one(f, i))
                        ;
        close_listeners(f);
        f->draining = true;
        f->drain_began_ms = pgw_loop_now_ms(f->loop);
        h2o_context_request_shutdown(&f->ctx);
}

bool pgw_front_is_idle(const struct pgw_front *f)
{
        return f->conns.count == 0;
}

/* Somebody holds it, or will call. */
static bool is_in_use(const struct pgw_front *f)
{
        return f->conns.count || f->is_next_called || f->is_turn_called;
}

bool pgw_front_stop(struct pgw_front *f)
{
        struct pgw_link *link;

        close_listeners(f);
        f->draining = true;
        for (link = pgw_list_first(&f->conns); link; link = pgw_list_next(&f->conns, link))
                pgw_conn_kill(PGW_CONTAINER(link, struct pgw_conn, link), PGW_KILL_STOP, "");
        for (int i = 0; i < PGW_FRONT_STOP_TURNS && is_in_use(f); i++)
                pgw_loop_turn(f->loop, 10);
        pgw_timer_disarm(f->loop, &f->sweep);
        pgw_linger_fini(f);
        if (is_in_use(f))
                return false;
        /* A drain that was over within a second leaves its reminder behind. */
        if (h2o_timeout_is_linked(&f->ctx.http2._graceful_shutdown_timeout))
                h2o_timeout_unlink(&f->ctx.http2._graceful_shutdown_timeout);
        h2o_context_dispose(&f->ctx);
        h2o_config_dispose(&f->config);
        pgw_free(f);
        return true;
}
