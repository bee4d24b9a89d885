/* A connection from its socket to its end.
 *
 * The library may free the socket inside any of its callbacks, so the connection has a
 * count of its holders of its own and the socket pointer is cleared when it closes.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/metric.h"
#include "http/absolute_form.h"
#include "http/front_priv.h"

#define PGW_CONN_EARLY_MAX     50
#define PGW_CONN_DRAIN_IDLE_MS 1000

struct request {
        struct pgw_link link;      /* of its connection */
        struct pgw_link turn_link; /* the same, while it waits for its turn */
        struct pgw_conn *conn;
        h2o_req_t *req;
        uint64_t deadline_ms;
        uint64_t answered_ms; /* the answer's start */
        size_t body_bytes;
        bool malformed; /* reset by us */
};

void pgw_conn_release(struct pgw_conn *c)
{
        PGW_ASSERT(c->holds > 0);
        if (--c->holds > 0)
                return;
        PGW_ASSERT(c->requests.count == 0);
        pgw_front_h2_end(c);
        pgw_buf_fini(&c->last_words);
        pgw_peer_fini(&c->peer);
        pgw_free(c);
}

/* What the peer does not read would stay in the kernel long after the socket was closed. */
static void drop_what_is_unread(const struct pgw_conn *c)
{
        const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

        (void)setsockopt(h2o_socket_get_fd(c->socket), SOL_SOCKET, SO_LINGER, &at_once,
                         sizeof at_once);
}

static void tell_kill(enum pgw_kill why, const char *detail)
{
        static const struct {
                const char *reason;
                enum pgw_counter counter;
        } kills[] = {
            [PGW_KILL_FLOOD] = {"flood", PGW_M_KILLED_FLOOD},
            [PGW_KILL_HEADERS] = {"headers", PGW_M_KILLED_HEADERS},
            [PGW_KILL_RESETS] = {"resets", PGW_M_KILLED_RESETS},
            [PGW_KILL_BACKLOG] = {"backlog", PGW_M_KILLED_BACKLOG},
            [PGW_KILL_SLOW] = {"slow", PGW_M_KILLED_SLOW},
            [PGW_KILL_BODIES] = {"bodies", PGW_M_KILLED_BODIES},
            [PGW_KILL_FRAMING] = {"framing", PGW_M_KILLED_FRAMING},
        };

        if (why <= PGW_KILL_STOP)
                return;
        pgw_metric_add(kills[why].counter, 1);
        PGW_LOG(PGW_LOG_WARN, "http.connection_killed", PGW_L_STR("reason", kills[why].reason),
                PGW_L_STR("detail", detail));
}

void pgw_conn_kill(struct pgw_conn *c, enum pgw_kill why, const char *detail)
{
        if (c->killed || !c->socket)
                return;
        c->killed = true;
        tell_kill(why, detail);
        if (why > PGW_KILL_STOP || (why == PGW_KILL_ROOM && c->requests.count))
                drop_what_is_unread(c);
        pgw_crowd_leave(c);
        shutdown(h2o_socket_get_fd(c->socket), SHUT_RDWR);
        /* Only who reads learns of it. */
        pgw_conn_resume(c);
}

static void on_closed(void *ctx)
{
        struct pgw_conn *c = ctx;
        struct pgw_front *f = c->front;

        c->socket = NULL;
        pgw_crowd_leave(c);
        pgw_conn_count(c);
        pgw_conn_resume(c);
        pgw_linger_begin(c);
        pgw_front_tls_forget(c);
        pgw_conn_forget_turn(c);
        if (pgw_link_is_on(&c->unwatched_link))
                pgw_list_remove(&f->unwatched, &c->unwatched_link);
        pgw_list_remove(&f->conns, &c->link);
        pgw_conn_release(c);
        pgw_front_on_room(f);
}

/* ---- whose callback is called ---- */

void pgw_conn_watch_again(struct pgw_conn *c)
{
        if (!PGW_GUARDED || !c->socket || pgw_link_is_on(&c->unwatched_link))
                return;
        pgw_list_append(&c->front->unwatched, &c->unwatched_link);
        pgw_front_before_wait(c->front);
}

