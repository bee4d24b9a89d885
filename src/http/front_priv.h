/* http/front_priv.h - between front.c (accepting), front_crowd.c (who leaves when it is full),
 * front_conn.c (connections), front_linger.c (those that were closed), front_pause.c (those that
 * bring too much), front_turn.c (requests that wait), front_h1.c and front_h2.c (what HTTP/1 and
 * HTTP/2 add to them; the latter is not there in a build without it). */
#ifndef PGW_HTTP_FRONT_PRIV_H
#define PGW_HTTP_FRONT_PRIV_H

#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>

#include "base/list.h"
#include "http/addresses.h"
#include "http/front.h"
#include "http/guard_h1.h"
#include "http/guard_h2.h"
#include "http/pace.h"
#include "http/peer.h"
#include "io/timer.h"

#define PGW_FRONT_LISTENERS_MAX 16

/* Who cannot divide what is to be said, as a webhook's sender, needs the second half. */
#define PGW_BODY_SIZE_ADVICE                                                                       \
        "send less in one request; whoever runs this service can raise limits.body_bytes"

/* False in the build that the attacks are tried on, to see that they are some (CMakeLists.txt). */
#ifdef PGW_UNGUARDED
#define PGW_GUARDED false
#else
#define PGW_GUARDED true
#endif

#define PGW_CROWD_GROUPS 256

/* Each connection that is not being ended is on one of these lists. */
struct pgw_crowd {
        struct pgw_list idle[2][PGW_CROWD_GROUPS]; /* those that never asked, and those that did */
        struct pgw_list busy;
        size_t places[PGW_CROWD_GROUPS]; /* connections on these lists */
        unsigned char key[PGW_ADDRESS_KEY_SIZE];
        size_t leaving; /* ended for want of room, and not closed yet */
        uint64_t
            patience_end_ms; /* newcomers wait so long for an answer to be taken; 0: none does */
};

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
        struct pgw_crowd crowd;
        struct pgw_list pausing; /* see front_pause.c */
        struct pgw_list unwatched;
        uint64_t in_hand;           /* bytes of requests on all its connections */
        struct pgw_list handshakes; /* that wait for their turn */
        uint64_t handshake_turn;    /* the last one of the loop with a handshake in it */
        bool is_next_called;
        struct pgw_posted next_handshake;
        struct pgw_list turns; /* connections that have requests which may go on */
        bool is_turn_called;
        struct pgw_posted next_turn;
        struct pgw_list lingering; /* see front_linger.c */
        struct pgw_timer linger;
        struct pgw_timer sweep;
};

enum pgw_conn_phase { PGW_CONN_HANDSHAKE, PGW_CONN_PREFACE, PGW_CONN_HTTP1, PGW_CONN_HTTP2 };

