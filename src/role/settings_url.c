/* Read from the left: scheme, user, hosts, path, query; each part is bounded by the field that
 * takes it. */
#include "role/settings_url.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/str.h"

#define FORMS                                                                                      \
        "redis://[user@]host[:port][/db], unix:///path[?db=N], "                                   \
        "redis-sentinel://host,.../master or redis-cluster://host,..."

/* The address itself is not repeated: somebody may have put a password into it. */
static enum pgw_err refuse(struct pgw_fault *fault, const char *what)
{
        pgw_fault_set(fault, "", "%s; write %s", what, FORMS);
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

/* ---- the query ---- */

/* Decoded into `out`; false when it does not fit or holds an escape that is none. */
static bool decode(struct pgw_str text, char *out, size_t size)
{
        char plain[PGW_URL_PATH_MAX];
        size_t n;

        if (text.n == 0 || text.n >= sizeof plain || pgw_url_decode(text, plain, &n))
                return false;
        return copy(out, size, pgw_str_of(plain, n));
}

static bool take_option(struct pgw_redis_url *url, struct pgw_str name, struct pgw_str value)
{
        const struct {
                const char *name;
                char *room;
                size_t size;
        } texts[] = {
            {"password_file", url->password_file, sizeof url->password_file},
            {"sentinel_user", url->sentinel_user, sizeof url->sentinel_user},
            {"sentinel_password_file", url->sentinel_password_file,
             sizeof url->sentinel_password_file},
            {"ca", url->ca, sizeof url->ca},
            {"cert", url->cert, sizeof url->cert},
            {"key", url->key, sizeof url->key},
            {"name", url->name, sizeof url->name},
            {"rebounds", url->rebounds, sizeof url->rebounds},
        };

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                if (pgw_str_eq_z(name, texts[i].name))
                        return decode(value, texts[i].room, texts[i].size);
        if (pgw_str_eq_z(name, "db"))
                return read_db(value, &url->db);
        if (!pgw_str_eq_z(name, "verify"))
                return false;
        url->unverified = pgw_str_eq_z(value, "no");
        return url->unverified || pgw_str_eq_z(value, "yes");
}

static enum pgw_err parse_query(struct pgw_str query, struct pgw_redis_url *url,
                                struct pgw_fault *fault)
{
        struct pgw_str option, rest = query, name, value;
        bool more = query.n > 0;

