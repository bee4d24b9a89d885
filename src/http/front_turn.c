/* Requests that wait for their turn.
 *
 * A connection over HTTP/1 may have sent thousands of requests ahead, and the library takes one
 * after the other as long as answers leave at once, all in one turn of the loop; over HTTP/2 it
 * takes all that came in one read. Everybody else on the loop would wait. So after some the next
 * waits for another turn.
 *
 * Over HTTP/2 so many are acted on at a time as limits.streams says, too. The library has a limit
 * of its own for that, which must never be reached: it lets the next one begin from where it closes
 * streams, also those of a connection that has failed, and asserts afterwards that nothing was
 * begun. That limit is the hundred streams that it takes at a time, and is left at it: there is
 * always room for one that it has taken. Here the next one begins from the loop.
 */
#include "http/front_priv.h"

#define PGW_TURN_REQUESTS    16
#define PGW_TURN_REQUESTS_H2 64
#define PGW_TURN_AFTER_RESET 8 /* of who takes back what was asked */

static void on_turn(struct pgw_posted *posted);

void pgw_front_turn_init(struct pgw_front *f)
{
        pgw_list_init(&f->turns);
        pgw_posted_init(&f->next_turn, on_turn);
}

/* Requests that are acted on. */
static size_t acted_on(const struct pgw_conn *c)
{
        return c->requests.count - c->waiting.count;
}

static unsigned share(const struct pgw_conn *c)
{
        if (c->phase == PGW_CONN_HTTP1)
                return PGW_TURN_REQUESTS;
        return c->early ? PGW_TURN_AFTER_RESET : PGW_TURN_REQUESTS_H2;
}

static bool is_exhausted(struct pgw_conn *c)
{
        const uint64_t turn = pgw_loop_turns(c->front->loop);

        if (c->turn != turn)
                c->begun_in_turn = 0;
        c->turn = turn;
        return ++c->begun_in_turn > share(c);
}

/* The library takes no second request of an HTTP/1 connection before the first was answered. */
static bool may_begin(const struct pgw_conn *c)
{
        return c->phase == PGW_CONN_HTTP1 || acted_on(c) < c->front->conf.streams_max;
}

bool pgw_conn_must_wait(struct pgw_conn *c)
{
        if (c->phase != PGW_CONN_HTTP1 &&
            (c->waiting.count || acted_on(c) > c->front->conf.streams_max))
                return true;
        return is_exhausted(c);
}

static void call(struct pgw_front *f)
{
        if (f->is_turn_called || f->turns.count == 0)
                return;
        f->is_turn_called = true;
        pgw_loop_post(f->loop, &f->next_turn);
}

void pgw_conn_next_turn(struct pgw_conn *c)
{
        if (c->waiting.count == 0 || pgw_link_is_on(&c->turn_link))
                return;
        pgw_list_append(&c->front->turns, &c->turn_link);
        call(c->front);
}

void pgw_conn_wait(struct pgw_conn *c, struct pgw_link *request)
{
        pgw_list_append(&c->waiting, request);
        if (may_begin(c))
                pgw_conn_next_turn(c);
}

static void take_turn(struct pgw_conn *c)
{
        struct pgw_link *request;

        c->holds++;
        while ((request = pgw_list_first(&c->waiting)) && may_begin(c) && !is_exhausted(c)) {
                pgw_list_remove(&c->waiting, request);
                pgw_conn_go_on(request);
        }
        if (may_begin(c))
                pgw_conn_next_turn(c);
        pgw_conn_release(c);
}

static void on_turn(struct pgw_posted *posted)
{
        struct pgw_front *f = PGW_CONTAINER(posted, struct pgw_front, next_turn);

        f->is_turn_called = false;
        for (size_t left = f->turns.count; left && f->turns.count; left--) {
                struct pgw_link *link = pgw_list_first(&f->turns);
                pgw_list_remove(&f->turns, link);
                take_turn(PGW_CONTAINER(link, struct pgw_conn, turn_link));
        }
        call(f);
}

void pgw_conn_forget_turn(struct pgw_conn *c)
{
        if (pgw_link_is_on(&c->turn_link))
                pgw_list_remove(&c->front->turns, &c->turn_link);
}
