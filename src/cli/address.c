/* Only as much of RFC 3986 as tells what is secret and what is on this machine; libcurl judges the
 * rest. It is read as libcurl reads it: behind the scheme up to a slash, a question mark or a hash
 * stands [name[:password]@]host[:port], and the last @ counts. */
#include "cli/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static bool cut_scheme(struct pgw_str url, struct pgw_str *ret_scheme, struct pgw_str *ret_rest)
{
        static const struct pgw_str schemes[] = {{"http://", 7}, {"https://", 8}};

        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
                if (pgw_str_starts(url, schemes[i])) {
                        *ret_scheme = schemes[i];
                        *ret_rest = pgw_str_of(url.p + schemes[i].n, url.n - schemes[i].n);
                        return true;
                }
        return false;
}

/* Without name and password. */
static struct pgw_str bare_of(struct pgw_str rest)
{
        struct pgw_str user;
        size_t n = 0;

        while (n < rest.n && !strchr("/?#", rest.p[n]))
                n++;
        for (struct pgw_str host = pgw_str_of(rest.p, n); pgw_str_cut(host, '@', &user, &host);)
                rest = pgw_str_of(host.p, (size_t)(rest.p + rest.n - host.p));
        return rest;
}

static bool is_port(struct pgw_str text)
{
        uint64_t port;

        return text.n == 0 || !pgw_str_to_u64(text, UINT16_MAX, &port);
}

/* What stands before the port, and whether that is one: `name:pass/word@host` is no port, and what
 * was taken for it must not be shown. */
static bool cut_host(struct pgw_str bare, char host[NI_MAXHOST])
{
        struct pgw_str name = bare, port = PGW_STR("");
        size_t n = 0;

        while (n < bare.n && !strchr("/?#", bare.p[n]))
                n++;
        name.n = n;
        if (n && bare.p[0] == '[') {
                if (!pgw_str_cut(pgw_str_of(bare.p + 1, n - 1), ']', &name, &port) ||
                    (port.n && *port.p++ != ':'))
                        return false;
                port.n -= port.n > 0;
        } else {
                pgw_str_cut(name, ':', &name, &port);
        }
        if (name.n == 0 || name.n >= NI_MAXHOST || !is_port(port))
                return false;
        memcpy(host, name.p, name.n);
        host[name.n] = '\0';
        return true;
}

static bool is_here(const char *host)
{
        struct pgw_str name = pgw_str_z(host), local = PGW_STR("localhost");
        struct in6_addr six;
        struct in_addr four;

        if (inet_pton(AF_INET6, host, &six) == 1)
                return IN6_IS_ADDR_LOOPBACK(&six) || IN6_IS_ADDR_UNSPECIFIED(&six) ||
                       (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == IN_LOOPBACKNET);
        if (inet_aton(host, &four))
                return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET || four.s_addr == INADDR_ANY;
        name.n -= name.p[name.n - 1] == '.';
        if (name.n > local.n && name.p[name.n - local.n - 1] == '.')
                name = pgw_str_of(name.p + name.n - local.n, local.n);
        return pgw_str_eq_nocase(name, local);
}

enum pgw_err pgw_cli_address_read(const char *url, struct pgw_cli_address *ret_address,
                                  struct pgw_fault *fault)
{
        struct pgw_str text = pgw_str_z(url), scheme, rest;
        const char *last = strrchr(url, '@');
        char host[NI_MAXHOST];

        while (text.n && text.p[text.n - 1] == '/')
                text.n--;
        if (text.n >= PGW_CLI_ADDRESS_SIZE || !cut_scheme(text, &scheme, &rest) ||
            !cut_host(bare_of(rest), host)) {
                pgw_fault_set(fault, "", "%s%.200s is not an http:// or https:// address",
                              last ? "..." : "", last ? last : url);
                return PGW_E_INVALID;
        }
        rest = bare_of(rest);
        snprintf(ret_address->url, sizeof ret_address->url, "%.*s", (int)text.n, text.p);
        snprintf(ret_address->shown, sizeof ret_address->shown, "%.*s%.*s", (int)scheme.n, scheme.p,
                 (int)rest.n, rest.p);
        ret_address->is_here = is_here(host);
        return PGW_OK;
}
