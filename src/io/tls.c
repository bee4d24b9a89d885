/* Junk behind a close_notify would be buffered for ever by the layer above: OpenSSL does not
 * take it and libh2o keeps it. The info callback tells whoever can shut the socket.
 *
 * The same callback tells who the client is: libh2o shows nobody its SSL object, and after the
 * handshake there is no other place where both that and the socket are known. */
#include "io/tls.h"

#include <pthread.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "io/tls_authorities.h"

struct pgw_tls_server {
        unsigned holders; /* atomic */
        SSL_CTX *ctx;
        struct pgw_tls_server_conf conf;
};

static pthread_once_t slot_once = PTHREAD_ONCE_INIT;
static int slot; /* of a context, for its server */

static void make_slot(void)
{
        slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        PGW_ASSERT(slot >= 0);
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *arg)
{
        static const unsigned char all[] = "\x02h2\x08http/1.1";
        const struct pgw_tls_server *tls = arg;
        const unsigned skip = tls->conf.http2 ? 0 : 3;
        unsigned char *picked;

        (void)ssl;
        if (SSL_select_next_proto(&picked, out_size, all + skip, (unsigned)sizeof all - 1 - skip,
                                  in, in_size) != OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        *out = picked;
        return SSL_TLSEXT_ERR_OK;
}

static void *socket_of(const SSL *ssl)
{
        return BIO_get_data(SSL_get_rbio(ssl));
}

static void on_name(void *ctx, struct pgw_str name)
{
        const SSL *ssl = ctx;
        const struct pgw_tls_server *tls = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);

        tls->conf.on_peer_name(socket_of(ssl), name);
}

static void on_info(const SSL *ssl, int where, int value)
{
        const struct pgw_tls_server *tls = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);

        if (where & SSL_CB_HANDSHAKE_DONE && tls->conf.on_peer_name) {
                X509 *certificate = SSL_get0_peer_certificate(ssl);
                if (certificate)
                        pgw_tls_peer_names(certificate, on_name, (void *)(uintptr_t)ssl);
        }
        if ((where == SSL_CB_READ_ALERT || where == SSL_CB_WRITE_ALERT) &&
            (value & 0xff) == SSL_AD_CLOSE_NOTIFY && tls->conf.on_close_notify)
                tls->conf.on_close_notify(socket_of(ssl), where == SSL_CB_WRITE_ALERT);
}

static enum pgw_err refuse(struct pgw_fault *fault, const char *path, const char *what)
{
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());

        pgw_fault_set(fault, path, "%s: %s", what, reason ? reason : "unknown reason");
        ERR_clear_error();
        return PGW_E_CONFIG;
}

static enum pgw_err load(SSL_CTX *ctx, const char *certificate, const char *key,
                         struct pgw_fault *fault)
{
        ERR_clear_error();
        if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
                return refuse(fault, certificate, "the certificate cannot be read");
        if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
                return refuse(fault, key, "the key cannot be read or is not the certificate's");
        if (SSL_CTX_check_private_key(ctx) != 1)
                return refuse(fault, key, "the key is not the certificate's");
        return PGW_OK;
}

static enum pgw_err ask_clients(SSL_CTX *ctx, const struct pgw_tls_server_conf *conf,
                                struct pgw_fault *fault)
{
        if (!conf->authority_path)
                return PGW_OK;
        if (SSL_CTX_load_verify_file(ctx, conf->authority_path) != 1)
                return refuse(fault, conf->authority_path, "the authorities cannot be read");
        SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(conf->authority_path));
        pgw_tls_settle_authorities(ctx);
        SSL_CTX_set_verify(
            ctx, SSL_VERIFY_PEER | (conf->needs_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
            NULL);
        return PGW_OK;
}

enum pgw_err pgw_tls_server_new(const char *certificate, const char *key,
                                const struct pgw_tls_server_conf *conf, struct pgw_fault *fault,
                                struct pgw_tls_server **ret)
{
        static const unsigned char session_context[] = "purgeway";
        struct pgw_tls_server *tls = pgw_alloc(sizeof *tls);

        tls->holders = 1;
        tls->conf = *conf;
        tls->ctx = SSL_CTX_new(TLS_server_method());
        PGW_ASSERT(tls->ctx != NULL);
        pthread_once(&slot_once, make_slot);
        PGW_ASSERT(SSL_CTX_set_ex_data(tls->ctx, slot, tls) == 1);
        SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
        SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                          SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_session_id_context(tls->ctx, session_context, sizeof session_context - 1);
        PGW_ASSERT(SSL_CTX_set_cipher_list(tls->ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
        SSL_CTX_set_alpn_select_cb(tls->ctx, on_alpn, tls);
        SSL_CTX_set_info_callback(tls->ctx, on_info);
        enum pgw_err err = load(tls->ctx, certificate, key, fault);
        if (!err)
                err = ask_clients(tls->ctx, conf, fault);
        if (err) {
                pgw_tls_server_drop(tls);
                return err;
        }
        *ret = tls;
        return PGW_OK;
}

struct pgw_tls_server *pgw_tls_server_hold(struct pgw_tls_server *tls)
{
        if (tls)
                __atomic_add_fetch(&tls->holders, 1, __ATOMIC_RELAXED);
        return tls;
}

void pgw_tls_server_drop(struct pgw_tls_server *tls)
{
        if (!tls || __atomic_sub_fetch(&tls->holders, 1, __ATOMIC_ACQ_REL) > 0)
                return;
        SSL_CTX_free(tls->ctx);
        pgw_free(tls);
}

struct ssl_ctx_st *pgw_tls_server_ssl(struct pgw_tls_server *tls)
{
        return tls->ctx;
}
