/* What no single setting can tell: whether they fit together, and whether what they name is
 * there. Nothing is opened for good and no name is resolved, so that --check-config answers
 * on a machine that is not the one to serve.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/api_key.h"
#include "domain/keyspace.h"
#include "domain/rebound.h"
#include "domain/target.h"
#include "http/uri_body.h"
#include "role/contract_file.h"
#include "role/hooks_file.h"
#include "role/identities_file.h"
#include "role/settings_priv.h"
#include "role/settings_url.h"

static enum pgw_err check_number_of_listeners(const struct pgw_settings *s, struct pgw_fault *fault)
{
        if (s->listen_count + s->tls_listen_count <= PGW_SETTINGS_LISTENERS_MAX)
                return PGW_OK;
        pgw_fault_set(fault, "listen", "at most %d addresses, with those of tls.listen",
                      PGW_SETTINGS_LISTENERS_MAX);
        return PGW_E_CONFIG;
}

static enum pgw_err check_http2(const struct pgw_settings *s, struct pgw_fault *fault)
{
#ifdef PGW_HTTP2
        (void)s;
        (void)fault;
#else
        if (s->http2) {
                pgw_fault_set(fault, "http2", "this program was built without HTTP/2");
                return PGW_E_CONFIG;
        }
#endif
        return PGW_OK;
}

/* "host:port" or "[v6]:port". */
static bool split_address(const char *address, char *host, size_t host_size)
{
        const char *colon = strrchr(address, ':');
        uint64_t port;

        if (!colon || colon == address || pgw_str_to_u64(pgw_str_z(colon + 1), 65535, &port))
                return false;
        struct pgw_str name = pgw_str_of(address, (size_t)(colon - address));
        if (name.p[0] == '[' && name.p[name.n - 1] == ']')
                name = pgw_str_of(name.p + 1, name.n - 2);
        else if (memchr(name.p, ':', name.n))
                return false;
        if (name.n == 0 || name.n >= host_size)
                return false;
        memcpy(host, name.p, name.n);
        host[name.n] = '\0';
        return true;
}

/* A name that only begins like an address ("127.0.0.1.example.com") is none. */
static bool is_loopback(const char *host)
{
        static const unsigned char mapped[13] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127};
        struct in_addr v4;
        struct in6_addr v6;

        if (strcmp(host, "localhost") == 0)
                return true;
        if (inet_pton(AF_INET, host, &v4) == 1)
                return ntohl(v4.s_addr) >> 24 == 127;
        if (inet_pton(AF_INET6, host, &v6) != 1)
                return false;
        return IN6_IS_ADDR_LOOPBACK(&v6) || memcmp(&v6, mapped, sizeof mapped) == 0;
}

static void refuse_open(const struct pgw_settings *s, const char *name, const char *address,
                        struct pgw_fault *fault)
{
        if (s->identities_file[0])
                pgw_fault_set(fault, name,
                              "'%.60s' is not a loopback address, and credentials would cross the "
                              "network as they are. Use tls.listen, or set listen_anywhere to true "
                              "if the network is yours",
                              address);
        else
                pgw_fault_set(
                    fault, name,
                    "'%.60s' is not a loopback address and nobody is asked for "
                    "credentials: whoever reaches it could purge. Set identities.file, or "
                    "set listen_anywhere to true if the network is yours",
                    address);
}

