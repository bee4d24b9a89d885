/* role/place.h - a Redis deployment of the settings, made ready to be opened.
 *
 * An address (role/settings_url.h) with what it points to read in: passwords from their files,
 * certificates into a context. Read-only afterwards, and shared by all threads.
 */
#ifndef PGW_ROLE_PLACE_H
#define PGW_ROLE_PLACE_H

#include "role/settings_url.h"

struct pgw_place {
        struct pgw_redis_url url;
        struct pgw_seed seeds[PGW_REDIS_SEEDS_MAX];
        char *password, *sentinel_password; /* NULL: none */
        struct pgw_tls_client *tls;         /* NULL: cleartext */
};

/* `password` is that of the settings, "" or NULL when there is none; one in a file of the address
 * goes before it. PGW_E_CONFIG with what cannot be read. Not to be moved afterwards. */
enum pgw_err pgw_place_open(struct pgw_place *, const char *text, const char *password,
                            struct pgw_fault *reterr_fault) PGW_MUSTUSE;
void pgw_place_close(struct pgw_place *); /* one that is all zero is allowed */

/* What it says of the deployment; the rest is the caller's to fill in. Its texts live as long as
 * the place. */
struct pgw_deployment_conf pgw_place_conf(const struct pgw_place *);

/* The same server and database by the same name. Two names of one server are taken for two. */
bool pgw_place_is_same(const struct pgw_place *, const struct pgw_place *);

#endif
