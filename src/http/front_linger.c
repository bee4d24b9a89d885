/* The last words of a connection whose client is still sending.
 *
 * An answer that comes before the end of its request, as 413 does, closes the connection. What the
 * client sends after that is answered with a reset, which throws away the answer where it has not
 * been read, and most clients read none before they have sent everything. So the socket is kept for
 * a little while, without its connection: nothing is said any more, and what comes is thrown away
 * in the kernel, as much as a few connections may send in a few milliseconds, some seconds long.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "http/front_priv.h"

#define PGW_LINGER_MAX      16         /* at a time; others are closed at once */
#define PGW_LINGER_MS       3000       /* at the longest */
#define PGW_LINGER_EVERY_MS 5          /* it is looked whether something came */
#define PGW_LINGER_BYTES    (64 << 20) /* that one sends at the most */

struct lingering {
        struct pgw_link link; /* of the front */
        int fd;
        uint64_t until_ms;
        uint64_t bytes;
};

static void end(struct pgw_front *f, struct lingering *l)
{
        pgw_list_remove(&f->lingering, &l->link);
        close(l->fd);
        pgw_free(l);
}

/* False at its end. Over TCP nothing is copied; but who watches over memory takes recv() for a
 * write to where nothing is. */
static bool throw_away(struct lingering *l)
{
        const ssize_t n = syscall(SYS_recvfrom, l->fd, NULL, PGW_LINGER_BYTES,
                                  MSG_TRUNC | MSG_DONTWAIT | MSG_NOSIGNAL, NULL, NULL);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        l->bytes += (uint64_t)n;
        return n > 0 && l->bytes < PGW_LINGER_BYTES;
}

static void on_timer(struct pgw_timer *timer)
{
        struct pgw_front *f = PGW_CONTAINER(timer, struct pgw_front, linger);
        const uint64_t now_ms = pgw_loop_now_ms(f->loop);
        struct pgw_link *link = pgw_list_first(&f->lingering), *next;

        for (; link; link = next) {
                struct lingering *l = PGW_CONTAINER(link, struct lingering, link);
                next = pgw_list_next(&f->lingering, link);
                if (!throw_away(l) || now_ms > l->until_ms)
                        end(f, l);
        }
        if (f->lingering.count)
                pgw_timer_arm(f->loop, timer, now_ms + PGW_LINGER_EVERY_MS);
}

void pgw_linger_init(struct pgw_front *f)
{
        pgw_list_init(&f->lingering);
        pgw_timer_init(&f->linger, on_timer);
}

void pgw_linger_fini(struct pgw_front *f)
{
        struct pgw_link *link;

        pgw_timer_disarm(f->loop, &f->linger);
        while ((link = pgw_list_first(&f->lingering)))
                end(f, PGW_CONTAINER(link, struct lingering, link));
}

void pgw_linger_prepare(struct pgw_conn *c)
{
        if (!PGW_GUARDED || c->lingers || c->phase != PGW_CONN_HTTP1 || c->front->draining ||
            c->front->lingering.count >= PGW_LINGER_MAX)
                return;
        c->linger_fd = fcntl(h2o_socket_get_fd(c->socket), F_DUPFD_CLOEXEC, 0);
        c->lingers = c->linger_fd >= 0;
}

void pgw_linger_begin(struct pgw_conn *c)
{
        struct pgw_front *f = c->front;

        if (!c->lingers)
                return;
        c->lingers = false;
        if (c->killed || f->draining || f->lingering.count >= PGW_LINGER_MAX ||
            shutdown(c->linger_fd, SHUT_WR) != 0) {
                close(c->linger_fd);
                return;
        }
        struct lingering *l = pgw_alloc(sizeof *l);
        l->fd = c->linger_fd;
        l->until_ms = pgw_loop_now_ms(f->loop) + PGW_LINGER_MS;
        pgw_list_append(&f->lingering, &l->link);
        if (!pgw_timer_is_armed(&f->linger))
                pgw_timer_arm(f->loop, &f->linger, pgw_loop_now_ms(f->loop));
}
