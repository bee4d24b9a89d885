/* An HTTP/2 connection that brings more than its share is not read for some milliseconds.
 *
 * The library reads all the time. Whenever it has written something and finds that nobody reads,
 * it starts to, with its own callback, past the guard. So there must be a callback in place while
 * the socket is not polled. The library changes what is polled only before it waits, and only for
 * sockets that were started or stopped; hence in three steps:
 *
 *      stop      nobody reads, and before the wait the socket leaves the poll set
 *      settle    at the next wait the guard's callback is put back, and nobody is told; had the
 *                library started to read meanwhile, it is stopped once more
 *      start     by a timer, in the usual way
 *
 * Should the socket come back into the poll set in between, for an answer that could not be written
 * at once, the guard is called, and pauses again. A pause may be cut short, but the guard is never
 * left out.
 */
#include "http/front_priv.h"

static void take_out(struct pgw_conn *c)
{
        struct pgw_front *f = c->front;

        if (pgw_link_is_on(&c->pause_link))
                pgw_list_remove(&f->pausing, &c->pause_link);
        if (f->pausing.count == 0)
                pgw_loop_before_wait(f->loop, NULL, NULL);
}

static void settle(struct pgw_conn *c)
{
        if (c->closing) {
                take_out(c);
        } else if (c->socket->_cb.read) {
                h2o_socket_read_stop(c->socket);
                c->is_unpolled = true;
        } else if (c->is_unpolled) {
                c->socket->_cb.read = c->guarded_read;
                take_out(c);
        } else {
                c->is_unpolled = true;
        }
}

static void before_wait(void *ctx)
{
        struct pgw_front *f = ctx;
        struct pgw_link *link = pgw_list_first(&f->pausing), *next;

        for (; link; link = next) {
                next = pgw_list_next(&f->pausing, link);
                settle(PGW_CONTAINER(link, struct pgw_conn, pause_link));
        }
}

void pgw_front_h2_pause(struct pgw_conn *c, uint64_t until_ms)
{
        struct pgw_front *f = c->front;

        c->guarded_read = c->socket->_cb.read;
        h2o_socket_read_stop(c->socket);
        c->is_unpolled = false;
        c->is_paused = true;
        if (!pgw_link_is_on(&c->pause_link))
                pgw_list_append(&f->pausing, &c->pause_link);
        pgw_loop_before_wait(f->loop, before_wait, f);
        pgw_timer_arm(f->loop, &c->pause, until_ms);
}

void pgw_front_h2_resume(struct pgw_conn *c)
{
        if (!c->is_paused)
                return;
        c->is_paused = false;
        take_out(c);
        if (c->socket && !c->closing)
                h2o_socket_read_start(c->socket, c->guarded_read);
}