struct pgw_conn {
        struct pgw_link link; /* of the front, until the socket closes */
        struct pgw_front *front;
        h2o_socket_t *socket;       /* NULL once closed */
        struct pgw_tls_server *tls; /* held until the socket closes; NULL: cleartext */
        enum pgw_conn_phase phase;
        unsigned holds; /* the socket, each request, a read under way */
        bool killed;
        bool closing;                /* the library has let go of it; TLS says good-bye */
        bool held;                   /* HTTP/1: polled but not read, see front_conn.c */
        bool answered;               /* HTTP/1: the request under way */
        uint64_t phase_deadline_ms;  /* handshake and preface */
        uint64_t active_ms;          /* the last request's end, or the start */
        struct pgw_link crowd_link;  /* of crowd_list */
        struct pgw_list *crowd_list; /* NULL while it is being ended */
        unsigned crowd_group;
        bool is_leaving; /* for want of room */
        bool in_read;    /* HTTP/2: the library is being handed what was read */
        bool left;       /* HTTP/2: the peer is gone, and all its requests with it */
        bool farewell;   /* TLS: the peer has said its last word, and waits */
        unsigned reads_after_farewell;
        uint64_t partial_since_ms; /* HTTP/1: since when a part of a request lies there; 0: none */
        unsigned early;            /* requests that were reset before their answer */
        struct pgw_list requests;
        struct pgw_list waiting;   /* of these, for their turn */
        struct pgw_link turn_link; /* of the front */
        uint64_t turn;             /* the last one with a request of it */
        unsigned begun_in_turn;    /* requests */
        struct pgw_peer peer;
        struct pgw_guard_h2 h2;
        h2o_socket_cb library_read;
        h2o_socket_cb library_write; /* HTTP/2: while something waits for what is being written */
        uint64_t unpaced;            /* HTTP/2: bytes that were read, and not yet taken */
        uint64_t surcharge;          /* HTTP/2: what they count more */
        uint32_t trailed;            /* HTTP/2: the last stream with trailers */
        size_t fields_before;        /* HTTP/2: header fields that it had before them */
        struct pgw_pace pace;
        struct pgw_pace values; /* of its bodies, that were read on the loop */
        struct pgw_timer pause; /* until it is read again */
        bool is_paused;
        bool waits_for_room; /* and no timer is armed */
        bool lacked_room;    /* HTTP/1: so did the request that is arriving, for a while */
        bool is_unpolled;
        struct pgw_link pause_link; /* of the front */
        h2o_socket_cb guarded_read;
        struct pgw_link unwatched_link; /* of the front */
        struct pgw_link handshake_link; /* of the front */
        uint64_t request_bytes;         /* HTTP/1: read since the last request */
        bool lingers;                   /* once it is closed */
        int linger_fd;
        size_t looked_at; /* HTTP/1: of a head that has not ended; bytes */
        bool is_judged;   /* HTTP/1: by this verdict, before the library read it */
        struct pgw_h1_verdict verdict;
        struct pgw_buf last_words; /* HTTP/1: what is said of a request that came too late */
        uint64_t in_hand;          /* as it was last added to the front's */
};

/* A socket was accepted. */
void pgw_conn_begin(struct pgw_front *, h2o_socket_t *, bool is_tls);

