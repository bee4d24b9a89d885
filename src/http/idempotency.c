/* The contract has the header's form too, and refuses first what is not of it; but the contract is
 * the operator's to change. */
#include "http/idempotency.h"

#include <string.h>

#include <jansson.h>

#define PGW_IDEMPOTENCY_HEADER "Idempotency-Key"

/* What begins an escape or ends the string is none of these. */
static bool is_plain(char c, bool is_quoted)
{
        if (c < ' ' || c > '~' || c == '"' || c == '\\')
                return false;
        return is_quoted || (c != ' ' && c != ',' && c != ';');
}

enum pgw_err pgw_idempotency_key(struct pgw_str header, char out[PGW_IDEMPOTENCY_KEY_MAX],
                                 struct pgw_str *ret)
{
        struct pgw_str text = pgw_str_trim(header);
        const bool is_quoted = text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"';
        size_t n = 0;

        if (is_quoted)
                text = pgw_str_of(text.p + 1, text.n - 2);
        for (size_t i = 0; i < text.n; i++) {
                char c = text.p[i];
                if (is_quoted && c == '\\' && i + 1 < text.n &&
                    (text.p[i + 1] == '"' || text.p[i + 1] == '\\'))
                        c = text.p[++i];
                else if (!is_plain(c, is_quoted))
                        return PGW_E_INVALID;
                if (n == PGW_IDEMPOTENCY_KEY_MAX)
                        return PGW_E_INVALID;
                out[n++] = c;
        }
        if (n == 0)
                return PGW_E_INVALID;
        *ret = pgw_str_of(out, n);
        return PGW_OK;
}

/* jansson's calling convention. */
static int add_text(const char *text, size_t size, void *sha)
{
        pgw_sha256_add(sha, text, size);
        return 0;
}

static enum pgw_err set_fingerprint(struct pgw_exchange *x)
{
        struct pgw_sha256 *sha = pgw_sha256_new();
        unsigned char hash[PGW_SHA256_SIZE];

        pgw_sha256_add(sha, x->op->id, strlen(x->op->id) + 1);
        const int rc = json_dump_callback(x->body, add_text, sha, JSON_COMPACT | JSON_SORT_KEYS);
        pgw_sha256_end(sha, hash);
        pgw_once_fingerprint(&x->once, hash);
        return rc ? PGW_E_INTERNAL : PGW_OK;
}

enum pgw_err pgw_idempotency_understand(struct pgw_exchange *x)
{
        char room[PGW_IDEMPOTENCY_KEY_MAX];
        struct pgw_str key;

        if (!pgw_params_has(&x->params, PGW_IDEMPOTENCY_HEADER))
                return PGW_OK;
        if (pgw_exchange_header_is_repeated(x, PGW_STR("idempotency-key")) ||
            pgw_idempotency_key(pgw_params_get(&x->params, PGW_IDEMPOTENCY_HEADER), room, &key)) {
                pgw_violations_add(&x->violations, "#/header/" PGW_IDEMPOTENCY_HEADER,
                                   "must be one string of 1 to %d printable characters",
                                   PGW_IDEMPOTENCY_KEY_MAX);
                return PGW_E_SCHEMA;
        }
        pgw_once_name(&x->once, pgw_str_z(x->who ? x->who->name : ""), key);
        x->has_once = true;
        return set_fingerprint(x);
}
