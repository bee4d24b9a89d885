/* The TLS handshakes of a loop take turns.
 *
 * A handshake costs more than a dozen requests, and after an outage all clients come back at once:
 * one turn of the loop would then be as long as all their handshakes together, for everybody else
 * on it. So in each turn one handshake goes on by a step; those that could as well wait in line,
 * with what they have sent, and nothing is read of them.
 *
 * The guard's callback takes the place of the library's, which comes back after each step; such
 * connections are watched again before anything can be read.
 *
 * Until its client's first word a connection has no SSL object, only a pointer to the context that
 * the library will make it of; so the connection itself holds that, lest another takes its place.
 */
#include "http/front_priv.h"

static void go_on(struct pgw_conn *c, const char *err)
{
        struct pgw_front *f = c->front;

        f->handshake_turn = pgw_loop_turns(f->loop);
        c->holds++;
        c->library_read(c->socket, err);
        if (c->socket && c->phase == PGW_CONN_HANDSHAKE)
                pgw_conn_watch_again(c);
        pgw_conn_release(c);
}

/* On the next turn: the call is posted, which wakes the loop. */
static void call_next(struct pgw_front *f)
{
        if (f->is_next_called || f->handshakes.count == 0)
                return;
        f->is_next_called = true;
        pgw_loop_post(f->loop, &f->next_handshake);
}

static void on_next(struct pgw_posted *posted)
{
        struct pgw_front *f = PGW_CONTAINER(posted, struct pgw_front, next_handshake);
        struct pgw_link *link = pgw_list_first(&f->handshakes);

        f->is_next_called = false;
        if (!link)
                return;
        struct pgw_conn *c = PGW_CONTAINER(link, struct pgw_conn, handshake_link);
        pgw_list_remove(&f->handshakes, link);
        go_on(c, c->killed ? h2o_socket_error_closed : NULL);
        call_next(f);
}

static void guarded_handshake(h2o_socket_t *socket, const char *err)
{
        struct pgw_conn *c = socket->on_close.data;
        struct pgw_front *f = c->front;

        if (err || (f->handshakes.count == 0 && f->handshake_turn != pgw_loop_turns(f->loop))) {
                go_on(c, err);
                return;
        }
        h2o_socket_read_stop(socket);
        pgw_list_append(&f->handshakes, &c->handshake_link);
        call_next(f);
}

void pgw_front_tls_watch(struct pgw_conn *c)
{
        if (c->socket->_cb.read == guarded_handshake)
                return;
        c->library_read = c->socket->_cb.read;
        c->socket->_cb.read = guarded_handshake;
}

void pgw_front_tls_begin(struct pgw_conn *c, h2o_socket_cb on_done)
{
        struct pgw_front *f = c->front;

        c->phase = PGW_CONN_HANDSHAKE;
        c->phase_deadline_ms = pgw_loop_now_ms(f->loop) + f->conf.handshake_ms;
        pgw_conn_watch_again(c);
        c->tls = pgw_tls_server_hold(f->conf.tls);
        h2o_socket_ssl_handshake(c->socket, pgw_tls_server_ssl(c->tls), NULL, on_done);
}

void pgw_front_tls_forget(struct pgw_conn *c)
{
        if (pgw_link_is_on(&c->handshake_link))
                pgw_list_remove(&c->front->handshakes, &c->handshake_link);
        pgw_tls_server_drop(c->tls);
        c->tls = NULL;
}

void pgw_front_tls_init(struct pgw_front *f)
{
        pgw_list_init(&f->handshakes);
        pgw_posted_init(&f->next_handshake, on_next);
}
