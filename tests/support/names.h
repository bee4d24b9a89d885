/* Names that only tests know, for programs that look them up as everybody does: here are the
 * library's functions, which the linker takes before the library's own.
 *
 *      *.test        127.0.0.1
 *      two.test      127.0.0.2, where nobody listens, then 127.0.0.1
 *      *.slow.test   the same, after NAMES_SLOW_MS
 */
#ifndef PGW_TESTS_NAMES_H
#define PGW_TESTS_NAMES_H

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_SLOW_MS 15000

static inline bool names_ends_with(const char *name, const char *end)
{
        return strlen(name) > strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

static inline struct addrinfo *names_made(const char *address, const char *port,
                                          struct addrinfo *next)
{
        struct addrinfo *a = calloc(1, sizeof *a);
        struct sockaddr_in *in = calloc(1, sizeof *in);

        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
        (void)inet_pton(AF_INET, address, &in->sin_addr);
        a->ai_family = AF_INET;
        a->ai_addr = (struct sockaddr *)in;
        a->ai_addrlen = sizeof *in;
        a->ai_next = next;
        return a;
}

int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret)
{
        (void)hints;
        if (names_ends_with(name, ".slow.test"))
                usleep(NAMES_SLOW_MS * 1000);
        if (!names_ends_with(name, ".test"))
                return EAI_NONAME;
        *ret = names_made("127.0.0.1", port, NULL);
        if (strcmp(name, "two.test") == 0)
                *ret = names_made("127.0.0.2", port, *ret);
        return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
        while (list) {
                struct addrinfo *next = list->ai_next;
                free(list->ai_addr);
                free(list);
                list = next;
        }
}

#endif