/* True once it is watched, or need not be. */
static bool watch(struct pgw_conn *c)
{
        if (c->closing || c->requests.count || c->phase == PGW_CONN_HTTP2)
                return true;
        /* Either it waits for its turn, and is watched after it, or something is being written. */
        if (!c->socket->_cb.read)
                return pgw_link_is_on(&c->handshake_link);
        if (c->phase == PGW_CONN_HANDSHAKE)
                pgw_front_tls_watch(c);
        else
                pgw_front_h1_watch(c);
        return true;
}

void pgw_conn_watch(struct pgw_front *f)
{
        struct pgw_link *link = pgw_list_first(&f->unwatched), *next;

        for (; link; link = next) {
                struct pgw_conn *c = PGW_CONTAINER(link, struct pgw_conn, unwatched_link);
                next = pgw_list_next(&f->unwatched, link);
                if (watch(c))
                        pgw_list_remove(&f->unwatched, link);
        }
}

void pgw_conn_close_early(struct pgw_conn *c)
{
        h2o_socket_close(c->socket);
}

/* ---- from the socket to the protocol ---- */

/* Cleartext: HTTP/2 is known by its first bytes. */
static void on_first_bytes(h2o_socket_t *socket, const char *err)
{
        struct pgw_conn *c = socket->on_close.data;
        const h2o_buffer_t *input = socket->input;

        if (err) {
                pgw_conn_close_early(c);
                return;
        }
        const enum pgw_first first = c->front->conf.http2
                                         ? pgw_front_h2_judge(pgw_str_of(input->bytes, input->size))
                                         : PGW_FIRST_HTTP1;
        if (first == PGW_FIRST_UNDECIDED)
                return;
        h2o_socket_read_stop(socket);
        if (first == PGW_FIRST_HTTP2)
                pgw_front_h2_begin(c);
        else
                pgw_front_h1_begin(c);
}

static void on_handshake(h2o_socket_t *socket, const char *err)
{
        struct pgw_conn *c = socket->on_close.data;

        if (err) {
                pgw_conn_close_early(c);
                return;
        }
        const h2o_iovec_t protocol = h2o_socket_ssl_get_selected_protocol(socket);
        if (h2o_memis(protocol.base, protocol.len, H2O_STRLIT("h2")))
                pgw_front_h2_begin(c);
        else
                pgw_front_h1_begin(c);
}

void pgw_conn_begin(struct pgw_front *f, h2o_socket_t *socket, bool is_tls)
{
        struct pgw_conn *c = pgw_alloc(sizeof *c);
        const uint64_t now_ms = pgw_loop_now_ms(f->loop);

        c->front = f;
        c->socket = socket;
        c->holds = 1;
        c->active_ms = now_ms;
        pgw_list_init(&c->requests);
        pgw_list_init(&c->waiting);
        pgw_conn_pause_init(c);
        pgw_list_append(&f->conns, &c->link);
        pgw_crowd_join(c);
        socket->on_close.cb = on_closed;
        socket->on_close.data = c;
        if (is_tls) {
                pgw_front_tls_begin(c, on_handshake);
        } else {
                c->phase = PGW_CONN_PREFACE;
                c->phase_deadline_ms = now_ms + f->conf.request_ms;
                h2o_socket_read_start(socket, on_first_bytes);
        }
}

void pgw_front_on_close_notify(void *ctx, bool sent)
{
        h2o_socket_t *socket = ctx;
        struct pgw_conn *c = socket ? socket->on_close.data : NULL;

        if (!c)
                return;
        if (sent)
                c->closing = true;
        else if (PGW_GUARDED && c->phase != PGW_CONN_HTTP1 && c->phase != PGW_CONN_HTTP2)
                pgw_conn_kill(c, PGW_KILL_IDLE, "");
        else if (PGW_GUARDED)
                c->farewell = true;
}

/* Its last word may have come together with a request, and it may still read the answer to that. */
void pgw_conn_part(struct pgw_conn *c)
{
        if (c->farewell && c->socket && !c->closing && c->requests.count == 0)
                pgw_conn_kill(c, PGW_KILL_IDLE, "");
}

