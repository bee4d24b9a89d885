/* HTTP/2 on a connection, with the guard in between.
 *
 * The guard sits between the socket and the library by taking the place of the library's
 * read callback: it looks at the bytes, then calls the library. When it does not like
 * them it shuts the socket down and tells the library that the peer has left, which is a
 * path that the library knows well.
 */
#include <string.h>

#include "http/front_priv.h"

#define PGW_CONN_BLOCK_MAX_FACTOR 4

static void guarded_read(h2o_socket_t *socket, const char *err);

static void interpose(struct pgw_conn *c)
{
        if (c->socket && !c->closing && c->socket->_cb.read &&
            c->socket->_cb.read != guarded_read) {
                c->library_read = c->socket->_cb.read;
                c->socket->_cb.read = guarded_read;
        }
}

static void pace(struct pgw_conn *c, size_t bytes)
{
        if (c->socket && !c->killed && !c->closing)
                pgw_conn_pace(c, bytes + c->h2.surcharge, guarded_read);
}

static bool scan(struct pgw_conn *c)
{
        static const enum pgw_kill kills[] = {
            [PGW_H2_FLOOD] = PGW_KILL_FLOOD,
            [PGW_H2_BLOCK_SIZE] = PGW_KILL_HEADERS,
            [PGW_H2_BLOCK_FRAMES] = PGW_KILL_HEADERS,
            [PGW_H2_FIELDS] = PGW_KILL_HEADERS,
            [PGW_H2_CONTINUATION_IN_DRAIN] = PGW_KILL_HEADERS,
            [PGW_H2_STREAMS] = PGW_KILL_FLOOD,
            [PGW_H2_BODIES] = PGW_KILL_BODIES,
        };
        const h2o_buffer_t *input = c->socket->input;

        c->h2.draining = c->front->draining;
        const enum pgw_h2_verdict verdict = pgw_guard_h2_scan(
            &c->h2, pgw_str_of(input->bytes, input->size), pgw_loop_now_ms(c->front->loop));
        if (verdict == PGW_H2_FINE)
                return true;
        pgw_conn_kill(c, kills[verdict], pgw_h2_verdict_name(verdict));
        return false;
}

static void guarded_read(h2o_socket_t *socket, const char *err)
{
        struct pgw_conn *c = socket->on_close.data;
        const size_t bytes = socket->bytes_read;

        c->holds++;
        /* The first read is that of the close_notify itself. */
        if (!err && c->farewell && c->reads_after_farewell++)
                pgw_conn_kill(c, PGW_KILL_FLOOD, "bytes behind close_notify");
        if (!err && (c->killed || !scan(c)))
                err = h2o_socket_error_closed;
        c->left = err != NULL;
        c->in_read = true;
        c->library_read(socket, err);
        c->in_read = false;
        if (c->socket && !c->killed && !c->closing && !c->socket->_cb.read)
                /* The library stopped reading because the peer does not take its answers. */
                pgw_conn_kill(c, PGW_KILL_BACKLOG, "");
        interpose(c);
        pace(c, bytes);
        pgw_conn_release(c);
}

enum pgw_first pgw_front_h2_judge(struct pgw_str bytes)
{
        const size_t n = bytes.n < PGW_H2_PREFACE_SIZE ? bytes.n : PGW_H2_PREFACE_SIZE;

        if (memcmp(bytes.p, PGW_H2_PREFACE, n) != 0)
                return PGW_FIRST_HTTP1;
        return n < PGW_H2_PREFACE_SIZE ? PGW_FIRST_UNDECIDED : PGW_FIRST_HTTP2;
}

static void hand_over(struct pgw_conn *c)
{
        h2o_http2_accept(&c->front->accept_ctx, c->socket, (struct timeval){0, 0});
}

static void begin_guarded(struct pgw_conn *c)
{
        const size_t bytes = c->socket->input->size;

        if (!scan(c)) {
                pgw_conn_close_early(c);
                return;
        }
        c->holds++;
        hand_over(c);
        interpose(c);
        pace(c, bytes);
        pgw_conn_release(c);
}

void pgw_front_h2_begin(struct pgw_conn *c)
{
        struct pgw_front *f = c->front;

        c->phase = PGW_CONN_HTTP2;
        pgw_guard_h2_init(&c->h2, f->conf.header_bytes_max * PGW_CONN_BLOCK_MAX_FACTOR,
                          f->conf.bodies_bytes_max, pgw_loop_now_ms(f->loop));
        if (PGW_GUARDED)
                begin_guarded(c);
        else
                hand_over(c);
}

void pgw_front_h2_answered(struct pgw_conn *c)
{
        pgw_guard_h2_answered(&c->h2);
}

void pgw_front_h2_end(struct pgw_conn *c)
{
        pgw_guard_h2_fini(&c->h2);
}
