/* Behind a proxy the address is the proxy's: what a header says of the client is not believed,
 * since whoever reaches us could write it.
 */
#include "http/actor.h"

#include <arpa/inet.h>
#include <string.h>

#include <h2o.h>

static const char *write_address(const struct sockaddr_storage *from, char *out, size_t size)
{
        switch (from->ss_family) {
        case AF_INET:
                return inet_ntop(AF_INET,
                                 &((const struct sockaddr_in *)(const void *)from)->sin_addr, out,
                                 (socklen_t)size);
        case AF_INET6:
                return inet_ntop(AF_INET6,
                                 &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, out,
                                 (socklen_t)size);
        default:
                return NULL;
        }
}

static void find_out(struct pgw_exchange *x)
{
        struct sockaddr_storage from;
        h2o_conn_t *conn = x->gone ? NULL : x->req->conn;

        memset(&from, 0, sizeof from);
        if (!conn || conn->callbacks->get_peername(conn, (struct sockaddr *)&from) == 0 ||
            !write_address(&from, x->actor, INET6_ADDRSTRLEN))
                memcpy(x->actor, "-", 2);
        x->actor_size = strlen(x->actor);
        if (!x->who)
                return;
        const size_t n = strlen(x->who->name), room = sizeof x->actor - x->actor_size - 1;
        x->actor[x->actor_size++] = ' ';
        memcpy(x->actor + x->actor_size, x->who->name, n < room ? n : room);
        x->actor_size += n < room ? n : room;
}

struct pgw_str pgw_actor(struct pgw_exchange *x)
{
        if (x->gateway->conf.audit.max == 0)
                return PGW_STR("");
        if (x->actor_size == 0)
                find_out(x);
        return pgw_str_of(x->actor, x->actor_size);
}

const struct pgw_buf *pgw_actor_record(struct pgw_exchange *x, struct pgw_audit *a,
                                       struct pgw_buf *out)
{
        pgw_buf_init(out, PGW_AUDIT_RECORD_MAX);
        if (x->gateway->conf.audit.max == 0)
                return NULL;
        a->actor = pgw_actor(x);
        a->request_id = pgw_str_z(x->request_id);
        pgw_audit_write(out, a);
        return out;
}
