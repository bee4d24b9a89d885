/* HTTP/1 on a connection, with the guard around it.
 *
 * The library reads a request and then nothing until it was answered. Its head is judged once it is
 * whole (guard_h1). What belongs to a request beside its body, the sizes of chunks, extensions,
 * trailers, the library takes without end and without counting; so all that is read is counted
 * here, in the place of the library's read callback. The library puts its own back whenever it
 * begins to read, which it does after an answer, and after it said 100 (Continue); such connections
 * are watched again before anything can be read.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "http/front_priv.h"

#define PGW_FRONT_H1_SLACK  (1u << 19) /* above the library's own limit of a head */
#define PGW_FRONT_H1_TARGET 1024       /* bytes of it that are told of a head that is refused */

/* ---- heads that the library would refuse ---- */

/* What can be told of the request: its target, or "*". */
static struct pgw_str target_of(struct pgw_str head, bool *ret_is_head)
{
        struct pgw_str method, target, rest;

        *ret_is_head = pgw_str_starts(head, PGW_STR("HEAD "));
        if (!pgw_str_cut(head, ' ', &method, &rest) || !pgw_str_cut(rest, ' ', &target, &rest) ||
            target.n == 0 || target.n > PGW_FRONT_H1_TARGET || target.p[0] != '/')
                return PGW_STR("*");
        for (size_t i = 0; i < target.n; i++)
                if ((unsigned char)target.p[i] <= ' ' || (unsigned char)target.p[i] >= 0x7f)
                        return PGW_STR("*");
        return target;
}

/* Put in the place of what was read a head that the library takes. It goes on where it looked for
 * the end of the head, so an end must stand behind that; what it then takes ends with the first.
 * The rest is never looked at, since HTTP/1.0 has no second request. */
static void replace_head(h2o_socket_t *socket)
{
        char line[PGW_FRONT_H1_TARGET + 32];
        bool is_head;
        const size_t before = socket->input->size;
        const struct pgw_str target = target_of(pgw_str_of(socket->input->bytes, before), &is_head);
        const size_t n = (size_t)snprintf(line, sizeof line, "%s %.*s HTTP/1.0\r\n\r\n",
                                          is_head ? "HEAD" : "GET", (int)target.n, target.p);
        size_t size = before + n + 4;

        if (size > H2O_MAX_REQLEN)
                size = H2O_MAX_REQLEN;
        if (size > before)
                (void)h2o_buffer_reserve(&socket->input, size - before);
        char *out = socket->input->bytes;
        if (size > before)
                memset(out + before, ' ', size - before);
        memcpy(out, line, n);
        memcpy(out + size - 4, "\r\n\r\n", 4);
        socket->input->size = size;
}

/* The library says of a head that it cannot read no more than "Bad Request". So whole lines are
 * judged before it sees them, and in the place of a head that is refused it gets one that it passes
 * on, to be refused by us. (Not of a request that came together with the one before, nor behind an
 * empty line: those the library reads by itself.) A head that is only too large is waited for, as
 * long as the library waits: who is still sending would not read the answer. The library reads it,
 * and then its body; it is refused with all that it says of who sends it. */
static void judge_early(struct pgw_conn *c)
{
        h2o_socket_t *socket = c->socket;
        const struct pgw_str read = pgw_str_of(socket->input->bytes, socket->input->size);

        if (c->requests.count || c->is_judged || read.n <= c->looked_at)
                return;
        const bool has_line = memchr(read.p + c->looked_at, '\n', read.n - c->looked_at) != NULL;
        c->looked_at = read.n;
        if ((!has_line && read.n < H2O_MAX_REQLEN) || read.p[0] == '\r' || read.p[0] == '\n')
                return;
        c->verdict = pgw_guard_h1(read, c->front->conf.header_bytes_max);
        if (c->verdict.unfinished && read.n < H2O_MAX_REQLEN)
                return;
        c->is_judged = true;
        if (c->verdict.status && !c->verdict.oversized)
                replace_head(socket);
}

static void judge_next(struct pgw_conn *c)
{
        c->is_judged = false;
        c->looked_at = 0;
}

struct pgw_str pgw_front_h1_target(const struct pgw_conn *c)
{
        bool is_head;

        return target_of(pgw_str_of(c->socket->input->bytes, c->socket->input->size), &is_head);
}

/* ---- what is read ---- */

/* All that a request may bring. */
static uint64_t request_max(const struct pgw_front *f)
{
        return 2 * (uint64_t)f->config.max_request_entity_size + PGW_FRONT_H1_SLACK;
}

