/* A connection that brings more than its share is not read for some milliseconds.
 *
 * With HTTP/2 the library reads all the time. Whenever it has written something and finds that
 * nobody reads, it starts to, with its own callback, past the guard. So there must be a callback in
 * place while the socket is not polled. What is polled changes only before the loop waits, and only
 * for sockets that were started or stopped; hence in three steps:
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
#include "base/metric.h"
#include "http/front_priv.h"

#define PGW_CONN_PACED_BYTES 1024 /* reads of less do not add up to much */

static void take_out(struct pgw_conn *c)
{
        if (pgw_link_is_on(&c->pause_link))
                pgw_list_remove(&c->front->pausing, &c->pause_link);
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

void pgw_conn_settle(struct pgw_front *f)
{
        struct pgw_link *link = pgw_list_first(&f->pausing), *next;

        for (; link; link = next) {
                next = pgw_list_next(&f->pausing, link);
                settle(PGW_CONTAINER(link, struct pgw_conn, pause_link));
        }
}

static void on_pause_over(struct pgw_timer *timer)
{
        pgw_conn_resume(PGW_CONTAINER(timer, struct pgw_conn, pause));
}

void pgw_conn_pause_init(struct pgw_conn *c)
{
        pgw_timer_init(&c->pause, on_pause_over);
}

static void pause_until(struct pgw_conn *c, uint64_t until_ms)
{
        struct pgw_front *f = c->front;

        pgw_metric_add(PGW_M_PAUSES, 1);
        c->guarded_read = c->socket->_cb.read;
        h2o_socket_read_stop(c->socket);
        c->is_unpolled = false;
        c->is_paused = true;
        if (!pgw_link_is_on(&c->pause_link))
                pgw_list_append(&f->pausing, &c->pause_link);
        pgw_front_before_wait(f);
        pgw_timer_arm(f->loop, &c->pause, until_ms);
}

void pgw_conn_pace(struct pgw_conn *c, uint64_t bytes, h2o_socket_cb guarded_read)
{
        const struct pgw_front_conf *conf = &c->front->conf;

        if (bytes < PGW_CONN_PACED_BYTES && c->pace.owed <= conf->body_bytes_max)
                return;
        const uint64_t now_ms = pgw_loop_now_ms(c->front->loop);
        const uint64_t wait_ms =
            pgw_pace_take(&c->pace, bytes, conf->bytes_per_s, conf->body_bytes_max, now_ms);

        if (wait_ms && c->socket->_cb.read == guarded_read)
                pause_until(c, now_ms + wait_ms);
}

void pgw_conn_resume(struct pgw_conn *c)
{
        if (!c->is_paused)
                return;
        c->is_paused = false;
        pgw_timer_disarm(c->front->loop, &c->pause);
        take_out(c);
        if (c->socket && !c->closing)
                h2o_socket_read_start(c->socket, c->guarded_read);
}