void pgw_front_on_peer_name(void *ctx, struct pgw_str name)
{
        h2o_socket_t *socket = ctx;
        struct pgw_conn *c = socket ? socket->on_close.data : NULL;

        if (c)
                pgw_peer_add(&c->peer, name);
}

/* ---- requests ---- */

static void on_disposed(void *ctx)
{
        struct request *r = ctx;
        struct pgw_conn *c = r->conn;
        /* A stream that has had its whole answer ends when that was written. One that ends while
         * the library reads was reset, however much of an answer there was. */
        const bool answered =
            r->req->timestamps.response_start_at.tv_sec != 0 && !c->in_read && !r->malformed;

        pgw_list_remove(&c->requests, &r->link);
        if (pgw_link_is_on(&r->turn_link))
                pgw_list_remove(&c->waiting, &r->turn_link);
        pgw_conn_next_turn(c);
        if (c->phase == PGW_CONN_HTTP1)
                pgw_conn_watch_again(c);
        c->active_ms = pgw_loop_now_ms(c->front->loop);
        if (c->requests.count == 0)
                pgw_crowd_rests(c);
        c->h2.held_bytes -= r->body_bytes;
        pgw_conn_count(c);
        if (answered) {
                pgw_front_h2_answered(c);
                if (c->early)
                        c->early--;
        } else if (PGW_GUARDED && !c->left && ++c->early > PGW_CONN_EARLY_MAX) {
                pgw_conn_kill(c, PGW_KILL_RESETS, "");
        }
        pgw_conn_part(c);
        pgw_conn_release(c);
}

static struct request *find_request(const h2o_req_t *req)
{
        const h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
        const struct pgw_conn *c = socket->on_close.data;
        struct pgw_link *link = pgw_list_first(&c->requests);

        for (; link; link = pgw_list_next(&c->requests, link)) {
                struct request *r = PGW_CONTAINER(link, struct request, link);
                if (r->req == req)
                        return r;
        }
        return NULL;
}

static void renew(struct request *r)
{
        const struct pgw_front *f = r->conn->front;

        r->deadline_ms = pgw_loop_now_ms(f->loop) + f->conf.request_ms;
}

void pgw_front_request_extend(h2o_req_t *req, uint64_t until_ms)
{
        struct request *r = find_request(req);

        if (r && r->deadline_ms < until_ms)
                r->deadline_ms = until_ms;
}

void pgw_front_request_renew(h2o_req_t *req)
{
        struct request *r = find_request(req);

        if (r)
                renew(r);
}

void pgw_conn_answers(const h2o_req_t *req)
{
        struct request *r = find_request(req);

        if (r)
                r->answered_ms = pgw_loop_now_ms(r->conn->front->loop);
}

bool pgw_conn_is_answered(const struct pgw_conn *c, uint64_t *ret_since_ms)
{
        struct pgw_link *link = pgw_list_first(&c->requests);

        *ret_since_ms = UINT64_MAX;
        for (; link; link = pgw_list_next(&c->requests, link)) {
                const struct request *r = PGW_CONTAINER(link, struct request, link);
                if (!r->req->timestamps.response_start_at.tv_sec)
                        return false;
                if (r->answered_ms < *ret_since_ms)
                        *ret_since_ms = r->answered_ms;
        }
        return true;
}

const struct pgw_peer *pgw_front_peer(h2o_req_t *req)
{
        const h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
        const struct pgw_conn *c = socket->on_close.data;

        return &c->peer;
}

static int refuse(struct pgw_front *f, h2o_req_t *req, enum pgw_err err, const char *detail)
{
        req->http1_is_persistent = 0;
        pgw_linger_prepare(req->conn->callbacks->get_socket(req->conn)->on_close.data);
        return f->conf.on_request(f->conf.ctx, req, err, detail);
}

static size_t head_size(const h2o_req_t *req)
{
        size_t size = req->input.method.len + req->input.path.len + req->input.authority.len;

        for (size_t i = 0; i < req->headers.size; i++)
                size += req->headers.entries[i].name->len + req->headers.entries[i].value.len + 4;
        return size;
}