static enum pgw_err check_listen(const struct pgw_settings *s, const char *name, char *const *list,
                                 size_t count, struct pgw_fault *fault)
{
        const bool is_safe =
            s->listen_anywhere ||
            (list == s->tls_listen && (s->identities_file[0] || s->tls_client_required));
        char host[256];

        for (size_t i = 0; i < count; i++) {
                if (!split_address(list[i], host, sizeof host)) {
                        pgw_fault_set(fault, name,
                                      "'%.60s' is no address; write HOST:PORT with a port of at "
                                      "most 65535, an IPv6 address in brackets",
                                      list[i]);
                        return PGW_E_CONFIG;
                }
                if (is_safe || is_loopback(host))
                        continue;
                refuse_open(s, name, list[i], fault);
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

static enum pgw_err check_url(const char *name, const char *url, struct pgw_fault *fault)
{
        struct pgw_redis_url parsed;
        struct pgw_fault inner = {"", ""};

        if (!url[0] || pgw_redis_url_parse(url, &parsed, &inner) == PGW_OK)
                return PGW_OK;
        pgw_fault_set(fault, name, "%s", inner.detail);
        return PGW_E_CONFIG;
}

static enum pgw_err check_targets(const struct pgw_settings *s, struct pgw_fault *fault)
{
        for (size_t i = 0; i < s->targets_count; i++) {
                struct pgw_str name, url, other;
                if (pgw_target_split(pgw_str_z(s->targets[i]), &name, &url)) {
                        /* Not shown: what was taken for a name may hold a password. */
                        pgw_fault_set(fault, "targets",
                                      "number %zu does not begin with NAME=, a name of 1 to %d "
                                      "small letters, digits, '-' or '_'",
                                      i + 1, PGW_TARGET_NAME_MAX);
                        return PGW_E_CONFIG;
                }
                enum pgw_err err = check_url("targets", url.p, fault);
                if (err)
                        return err;
                bool twice = s->target_url[0] && pgw_str_eq_z(name, PGW_TARGET_DEFAULT);
                for (size_t k = 0; k < i && !twice; k++)
                        twice =
                            pgw_target_split(pgw_str_z(s->targets[k]), &other, &url) == PGW_OK &&
                            pgw_str_eq(name, other);
                if (!twice)
                        continue;
                pgw_fault_set(fault, "targets", "'%.*s' is the name of two targets", (int)name.n,
                              name.p);
                return PGW_E_CONFIG;
        }
        if (s->targets_count + (s->target_url[0] != '\0') <= PGW_TARGETS_MAX)
                return PGW_OK;
        pgw_fault_set(fault, "targets", "at most %d targets", PGW_TARGETS_MAX);
        return PGW_E_CONFIG;
}

static enum pgw_err check_template(const char *name, const char *template, bool for_groups,
                                   struct pgw_fault *fault)
{
        struct pgw_fault inner = {"", ""};

        if (pgw_uri_template_check(template, for_groups, &inner) == PGW_OK)
                return PGW_OK;
        pgw_fault_set(fault, name, "%s", inner.detail);
        return PGW_E_CONFIG;
}

static enum pgw_err check_readable(const char *name, const char *path, struct pgw_fault *fault)
{
        if (access(path, R_OK) == 0)
                return PGW_OK;
        pgw_fault_set(fault, name, "'%.120s' cannot be read: %s", path, strerror(errno));
        return PGW_E_CONFIG;
}

/* And the webhooks, which act as identities. */
static enum pgw_err check_identities(const struct pgw_settings *s, struct pgw_fault *fault)
{
        struct pgw_fault inner = {"", ""};
        struct pgw_identities *identities = NULL;
        struct pgw_contract *contract = NULL;
        struct pgw_hooks *hooks = NULL;
        struct pgw_file_watch watch = {.paths = NULL};
        const char *name = "identities.file";
        enum pgw_err err = pgw_identities_file_read(s, &inner, &identities);

        if (!err && s->hooks_file[0]) {
                name = "contract";
                err = pgw_contract_file_read(s, &inner, &contract);
        }
        if (!err) {
                name = "hooks.file";
                err = pgw_hooks_file_read(s, identities, contract, &watch, &inner, &hooks);
        }
        pgw_file_watch_fini(&watch);
        pgw_identities_drop(identities);
        pgw_hooks_drop(hooks);
        pgw_contract_free(contract);
        if (err)
                pgw_fault_set(fault, name, "%s: %s", inner.pointer, inner.detail);
        return err;
}

/* A short one could be found by trying, and with it the secrets. `purgeway key` must be able to
 * read it, too. */
static enum pgw_err check_pepper(const struct pgw_settings *s, struct pgw_fault *fault)
{
        const size_t n = strlen(s->identities_pepper);
        bool fits = n == 0 || (n >= PGW_SECRET_SIZE_MIN && n <= PGW_SECRET_SIZE_MAX);

        for (size_t i = 0; i < n; i++)
                fits &= s->identities_pepper[i] > ' ' && s->identities_pepper[i] <= '~';
        if (fits)
                return PGW_OK;
        pgw_fault_set(fault, "identities.pepper",
                      "must be %d to %d printable characters without spaces", PGW_SECRET_SIZE_MIN,
                      PGW_SECRET_SIZE_MAX);
        return PGW_E_CONFIG;
}

static enum pgw_err check_files(const struct pgw_settings *s, struct pgw_fault *fault)
{
        enum pgw_err err = check_pepper(s, fault);

        if (!err && s->contract[0])
                err = check_readable("contract", s->contract, fault);
        if (err || s->tls_listen_count == 0)
                return err;
        if (!s->tls_certificate[0] || !s->tls_key[0]) {
                pgw_fault_set(fault, "tls.listen", "needs tls.certificate and tls.key");
                return PGW_E_CONFIG;
        }
        if (s->tls_client_required && !s->tls_client_ca[0]) {
                pgw_fault_set(fault, "tls.client_required", "needs tls.client_ca");
                return PGW_E_CONFIG;
        }
        err = check_readable("tls.certificate", s->tls_certificate, fault);
        if (!err)
                err = check_readable("tls.key", s->tls_key, fault);
        if (!err && s->tls_client_ca[0])
                err = check_readable("tls.client_ca", s->tls_client_ca, fault);
        return err;
}

static enum pgw_err check_worker(const struct pgw_settings *s, struct pgw_fault *fault)
{
        struct pgw_keyspace keyspace;
        struct pgw_rebounds rebounds;

        if (pgw_rebounds_parse(pgw_str_z(s->rebounds), &rebounds)) {
                pgw_fault_set(fault, "rebounds",
                              "'%.40s' is not up to %d ascending numbers of milliseconds from 1 to "
                              "%d, separated by commas, nor '-'",
                              s->rebounds, PGW_REBOUNDS_MAX, PGW_REBOUND_MS_MAX);
                return PGW_E_CONFIG;
        }

        if (pgw_keyspace_init(&keyspace, s->queue_name)) {
                pgw_fault_set(fault, "queue.name",
                              "a queue's name has 1 to %d letters, digits, '-', '_' or '.'",
                              PGW_QUEUE_NAME_MAX);
                return PGW_E_CONFIG;
        }
        if (s->worker_beat_ms * 2 >= s->worker_idle_ms) {
                pgw_fault_set(fault, "worker.beat_ms",
                              "must be less than half of worker.idle_ms (%llu), or a live worker "
                              "would lose its jobs",
                              (unsigned long long)s->worker_idle_ms);
                return PGW_E_CONFIG;
        }
        return PGW_OK;
}

enum pgw_err pgw_settings_check(const struct pgw_settings *s, struct pgw_fault *fault)
{
        enum pgw_err err = check_number_of_listeners(s, fault);

        if (!err)
                err = check_http2(s, fault);
        if (!err)
                err = check_listen(s, "listen", s->listen, s->listen_count, fault);
        if (!err)
                err = check_listen(s, "tls.listen", s->tls_listen, s->tls_listen_count, fault);
        if (!err)
                err = check_url("broker.url", s->broker_url, fault);
        if (!err)
                err = check_url("results.url", s->results_url, fault);
        if (!err)
                err = check_url("target.url", s->target_url, fault);
        if (!err)
                err = check_targets(s, fault);
        if (!err)
                err = check_template("uri.key", s->uri_key, false, fault);
        if (!err)
                err = check_template("uri.tag", s->uri_tag, true, fault);
        if (!err)
                err = check_files(s, fault);
        if (!err)
                err = check_identities(s, fault);
        return err ? err : check_worker(s, fault);
}
