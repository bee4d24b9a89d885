/* HTTP/2 on a connection, with the guard in between.
 *
 * The guard sits between the socket and the library by taking the place of the library's
 * read callback: it looks at the bytes, then calls the library. When it does not like
 * them it shuts the socket down and tells the library that the peer has left, which is a
 * path that the library knows well. What the library would stumble over just now
 * (front_streams_h2) lies in the buffer until its write is over, in the place of whose callback a
 * guard's own is put then; nothing more is read meanwhile.
 *
 * A connection error ends a connection when what is being written has gone out, which the peer may
 * put off. Until then the library takes nothing of what comes, and leaves it where it lies; so it
 * is shown nothing more, and nothing more is read.
 *
 * In a drain the library says good-bye twice, a second apart. From the second one on it drops what
 * comes of bodies, though it has named their streams as taken; a request that ends with trailers it
 * would even hand on without what it dropped. So the second one waits until no body arrives.
 *
 * Trailers are no header fields (RFC 9110 6.5.1), but the library adds them to these. So it is
 * shown what comes before them first, then them, and what they add is cut off.
 */
#include <string.h>

#include "http/front_priv.h"
#include "http/front_streams_h2.h"

#define PGW_CONN_BLOCK_MAX_FACTOR 4
#define PGW_FRONT_H2_TEASER       8 /* bytes; a frame's head has one more */

static void guarded_read(h2o_socket_t *socket, const char *err);

static void interpose(struct pgw_conn *c)
{
        if (c->socket && !c->closing && c->socket->_cb.read &&
            c->socket->_cb.read != guarded_read) {
                c->library_read = c->socket->_cb.read;
                c->socket->_cb.read = guarded_read;
        }
}

static bool passes(struct pgw_conn *c, enum pgw_h2_verdict verdict)
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

        if (verdict == PGW_H2_FINE)
                return true;
        pgw_conn_kill(c, kills[verdict], pgw_h2_verdict_name(verdict));
        return false;
}

static bool scan(struct pgw_conn *c, struct pgw_str bytes)
{
        c->h2.draining = c->front->draining;
        return passes(c, pgw_guard_h2_scan(&c->h2, bytes, pgw_loop_now_ms(c->front->loop)));
}

static struct pgw_str input_of(const struct pgw_conn *c)
{
        return pgw_str_of(c->socket->input->bytes, c->socket->input->size);
}

static void on_written(h2o_socket_t *socket, const char *err);

/* True when it has come too early, and will be taken later. */
static bool wait_for_write(struct pgw_conn *c)
{
        h2o_socket_t *socket = c->socket;

        if (!pgw_streams_await_write(socket, input_of(c)))
                return false;
        PGW_ASSERT(socket->_cb.write != NULL);
        if (socket->_cb.write != on_written) {
                c->library_write = socket->_cb.write;
                socket->_cb.write = on_written;
        }
        pgw_conn_stop_reading(c);
        return true;
}

static bool is_alive(const struct pgw_conn *c)
{
        return c->socket && !c->killed && !c->closing;
}

/* The library takes what comes. */
static bool is_heard(const struct pgw_conn *c)
{
        return is_alive(c) && !pgw_streams_is_ending(c->socket);
}

static void call_library(struct pgw_conn *c, const char *err)
{
        c->left = err != NULL;
        c->in_read = true;
        c->library_read(c->socket, err);
        c->in_read = false;
        if (!err && is_alive(c) && !c->socket->_cb.read)
                /* The library stopped reading because the peer does not take its answers. */
                pgw_conn_kill(c, PGW_KILL_BACKLOG, "");
        interpose(c);
}

/* The library is shown the first `size` bytes, and of the frame behind them so much that it waits
 * for the rest: a buffer that it has emptied it gives away. */
static void show(struct pgw_conn *c, size_t size)
{
        h2o_buffer_t *input = c->socket->input;
        const size_t hidden = input->size > size ? input->size - size - PGW_FRONT_H2_TEASER : 0;

        input->size -= hidden;
        call_library(c, NULL);
        if (c->socket && !c->closing && hidden)
                input->size += hidden;
}

static bool is_open(void *ctx, uint32_t stream)
{
        return pgw_streams_is_arriving(ctx, stream);
}

/* What the library has given up is no request any more that must end in time. Of bodies that are
 * too large it keeps what shows that they are, and the rest goes by until their end, for only then
 * can they be answered. */
static void follow_bodies(struct pgw_conn *c)
{
        if (!is_alive(c) || c->h2.bodies_open == 0)
                return;
        if (pgw_streams_hold_bodies(c->socket, c->front->conf.body_bytes_max) < c->h2.bodies_open)
                (void)passes(c, pgw_guard_h2_keep_bodies(&c->h2, is_open, c->socket));
}