/* Why we end a connection. Up to PGW_KILL_STOP nobody did anything wrong. */
enum pgw_kill {
        PGW_KILL_IDLE,
        PGW_KILL_ROOM, /* for somebody else */
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

/* End it if its peer has said good-bye and nothing is left to be answered. */
void pgw_conn_part(struct pgw_conn *);

/* Look at all connections' times. */
void pgw_conn_sweep(struct pgw_front *);

/* Its answer begins. */
void pgw_conn_answers(const h2o_req_t *);

/* All its requests are answered, the first of them since then: what is left is to be taken. Those
 * that the library answered by itself count as answered for ever. */
bool pgw_conn_is_answered(const struct pgw_conn *, uint64_t *ret_since_ms);

/* What h2o calls for every request. */
int pgw_conn_on_request(h2o_req_t *);

/* The turn of a request that waited has come. */
void pgw_conn_go_on(struct pgw_link *request);

/* The end of our own phases: nobody else holds the socket yet. */
void pgw_conn_close_early(struct pgw_conn *);

/* The library reads it by itself, or will: take its callback's place before the loop waits. */
void pgw_conn_watch_again(struct pgw_conn *);

/* What is done before each wait for those that are to be watched again. */
void pgw_conn_watch(struct pgw_front *);

/* Let go of one of its holds. */
void pgw_conn_release(struct pgw_conn *);

/* ---- front_crowd.c ---- */

void pgw_crowd_init(struct pgw_crowd *);

/* It was accepted. */
void pgw_crowd_join(struct pgw_conn *);

/* One of its requests has come. */
void pgw_crowd_asks(struct pgw_conn *);

/* The last of its requests is over. */
void pgw_crowd_rests(struct pgw_conn *);

/* It is being ended, and once more: it was closed. */
void pgw_crowd_leave(struct pgw_conn *);

/* Somebody must leave before anybody is accepted. */
bool pgw_crowd_is_full(const struct pgw_front *);

/* Those who had to leave were closed, all but a few. */
bool pgw_crowd_may_take(const struct pgw_front *);

/* Who leaves; NULL when nobody can, or may be asked to yet, which is counted. */
struct pgw_conn *pgw_crowd_whom(struct pgw_front *);

/* End it for a newcomer. */
void pgw_crowd_end(struct pgw_conn *);

/* ---- front_late.c ---- */

/* Tell the client of an HTTP/1 connection that its request has not arrived in time, and close it.
 * False when that cannot be said: nothing was done. */
bool pgw_late_end(struct pgw_conn *);

/* ---- front_pause.c ---- */

void pgw_conn_pause_init(struct pgw_conn *);

/* What it holds of requests may have changed. */
void pgw_conn_count(struct pgw_conn *);

/* Read those again for which there was no room, as far as there is some. */
void pgw_conn_make_room(struct pgw_front *);

/* It has brought so much. When that is more than its share, or there is no room for more, and it is
 * read by `guarded_read` just now, it is not read for a while. */
void pgw_conn_pace(struct pgw_conn *, uint64_t bytes, h2o_socket_cb guarded_read);

/* Do not read it, who is read by its guard, before pgw_conn_resume(). */
void pgw_conn_stop_reading(struct pgw_conn *);

/* Read it from now on again, or forget the pause of one that was closed. */
void pgw_conn_resume(struct pgw_conn *);

/* What is done before each wait for those whose pause has begun. */
void pgw_conn_settle(struct pgw_front *);

/* ---- front_turn.c ---- */

void pgw_front_turn_init(struct pgw_front *);

/* One more of its requests has come, and must wait. */
bool pgw_conn_must_wait(struct pgw_conn *);

/* Until pgw_conn_go_on(). The link is on the list of its connection meanwhile. */
void pgw_conn_wait(struct pgw_conn *, struct pgw_link *request);

/* A request of it has ended; the next may go on. */
void pgw_conn_next_turn(struct pgw_conn *);

/* It was closed. */
void pgw_conn_forget_turn(struct pgw_conn *);

/* ---- front_linger.c ---- */

void pgw_linger_init(struct pgw_front *);
void pgw_linger_fini(struct pgw_front *);

/* It will be closed with a part of a request on its way, and an answer to that. */
void pgw_linger_prepare(struct pgw_conn *);

/* It was closed. */
void pgw_linger_begin(struct pgw_conn *);

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

/* What can be told of the request that is arriving: its target, or "*". */
struct pgw_str pgw_front_h1_target(const struct pgw_conn *);

/* ---- front_h2.c ---- */

enum pgw_first { PGW_FIRST_HTTP1, PGW_FIRST_HTTP2, PGW_FIRST_UNDECIDED };

#ifdef PGW_HTTP2
/* What a cleartext connection that begins with these bytes speaks. */
enum pgw_first pgw_front_h2_judge(struct pgw_str bytes);

/* It speaks HTTP/2 from here on. */
void pgw_front_h2_begin(struct pgw_conn *);

/* A request of it has come. */
void pgw_front_h2_prepare(struct pgw_conn *, h2o_req_t *);

/* A request of it was answered. */
void pgw_front_h2_answered(struct pgw_conn *);

/* In a drain, and often enough: no body that arrives is given up before its time. */
void pgw_front_h2_await_bodies(struct pgw_front *);

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
static inline void pgw_front_h2_prepare(struct pgw_conn *c, h2o_req_t *req)
{
        (void)c, (void)req;
}
static inline void pgw_front_h2_answered(struct pgw_conn *c)
{
        (void)c;
}
static inline void pgw_front_h2_await_bodies(struct pgw_front *f)
{
        (void)f;
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
