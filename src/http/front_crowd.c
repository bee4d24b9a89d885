/* Who leaves when all places are taken and somebody new comes.
 *
 * A place costs nothing to hold, so whoever wants to keep others out would take them all and do
 * nothing in them. A cap for each address would hit a proxy with everybody behind it first, at
 * whatever number, and leaves places empty that nobody else wants; so nobody leaves before all are
 * taken, and then
 *
 *      who has not asked anything in PGW_CROWD_GRACE_MS, of the address with most of these
 *      who asks nothing just now, of the address with most of these
 *      who has been answered and does not take it
 *
 * and of each the one that has been so for longest. Whoever has most loses first, so one address
 * cannot push out another that has fewer, whatever it does with its places: before somebody who
 * does nothing leaves, answers are looked for that an address with more places does not take, and
 * for two seconds newcomers wait for one that is not taken for a second. Behind a proxy, where all
 * have one address, the time decides. Those that never asked and those that did are told apart
 * within an address, and who floods with either loses of those: newcomers, who are the youngest,
 * have the time in which half of all places are taken anew. A request that is being acted on is
 * never ended; if there is nothing else, newcomers wait with the kernel. One that is still
 * arriving, drop by drop perhaps, protects nobody.
 *
 * Addresses are told apart by a hash with a key of this process, as coarse as PGW_CROWD_GROUPS:
 * then it is known in as many steps who has most, however many connections there are. Who shares a
 * group with an attacker, by chance, is one with it in this.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rand.h"
#include "http/addresses.h"
#include "http/front_priv.h"
#include "http/limits.h"

#define PGW_CROWD_GRACE_MS    5000 /* for a handshake and a first request from far away */
#define PGW_CROWD_UNTAKEN_MS  1000 /* for an answer on its way */
#define PGW_CROWD_LOOKED_AT   64   /* for answers that are not taken, at a time */
#define PGW_CROWD_LEAVING_MAX 8    /* at a time: places that are taken twice */

enum kind { SILENT, ASKED };

static unsigned group_of(const struct pgw_crowd *crowd, h2o_socket_t *socket)
{
        struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};

        if (!h2o_socket_getpeername(socket, (struct sockaddr *)&peer))
                return 0;
        return (unsigned)(pgw_address_hash(crowd->key, (struct sockaddr *)&peer) %
                          PGW_CROWD_GROUPS);
}

void pgw_crowd_init(struct pgw_crowd *crowd)
{
        for (unsigned i = 0; i < PGW_CROWD_GROUPS; i++) {
                pgw_list_init(&crowd->idle[SILENT][i]);
                pgw_list_init(&crowd->idle[ASKED][i]);
        }
        pgw_list_init(&crowd->busy);
        pgw_rand_bytes(crowd->key, sizeof crowd->key);
}

static void move_to(struct pgw_conn *c, struct pgw_list *list)
{
        size_t *places = &c->front->crowd.places[c->crowd_group];

        if (c->crowd_list) {
                pgw_list_remove(c->crowd_list, &c->crowd_link);
                --*places;
        }
        c->crowd_list = list;
        if (list) {
                pgw_list_append(list, &c->crowd_link);
                ++*places;
        }
}

void pgw_crowd_join(struct pgw_conn *c)
{
        struct pgw_crowd *crowd = &c->front->crowd;

        c->crowd_group = group_of(crowd, c->socket);
        move_to(c, &crowd->idle[SILENT][c->crowd_group]);
}

void pgw_crowd_asks(struct pgw_conn *c)
{
        struct pgw_crowd *crowd = &c->front->crowd;

        if (c->crowd_list && c->crowd_list != &crowd->busy)
                move_to(c, &crowd->busy);
}

void pgw_crowd_rests(struct pgw_conn *c)
{
        struct pgw_front *f = c->front;

        if (!c->crowd_list)
                return;
        move_to(c, &f->crowd.idle[ASKED][c->crowd_group]);
        if (f->paused && pgw_crowd_is_full(f))
                pgw_front_on_room(f);
}

void pgw_crowd_leave(struct pgw_conn *c)
{
        struct pgw_crowd *crowd = &c->front->crowd;

        move_to(c, NULL);
        if (c->is_leaving && !c->socket) {
                c->is_leaving = false;
                crowd->leaving--;
        }
}

/* Of the largest group the one that has rested longest, if that is `rest_ms` at least; of equal
 * ones the one that has rested longer. */
