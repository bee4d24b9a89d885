/* Any bytes as an address to listen on. Without leave only loopback may pass; the C library is the
 * judge of what an address means. */
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "base/alloc.h"
#include "role/settings_priv.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool is_loopback(const struct sockaddr *address)
{
        const struct sockaddr_in *v4 = (const void *)address;
        const struct sockaddr_in6 *v6 = (const void *)address;

        if (address->sa_family == AF_INET)
                return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
                return v6->sin6_addr.s6_addr[12] == 127;
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* "HOST:PORT", which was accepted. */
static void check_host(const char *address)
{
        const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
        struct addrinfo *found = NULL;
        char host[256];

        const char *colon = strrchr(address, ':');
        PGW_ASSERT(colon && (size_t)(colon - address) < sizeof host);
        struct pgw_str name = pgw_str_of(address, (size_t)(colon - address));
        if (name.p[0] == '[')
                name = pgw_str_of(name.p + 1, name.n - 2);
        memcpy(host, name.p, name.n);
        host[name.n] = '\0';
        if (strcmp(host, "localhost") == 0)
                return;
        PGW_ASSERT(getaddrinfo(host, NULL, &hints, &found) == 0);
        PGW_ASSERT(is_loopback(found->ai_addr));
        freeaddrinfo(found);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        char *text = pgw_memdup((const char *)data, size), *no_env[] = {NULL};
        char *flags[] = {(char *)"--listen", text, NULL};
        struct pgw_fault fault = {"", ""};
        struct pgw_settings *s;

        PGW_ASSERT(pgw_settings_load(0, NULL, no_env, &fault, &s) == PGW_OK);
        enum pgw_err err = pgw_settings_read_flags(s, 2, flags, &fault);
        if (!err)
                err = pgw_settings_check(s, &fault);
        for (size_t i = 0; !err && i < s->listen_count; i++)
                check_host(s->listen[i]);
        if (err)
                PGW_ASSERT(fault.detail[0] && !strpbrk(fault.detail, "\n"));
        pgw_settings_free(s);
        pgw_free(text);
        return 0;
}
