/* role/settings_url.h - where a Redis is, as one line.
 *
 *      redis://[user@]host[:port][/db]                       one server; [::1] for IPv6
 *      unix:///path/to/socket[?db=N]                         one server on this machine
 *      redis-sentinel://[user@]host[:port],.../master[/db]   the master that Sentinels watch over
 *      redis-cluster://[user@]host[:port],...                a cluster, by some of its nodes
 *
 * With `rediss` for `redis` the way there is TLS. Behind a `?` may follow, joined by `&`,
 *      db=N                    the database
 *      password_file=PATH      where the user's password stands
 *      sentinel_user=NAME, sentinel_password_file=PATH
 *      ca=PATH                 authorities to trust instead of the system's
 *      cert=PATH, key=PATH     the certificate to show, and its key
 *      name=NAME               what the server's certificate must say, instead of the host
 *      verify=no               trust whoever answers
 *      rebounds=1000,3000      of a target: when what was removed there is removed again
 * with %XX for what would be misread. A password never stands in an address: it would be printed
 * and logged.
 */
#ifndef PGW_ROLE_SETTINGS_URL_H
#define PGW_ROLE_SETTINGS_URL_H

#include "base/err.h"
#include "domain/rebound.h"
#include "redis/deployment.h"

#define PGW_REDIS_DB_MAX    1048576
#define PGW_REDIS_SEEDS_MAX 16
#define PGW_URL_PATH_MAX    256

struct pgw_redis_url {
        enum pgw_deployment_kind kind;
        bool tls;
        char unix_path[108]; /* "": TCP */
        struct {
                char host[256];
                char port[8];
        } seeds[PGW_REDIS_SEEDS_MAX];
        size_t seed_count;
        char master[128]; /* SENTINEL */
        char user[128];   /* "": none; so are the others */
        unsigned db;
        char password_file[PGW_URL_PATH_MAX];
        char sentinel_user[128], sentinel_password_file[PGW_URL_PATH_MAX];
        char ca[PGW_URL_PATH_MAX], cert[PGW_URL_PATH_MAX], key[PGW_URL_PATH_MAX];
        char name[256];
        bool unverified;
        char rebounds[PGW_REBOUNDS_TEXT_MAX];
};

enum pgw_err pgw_redis_url_parse(const char *text, struct pgw_redis_url *ret,
                                 struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