static struct pgw_conn *largest(const struct pgw_front *f, enum kind last, uint64_t rest_ms)
{
        const uint64_t now_ms = pgw_loop_now_ms(f->loop);
        struct pgw_conn *best = NULL;

        for (unsigned i = 0; i < (last + 1U) * PGW_CROWD_GROUPS; i++) {
                const struct pgw_list *list =
                    &f->crowd.idle[i / PGW_CROWD_GROUPS][i % PGW_CROWD_GROUPS];
                if (!list->count || (best && list->count < best->crowd_list->count))
                        continue;
                struct pgw_conn *c =
                    PGW_CONTAINER(pgw_list_first(list), struct pgw_conn, crowd_link);
                if (now_ms < c->active_ms + rest_ms)
                        continue;
                if (!best || list->count > best->crowd_list->count ||
                    c->active_ms < best->active_ms)
                        best = c;
        }
        return best;
}

static size_t most_places(const struct pgw_crowd *crowd)
{
        size_t most = 0;

        for (unsigned i = 0; i < PGW_CROWD_GROUPS; i++)
                if (crowd->places[i] > most)
                        most = crowd->places[i];
        return most;
}

/* One that does not take its answers, of an address that has more places than these; `is_soon` when
 * some may be such a one within PGW_CROWD_UNTAKEN_MS. Those that were looked at come last the next
 * time. */
static struct pgw_conn *untaken(struct pgw_front *f, size_t places, bool *is_soon)
{
        const uint64_t now_ms = pgw_loop_now_ms(f->loop);
        struct pgw_list *busy = &f->crowd.busy;

        *is_soon = false;
        for (size_t i = 0; i < PGW_CROWD_LOOKED_AT && i < busy->count; i++) {
                struct pgw_conn *c =
                    PGW_CONTAINER(pgw_list_first(busy), struct pgw_conn, crowd_link);
                uint64_t since_ms;
                if (f->crowd.places[c->crowd_group] > places &&
                    pgw_conn_is_answered(c, &since_ms)) {
                        if (now_ms > since_ms + PGW_CROWD_UNTAKEN_MS)
                                return c;
                        *is_soon = true;
                }
                move_to(c, busy);
        }
        return NULL;
}

static void tell(const struct pgw_front *f, enum pgw_counter counter)
{
        static uint64_t told_us;

        pgw_metric_add(counter, 1);
        if (pgw_limits_may_tell(&told_us, pgw_mono_us()))
                PGW_LOG(PGW_LOG_WARN, "http.connections_full",
                        PGW_L_INT("connections", (int64_t)f->conns.count),
                        PGW_L_STR("then", counter == PGW_M_FULL_ENDED ? "ended" : "waits"));
}

bool pgw_crowd_is_full(const struct pgw_front *f)
{
        return f->conns.count >= f->conf.connections_max + f->crowd.leaving;
}

bool pgw_crowd_may_take(const struct pgw_front *f)
{
        return f->crowd.leaving < PGW_CROWD_LEAVING_MAX;
}

/* Not for ever: whoever asks anew again and again always has answers that are about to be taken. */
static bool has_patience(struct pgw_front *f)
{
        const uint64_t now_ms = pgw_loop_now_ms(f->loop);

        if (!f->crowd.patience_end_ms)
                f->crowd.patience_end_ms = now_ms + 2 * PGW_CROWD_UNTAKEN_MS;
        return now_ms < f->crowd.patience_end_ms;
}

struct pgw_conn *pgw_crowd_whom(struct pgw_front *f)
{
        struct pgw_conn *c = largest(f, SILENT, PGW_CROWD_GRACE_MS);

        if (!c)
                c = largest(f, ASKED, 0);
        const size_t places = c ? f->crowd.places[c->crowd_group] : 0;
        if (!c || places < most_places(&f->crowd)) {
                bool is_soon;
                struct pgw_conn *other = untaken(f, places, &is_soon);
                if (other || (is_soon && has_patience(f)))
                        c = other;
        }
        if (c)
                f->crowd.patience_end_ms = 0;
        else
                tell(f, PGW_M_FULL_WAITS);
        return c;
}

void pgw_crowd_end(struct pgw_conn *c)
{
        tell(c->front, PGW_M_FULL_ENDED);
        c->is_leaving = true;
        c->front->crowd.leaving++;
        pgw_conn_kill(c, PGW_KILL_ROOM, "");
}
