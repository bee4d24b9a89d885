/* io/listen.h - sockets that accept. */
#ifndef PGW_IO_LISTEN_H
#define PGW_IO_LISTEN_H

#include <stdbool.h>

#include "base/err.h"

#define PGW_LISTEN_ADDRESS_MAX 64
#define PGW_LISTEN_BACKLOG     1024

/* Listen on "127.0.0.1:7780", "[::1]:0" or "localhost:80". SO_REUSEPORT, so that each thread
 * can have its own; not blocking. The fault names the address. */
enum pgw_err pgw_listen_tcp(const char *address, int *ret_fd,
                            struct pgw_fault *reterr_fault) PGW_MUSTUSE;

/* Whether somebody listens there already: with SO_REUSEPORT we would get a share of the
 * connections, and nobody would be told. */
bool pgw_listen_is_taken(const char *address);

/* The numeric address that a socket is bound to, as pgw_listen_tcp() takes it. */
void pgw_listen_address(int fd, char out[PGW_LISTEN_ADDRESS_MAX]);

#endif