static struct request *register_request(struct pgw_conn *c, h2o_req_t *req)
{
        struct request *r = h2o_mem_alloc_shared(&req->pool, sizeof *r, on_disposed);

        *r = (struct request){
            .conn = c,
            .req = req,
            .deadline_ms = pgw_loop_now_ms(c->front->loop) + c->front->conf.request_ms,
            .body_bytes = req->entity.len,
        };
        c->holds++;
        c->h2.held_bytes += r->body_bytes;
        c->partial_since_ms = 0;
        c->lacked_room = false;
        c->request_bytes = 0;
        pgw_conn_count(c);
        pgw_list_append(&c->requests, &r->link);
        pgw_crowd_asks(c);
        return r;
}

/* RFC 9113 8.3.1: a request without a path is malformed, which is a stream error. An answer may
 * precede the reset (8.1.1), and the library cannot reset without one. */
static int reset_stream(h2o_req_t *req)
{
        static h2o_generator_t generator = {NULL, NULL};

        req->res.status = 400;
        h2o_start_response(req, &generator);
        h2o_send(req, NULL, 0, H2O_SEND_STATE_ERROR);
        return 0;
}

/* The library leaves the target as it came. RFC 9112 3.2.2: what it names counts, not Host. */
static void take_absolute_form(h2o_req_t *req)
{
        struct pgw_str authority, path;

        if (!pgw_absolute_form(pgw_str_of(req->path.base, req->path.len), &authority, &path))
                return;
        req->input.authority = h2o_iovec_init(authority.p, authority.n);
        req->path = path.n && path.p[0] == '/'
                        ? h2o_iovec_init(path.p, path.n)
                        : h2o_concat(&req->pool, h2o_iovec_init(H2O_STRLIT("/")),
                                     h2o_iovec_init(path.p, path.n));
        const char *query = memchr(req->path.base, '?', req->path.len);
        req->query_at = query ? (size_t)(query - req->path.base) : SIZE_MAX;
}

/* OPTIONS may ask about the server as a whole (RFC 9110 9.3.7). */
static bool has_path(const h2o_req_t *req)
{
        if (h2o_memis(req->path.base, req->path.len, H2O_STRLIT("*")))
                return h2o_memis(req->method.base, req->method.len, H2O_STRLIT("OPTIONS"));
        return req->path.len && req->path.base[0] == '/';
}

static int judge_and_pass_on(struct pgw_front *f, struct request *r, const h2o_socket_t *socket)
{
        h2o_req_t *req = r->req;
        const char *detail;

        if (PGW_GUARDED && req->version < 0x200) {
                enum pgw_err err = pgw_front_h1_judge(f, req, socket, &detail);
                if (err)
                        return refuse(f, req, err, detail);
        }
        if (req->version < 0x200)
                take_absolute_form(req);
        if (!has_path(req)) {
                if (req->version < 0x200)
                        return refuse(f, req, PGW_E_HTTP,
                                      "the request target must begin with '/', or be an http or "
                                      "https URI with a host and without a user");
                r->malformed = true;
                return reset_stream(req);
        }
        if (PGW_GUARDED && head_size(req) > f->conf.header_bytes_max)
                return refuse(f, req, PGW_E_HEAD_SIZE, "send fewer or shorter header fields");
        if (PGW_GUARDED && req->entity.len > f->conf.body_bytes_max)
                return refuse(f, req, PGW_E_BODY_SIZE, PGW_BODY_SIZE_ADVICE);
        return f->conf.on_request(f->conf.ctx, req, PGW_OK, NULL);
}

static int act_on(struct request *r)
{
        struct pgw_conn *c = r->conn;

        c->holds++;
        c->answered = false;
        const int code = judge_and_pass_on(c->front, r, c->socket);
        if (c->phase == PGW_CONN_HTTP1)
                pgw_front_h1_hold(c);
        pgw_conn_release(c);
        return code;
}

/* What others before it take is not its time. */
static void put_off(struct request *r)
{
        struct pgw_conn *c = r->conn;

        r->deadline_ms = UINT64_MAX;
        pgw_conn_wait(c, &r->turn_link);
        c->answered = false;
        if (c->phase == PGW_CONN_HTTP1)
                pgw_front_h1_hold(c);
}