static void guarded_read(h2o_socket_t *socket, const char *err)
{
        struct pgw_conn *c = socket->on_close.data;
        const size_t bytes = socket->bytes_read;

        c->holds++;
        c->request_bytes += bytes;
        if (!err && c->request_bytes > request_max(c->front))
                pgw_conn_kill(c, PGW_KILL_FRAMING, "chunk extensions or trailers without end");
        if (!err && c->killed)
                err = h2o_socket_error_closed;
        if (PGW_GUARDED && !err)
                judge_early(c);
        c->library_read(socket, err);
        pgw_conn_part(c);
        if (c->socket && !c->killed && !c->closing) {
                if (!c->socket->_cb.read && c->requests.count == 0)
                        pgw_conn_watch_again(c);
                pgw_conn_pace(c, bytes, guarded_read);
        }
        pgw_conn_release(c);
}

void pgw_front_h1_watch(struct pgw_conn *c)
{
        if (c->socket->_cb.read != guarded_read) {
                c->library_read = c->socket->_cb.read;
                c->socket->_cb.read = guarded_read;
        }
        pgw_conn_part(c);
        if (!c->killed)
                pgw_conn_pace(c, 0, guarded_read);
}

void pgw_front_h1_begin(struct pgw_conn *c)
{
        c->phase = PGW_CONN_HTTP1;
        /* Until it is watched, what would be called is of the handshake, which is over, and whose
         * time is no part of the request's. */
        c->library_read = NULL;
        if (c->tls)
                c->active_ms = pgw_loop_now_ms(c->front->loop);
        c->partial_since_ms = c->socket->input->size ? c->active_ms : 0;
        if (PGW_GUARDED)
                judge_early(c);
        pgw_conn_watch_again(c);
        h2o_http1_accept(&c->front->accept_ctx, c->socket, (struct timeval){0, 0});
}

/* ---- a request ---- */

/* The raw head lies at the start of the socket's buffer until its request is over, behind an empty
 * line that the library has ignored (RFC 9112 2.2); where the fields of `req` lie differs with and
 * without a body. */
static struct pgw_str raw_head(const h2o_req_t *req, const h2o_socket_t *socket)
{
        const h2o_buffer_t *input = socket->input;
        const size_t skip = input->size >= 2 && memcmp(input->bytes, "\r\n", 2) == 0 ? 2 : 0;
        const struct pgw_str head = pgw_str_of(input->bytes + skip, input->size - skip);

        if (head.n < req->method.len || memcmp(head.p, req->method.base, req->method.len))
                return (struct pgw_str){NULL, 0};
        return head;
}

enum pgw_err pgw_front_h1_judge(struct pgw_front *f, h2o_req_t *req, const h2o_socket_t *socket,
                                const char **ret_detail)
{
        struct pgw_conn *c = socket->on_close.data;
        const struct pgw_str head = raw_head(req, socket);
        const struct pgw_h1_verdict v =
            c->is_judged ? c->verdict : pgw_guard_h1(head, f->conf.header_bytes_max);

        judge_next(c);
        *ret_detail = head.p ? v.reason : "the request does not begin with its method";
        if (v.status)
                return v.status == 431 ? PGW_E_HEAD_SIZE : PGW_E_HTTP;
        if (h2o_memis(req->method.base, req->method.len, H2O_STRLIT("CONNECT")) ||
            h2o_memis(req->method.base, req->method.len, H2O_STRLIT("TRACE"))) {
                *ret_detail = "this method is not taken";
                return PGW_E_HTTP;
        }
        /* The library is lax about where a chunked body ends; what follows is not trusted. */
        if (v.chunked)
                req->http1_is_persistent = 0;
        return PGW_OK;
}

/* The library does not read on an HTTP/1 connection while a request is acted on, because what it
 * parsed lies in the buffer that would grow. It would take the socket out of the poll set and put
 * it back, two system calls a request; so it is left in, with nobody who reads. Only when the
 * client does say something meanwhile it is taken out. */
static void on_readable_while_held(h2o_socket_t *socket, const char *err)
{
        (void)err;
        h2o_socket_read_stop(socket);
}

void pgw_front_h1_hold(struct pgw_conn *c)
{
        if (!c->socket || c->killed || c->answered || c->socket->_cb.read)
                return;
        c->held = true;
        h2o_socket_dont_read(c->socket, 1);
        h2o_socket_read_start(c->socket, on_readable_while_held);
}

bool pgw_front_has_left(h2o_req_t *req)
{
        h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
        struct pollfd at = {.fd = h2o_socket_get_fd(socket), .events = POLLRDHUP};

        return poll(&at, 1, 0) == 1;
}

void pgw_front_before_answer(h2o_req_t *req)
{
        h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
        struct pgw_conn *c = socket->on_close.data;

        c->answered = true;
        pgw_conn_answers(req);
        if (!c->held)
                return;
        c->held = false;
        h2o_socket_read_stop(socket);
        h2o_socket_dont_read(socket, 0);
}
