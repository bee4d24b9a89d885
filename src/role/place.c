/* A password file holds one line; the end of it is no part of the password. */
#include "role/place.h"

#include <string.h>

#include "base/alloc.h"
#include "role/file.h"

#define PGW_PLACE_PASSWORD_MAX 4096

static enum pgw_err read_password(const char *path, const char *otherwise, char **ret,
                                  struct pgw_fault *fault)
{
        char *text = NULL;
        size_t size = 0;

        *ret = NULL;
        if (!path[0]) {
                if (otherwise && otherwise[0])
                        *ret = pgw_strdup(otherwise);
                return PGW_OK;
        }
        enum pgw_err err = pgw_file_read(path, PGW_PLACE_PASSWORD_MAX, &text, &size, fault);
        if (err || !text)
                return PGW_E_CONFIG;
        while (size && (text[size - 1] == '\n' || text[size - 1] == '\r'))
                text[--size] = '\0';
        if (size && !memchr(text, '\0', size)) {
                *ret = text;
                return PGW_OK;
        }
        pgw_free(text);
        pgw_fault_set(fault, path, "holds no password");
        return PGW_E_CONFIG;
}

static enum pgw_err open_tls(struct pgw_place *place, struct pgw_fault *fault)
{
        const struct pgw_redis_url *url = &place->url;
        const struct pgw_tls_client_conf conf = {
            .authority_path = url->ca[0] ? url->ca : NULL,
            .certificate_path = url->cert[0] ? url->cert : NULL,
            .key_path = url->key[0] ? url->key : NULL,
            .server_name = url->name[0] ? url->name : NULL,
            .unverified = url->unverified,
        };

        return url->tls ? pgw_tls_client_new(&conf, fault, &place->tls) : PGW_OK;
}

enum pgw_err pgw_place_open(struct pgw_place *place, const char *text, const char *password,
                            struct pgw_fault *fault)
{
        struct pgw_redis_url *url = &place->url;

        memset(place, 0, sizeof *place);
        enum pgw_err err = pgw_redis_url_parse(text, url, fault);
        if (!err)
                err = read_password(url->password_file, password, &place->password, fault);
        if (!err)
                err = read_password(url->sentinel_password_file, NULL, &place->sentinel_password,
                                    fault);
        if (!err)
                err = open_tls(place, fault);
        for (size_t i = 0; i < url->seed_count; i++)
                place->seeds[i] = (struct pgw_seed){url->seeds[i].host, url->seeds[i].port};
        if (err)
                pgw_place_close(place);
        return err;
}

static void forget(char *secret)
{
        if (secret)
                explicit_bzero(secret, strlen(secret));
        pgw_free(secret);
}

void pgw_place_close(struct pgw_place *place)
{
        forget(place->password);
        forget(place->sentinel_password);
        pgw_tls_client_free(place->tls);
        memset(place, 0, sizeof *place);
}

struct pgw_deployment_conf pgw_place_conf(const struct pgw_place *place)
{
        const struct pgw_redis_url *url = &place->url;

        return (struct pgw_deployment_conf){
            .kind = url->kind,
            .unix_path = url->unix_path[0] ? url->unix_path : NULL,
            .seeds = url->seed_count ? place->seeds : NULL,
            .seed_count = url->seed_count,
            .master_name = url->master[0] ? url->master : NULL,
            .sentinel_user = url->sentinel_user[0] ? url->sentinel_user : NULL,
            .sentinel_password = place->sentinel_password,
            .user = url->user[0] ? url->user : NULL,
            .password = place->password,
            .db = url->db,
            .tls = place->tls,
        };
}

bool pgw_place_is_same(const struct pgw_place *a, const struct pgw_place *b)
{
        const struct pgw_redis_url *x = &a->url, *y = &b->url;

        if (x->kind != y->kind || x->db != y->db || x->seed_count != y->seed_count ||
            strcmp(x->unix_path, y->unix_path) != 0 || strcmp(x->master, y->master) != 0)
                return false;
        for (size_t i = 0; i < x->seed_count; i++)
                if (strcmp(x->seeds[i].host, y->seeds[i].host) != 0 ||
                    strcmp(x->seeds[i].port, y->seeds[i].port) != 0)
                        return false;
        return true;
}