void pgw_conn_go_on(struct pgw_link *link)
{
        struct request *r = PGW_CONTAINER(link, struct request, turn_link);

        renew(r);
        if (r->conn->killed)
                (void)reset_stream(r->req);
        else
                (void)act_on(r);
}

int pgw_conn_on_request(h2o_req_t *req)
{
        h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
        struct pgw_conn *c = socket->on_close.data;

        /* It was ended, and the library has not yet noticed that: what had been read already is
         * not acted on any more. */
        if (c->killed)
                return reset_stream(req);
        pgw_front_h2_prepare(c, req);
        struct request *r = register_request(c, req);
        if (!PGW_GUARDED || !pgw_conn_must_wait(c))
                return act_on(r);
        put_off(r);
        return 0;
}

/* ---- the sweep ---- */

/* In a drain nobody who has nothing under way is waited for longer than a moment. */
static bool may_leave(const struct pgw_conn *c, uint64_t now_ms)
{
        return c->front->draining && now_ms > c->active_ms + PGW_CONN_DRAIN_IDLE_MS &&
               now_ms > c->front->drain_began_ms + PGW_CONN_DRAIN_IDLE_MS;
}

/* It was opened, and nothing has come; of a handshake that is not known. */
static bool is_silent(const struct pgw_conn *c)
{
        return c->phase == PGW_CONN_PREFACE && c->socket && c->socket->input->size == 0;
}

/* True with the reason when its time is up. */
static bool overstays(const struct pgw_conn *c, uint64_t now_ms, enum pgw_kill *ret_why)
{
        const struct pgw_front *f = c->front;
        struct pgw_link *link = pgw_list_first(&c->requests);

        *ret_why = PGW_KILL_IDLE;
        if (c->phase == PGW_CONN_HANDSHAKE || c->phase == PGW_CONN_PREFACE)
                return now_ms > c->phase_deadline_ms || (is_silent(c) && may_leave(c, now_ms));
        if (c->partial_since_ms && now_ms > c->partial_since_ms + f->conf.request_ms) {
                *ret_why = PGW_KILL_SLOW;
                return true;
        }
        if (c->requests.count == 0 && !c->h2.bodies_open)
                return now_ms > c->active_ms + f->conf.idle_ms ||
                       (!c->partial_since_ms && may_leave(c, now_ms));
        *ret_why = PGW_KILL_SLOW;
        for (; link; link = pgw_list_next(&c->requests, link))
                if (now_ms > PGW_CONTAINER(link, struct request, link)->deadline_ms)
                        return true;
        return c->h2.bodies_open && now_ms > c->h2.bodies_since_ms + f->conf.request_ms;
}

/* An empty line between requests begins none (RFC 9112 2.2). */
static bool is_blank(const h2o_buffer_t *input)
{
        return input->size == 0 || (input->size == 2 && memcmp(input->bytes, "\r\n", 2) == 0);
}

/* The library would time the arrival of an HTTP/1 request by the wall clock. It leaves a head in
 * its buffer until the request is over, so what lies there and is no request yet is a part of one.
 */
static void note_partial(struct pgw_conn *c, uint64_t now_ms)
{
        if (c->phase != PGW_CONN_HTTP1 || c->requests.count || !c->socket ||
            is_blank(c->socket->input))
                c->partial_since_ms = 0;
        else if (!c->partial_since_ms)
                c->partial_since_ms = now_ms;
}

void pgw_conn_sweep(struct pgw_front *f)
{
        const uint64_t now_ms = pgw_loop_now_ms(f->loop);
        struct pgw_link *link = pgw_list_first(&f->conns), *next;

        for (; link; link = next) {
                struct pgw_conn *c = PGW_CONTAINER(link, struct pgw_conn, link);
                enum pgw_kill why;
                next = pgw_list_next(&f->conns, link);
                note_partial(c, now_ms);
                if (!PGW_GUARDED || c->killed || !overstays(c, now_ms, &why))
                        continue;
                if (why == PGW_KILL_SLOW && pgw_late_end(c))
                        tell_kill(why, "it was told so");
                else
                        pgw_conn_kill(c, why, "");
        }
}
