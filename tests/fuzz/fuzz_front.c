/* Any bytes from a client, HTTP/1 or HTTP/2, in pieces, through the guard and the library to
 * requests that are answered at once, later, or after the client has left: whatever comes, the
 * connection ends when the client does, and no request is left behind.
 *
 * The first byte says how the rest is cut, which requests are answered late, and how it ends. What
 * lies between two "\xff\xfe\xfd" is sent at a time.
 */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <h2o.h>

#include "base/list.h"
#include "base/log.h"
#include "base/panic.h"
#include "http/front.h"

#define BREAK       "\xff\xfe\xfd"
#define TURNS_MAX   2000
#define STEP_LATE   1
#define STEP_LEAVES 2
#define STEP_RESETS 4
#define STEP_CUTS   8

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct waiting {
        struct pgw_link link;
        h2o_req_t *req;
};

static struct {
        struct pgw_loop *loop;
        struct pgw_front *front;
        struct sockaddr_un address;
        socklen_t address_size;
        struct pgw_list waiting;
        unsigned options;
} rig;

static void answer(h2o_req_t *req)
{
        pgw_front_before_answer(req);
        req->res.status = 200;
        req->res.reason = "OK";
        h2o_send_inline(req, "fine\n", 5);
}

static void on_disposed(void *ctx)
{
        struct waiting *w = ctx;

        if (pgw_link_is_on(&w->link))
                pgw_list_remove(&rig.waiting, &w->link);
}

static int on_request(void *ctx, h2o_req_t *req, enum pgw_err err, const char *detail)
{
        (void)ctx;
        PGW_ASSERT(!err == !detail);
        if (!(rig.options & STEP_LATE)) {
                answer(req);
                return 0;
        }
        struct waiting *w = h2o_mem_alloc_shared(&req->pool, sizeof *w, on_disposed);
        *w = (struct waiting){.req = req};
        pgw_list_append(&rig.waiting, &w->link);
        return 0;
}

static struct pgw_str on_refusal(void *ctx, h2o_req_t *req, enum pgw_err err, const char *detail)
{
        (void)ctx;
        PGW_ASSERT(err && detail);
        req->res.content_length = 2;
        return PGW_STR("{}");
}

static void answer_what_waits(void)
{
        struct pgw_link *link;

        while ((link = pgw_list_first(&rig.waiting))) {
                struct waiting *w = PGW_CONTAINER(link, struct waiting, link);
                pgw_list_remove(&rig.waiting, link);
                answer(w->req);
        }
}

/* A name of the kernel's choice. */
static int listen_somewhere(void)
{
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        rig.address.sun_family = AF_UNIX;
        PGW_ASSERT(!bind(fd, (struct sockaddr *)&rig.address, sizeof rig.address.sun_family));
        rig.address_size = sizeof rig.address;
        PGW_ASSERT(!getsockname(fd, (struct sockaddr *)&rig.address, &rig.address_size));
        PGW_ASSERT(!listen(fd, 16));
        return fd;
}

static void begin(void)
{
        const struct pgw_front_listener listener = {.fd = listen_somewhere()};
        const struct pgw_front_conf conf = {
            .listeners = &listener,
            .listener_count = 1,
            .http2 = true,
            .connections_max = 4,
            .header_bytes_max = 1024,
            .body_bytes_max = 1024,
            .streams_max = 10,
            .bytes_per_s = 4 << 20,
            .request_ms = 10000,
            .idle_ms = 10000,
            .handshake_ms = 1000,
            .on_request = on_request,
            .on_refusal = on_refusal,
        };

        (void)signal(SIGPIPE, SIG_IGN);
        pgw_log_set_level(PGW_LOG_ERROR);
        pgw_list_init(&rig.waiting);
        rig.loop = pgw_loop_new();
        rig.front = pgw_front_start(rig.loop, &conf);
}

static void turn(void)
{
        pgw_loop_turn(rig.loop, 0);
        pgw_loop_turn(rig.loop, 0);
        answer_what_waits();
        pgw_loop_turn(rig.loop, 0);
}

/* What is not taken is left out, as is what comes back. */
static void send_piece(int fd, struct pgw_str piece)
{
        char bytes[4096];

        (void)!send(fd, piece.p, piece.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn();
        while (!(rig.options & STEP_LEAVES) && recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
                ;
}

static void send_all(int fd, struct pgw_str rest)
{
        while (rest.n) {
                const char *end = memmem(rest.p, rest.n, BREAK, 3);
                size_t n = end ? (size_t)(end - rest.p) : rest.n;
                if (rig.options & STEP_CUTS && n > 1 + (rig.options >> 4))
                        n = 1 + (rig.options >> 4);
                send_piece(fd, pgw_str_of(rest.p, n));
                n += end == rest.p + n ? 3 : 0;
                rest = pgw_str_of(rest.p + n, rest.n - n);
        }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

        if (!rig.loop)
                begin();
        if (size == 0)
                return 0;
        rig.options = data[0];
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        PGW_ASSERT(!connect(fd, (const struct sockaddr *)&rig.address, rig.address_size));
        turn();
        send_all(fd, pgw_str_of((const char *)data + 1, size - 1));
        if (rig.options & STEP_RESETS)
                (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        else
                (void)shutdown(fd, SHUT_WR);
        close(fd);
        /* One that is paused is read again after a few milliseconds. */
        for (int i = 0; !pgw_front_is_idle(rig.front); i++) {
                PGW_ASSERT(i < TURNS_MAX);
                pgw_loop_turn(rig.loop, 1);
                answer_what_waits();
        }
        PGW_ASSERT(rig.waiting.count == 0);
        return 0;
}
