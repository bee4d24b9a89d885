/* redis/wire.h - the Redis protocol (RESP2) as bytes, without I/O.
 *
 * Writing: a command is an array of length-prefixed strings, so no argument can
 * become another command, whatever bytes it holds.
 *
 * Reading: a parser that is fed bytes and remembers where it stopped, so that a large
 * reply that comes in pieces is looked at once. It is capped: nodes of one reply,
 * depth, line length and bulk length are bounded, a server that goes past a bound
 * gets PGW_E_REDIS_PROTOCOL and the connection is closed. (The stock reader of hiredis
 * 0.14 spends seconds on seventeen hostile bytes.) RESP3 types are refused: HELLO 3 is
 * never sent.
 */
#ifndef PGW_REDIS_WIRE_H
#define PGW_REDIS_WIRE_H

#include <stdbool.h>

#include "base/buf.h"

enum pgw_reply_type {
        PGW_REPLY_STRING, /* bulk string */
        PGW_REPLY_STATUS, /* +OK */
        PGW_REPLY_ERROR,  /* -ERR ... */
        PGW_REPLY_INTEGER,
        PGW_REPLY_NIL,
        PGW_REPLY_ARRAY
};

/* One node; the nodes of a reply lie in one array in the order they came. */
struct pgw_reply {
        enum pgw_reply_type type;
        struct pgw_str str; /* STRING, STATUS, ERROR */
        int64_t integer;    /* INTEGER */
        size_t count;       /* ARRAY: number of elements */
        size_t _span;       /* nodes of this value, itself included */
        size_t _offset;     /* of str within the bytes read, until the reply is whole */
};

/* Element `index` of an array, or NULL when it is not an array or has no such element. */
const struct pgw_reply *pgw_reply_at(const struct pgw_reply *, size_t index);

/* The element behind this one of the same array. The caller counts. */
const struct pgw_reply *pgw_reply_next(const struct pgw_reply *);

/* The text of a string or status; the empty slice for NULL and for anything else. */
struct pgw_str pgw_reply_str(const struct pgw_reply *);

/* The number of an integer or of a decimal string; `otherwise` for anything else. */
int64_t pgw_reply_int(const struct pgw_reply *, int64_t otherwise);

struct pgw_wire_limits {
        size_t nodes;      /* of one reply */
        size_t bulk_bytes; /* of one string */
};

#define PGW_WIRE_DEPTH_MAX 8
#define PGW_WIRE_LINE_MAX  65536

struct pgw_wire;

struct pgw_wire *pgw_wire_new(const struct pgw_wire_limits *);
void pgw_wire_free(struct pgw_wire *);

/* Forget a half-read reply (the connection is gone). */
void pgw_wire_reset(struct pgw_wire *);

/* Look at `bytes`, which start with the reply under way and hold everything read of it so
 * far. Returns PGW_OK; *ret_reply is the whole reply, valid until the next call and while
 * `bytes` are, and *ret_used its length, or NULL and 0 when more bytes are needed. */
enum pgw_err pgw_wire_read(struct pgw_wire *, struct pgw_str bytes,
                           const struct pgw_reply **ret_reply, size_t *ret_used) PGW_MUSTUSE;

/* A command of `count` arguments begins; each follows with pgw_wire_arg(). */
enum pgw_err pgw_wire_command(struct pgw_buf *out, size_t count) PGW_MUSTUSE;
enum pgw_err pgw_wire_arg(struct pgw_buf *out, struct pgw_str arg) PGW_MUSTUSE;

#endif
