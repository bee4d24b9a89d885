/* redis/client.h - commands out, exactly one answer each.
 *
 * A client keeps one connection to one server: it connects, authenticates, selects
 * the database, and comes back by itself with a growing, jittered pause after a
 * failure. Of the addresses of a name each attempt tries one after the other until one takes the
 * connection, and begins with another than the attempt before. Commands of one turn leave in one
 * write; answers come in the order of the commands.
 *
 * Nothing waits without bound. While the connection is not ready a command is refused
 * at once; more than `in_flight_max` commands or `write_max` bytes are refused; a
 * command that is not answered within its time ends the connection, and every command
 * on it gets that error: what was sent and not answered may or may not have happened.
 * When nothing is in flight a PING each second takes the place of a command, so a
 * server that went silent is noticed.
 *
 * All calls on the loop's thread. The callback of a command comes exactly once, from
 * the loop, if and only if pgw_redis_end() returned PGW_OK.
 */
#ifndef PGW_REDIS_CLIENT_H
#define PGW_REDIS_CLIENT_H

#include "io/resolve.h"
#include "io/tls_client.h"
#include "redis/wire.h"

struct pgw_redis;

struct pgw_redis_address {
        const char *unix_path; /* NULL: TCP */
        const char *host;
        const char *port;
        const char *user;     /* NULL: none */
        const char *password; /* NULL: none; never logged */
        unsigned db;
        const struct pgw_tls_client *tls; /* outlives the client; NULL: cleartext */
};

struct pgw_redis_conf {
        bool is_pointed; /* host and port are not the address's, see pgw_redis_point() */
        struct pgw_redis_address address; /* texts must outlive the client */
        size_t address_first; /* of a name with several: the first attempt begins with this one */
        const char *name;     /* CLIENT SETNAME; no spaces */
        uint64_t timeout_ms;
        size_t in_flight_max;
        size_t write_max;           /* bytes */
        size_t reply_max;           /* bytes of one reply */
        unsigned latency_histogram; /* of base/metric.h */
};

/* `reply` is NULL when no answer came (the connection ended), and holds the error's text
 * when `err` was sent by Redis; it is valid until the callback returns. */
typedef void pgw_redis_reply_f(void *ctx, enum pgw_err err, const struct pgw_reply *reply);

/* The connection became ready (true), or was lost or could not be made (false; `err` says
 * why). Called on every change, and on every failed attempt to connect. */
typedef void pgw_redis_state_f(void *ctx, bool ready, enum pgw_err err);

struct pgw_redis *pgw_redis_open(struct pgw_loop *, struct pgw_resolver *,
                                 const struct pgw_redis_conf *, pgw_redis_state_f *, void *ctx);

/* Commands in flight get PGW_E_REDIS_CANCELLED, from inside this call. Not from a callback of
 * this client. NULL is allowed. */
void pgw_redis_close(struct pgw_redis *);

/* End the connection as if it had been lost: what is in flight gets `err`, and the next one is
 * made, its name looked up anew. For a server that is no longer the right one. No-op while there
 * is none. Not from a callback of this client. */
void pgw_redis_hang_up(struct pgw_redis *, enum pgw_err);

/* Go to this server from now on; another one is hung up on. The texts are copied. Only for a client
 * whose conf says so; until the first call it is not ready. Not from a callback of this client. */
void pgw_redis_point(struct pgw_redis *, const char *host, const char *port);

/* Called when the connection is lost, and when an error says that this is not the server to talk
 * to (MOVED, READONLY, MASTERDOWN, CLUSTERDOWN, LOADING), before whoever waits hears of it. */
typedef void pgw_redis_trouble_f(void *ctx, enum pgw_err);
void pgw_redis_on_trouble(struct pgw_redis *, pgw_redis_trouble_f *, void *ctx);

bool pgw_redis_is_ready(const struct pgw_redis *);

/* What is known in words about the last loss or failed attempt (what Redis, TLS or the system
 * said); may be "". Valid until the next one. */
const char *pgw_redis_reason(const struct pgw_redis *);

/* Commands sent and not answered. */
size_t pgw_redis_in_flight(const struct pgw_redis *);

/* True when a command would be refused for want of room. */
bool pgw_redis_is_full(const struct pgw_redis *);

/* Called once each time that room appears after a command was refused as full. */
typedef void pgw_redis_room_f(void *ctx);
void pgw_redis_on_room(struct pgw_redis *, pgw_redis_room_f *, void *ctx);

/* A command: begin, one pgw_redis_arg() for each of `argc` arguments, end; all before the caller
 * returns to the loop, and no other command of this client between. A failure on
 * the way is reported by end, and nothing was sent then: PGW_E_REDIS_CONNECT while not
 * ready, PGW_E_REDIS_FULL without room. */
void pgw_redis_begin(struct pgw_redis *, size_t argc);
void pgw_redis_arg(struct pgw_redis *, struct pgw_str);
void pgw_redis_arg_u64(struct pgw_redis *, uint64_t);
enum pgw_err pgw_redis_end(struct pgw_redis *, pgw_redis_reply_f *, void *ctx) PGW_MUSTUSE;

/* As pgw_redis_end() for a command that may take `extra_ms` longer (BLOCK, WAIT). */
enum pgw_err pgw_redis_end_slow(struct pgw_redis *, uint64_t extra_ms, pgw_redis_reply_f *,
                                void *ctx) PGW_MUSTUSE;

/* As pgw_redis_begin(), with an ASKING in front of the command: both leave, in this order and
 * with nothing between, or neither. */
void pgw_redis_begin_asking(struct pgw_redis *, size_t argc);

/* As pgw_redis_begin() for the few commands that look after the link itself, or without which those
 * before them were sent in vain: a link that is full, of answers or of bytes, has room for
 * PGW_REDIS_RESERVE of them, each of at most PGW_REDIS_RESERVED_MAX bytes. */
void pgw_redis_begin_reserved(struct pgw_redis *, size_t argc);
#define PGW_REDIS_RESERVE      4
#define PGW_REDIS_RESERVED_MAX 256

/* begin, args and end for a command of fixed words: pgw_redis_say(r, cb, ctx, "XLEN", key, NULL).
 */
enum pgw_err pgw_redis_say(struct pgw_redis *, pgw_redis_reply_f *, void *ctx, ...)
    __attribute__((sentinel)) PGW_MUSTUSE;

#endif
