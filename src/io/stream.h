/* io/stream.h - a byte stream to a server.
 *
 * Connects (Unix socket or TCP, with or without TLS), reads as bytes come, and writes what
 * was added during a turn in one system call at its end. The stream owns its buffers; the
 * bytes seen in on_data are valid until the callback returns.
 *
 * Events come from the loop, never from inside a call of this header. on_close comes
 * exactly once unless the owner calls pgw_stream_close() first; after either the
 * stream is gone.
 */
#ifndef PGW_IO_STREAM_H
#define PGW_IO_STREAM_H

#include <sys/socket.h>

#include "base/buf.h"
#include "io/loop.h"
#include "io/tls_client.h"

struct pgw_stream;

struct pgw_stream_events {
        void (*on_open)(void *ctx);

        /* Bytes that have not been consumed yet. Returns how many are consumed now; the rest
         * is shown again with what follows. */
        size_t (*on_data)(void *ctx, struct pgw_str unread);

        /* PGW_E_REDIS_CONNECT, PGW_E_REDIS_TIMEOUT (while connecting), PGW_E_REDIS_TLS,
         * PGW_E_REDIS_CLOSED, or PGW_E_REDIS_PROTOCOL when more than unread_max bytes were left
         * unconsumed. `reason` says more in words, or is ""; valid until the callback returns. */
        void (*on_close)(void *ctx, enum pgw_err, const char *reason);
};

struct pgw_stream_conf {
        uint64_t connect_timeout_ms;      /* the handshake of TLS included */
        size_t write_max;                 /* bytes waiting to be written */
        size_t unread_max;                /* bytes shown and not consumed */
        const struct pgw_tls_client *tls; /* outlives the stream; NULL: cleartext */
        const char *host; /* the server's name, for TLS; NULL: it has none. Outlives the stream */
};

/* Start connecting. `addr` is copied; `events` must outlive the stream. */
struct pgw_stream *pgw_stream_open(struct pgw_loop *, const struct sockaddr *addr, socklen_t size,
                                   const struct pgw_stream_conf *,
                                   const struct pgw_stream_events *events, void *ctx);

/* The buffer that is written at the end of this turn. Append to it, then call
 * pgw_stream_flush_later(). Its ceiling is write_max. */
struct pgw_buf *pgw_stream_out(struct pgw_stream *);
void pgw_stream_flush_later(struct pgw_stream *);

/* Close without an event. NULL is allowed. May be called from an event. */
void pgw_stream_close(struct pgw_stream *);

#endif
