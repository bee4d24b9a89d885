/* HTTP/1 on a connection, with the guard around it.
 *
 * The library reads a request and then nothing until it was answered. Its head is judged once it is
 * whole (guard_h1). What belongs to a request beside its body, the sizes of chunks, extensions,
 * trailers, the library takes without end and without counting; so all that is read is counted
 * here, in the place of the library's read callback. The library puts its own back whenever it
 * begins to read, which it does after an answer, and after it said 100 (Continue); such connections
 * are watched again before anything can be read.
 */
#include <string.h>

#include "http/front_priv.h"
#include "http/guard_h1.h"

#define PGW_FRONT_H1_SLACK (1u << 19) /* above the library's own limit of a head */

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
        c->library_read(socket, err);
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
        pgw_conn_pace(c, 0, guarded_read);
}

void pgw_front_h1_begin(struct pgw_conn *c)
{
        c->phase = PGW_CONN_HTTP1;
        c->partial_since_ms = c->socket->input->size ? c->active_ms : 0;
        pgw_conn_watch_again(c);
        h2o_http1_accept(&c->front->accept_ctx, c->socket, (struct timeval){0, 0});
}

/* ---- a request ---- */

/* The raw head lies at the start of the socket's buffer until its request is over; where the
 * fields of `req` lie differs with and without a body. */
static struct pgw_str raw_head(const h2o_req_t *req, const h2o_socket_t *socket)
{
        const h2o_buffer_t *input = socket->input;

        if (input->size < req->method.len ||
            memcmp(input->bytes, req->method.base, req->method.len))
                return (struct pgw_str){NULL, 0};
        return pgw_str_of(input->bytes, input->size);
}

enum pgw_err pgw_front_h1_judge(struct pgw_front *f, h2o_req_t *req, const h2o_socket_t *socket,
                                const char **ret_detail)
{
        const struct pgw_str head = raw_head(req, socket);
        const struct pgw_h1_verdict v = pgw_guard_h1(head, f->conf.header_bytes_max);

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

void pgw_front_before_answer(h2o_req_t *req)
{
        h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
        struct pgw_conn *c = socket->on_close.data;

        c->answered = true;
        if (!c->held)
                return;
        c->held = false;
        h2o_socket_read_stop(socket);
        h2o_socket_dont_read(socket, 0);
}