/* Hand over what has come, up to the next trailers or else all: true when there is more. */
static bool take_part(struct pgw_conn *c)
{
        const struct pgw_str input = input_of(c);
        uint32_t trailed;
        const size_t size = pgw_guard_h2_part(&c->h2, input, &trailed);

        if (!scan(c, pgw_str_of(input.p, size))) {
                call_library(c, h2o_socket_error_closed);
                return false;
        }
        c->surcharge += c->h2.surcharge;
        if (trailed) {
                c->trailed = trailed;
                c->fields_before = pgw_streams_fields(c->socket, trailed);
        }
        show(c, size);
        follow_bodies(c);
        return size < input.n && is_heard(c);
}

static void drop_input(struct pgw_conn *c)
{
        h2o_buffer_consume(&c->socket->input, c->socket->input->size);
        if (c->socket->_cb.read == guarded_read)
                pgw_conn_stop_reading(c);
}

static void put_off_goodbye(struct pgw_front *f)
{
        h2o_timeout_entry_t *goodbye = &f->ctx.http2._graceful_shutdown_timeout;

        if (!h2o_timeout_is_linked(goodbye))
                return;
        h2o_timeout_unlink(goodbye);
        h2o_timeout_link(f->ctx.loop, &f->ctx.one_sec_timeout, goodbye);
}

void pgw_front_h2_await_bodies(struct pgw_front *f)
{
        struct pgw_link *link = pgw_list_first(&f->conns);

        for (; f->draining && link; link = pgw_list_next(&f->conns, link))
                if (PGW_CONTAINER(link, struct pgw_conn, link)->h2.bodies_open) {
                        put_off_goodbye(f);
                        return;
                }
}

static void take(struct pgw_conn *c)
{
        bool more = is_heard(c);

        while (more && !wait_for_write(c))
                more = take_part(c);
        if (more)
                return;
        if (is_heard(c))
                pgw_conn_pace(c, c->unpaced + c->surcharge, guarded_read);
        else if (is_alive(c))
                drop_input(c);
        if (c->front->draining && c->h2.bodies_open)
                put_off_goodbye(c->front);
        c->unpaced = c->surcharge = 0;
}

static void take_or_end(struct pgw_conn *c, const char *err)
{
        if (err || c->killed)
                call_library(c, err ? err : h2o_socket_error_closed);
        else
                take(c);
}

static void on_written(h2o_socket_t *socket, const char *err)
{
        struct pgw_conn *c = socket->on_close.data;

        c->holds++;
        c->library_write(socket, err);
        if (c->socket && !c->closing) {
                pgw_conn_resume(c);
                interpose(c);
                take_or_end(c, NULL);
        }
        pgw_conn_release(c);
}

static void guarded_read(h2o_socket_t *socket, const char *err)
{
        struct pgw_conn *c = socket->on_close.data;

        c->holds++;
        c->unpaced += socket->bytes_read;
        /* The first read is that of the close_notify itself. */
        if (!err && c->farewell && c->reads_after_farewell++)
                pgw_conn_kill(c, PGW_KILL_FLOOD, "bytes behind close_notify");
        take_or_end(c, err);
        pgw_conn_part(c);
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

/* What has come with the preface is not for the library before the guard has seen it. */
static void begin_guarded(struct pgw_conn *c)
{
        h2o_buffer_t *input = c->socket->input;
        const size_t size = input->size;

        c->holds++;
        input->size = 0;
        hand_over(c);
        interpose(c);
        input->size = size;
        c->unpaced = size;
        take(c);
        pgw_conn_release(c);
}

void pgw_front_h2_begin(struct pgw_conn *c)
{
        const struct pgw_front_conf *conf = &c->front->conf;
        const struct pgw_h2_bounds bounds = {
            .block_max = conf->header_bytes_max * PGW_CONN_BLOCK_MAX_FACTOR,
            .body_max = conf->body_bytes_max + 1, /* from which it can be seen that it is larger */
            .bodies_max = conf->bodies_bytes_max,
        };

        c->phase = PGW_CONN_HTTP2;
        pgw_guard_h2_init(&c->h2, &bounds, pgw_loop_now_ms(c->front->loop));
        if (PGW_GUARDED)
                begin_guarded(c);
        else
                hand_over(c);
}

void pgw_front_h2_prepare(struct pgw_conn *c, h2o_req_t *req)
{
        if (c->trailed && pgw_streams_of(req) == c->trailed && req->headers.size > c->fields_before)
                req->headers.size = c->fields_before;
}

void pgw_front_h2_answered(struct pgw_conn *c)
{
        pgw_guard_h2_answered(&c->h2);
}

void pgw_front_h2_end(struct pgw_conn *c)
{
        pgw_guard_h2_fini(&c->h2);
}
