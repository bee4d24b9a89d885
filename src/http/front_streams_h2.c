#include "http/front_streams_h2.h"

#include <h2o.h>
#include <h2o/http2.h>
#include <h2o/http2_internal.h>

#include "http/guard_h2.h"

#define SETTING_SIZE           6
#define SETTING_INITIAL_WINDOW 4

/* ---- what must wait for a write ----
 *
 * A stream whose last piece is in the write under way has ended, and stays in a list until the
 * write is over. When its window opens meanwhile, from nothing to something, the library believes
 * that it has something to send and asserts that it is in no list. The window of one that has
 * ended may stand at nothing because its answer was as long as that, and opens with the next
 * WINDOW_UPDATE of a client that does nothing wrong; or because SETTINGS took it away, before other
 * ones give it back. So such frames wait for the write: it needs no window any more, only that the
 * client reads. */

static bool sets_initial_window(struct pgw_str payload)
{
        for (size_t at = 0; at + SETTING_SIZE <= payload.n; at += SETTING_SIZE)
                if (payload.p[at] == 0 && payload.p[at + 1] == SETTING_INITIAL_WINDOW)
                        return true;
        return false;
}

static const h2o_http2_stream_t *find(const h2o_linklist_t *streams, uint32_t id)
{
        const h2o_linklist_t *link = streams->next;

        for (; link != streams; link = link->next) {
                const h2o_http2_stream_t *stream =
                    H2O_STRUCT_FROM_MEMBER(h2o_http2_stream_t, _refs.link, link);
                if (stream->stream_id == id)
                        return stream;
        }
        return NULL;
}

static bool opens_a_window(const struct pgw_h2_frame *f, const h2o_linklist_t *streams)
{
        if (f->type == PGW_H2_SETTINGS && !(f->flags & PGW_H2_FLAG_ACK))
                return sets_initial_window(f->payload);
        if (f->type != PGW_H2_WINDOW_UPDATE || f->stream == 0)
                return false;
        const h2o_http2_stream_t *stream = find(streams, f->stream);
        return stream && stream->output_window._avail <= 0;
}

bool pgw_streams_await_write(const h2o_socket_t *socket, struct pgw_str frames)
{
        const h2o_http2_conn_t *conn = socket->data;
        const h2o_linklist_t *streams = &conn->_write.streams_to_proceed;
        struct pgw_h2_frame f;

        if (!conn->_write.buf_in_flight || streams->next == streams)
                return false;
        while (pgw_h2_next_frame(&frames, &f))
                if (opens_a_window(&f, streams))
                        return true;
        return false;
}

/* ---- what arrives ---- */

static bool is_arriving(const h2o_http2_stream_t *stream)
{
        return stream->_req_body && (stream->state == H2O_HTTP2_STREAM_STATE_RECV_HEADERS ||
                                     stream->state == H2O_HTTP2_STREAM_STATE_RECV_BODY);
}

size_t pgw_streams_hold_bodies(const h2o_socket_t *socket, size_t body_max)
{
        const h2o_http2_conn_t *conn = socket->data;
        size_t arriving = 0;

        for (khiter_t at = 0; at < kh_end(conn->streams); at++) {
                h2o_http2_stream_t *stream =
                    kh_exist(conn->streams, at) ? kh_val(conn->streams, at) : NULL;
                if (!stream || !is_arriving(stream))
                        continue;
                arriving++;
                if (stream->_req_body->size <= body_max)
                        continue;
                stream->_req_body->size = body_max + 1;
                stream->_expected_content_length = SIZE_MAX;
        }
        return arriving;
}

static const h2o_http2_stream_t *find_arriving(const h2o_socket_t *socket, uint32_t id)
{
        h2o_http2_conn_t *conn = socket->data;
        const h2o_http2_stream_t *stream = h2o_http2_conn_get_stream(conn, id);

        return stream && is_arriving(stream) ? stream : NULL;
}

bool pgw_streams_is_arriving(const h2o_socket_t *socket, uint32_t id)
{
        return find_arriving(socket, id) != NULL;
}

size_t pgw_streams_fields(const h2o_socket_t *socket, uint32_t id)
{
        const h2o_http2_stream_t *stream = find_arriving(socket, id);

        return stream ? stream->req.headers.size : SIZE_MAX;
}

uint32_t pgw_streams_of(const h2o_req_t *req)
{
        return H2O_STRUCT_FROM_MEMBER(const h2o_http2_stream_t, req, req)->stream_id;
}

bool pgw_streams_is_ending(const h2o_socket_t *socket)
{
        const h2o_http2_conn_t *conn = socket->data;

        return conn->state == H2O_HTTP2_CONN_STATE_IS_CLOSING;
}
