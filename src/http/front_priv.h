/* http/front_priv.h - between front.c (accepting), front_conn.c (connections), front_pause.c (those
 * that bring too much), front_h1.c and front_h2.c (what HTTP/1 and HTTP/2 add to them; the latter
 * is not there in a build without it). */
#ifndef PGW_HTTP_FRONT_PRIV_H
#define PGW_HTTP_FRONT_PRIV_H

#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>

#include "base/list.h"
#include "http/front.h"
#include "http/guard_h2.h"
#include "http/pace.h"
#include "http/peer.h"
#include "io/timer.h"

#define PGW_FRONT_LISTENERS_MAX 16

/* False in the build that the attacks are tried on, to see that they are some (CMakeLists.txt). */
#ifdef PGW_UNGUARDED
#define PGW_GUARDED false
#else
#define PGW_GUARDED true
#endif

struct pgw_front {
        struct pgw_loop *loop;
        struct pgw_front_conf conf;
        h2o_globalconf_t config;
        h2o_context_t ctx;
        h2o_accept_ctx_t accept_ctx;
        h2o_socket_t *listeners[PGW_FRONT_LISTENERS_MAX];
        bool listener_is_tls[PGW_FRONT_LISTENERS_MAX];
        size_t listener_count;
        bool paused; /* at the cap, or out of descriptors */
        bool draining;
        uint64_t drain_began_ms;
        struct pgw_list conns;
        struct pgw_list pausing; /* see front_pause.c */
        struct pgw_list unwatched;
        uint64_t in_hand;           /* bytes of requests on all its connections */
        struct pgw_list handshakes; /* that wait for their turn */
        uint64_t handshake_turn;    /* the last one of the loop with a handshake in it */
        bool is_next_called;
        struct pgw_posted next_handshake;
        struct pgw_timer sweep;
};

enum pgw_conn_phase { PGW_CONN_HANDSHAKE, PGW_CONN_PREFACE, PGW_CONN_HTTP1, PGW_CONN_HTTP2 };

struct pgw_conn {
        struct pgw_link link; /* of the front, until the socket closes */
        struct pgw_front *front;
        h2o_socket_t *socket; /* NULL once closed */
        enum pgw_conn_phase phase;
        unsigned holds; /* the socket, each request, a read under way */
        bool killed;
        bool closing;               /* the library has let go of it; TLS says good-bye */
        bool held;                  /* HTTP/1: polled but not read, see front_conn.c */
        bool answered;              /* HTTP/1: the request under way */
        uint64_t phase_deadline_ms; /* handshake and preface */
        uint64_t active_ms;         /* the last request's end, or the start */
        bool in_read;               /* HTTP/2: the library is being handed what was read */
        bool left;                  /* HTTP/2: the peer is gone, and all its requests with it */
        bool farewell;              /* TLS: the peer has said its last word, and waits */
        unsigned reads_after_farewell;
        uint64_t partial_since_ms; /* HTTP/1: since when a part of a request lies there; 0: none */
        unsigned early;            /* requests that were reset before their answer */
        struct pgw_list requests;
        struct pgw_peer peer;
        struct pgw_guard_h2 h2;
        h2o_socket_cb library_read;
        struct pgw_pace pace;
        struct pgw_timer pause; /* until it is read again */
        bool is_paused;
        bool waits_for_room; /* and no timer is armed */
        bool is_unpolled;
        struct pgw_link pause_link; /* of the front */
        h2o_socket_cb guarded_read;
        struct pgw_link unwatched_link; /* of the front */
        struct pgw_link handshake_link; /* of the front */
        uint64_t request_bytes;         /* HTTP/1: read since the last request */
        uint64_t in_hand;               /* as it was last added to the front's */
};

/* A socket was accepted. */
void pgw_conn_begin(struct pgw_front *, h2o_socket_t *, bool is_tls);

/* Why we end a connection. Up to PGW_KILL_STOP nobody did anything wrong. */
enum pgw_kill {
        PGW_KILL_IDLE,
        PGW_KILL_STOP,
        PGW_KILL_FLOOD,   /* control frames */
        PGW_KILL_HEADERS, /* a header block */
        PGW_KILL_RESETS,  /* requests that were reset */
        PGW_KILL_BACKLOG, /* answers that are not read */
        PGW_KILL_SLOW,    /* a request that does not end */
        PGW_KILL_BODIES,  /* bodies at a time */
        PGW_KILL_FRAMING  /* what is around a body */
};

