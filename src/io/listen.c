/* Names are resolved here and may block: it happens once, at start. */
#include "io/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

static bool split(const char *address, char *host, size_t host_size, char *port, size_t port_size)
{
        const char *colon = strrchr(address, ':');
        struct pgw_str name;

        if (!colon || colon == address || !colon[1])
                return false;
        name = pgw_str_of(address, (size_t)(colon - address));
        if (name.p[0] == '[' && name.p[name.n - 1] == ']')
                name = pgw_str_of(name.p + 1, name.n - 2);
        else if (memchr(name.p, ':', name.n))
                return false;
        uint64_t number;
        if (name.n >= host_size || strlen(colon + 1) >= port_size ||
            pgw_str_to_u64(pgw_str_z(colon + 1), 65535, &number))
                return false;
        memcpy(host, name.p, name.n);
        host[name.n] = '\0';
        memcpy(port, colon + 1, strlen(colon + 1) + 1);
        return true;
}

/* One that is not shared is there to see whether it could be had, and nobody can connect to it. */
static int open_socket(const struct addrinfo *a, bool is_shared)
{
        const int one = 1, shared = is_shared;
        int fd =
            socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);

        if (fd < 0)
                return -1;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
            setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared) ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ||
            (a->ai_family == AF_INET6 &&
             setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one)) ||
            bind(fd, a->ai_addr, a->ai_addrlen) || (is_shared && listen(fd, PGW_LISTEN_BACKLOG))) {
                const int kept = errno;
                close(fd);
                errno = kept;
                return -1;
        }
        return fd;
}

static enum pgw_err find(const char *address, struct addrinfo **ret, struct pgw_fault *fault)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
        char host[256], port[16];

        if (!split(address, host, sizeof host, port, sizeof port)) {
                pgw_fault_set(
                    fault, address,
                    "write HOST:PORT with a port of at most 65535, an IPv6 address in brackets");
                return PGW_E_CONFIG;
        }
        const int code = getaddrinfo(host, port, &hints, ret);
        if (code) {
                pgw_fault_set(fault, address, "cannot listen: %s", gai_strerror(code));
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

enum pgw_err pgw_listen_tcp(const char *address, int *ret_fd, struct pgw_fault *fault)
{
        struct addrinfo *found;

        enum pgw_err err = find(address, &found, fault);
        if (err)
                return err;
        const int fd = open_socket(found, true);
        const int failure = errno;
        freeaddrinfo(found);
        if (fd < 0) {
                pgw_fault_set(fault, address, "cannot listen: %s", strerror(failure));
                return PGW_E_SYSTEM;
        }
        *ret_fd = fd;
        return PGW_OK;
}

bool pgw_listen_is_taken(const char *address)
{
        struct pgw_fault ignored = {"", ""};
        struct addrinfo *found;

        if (find(address, &found, &ignored))
                return false;
        const int fd = open_socket(found, false);
        const bool is_taken = fd < 0 && errno == EADDRINUSE;
        freeaddrinfo(found);
        if (fd >= 0)
                close(fd);
        return is_taken;
}

void pgw_listen_address(int fd, char out[PGW_LISTEN_ADDRESS_MAX])
{
        struct sockaddr_storage addr = {0};
        socklen_t size = sizeof addr;
        char host[48], port[8];

        PGW_ASSERT(getsockname(fd, (struct sockaddr *)&addr, &size) == 0);
        PGW_ASSERT(getnameinfo((struct sockaddr *)&addr, size, host, sizeof host, port, sizeof port,
                               NI_NUMERICHOST | NI_NUMERICSERV) == 0);
        snprintf(out, PGW_LISTEN_ADDRESS_MAX, addr.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                 host, port);
}