        while (more) {
                more = pgw_str_cut(rest, '&', &option, &rest);
                if (!more)
                        option = rest;
                if (pgw_str_cut(option, '=', &name, &value) && take_option(url, name, value))
                        continue;
                if (!pgw_str_cut(option, '=', &name, &value))
                        name = PGW_STR("");
                pgw_fault_set(fault, "",
                              "behind '?' stand db, password_file, sentinel_user, "
                              "sentinel_password_file, ca, cert, key, name, verify or rebounds, "
                              "each with its "
                              "value%s%.*s",
                              name.n ? ", not what is there for " : "",
                              name.n < 24 ? (int)name.n : 24, name.n ? name.p : "");
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

/* ---- hosts ---- */

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
static bool parse_host(struct pgw_str text, const char *otherwise, struct pgw_redis_url *url)
{
        struct pgw_str host = text, port = pgw_str_z(otherwise), rest;
        uint64_t number;

        if (url->seed_count == PGW_REDIS_SEEDS_MAX)
                return false;
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
        const size_t at = url->seed_count++;
        return copy(url->seeds[at].host, sizeof url->seeds[at].host, host) &&
               copy(url->seeds[at].port, sizeof url->seeds[at].port, port);
}

static enum pgw_err parse_hosts(struct pgw_str hosts, struct pgw_redis_url *url,
                                struct pgw_fault *fault)
{
        const char *port = url->kind == PGW_SENTINEL ? "26379" : "6379";
        struct pgw_str host;
        bool more = true;

        while (more) {
                more = pgw_str_cut(hosts, ',', &host, &hosts);
                if (!parse_host(more ? host : hosts, port, url))
                        return refuse(fault, "host or port cannot be read, or there are more "
                                             "than 16 of them");
        }
        if (url->kind == PGW_STANDALONE && url->seed_count > 1)
                return refuse(fault, "one server has one host");
        return PGW_OK;
}

static enum pgw_err parse_authority(struct pgw_str authority, struct pgw_redis_url *url,
                                    struct pgw_fault *fault)
{
        struct pgw_str user, hosts = authority;

        if (pgw_str_cut(authority, '@', &user, &hosts)) {
                if (user.n && memchr(user.p, ':', user.n)) {
                        pgw_fault_set(fault, "",
                                      "a password does not belong into an address; use the "
                                      "setting for it, or password_file");
                        return PGW_E_CONFIG;
                }
                if (!copy(url->user, sizeof url->user, user))
                        return refuse(fault, "the user's name is too long");
        }
        return parse_hosts(hosts, url, fault);
}

/* ---- the whole ---- */

static enum pgw_err parse_path(struct pgw_str path, struct pgw_redis_url *url,
                               struct pgw_fault *fault)
{
        struct pgw_str db = path;

        if (url->kind == PGW_SENTINEL) {
                struct pgw_str master = path;
                if (!pgw_str_cut(path, '/', &master, &db))
                        db = PGW_STR("");
                if (master.n == 0 || !copy(url->master, sizeof url->master, master))
                        return refuse(fault, "behind the Sentinels stands the master's name");
        }
        if (db.n && !read_db(db, &url->db))
                return refuse(fault, "the database must be a number");
        return PGW_OK;
}

static enum pgw_err check(const struct pgw_redis_url *url, struct pgw_fault *fault)
{
        struct pgw_rebounds rebounds;
        const bool asks_tls =
            url->ca[0] || url->cert[0] || url->key[0] || url->name[0] || url->unverified;

        if (pgw_rebounds_parse(pgw_str_z(url->rebounds), &rebounds))
                return refuse(fault, "rebounds must be ascending numbers of milliseconds");
        if (asks_tls && !url->tls)
                return refuse(fault, "ca, cert, key, name and verify go with rediss");
        if (!url->cert[0] != !url->key[0])
                return refuse(fault, "cert and key are given together");
        if (url->kind == PGW_CLUSTER && url->db)
                return refuse(fault, "a cluster has database 0 only");
        if (url->kind != PGW_SENTINEL && (url->sentinel_user[0] || url->sentinel_password_file[0]))
                return refuse(fault, "sentinel_user and sentinel_password_file go with Sentinels");
        return PGW_OK;
}

static bool take_scheme(struct pgw_str *text, struct pgw_redis_url *url)
{
        static const struct {
                const char *scheme;
                enum pgw_deployment_kind kind;
                bool tls;
        } schemes[] = {
            {"redis://", PGW_STANDALONE, false},        {"rediss://", PGW_STANDALONE, true},
            {"redis-sentinel://", PGW_SENTINEL, false}, {"rediss-sentinel://", PGW_SENTINEL, true},
            {"redis-cluster://", PGW_CLUSTER, false},   {"rediss-cluster://", PGW_CLUSTER, true},
        };

        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
                const struct pgw_str scheme = pgw_str_z(schemes[i].scheme);
                if (!pgw_str_starts(*text, scheme))
                        continue;
                url->kind = schemes[i].kind;
                url->tls = schemes[i].tls;
                *text = pgw_str_of(text->p + scheme.n, text->n - scheme.n);
                return true;
        }
        return false;
}

static enum pgw_err parse_unix(struct pgw_str path, struct pgw_redis_url *url,
                               struct pgw_fault *fault)
{
        if (path.n == 0 || path.p[0] != '/')
                return refuse(fault, "the path of a socket must be absolute");
        if (!copy(url->unix_path, sizeof url->unix_path, path))
                return refuse(fault, "the path of a socket has at most 107 bytes");
        return PGW_OK;
}

static enum pgw_err parse_tcp(struct pgw_str rest, struct pgw_redis_url *url,
                              struct pgw_fault *fault)
{
        struct pgw_str authority = rest, path = PGW_STR("");

        if (!pgw_str_cut(rest, '/', &authority, &path))
                authority = rest;
        enum pgw_err err = parse_authority(authority, url, fault);
        return err ? err : parse_path(path, url, fault);
}

enum pgw_err pgw_redis_url_parse(const char *text, struct pgw_redis_url *ret,
                                 struct pgw_fault *fault)
{
        struct pgw_redis_url url;
        struct pgw_str rest = pgw_str_z(text), query = PGW_STR(""), whole;
        enum pgw_err err;

        memset(&url, 0, sizeof url);
        const bool is_unix = pgw_str_starts(rest, PGW_STR("unix://"));
        if (is_unix)
                rest = pgw_str_of(rest.p + 7, rest.n - 7);
        else if (!take_scheme(&rest, &url))
                return refuse(fault, "it begins with none of redis://, rediss://, unix://, "
                                     "redis-sentinel:// and redis-cluster://");
        whole = rest;
        if (!pgw_str_cut(whole, '?', &rest, &query))
                rest = whole;
        err = is_unix ? parse_unix(rest, &url, fault) : parse_tcp(rest, &url, fault);
        if (!err)
                err = parse_query(query, &url, fault);
        if (!err)
                err = check(&url, fault);
        if (!err)
                *ret = url;
        return err;
}