/* End it: the library will see the end of the stream. `detail` goes to the log. */
void pgw_conn_kill(struct pgw_conn *, enum pgw_kill, const char *detail);

/* Look at all connections' times. */
void pgw_conn_sweep(struct pgw_front *);

/* What h2o calls for every request. */
int pgw_conn_on_request(struct pgw_front *, h2o_req_t *);

/* The end of our own phases: nobody else holds the socket yet. */
void pgw_conn_close_early(struct pgw_conn *);

/* The library reads it by itself, or will: take its callback's place before the loop waits. */
void pgw_conn_watch_again(struct pgw_conn *);

/* What is done before each wait for those that are to be watched again. */
void pgw_conn_watch(struct pgw_front *);

/* Let go of one of its holds. */
void pgw_conn_release(struct pgw_conn *);

/* ---- front_pause.c ---- */

void pgw_conn_pause_init(struct pgw_conn *);

/* What it holds of requests may have changed. */
void pgw_conn_count(struct pgw_conn *);

/* Read those again for which there was no room, as far as there is some. */
void pgw_conn_make_room(struct pgw_front *);

/* It has brought so much. When that is more than its share, or there is no room for more, and it is
 * read by `guarded_read` just now, it is not read for a while. */
void pgw_conn_pace(struct pgw_conn *, uint64_t bytes, h2o_socket_cb guarded_read);

/* Read it from now on again, or forget the pause of one that was closed. */
void pgw_conn_resume(struct pgw_conn *);

/* What is done before each wait for those whose pause has begun. */
void pgw_conn_settle(struct pgw_front *);

/* ---- front_tls.c ---- */

void pgw_front_tls_init(struct pgw_front *);

/* It begins with a handshake; `on_done` is called after it, or without it. */
void pgw_front_tls_begin(struct pgw_conn *, h2o_socket_cb on_done);

/* The library reads its handshake by itself. */
void pgw_front_tls_watch(struct pgw_conn *);

/* It was closed. */
void pgw_front_tls_forget(struct pgw_conn *);

/* ---- front_h1.c ---- */

/* It speaks HTTP/1 from here on. */
void pgw_front_h1_begin(struct pgw_conn *);

/* The library reads its requests by itself. */
void pgw_front_h1_watch(struct pgw_conn *);

/* PGW_OK, or why the head must be refused. */
enum pgw_err pgw_front_h1_judge(struct pgw_front *, h2o_req_t *, const h2o_socket_t *,
                                const char **ret_detail);

/* A request of it is acted on. */
void pgw_front_h1_hold(struct pgw_conn *);

/* ---- front_h2.c ---- */

enum pgw_first { PGW_FIRST_HTTP1, PGW_FIRST_HTTP2, PGW_FIRST_UNDECIDED };

#ifdef PGW_HTTP2
/* What a cleartext connection that begins with these bytes speaks. */
enum pgw_first pgw_front_h2_judge(struct pgw_str bytes);

/* It speaks HTTP/2 from here on. */
void pgw_front_h2_begin(struct pgw_conn *);

/* A request of it was answered. */
void pgw_front_h2_answered(struct pgw_conn *);

void pgw_front_h2_end(struct pgw_conn *);
#else
static inline enum pgw_first pgw_front_h2_judge(struct pgw_str bytes)
{
        (void)bytes;
        return PGW_FIRST_HTTP1;
}
/* Nobody was offered it. */
static inline void pgw_front_h2_begin(struct pgw_conn *c)
{
        pgw_conn_close_early(c);
}
static inline void pgw_front_h2_answered(struct pgw_conn *c)
{
        (void)c;
}
static inline void pgw_front_h2_end(struct pgw_conn *c)
{
        (void)c;
}
#endif

/* ---- front.c ---- */

/* A connection is gone; it may accept again. */
void pgw_front_on_room(struct pgw_front *);

/* There is something to settle, or to watch, before the loop waits. */
void pgw_front_before_wait(struct pgw_front *);

#endif
