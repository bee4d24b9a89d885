/* Talking to a gateway through libcurl.
 *
 * One easy handle for all requests of a command, so that thousands of keys go over one
 * connection. The time allowed is what the gateway was asked to wait, plus a margin for
 * its own deadline.
 */
#include "cli/gateway.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/address.h"
#include "cli/interrupt.h"
#include "cli/query.h"

#define ANSWER_SIZE_MAX (64UL * 1024 * 1024)
#define CONNECT_WAIT_MS 5000L
#define ANSWER_WAIT_S   30

struct pgw_cli_gateway {
        CURL *curl;
        struct pgw_cli_address address;
        char *cacert;
        char *authorization; /* the whole header; NULL: none */
        struct pgw_buf answer;
        char problem[CURL_ERROR_SIZE];
};

/* libcurl's calling convention: bytes taken, anything else aborts. */
static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
        struct pgw_cli_gateway *gateway = context;
        const size_t n = size * count;

        return pgw_buf_add(&gateway->answer, bytes, n) ? 0 : n;
}

static char *authorization_of(const char *secret)
{
        static const char begin[] = "Authorization: Bearer ";
        const size_t n = sizeof begin - 1, size = strlen(secret);
        char *header = pgw_alloc(n + size + 1);

        memcpy(header, begin, n);
        memcpy(header + n, secret, size);
        return header;
}

enum pgw_err pgw_cli_gateway_open(const char *url, const char *cacert, const char *secret,
                                  struct pgw_cli_gateway **ret_gateway,
                                  struct pgw_fault *reterr_fault)
{
        struct pgw_cli_gateway *gateway = pgw_alloc(sizeof *gateway);

        if (pgw_cli_address_read(url, &gateway->address, reterr_fault)) {
                pgw_free(gateway);
                return PGW_E_INVALID;
        }
        curl_global_init(CURL_GLOBAL_DEFAULT);
        gateway->curl = curl_easy_init();
        PGW_ASSERT(gateway->curl);
        gateway->cacert = cacert ? pgw_strdup(cacert) : NULL;
        gateway->authorization = secret ? authorization_of(secret) : NULL;
        pgw_buf_init(&gateway->answer, ANSWER_SIZE_MAX);
        *ret_gateway = gateway;
        return PGW_OK;
}

void pgw_cli_gateway_close(struct pgw_cli_gateway *gateway)
{
        if (!gateway)
                return;
        curl_easy_cleanup(gateway->curl);
        pgw_buf_fini(&gateway->answer);
        pgw_free(gateway->cacert);
        if (gateway->authorization)
                explicit_bzero(gateway->authorization, strlen(gateway->authorization));
        pgw_free(gateway->authorization);
        pgw_free(gateway);
        curl_global_cleanup();
}

/* As a string of RFC 8941. */
static struct curl_slist *add_idempotency_key(struct curl_slist *headers, const char *key)
{
        char text[sizeof "Idempotency-Key: \"\"" + 2UL * PGW_CLI_KEY_SIZE_MAX];
        size_t n = (size_t)snprintf(text, sizeof text, "Idempotency-Key: \"");

        PGW_ASSERT(strlen(key) <= PGW_CLI_KEY_SIZE_MAX);
        for (const char *c = key; *c; c++) {
                if (*c == '"' || *c == '\\')
                        text[n++] = '\\';
                text[n++] = *c;
        }
        text[n++] = '"';
        text[n] = '\0';
        return curl_slist_append(headers, text);
}

static struct curl_slist *compose_headers(const struct pgw_cli_gateway *gateway,
                                          const struct pgw_cli_request *request)
{
        /* Without the empty Expect libcurl asks before sending a large body, one round
         * trip more. */
        struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
        char prefer[48];

        headers = curl_slist_append(headers, "Accept: application/json, application/problem+json");
        if (gateway->authorization)
                headers = curl_slist_append(headers, gateway->authorization);
        if (request->body)
                headers = curl_slist_append(headers, "Content-Type: application/json");
        if (request->wait_s) {
                snprintf(prefer, sizeof prefer, "Prefer: wait=%u", request->wait_s);
                headers = curl_slist_append(headers, prefer);
        }
        if (request->idempotency_key)
                headers = add_idempotency_key(headers, request->idempotency_key);
        return headers;
}

/* libcurl's calling convention: anything but 0 aborts. */
static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
        (void)context, (void)a, (void)b, (void)c, (void)d;
        return pgw_cli_is_interrupted();
}

static CURLcode perform(struct pgw_cli_gateway *gateway, const struct pgw_cli_request *request,
                        const char *body)
{
        char url[PGW_CLI_ADDRESS_SIZE + PGW_CLI_PATH_SIZE];
        struct curl_slist *headers = compose_headers(gateway, request);
        CURL *curl = gateway->curl;

        curl_easy_reset(curl);
        snprintf(url, sizeof url, "%s%s", gateway->address.url, request->path);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        /* What never leaves this machine is nothing that a proxy could deliver, or should see. */
        if (gateway->address.is_here)
                curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "purgeway/" PGW_VERSION);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_WAIT_MS);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)request->wait_s + ANSWER_WAIT_S);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, gateway);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, gateway->problem);
        if (gateway->cacert)
                curl_easy_setopt(curl, CURLOPT_CAINFO, gateway->cacert);
        if (body) {
                curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
                curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        }
        gateway->problem[0] = 0;
        pgw_buf_clear(&gateway->answer);
        const CURLcode rc = curl_easy_perform(curl);
        curl_slist_free_all(headers);
        return rc;
}

/* A copy on our own allocator, so that nothing here calls free(3). NULL for no body. */
static char *compose_body(const json_t *body)
{
        const size_t flags = JSON_COMPACT;
        const size_t n = body ? json_dumpb(body, NULL, 0, flags) : 0;

        if (!n)
                return NULL;
        char *text = pgw_alloc(n + 1);
        json_dumpb(body, text, n, flags);
        return text;
}

static enum pgw_err fail(const struct pgw_cli_gateway *gateway, CURLcode rc,
                         struct pgw_fault *fault)
{
        static const CURLcode lasting[] = {CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL,
                                           CURLE_PEER_FAILED_VERIFICATION,
                                           CURLE_SSL_CACERT_BADFILE};
        const char *why = rc == CURLE_ABORTED_BY_CALLBACK ? "interrupted before it had answered"
                          : gateway->problem[0]           ? gateway->problem
                                                          : curl_easy_strerror(rc);

        pgw_fault_set(fault, "", "%s: %s", gateway->address.shown, why);
        for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++)
                if (rc == lasting[i])
                        return PGW_E_INVALID;
        return PGW_E_INTERNAL;
}

enum pgw_err pgw_cli_gateway_ask(struct pgw_cli_gateway *gateway,
                                 const struct pgw_cli_request *request,
                                 struct pgw_cli_answer *ret_answer, struct pgw_fault *reterr_fault)
{
        static const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
        const struct pgw_buf *text = &gateway->answer;
        char *body = compose_body(request->body);
        long status = 0;
        curl_off_t retry_after_s = 0;

        const CURLcode rc = perform(gateway, request, body);
        pgw_free(body);
        if (rc != CURLE_OK)
                return fail(gateway, rc, reterr_fault);
        curl_easy_getinfo(gateway->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(gateway->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
        *ret_answer = (struct pgw_cli_answer){
            .status = (int)status,
            .body = text->n ? json_loadb(text->p, text->n, flags, NULL) : NULL,
            .retry_after_s = retry_after_s < UINT32_MAX ? (uint32_t)retry_after_s : UINT32_MAX,
            .from = gateway->address.shown};
        return PGW_OK;
}
