#include "http/page.h"

#include <arpa/inet.h>
#include <string.h>

#include <h2o.h>

static bool changes_something(struct pgw_str method)
{
        return !pgw_str_eq_z(method, "GET") && !pgw_str_eq_z(method, "HEAD");
}

/* "https://purge.example:8443" of "purge.example:8443"; both leave the port of their scheme out.
 * What hides where it comes from is `null`, and comes from elsewhere. */
static bool is_own(struct pgw_str origin, struct pgw_str host)
{
        struct pgw_str scheme, rest;

        return pgw_str_cut(origin, ':', &scheme, &rest) && pgw_str_starts(rest, PGW_STR("//")) &&
               pgw_str_eq_nocase(pgw_str_of(rest.p + 2, rest.n - 2), host);
}

static bool is_foreign(const struct pgw_exchange *x)
{
        const h2o_iovec_t authority = x->req->input.authority;
        ssize_t at = PGW_HEADERS_BEGIN;
        struct pgw_str origin;

        while (pgw_exchange_next_header(x, PGW_STR("origin"), &at, &origin))
                if (!is_own(origin, pgw_str_of(authority.base, authority.len)))
                        return true;
        return pgw_str_eq_z(pgw_exchange_header(x, PGW_STR("sec-fetch-site")), "cross-site");
}

enum pgw_err pgw_page_judge(struct pgw_exchange *x)
{
        const h2o_iovec_t method = x->req->method;

        if (!changes_something(pgw_str_of(method.base, method.len)) || !is_foreign(x))
                return PGW_OK;
        pgw_fault_set(&x->fault, "",
                      "A browser sends this for a page of another site (Origin, Sec-Fetch-Site). "
                      "Send JSON, or send it from elsewhere.");
        return PGW_E_ORIGIN;
}

/* ---- names ---- */

static struct pgw_str without_port(struct pgw_str host)
{
        size_t n = host.n;

        while (n > 0 && host.p[n - 1] >= '0' && host.p[n - 1] <= '9')
                n--;
        if (n > 0 && host.p[n - 1] == ':')
                host.n = n - 1;
        if (host.n > 0 && host.p[host.n - 1] == '.')
                host.n--;
        return host;
}

static bool is_address(struct pgw_str name)
{
        char text[INET_ADDRSTRLEN];
        struct in_addr v4;

        if (name.n && name.p[0] == '[')
                return true;
        if (name.n >= sizeof text)
                return false;
        memcpy(text, name.p, name.n);
        text[name.n] = '\0';
        return inet_pton(AF_INET, text, &v4) == 1;
}

static bool is_localhost(struct pgw_str name)
{
        const struct pgw_str end = PGW_STR(".localhost");

        return name.n > end.n && pgw_str_eq_nocase(pgw_str_of(name.p + name.n - end.n, end.n), end);
}

static bool is_ours(const struct pgw_gateway_conf *conf, struct pgw_str name)
{
        /* Almost always one of these. */
        if (name.n == 0 || !memchr(name.p, '.', name.n) || is_address(name) || is_localhost(name))
                return true;
        for (size_t i = 0; i < conf->name_count; i++)
                if (pgw_str_eq_nocase(name, pgw_str_z(conf->names[i])))
                        return true;
        return false;
}

/* All browsers say that they are one, and no page can keep them from it. */
static bool is_from_browser(const struct pgw_exchange *x)
{
        return pgw_exchange_header(x, PGW_STR("origin")).n ||
               pgw_exchange_header(x, PGW_STR("sec-fetch-site")).n ||
               pgw_str_starts(pgw_exchange_header(x, PGW_STR("user-agent")), PGW_STR("Mozilla/"));
}

enum pgw_err pgw_page_judge_name(struct pgw_exchange *x)
{
        const struct pgw_gateway_conf *conf = &x->gateway->conf;
        const h2o_iovec_t host = x->req->input.authority;
        h2o_conn_t *conn = x->req->conn;

        if (conf->any_name || is_ours(conf, without_port(pgw_str_of(host.base, host.len))) ||
            conn->callbacks->get_socket(conn)->ssl || !is_from_browser(x))
                return PGW_OK;
        pgw_fault_set(&x->fault, "",
                      "A browser has to call it by its address or as localhost. Whoever runs it "
                      "can allow the name "
                      "(setting listen_names), or ask for credentials (identities.file).");
        return PGW_E_HOST;
}
