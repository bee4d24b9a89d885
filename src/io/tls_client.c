/* libh2o verifies a server's name itself, but only in the last round of a TLS 1.2 handshake,
 * only after the handshake is over, and never against an IP address: under TLS 1.3 it takes
 * any name. So the check is made by OpenSSL while it looks at the chain, where a failure ends
 * the handshake, and h2o's opinion is not asked (see io/stream.c).
 *
 * A context does not know where its connections go, and h2o makes the SSL object where
 * nobody can reach it before the handshake. The way from one to the other is the callback that
 * verifies a chain: from its SSL object to the BIO, to h2o's socket, to the socket's owner.
 */
#include "io/tls_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <h2o.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "io/tls_authorities.h"

struct pgw_tls_client {
        SSL_CTX *ctx;
        char *server_name; /* NULL: the host that is connected to */
};

static h2o_socket_t *socket_of(const SSL *ssl)
{
        return BIO_get_data(SSL_get_rbio(ssl));
}

static bool is_address(const char *name)
{
        unsigned char bytes[sizeof(struct in6_addr)];

        return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool expect(X509_VERIFY_PARAM *param, const char *name)
{
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (is_address(name))
                return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
        return name[0] && X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

static int on_verify(X509_STORE_CTX *store, void *arg)
{
        const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
        struct pgw_tls_peer *peer = socket_of(ssl)->data;

        (void)arg;
        if (!expect(X509_STORE_CTX_get0_param(store), peer->name)) {
                X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
                snprintf(peer->reason, sizeof peer->reason, "no name to verify the server by");
                return 0;
        }
        if (X509_verify_cert(store) == 1)
                return 1;
        const int error = X509_STORE_CTX_get_error(store);
        if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH)
                snprintf(peer->reason, sizeof peer->reason,
                         "the server's certificate is not for %s", peer->name);
        else
                snprintf(peer->reason, sizeof peer->reason, "the server's certificate: %s",
                         X509_verify_cert_error_string(error));
        return 0;
}

/* OpenSSL 3.0 has no name for what TLS 1.3 added. */
static const char *alert_name(int alert)
{
        return alert == SSL_AD_CERTIFICATE_REQUIRED ? "certificate required"
                                                    : SSL_alert_desc_string_long(alert);
}

/* An alert ends a connection, but h2o takes it for silence: OpenSSL tells of a close_notify and
 * of a fatal alert in the same way, as nothing read. What follows one it does not read, and
 * libh2o would keep it without bound. So the socket is shut, and the next thing that is read
 * is its end. */
static void on_info(const SSL *ssl, int where, int value)
{
        struct pgw_tls_peer *peer = socket_of(ssl)->data;
        const int alert = value & 0xff;

        if (where != SSL_CB_READ_ALERT || alert == SSL_AD_USER_CANCELLED)
                return;
        if (alert != SSL_AD_CLOSE_NOTIFY && !peer->reason[0])
                snprintf(peer->reason, sizeof peer->reason, "the server's alert: %s",
                         alert_name(alert));
        (void)shutdown(h2o_socket_get_fd(socket_of(ssl)), SHUT_RDWR);
}

static enum pgw_err refuse(struct pgw_fault *fault, const char *path, const char *what)
{
        pgw_fault_set(fault, path ? path : "", "%s: %s", what,
                      pgw_tls_client_last_error("unknown reason"));
        return PGW_E_CONFIG;
}

static enum pgw_err load(SSL_CTX *ctx, const struct pgw_tls_client_conf *conf,
                         struct pgw_fault *fault)
{
        ERR_clear_error();
        if (conf->authority_path) {
                if (SSL_CTX_load_verify_file(ctx, conf->authority_path) != 1)
                        return refuse(fault, conf->authority_path,
                                      "the authorities cannot be read");
        } else if (!conf->unverified && SSL_CTX_set_default_verify_paths(ctx) != 1) {
                return refuse(fault, NULL, "the system's authorities cannot be read");
        }
        if (!conf->certificate_path != !conf->key_path) {
                pgw_fault_set(fault, conf->key_path ? conf->key_path : conf->certificate_path,
                              "a certificate and its key are given together");
                return PGW_E_CONFIG;
        }
        if (!conf->certificate_path)
                return PGW_OK;
        if (SSL_CTX_use_certificate_chain_file(ctx, conf->certificate_path) != 1)
                return refuse(fault, conf->certificate_path, "the certificate cannot be read");
        if (SSL_CTX_use_PrivateKey_file(ctx, conf->key_path, SSL_FILETYPE_PEM) != 1)
                return refuse(fault, conf->key_path,
                              "the key cannot be read or is not the certificate's");
        if (SSL_CTX_check_private_key(ctx) != 1)
                return refuse(fault, conf->key_path, "the key is not the certificate's");
        return PGW_OK;
}

enum pgw_err pgw_tls_client_new(const struct pgw_tls_client_conf *conf, struct pgw_fault *fault,
                                struct pgw_tls_client **ret)
{
        struct pgw_tls_client *tls = pgw_alloc(sizeof *tls);

        tls->server_name = conf->server_name ? pgw_strdup(conf->server_name) : NULL;
        tls->ctx = SSL_CTX_new(TLS_client_method());
        PGW_ASSERT(tls->ctx != NULL);
        SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
        SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
        SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS);
        /* A stream that is closed is gone at once. With a close_notify to send, h2o's socket
         * would live on until the peer takes it, perhaps longer than the loop. */
        SSL_CTX_set_quiet_shutdown(tls->ctx, 1);
        SSL_CTX_set_info_callback(tls->ctx, on_info);
        if (!conf->unverified) {
                SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
                SSL_CTX_set_cert_verify_callback(tls->ctx, on_verify, NULL);
        }
        enum pgw_err err = load(tls->ctx, conf, fault);
        if (err) {
                pgw_tls_client_free(tls);
                return err;
        }
        pgw_tls_settle_authorities(tls->ctx);
        *ret = tls;
        return PGW_OK;
}

void pgw_tls_client_free(struct pgw_tls_client *tls)
{
        if (!tls)
                return;
        SSL_CTX_free(tls->ctx);
        pgw_free(tls->server_name);
        pgw_free(tls);
}

struct ssl_ctx_st *pgw_tls_client_ssl(const struct pgw_tls_client *tls)
{
        return tls->ctx;
}

const char *pgw_tls_client_name(const struct pgw_tls_client *tls, const char *host)
{
        return tls->server_name ? tls->server_name : host;
}

const char *pgw_tls_client_sni(const char *name)
{
        return is_address(name) ? "" : name;
}

const char *pgw_tls_client_last_error(const char *otherwise)
{
        const unsigned long error = ERR_peek_error();
        const char *reason = error ? ERR_reason_error_string(error) : NULL;

        ERR_clear_error();
        return reason ? reason : otherwise;
}
