/* A connection that brings more than its share is not read for some milliseconds, and one that
 * holds much is not read as long as all together hold too much: what it sends stays with the kernel
 * and with its peer. If nobody ends a request then, the time for one (limits.request_ms) makes
 * room.
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

#define PGW_CONN_PACED_BYTES 1024   /* reads of less do not add up to much */
#define PGW_CONN_ROOM_BYTES  16384  /* for which there is always room on a connection */
#define PGW_CONN_READ_BYTES  131072 /* about as much as comes with a read */

/* What a body costs is not in its bytes but in its values, some tenths of a microsecond each. Few
 * of them are nobody's business; at this rate one connection takes less than a hundredth of the
 * loop's time, so that it does not show in anybody's p99. */
#define PGW_CONN_VALUES_FREE  64
#define PGW_CONN_VALUES_ONE   512 /* in one body: a third of a millisecond */
#define PGW_CONN_VALUES_PER_S 16000
#define PGW_CONN_VALUES_BURST 4000

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

/* ---- room ---- */

void pgw_conn_count(struct pgw_conn *c)
{
        const uint64_t arriving =
            c->phase == PGW_CONN_HTTP1 ? c->request_bytes : c->h2.bodies_bytes;
        const uint64_t now = c->socket ? arriving + c->h2.held_bytes : 0;

        c->front->in_hand += now - c->in_hand;
        c->in_hand = now;
}

static bool has_room(const struct pgw_conn *c)
{
        return c->front->in_hand <= c->front->conf.bodies_total_max ||
               c->in_hand <= PGW_CONN_ROOM_BYTES;
}

void pgw_conn_make_room(struct pgw_front *f)
{
        const uint64_t max = f->conf.bodies_total_max;
        uint64_t room = f->in_hand < max ? max - f->in_hand : 0;
        struct pgw_link *link = pgw_list_first(&f->conns);

        for (; link && room >= PGW_CONN_READ_BYTES; link = pgw_list_next(&f->conns, link)) {
                struct pgw_conn *c = PGW_CONTAINER(link, struct pgw_conn, link);
                if (!c->waits_for_room)
                        continue;
                room -= PGW_CONN_READ_BYTES;
                pgw_conn_resume(c);
        }
}

/* ---- pauses ---- */

static void on_pause_over(struct pgw_timer *timer)
{
        pgw_conn_resume(PGW_CONTAINER(timer, struct pgw_conn, pause));
}

void pgw_conn_pause_init(struct pgw_conn *c)
{
        pgw_timer_init(&c->pause, on_pause_over);
}

void pgw_conn_stop_reading(struct pgw_conn *c)
{
        struct pgw_front *f = c->front;

        c->guarded_read = c->socket->_cb.read;
        h2o_socket_read_stop(c->socket);
        pgw_timer_disarm(f->loop, &c->pause);
        c->is_unpolled = c->waits_for_room = false;
        c->is_paused = true;
        if (!pgw_link_is_on(&c->pause_link))
                pgw_list_append(&f->pausing, &c->pause_link);
        pgw_front_before_wait(f);
}

/* For how long it is not to be read. */
static uint64_t owed_ms(struct pgw_conn *c, uint64_t bytes, uint64_t now_ms)
{
        const struct pgw_front_conf *conf = &c->front->conf;

        if (bytes < PGW_CONN_PACED_BYTES && c->pace.owed <= conf->body_bytes_max)
                return 0;
        return pgw_pace_take(&c->pace, bytes, conf->bytes_per_s, conf->body_bytes_max, now_ms);
}

void pgw_conn_pace(struct pgw_conn *c, uint64_t bytes, h2o_socket_cb guarded_read)
{
        struct pgw_loop *loop = c->front->loop;
        const uint64_t now_ms = pgw_loop_now_ms(loop), wait_ms = owed_ms(c, bytes, now_ms);

        pgw_conn_count(c);
        if (c->socket->_cb.read != guarded_read || (!wait_ms && has_room(c)))
                return;
        pgw_metric_add(PGW_M_PAUSES, 1);
        pgw_conn_stop_reading(c);
        c->waits_for_room = !has_room(c);
        if (c->waits_for_room)
                c->lacked_room = true;
        else
                pgw_timer_arm(loop, &c->pause, now_ms + wait_ms);
}

static struct pgw_conn *conn_of(h2o_req_t *req)
{
        return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

void pgw_front_charge(h2o_req_t *req, uint64_t bytes)
{
        struct pgw_conn *c = conn_of(req);

        (void)owed_ms(c, bytes, pgw_loop_now_ms(c->front->loop));
}

bool pgw_front_may_read(h2o_req_t *req, uint64_t values)
{
        if (!PGW_GUARDED || values <= PGW_CONN_VALUES_FREE)
                return true;
        if (values > PGW_CONN_VALUES_ONE)
                return false;
        struct pgw_conn *c = conn_of(req);
        struct pgw_pace with = c->values;
        const bool may = pgw_pace_take(&with, values, PGW_CONN_VALUES_PER_S, PGW_CONN_VALUES_BURST,
                                       pgw_loop_now_ms(c->front->loop)) == 0;

        if (may)
                c->values = with;
        return may;
}

void pgw_conn_resume(struct pgw_conn *c)
{
        if (!c->is_paused)
                return;
        c->is_paused = c->waits_for_room = false;
        pgw_timer_disarm(c->front->loop, &c->pause);
        take_out(c);
        if (c->socket && !c->closing)
                h2o_socket_read_start(c->socket, c->guarded_read);
}
