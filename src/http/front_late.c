/* The last words to a client whose HTTP/1 request does not arrive in time.
 *
 * The library knows of no request yet, so it can answer none. But nobody else is writing on the
 * connection then, so we do; the library is told after that that the connection is over. A client
 * with a large body on a slow way is still sending, and has its answer all the same: the socket
 * lingers (front_linger.c).
 */
#include "http/front_priv.h"

#define PGW_FRONT_LATE_BYTES 4096

/* What was not written at once lives as long as the connection. */
static void on_told(h2o_socket_t *socket, const char *err)
{
        (void)socket;
        (void)err;
}

static bool can_be_told(const struct pgw_conn *c)
{
        return c->phase == PGW_CONN_HTTP1 && c->partial_since_ms && c->library_read &&
               !c->requests.count && !c->closing && !c->socket->_cb.write;
}

bool pgw_late_end(struct pgw_conn *c)
{
        const struct pgw_front_conf *conf = &c->front->conf;
        const enum pgw_err why = c->lacked_room ? PGW_E_BODIES_FULL : PGW_E_LATE;

        if (!can_be_told(c))
                return false;
        pgw_buf_init(&c->last_words, PGW_FRONT_LATE_BYTES);
        if (conf->on_late(conf->ctx, why, pgw_front_h1_target(c), conf->request_ms,
                          &c->last_words)) {
                pgw_buf_fini(&c->last_words);
                return false;
        }
        h2o_iovec_t words = h2o_iovec_init(c->last_words.p, c->last_words.n);
        h2o_socket_write(c->socket, &words, 1, on_told);
        pgw_linger_prepare(c);
        c->library_read(c->socket, h2o_socket_error_closed);
        return true;
}
