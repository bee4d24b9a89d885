/* http/guard_h2.h - HTTP/2 frames looked at before the library sees them.
 *
 * The library believes its peers: it lets them make it work by resetting, pinging,
 * referring to large headers again and again, or continuing a header block for ever. The
 * guard is a pure function over the bytes of a connection; it judges complete frames and
 * says whether the connection may live. It is no second implementation of HTTP/2: what is
 * merely wrong is left to the library, which has the right error for it.
 *
 *      HEADERS, CONTINUATION   size, number and fields of a block are bounded
 *      control frames, empty   cost a token each; tokens come back with time, and with
 *      and unknown ones        every request that was answered
 *      CONTINUATION in a drain would hang the library (its event loop spins)
 *      bodies                  as many as the library takes at a time, and so many bytes in all
 *      trailers                are shown to the library apart, so that what they add is known
 */
#ifndef PGW_HTTP_GUARD_H2_H
#define PGW_HTTP_GUARD_H2_H

#include "base/str.h"

#define PGW_H2_PREFACE          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PGW_H2_PREFACE_SIZE     24
#define PGW_H2_TOKENS_MAX       400
#define PGW_H2_TOKENS_PER_S     200
#define PGW_H2_UNKNOWN_COST     20
#define PGW_H2_CONTINUATION_MAX 8
#define PGW_H2_FIELDS_MAX       100
#define PGW_H2_FRAME_MAX        16384
#define PGW_H2_BODIES_MAX       256
#define PGW_H2_PIECE_MIN        1024 /* bytes that a piece of a body counts at least */

enum pgw_h2_verdict {
        PGW_H2_FINE,
        PGW_H2_FLOOD,      /* too many control, empty or unknown frames */
        PGW_H2_BLOCK_SIZE, /* a header block larger than allowed */
        PGW_H2_BLOCK_FRAMES,
        PGW_H2_FIELDS,
        PGW_H2_CONTINUATION_IN_DRAIN,
        PGW_H2_STREAMS, /* requests that were begun and not ended */
        PGW_H2_BODIES   /* bytes of their bodies, and of those that are acted on */
};

enum pgw_h2_frame_type {
        PGW_H2_DATA,
        PGW_H2_HEADERS,
        PGW_H2_PRIORITY,
        PGW_H2_RST_STREAM,
        PGW_H2_SETTINGS,
        PGW_H2_PUSH_PROMISE,
        PGW_H2_PING,
        PGW_H2_GOAWAY,
        PGW_H2_WINDOW_UPDATE,
        PGW_H2_CONTINUATION
};

#define PGW_H2_FLAG_END_STREAM  0x1u
#define PGW_H2_FLAG_ACK         0x1u
#define PGW_H2_FLAG_END_HEADERS 0x4u
#define PGW_H2_FLAG_PADDED      0x8u
#define PGW_H2_FLAG_PRIORITY    0x20u

struct pgw_h2_frame {
        unsigned type, flags;
        uint32_t stream;
        struct pgw_str payload;
};

/* A request whose body has not ended. */
struct pgw_h2_body {
        uint32_t stream;
        uint64_t bytes; /* that are held of it */
        uint64_t since_ms;
};

struct pgw_h2_bounds {
        size_t block_max;    /* bytes of a header block */
        uint64_t body_max;   /* bytes that are held of a body */
        uint64_t bodies_max; /* bytes of all that are held */
};

/* Zeroed, then pgw_guard_h2_init(). */
struct pgw_guard_h2 {
        struct pgw_h2_bounds bounds;
        uint64_t tokens; /* thousandths */
        uint64_t refilled_ms;
        bool preface_seen;
        bool draining;
        bool in_block; /* a header block is open */
        uint32_t block_stream;
        uint32_t stream_max; /* the last one that was opened */
        unsigned continuations;
        size_t bodies_open;
        struct pgw_h2_body *bodies;
        uint64_t bodies_bytes;    /* of the open ones */
        uint64_t bodies_since_ms; /* when the oldest of them began */
        uint64_t held_bytes;      /* of whole ones that are acted on: the caller's to count */
        uint64_t surcharge; /* bytes that small pieces of bodies count more; of the last scan */
        char *block;        /* what was read of the open one */
        size_t block_size;
};

void pgw_guard_h2_init(struct pgw_guard_h2 *, const struct pgw_h2_bounds *, uint64_t now_ms);
void pgw_guard_h2_fini(struct pgw_guard_h2 *);

/* The first frame of these bytes, which become those behind it; false when it is not complete, or
 * longer than any that is taken. */
bool pgw_h2_next_frame(struct pgw_str *bytes, struct pgw_h2_frame *ret);

/* Judge the complete frames in `bytes`, which start at a frame's boundary (or with the
 * preface, at first). The caller hands the bytes to the library afterwards, which consumes
 * the same complete frames. */
enum pgw_h2_verdict pgw_guard_h2_scan(struct pgw_guard_h2 *, struct pgw_str bytes, uint64_t now_ms);

/* How many of these bytes, which will be scanned, go to the library at once: those before the next
 * trailers, or trailers and what is behind them. Of which stream they begin with the trailers; 0:
 * of none. */
size_t pgw_guard_h2_part(const struct pgw_guard_h2 *, struct pgw_str bytes, uint32_t *ret_trailed);

typedef bool pgw_h2_is_open_f(void *ctx, uint32_t stream);

/* Forget the bodies that the library has given up, each of which costs a token. */
enum pgw_h2_verdict pgw_guard_h2_keep_bodies(struct pgw_guard_h2 *, pgw_h2_is_open_f *, void *ctx);

/* A request was answered: one token comes back. */
void pgw_guard_h2_answered(struct pgw_guard_h2 *);

const char *pgw_h2_verdict_name(enum pgw_h2_verdict);

/* The number of header fields in an HPACK block (RFC 7541), without decoding it. When the
 * block is malformed, the fields before the mistake: the library will refuse it. */
size_t pgw_guard_hpack_fields(struct pgw_str block);

#endif
