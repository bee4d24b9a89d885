/* role/settings_url.h - where a Redis is, as one line.
 *
 *      redis://[user@]host[:port][/db]     [::1] for IPv6
 *      unix:///path/to/socket[?db=N]
 *
 * A password never stands in an address: it would be printed and logged.
 */
#ifndef PGW_ROLE_SETTINGS_URL_H
#define PGW_ROLE_SETTINGS_URL_H

#include "base/err.h"

#define PGW_REDIS_DB_MAX 1048576

struct pgw_redis_url {
        char unix_path[108]; /* "": TCP */
        char host[256];
        char port[8];
        char user[128]; /* "": none */
        unsigned db;
};

enum pgw_err pgw_redis_url_parse(const char *text, struct pgw_redis_url *ret,
                                 struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
