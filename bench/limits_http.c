/* The HTTP side of the ceiling: the library under the gateway answering a fixed 202.
 *
 * Every loop thread has a listener of its own, as the gateway's have, and answers every
 * request as soon as its body is whole: no route, no contract, no queue, no log. The answer
 * has the headers and the size of the gateway's own, so that both move the same bytes. With
 * --parse the body is parsed as JSON and thrown away.
 *
 *      limits_http --listen PORT [--tls PORT --certificate FILE --key FILE]
 *                  [--threads N] [--parse]
 *
 * Listens on 127.0.0.1 and runs until it is killed.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <h2o.h>
#include <h2o/http1.h>
#include <h2o/http2.h>
#include <jansson.h>
#include <openssl/ssl.h>

#define ACCEPTS_PER_TURN 16
#define THREADS_MAX      128

static const char answer_body[] =
    "{\"job_id\":\"EAAAAZqg3EYBAAAAAAAAAAAAAAAA\",\"status\":\"queued\",\"priority\":\"high\","
    "\"accepted_at\":\"2026-11-20T22:37:00.123Z\",\"attempts\":0}";

struct options {
        unsigned port, tls_port, threads;
        const char *certificate, *key;
        int parse;
        SSL_CTX *tls;
};

struct server {
        const struct options *options;
        h2o_globalconf_t conf;
        h2o_context_t context;
        h2o_accept_ctx_t clear, tls;
};

static void fail(const char *what)
{
        fprintf(stderr, "limits_http: %s\n", what);
        exit(1);
}

static void add_header(h2o_req_t *req, const char *name, const char *value)
{
        h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, value,
                              strlen(value));
}

static int answer(h2o_req_t *req)
{
        static h2o_generator_t generator = {NULL, NULL};
        h2o_iovec_t body = h2o_iovec_init(answer_body, sizeof answer_body - 1);

        req->res.status = 202;
        req->res.reason = "Accepted";
        req->res.content_length = body.len;
        add_header(req, "content-type", "application/json");
        add_header(req, "x-request-id", "0123456789abcdef01234567");
        add_header(req, "location", "/v1/jobs/EAAAAZqg3EYBAAAAAAAAAAAAAAAA");
        add_header(req, "retry-after", "1");
        h2o_start_response(req, &generator);
        h2o_send(req, &body, 1, H2O_SEND_STATE_FINAL);
        return 0;
}

static int on_request(h2o_handler_t *handler, h2o_req_t *req)
{
        (void)handler;
        return answer(req);
}

static int on_request_parsing(h2o_handler_t *handler, h2o_req_t *req)
{
        json_t *body = json_loadb(req->entity.base, req->entity.len, JSON_REJECT_DUPLICATES, NULL);

        (void)handler;
        if (!body)
                fail("a body is not JSON");
        json_decref(body);
        return answer(req);
}

static void on_accept(h2o_socket_t *listener, const char *err)
{
        h2o_accept_ctx_t *accept_ctx = listener->data;

        for (int i = 0; i < ACCEPTS_PER_TURN && !err; i++) {
                h2o_socket_t *sock = h2o_evloop_socket_accept(listener);
                if (!sock)
                        return;
                h2o_accept(accept_ctx, sock);
        }
}

static void listen_on(struct server *s, h2o_accept_ctx_t *accept_ctx, unsigned port, SSL_CTX *tls)
{
        const struct sockaddr_in address = {.sin_family = AF_INET,
                                            .sin_port = htons((uint16_t)port),
                                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
        const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) ||
            bind(fd, (const struct sockaddr *)(const void *)&address, sizeof address) ||
            listen(fd, SOMAXCONN))
                fail("cannot listen");
        accept_ctx->ctx = &s->context;
        accept_ctx->hosts = s->conf.hosts;
        accept_ctx->ssl_ctx = tls;
        h2o_socket_t *listener =
            h2o_evloop_socket_create(s->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
        listener->data = accept_ctx;
        h2o_socket_read_start(listener, on_accept);
}

static void *serve(void *arg)
{
        const struct options *options = arg;
        struct server *s = calloc(1, sizeof *s);

        if (!s)
                fail("out of memory");
        s->options = options;
        h2o_config_init(&s->conf);
        h2o_hostconf_t *host =
            h2o_config_register_host(&s->conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
        h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
        h2o_handler_t *handler = h2o_create_handler(path, sizeof *handler);
        handler->on_req = options->parse ? on_request_parsing : on_request;
        h2o_context_init(&s->context, h2o_evloop_create(), &s->conf);
        listen_on(s, &s->clear, options->port, NULL);
        if (options->tls)
                listen_on(s, &s->tls, options->tls_port, options->tls);
        for (;;)
                h2o_evloop_run(s->context.loop, INT32_MAX);
        return NULL;
}

static SSL_CTX *tls_context(const struct options *options)
{
        SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

        if (!tls || SSL_CTX_use_certificate_chain_file(tls, options->certificate) != 1 ||
            SSL_CTX_use_PrivateKey_file(tls, options->key, SSL_FILETYPE_PEM) != 1)
                fail("cannot use the certificate");
        SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
        h2o_ssl_register_alpn_protocols(tls, h2o_http2_alpn_protocols);
        return tls;
}

static void parse_options(int argc, char **argv, struct options *ret)
{
        static const struct option known[] = {
            {"listen", required_argument, NULL, 'l'},
            {"tls", required_argument, NULL, 's'},
            {"certificate", required_argument, NULL, 'c'},
            {"key", required_argument, NULL, 'k'},
            {"threads", required_argument, NULL, 't'},
            {"parse", no_argument, NULL, 'p'},
            {NULL, 0, NULL, 0},
        };
        int c;

        while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
                const unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;
                switch (c) {
                case 'l':
                        ret->port = number;
                        break;
                case 's':
                        ret->tls_port = number;
                        break;
                case 'c':
                        ret->certificate = optarg;
                        break;
                case 'k':
                        ret->key = optarg;
                        break;
                case 't':
                        ret->threads = number;
                        break;
                case 'p':
                        ret->parse = 1;
                        break;
                default:
                        exit(2);
                }
        }
        if (!ret->port || !ret->threads || ret->threads > THREADS_MAX ||
            (ret->tls_port && (!ret->certificate || !ret->key)))
                fail("wrong options; the head of bench/limits_http.c lists them");
}

int main(int argc, char **argv)
{
        struct options options = {.threads = 1};
        pthread_t threads[THREADS_MAX];

        parse_options(argc, argv, &options);
        signal(SIGPIPE, SIG_IGN);
        h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
        if (options.tls_port)
                options.tls = tls_context(&options);
        for (unsigned i = 0; i < options.threads; i++)
                if (pthread_create(&threads[i], NULL, serve, &options))
                        fail("cannot start a thread");
        pthread_join(threads[0], NULL);
        return 0;
}
