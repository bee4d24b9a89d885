/* Read from the left; each part is bounded by the field that takes it. */
#include "role/settings_url.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* The address itself is not repeated: somebody may have put a password into it. */
static enum pgw_err refuse(struct pgw_fault *fault, const char *what)
{
        pgw_fault_set(fault, "", "%s; write redis://[user@]host[:port][/db] or unix:///path[?db=N]",
                      what);
        return PGW_E_CONFIG;
}

static bool copy(char *out, size_t size, struct pgw_str from)
{
        if (!from.p || from.n >= size || memchr(from.p, '\0', from.n))
                return false;
        memcpy(out, from.p, from.n);
        out[from.n] = '\0';
        return true;
}

static bool read_db(struct pgw_str text, unsigned *ret)
{
        uint64_t db;

        if (pgw_str_to_u64(text, PGW_REDIS_DB_MAX, &db))
                return false;
        *ret = (unsigned)db;
        return true;
}

static enum pgw_err parse_unix(struct pgw_str rest, struct pgw_redis_url *url,
                               struct pgw_fault *fault)
{
        struct pgw_str path = rest, query;

        if (pgw_str_cut(rest, '?', &path, &query)) {
                if (!pgw_str_starts(query, PGW_STR("db=")) ||
                    !read_db(pgw_str_of(query.p + 3, query.n - 3), &url->db))
                        return refuse(fault, "the part behind '?' must be db=N");
        }
        if (path.n == 0 || path.p[0] != '/')
                return refuse(fault, "the path of a socket must be absolute");
        if (!copy(url->unix_path, sizeof url->unix_path, path))
                return refuse(fault, "the path of a socket has at most 107 bytes");
        return PGW_OK;
}

/* So that "h?password=..." or a second '@' is no name. */
static bool is_host(struct pgw_str host)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789.-_:%";

        for (size_t i = 0; i < host.n; i++)
                if (!memchr(allowed, host.p[i], sizeof allowed - 1))
                        return false;
        return host.n > 0;
}

/* "host", "host:port", "[v6]", "[v6]:port" */
static bool parse_host(struct pgw_str text, struct pgw_redis_url *url)
{
        struct pgw_str host = text, port = PGW_STR("6379"), rest;
        uint64_t number;

        if (text.n && text.p[0] == '[') {
                if (!pgw_str_cut(pgw_str_of(text.p + 1, text.n - 1), ']', &host, &rest))
                        return false;
                if (rest.n && rest.p[0] != ':')
                        return false;
                if (rest.n)
                        port = pgw_str_of(rest.p + 1, rest.n - 1);
        } else if (pgw_str_cut(text, ':', &host, &rest)) {
                port = rest;
        }
        if (!is_host(host) || pgw_str_to_u64(port, 65535, &number) || number == 0)
                return false;
        return copy(url->host, sizeof url->host, host) && copy(url->port, sizeof url->port, port);
}

enum pgw_err pgw_redis_url_parse(const char *text, struct pgw_redis_url *ret,
                                 struct pgw_fault *fault)
{
        struct pgw_redis_url url;
        struct pgw_str rest = pgw_str_z(text), authority, db, user, host;

        memset(&url, 0, sizeof url);
        if (pgw_str_starts(rest, PGW_STR("unix://"))) {
                enum pgw_err err = parse_unix(pgw_str_of(rest.p + 7, rest.n - 7), &url, fault);
                if (!err)
                        *ret = url;
                return err;
        }
        if (!pgw_str_starts(rest, PGW_STR("redis://")))
                return refuse(fault, "it begins with neither redis:// nor unix://");
        rest = pgw_str_of(rest.p + 8, rest.n - 8);
        authority = rest;
        if (pgw_str_cut(rest, '/', &authority, &db) && db.n && !read_db(db, &url.db))
                return refuse(fault, "the database must be a number");
        host = authority;
        if (pgw_str_cut(authority, '@', &user, &host)) {
                if (user.n && memchr(user.p, ':', user.n)) {
                        pgw_fault_set(fault, "",
                                      "a password does not belong into an address; use the "
                                      "setting for it");
                        return PGW_E_CONFIG;
                }
                if (!copy(url.user, sizeof url.user, user))
                        return refuse(fault, "the user's name is too long");
        }
        if (!parse_host(host, &url))
                return refuse(fault, "host or port cannot be read");
        *ret = url;
        return PGW_OK;
}
