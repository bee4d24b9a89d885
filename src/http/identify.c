#include "http/identify.h"

#include "base/metric.h"
#include "http/front.h"
#include "http/page.h"

#define SCHEME_SIZE 7 /* "Bearer " */

/* Empty when it is of another form: nobody has the empty secret. */
static struct pgw_str bearer_of(struct pgw_str header)
{
        if (header.n < SCHEME_SIZE ||
            !pgw_str_eq_nocase(pgw_str_of(header.p, SCHEME_SIZE), PGW_STR("bearer ")))
                return PGW_STR("");
        return pgw_str_trim(pgw_str_of(header.p + SCHEME_SIZE, header.n - SCHEME_SIZE));
}

/* What the request shows; *ret_shown says whether it shows anything. */
static struct pgw_str secret_of(const struct pgw_exchange *x, bool *ret_shown)
{
        const struct pgw_str bearer = PGW_STR("authorization"), key = PGW_STR("x-api-key");
        const struct pgw_str by_bearer = pgw_exchange_header(x, bearer),
                             by_key = pgw_exchange_header(x, key);

        *ret_shown = by_bearer.p || by_key.p;
        /* Of two it cannot be told which one the sender means to show. */
        if ((by_bearer.p && by_key.p) || pgw_exchange_header_is_repeated(x, bearer) ||
            pgw_exchange_header_is_repeated(x, key))
                return PGW_STR("");
        return by_key.p ? pgw_str_trim(by_key) : bearer_of(by_bearer);
}

/* A request that shows a secret stands by it, right or wrong: it may come through a proxy that has
 * a certificate of its own. */
static const struct pgw_identity *find(const struct pgw_exchange *x, bool *ret_shown)
{
        const struct pgw_str secret = secret_of(x, ret_shown);

        if (!*ret_shown && x->req) {
                const struct pgw_identity *who =
                    pgw_identities_find_peer(x->identities, pgw_front_peer(x->req));
                if (who)
                        return who;
        }
        return pgw_identities_find(x->identities, secret);
}

/* Whoever asks what is open to everybody is looked for too, because it is they who pay for it. Of
 * probes nobody pays, and who sends a delivery is seen by its body. */
static enum pgw_err identify_at_open(struct pgw_exchange *x)
{
        const struct pgw_gateway_handler *h = pgw_gateway_handler(x->op->handler);

        return h->is_probe || h->is_signed ? PGW_OK : pgw_identify_sender(x);
}

enum pgw_err pgw_identify(struct pgw_exchange *x)
{
        char words[128];
        bool shown;

        if (x->op->scopes == 0)
                return identify_at_open(x);
        if (!x->gateway->links.identities)
                return pgw_page_judge_name(x);
        x->identities = pgw_identities_hold(x->gateway->links.identities);
        x->who = find(x, &shown);
        if (!x->who)
                return PGW_E_CREDENTIALS;
        if (x->who->scopes & x->op->scopes)
                return PGW_OK;
        pgw_scope_words(x->op->scopes, words, sizeof words);
        pgw_fault_set(&x->fault, "", "It needs the scope %s.", words);
        return PGW_E_SCOPE;
}

enum pgw_err pgw_identify_sender(struct pgw_exchange *x)
{
        bool shown;

        if (!x->gateway->links.identities)
                return PGW_OK;
        x->identities = pgw_identities_hold(x->gateway->links.identities);
        x->who = find(x, &shown);
        return shown && !x->who ? PGW_E_CREDENTIALS : PGW_OK;
}

void pgw_identify_count(enum pgw_err err)
{
        if (err == PGW_E_CREDENTIALS)
                pgw_metric_add(PGW_M_UNKNOWN_CREDENTIALS, 1);
        else if (err == PGW_E_SCOPE)
                pgw_metric_add(PGW_M_MISSING_SCOPES, 1);
        else if (err == PGW_E_COVER)
                pgw_metric_add(PGW_M_NOT_COVERED, 1);
}

bool pgw_identify_has(const struct pgw_exchange *x, enum pgw_scope scope)
{
        return !x->identities || (x->who && (x->who->scopes >> scope & 1));
}

const uint32_t *pgw_identify_mark(const struct pgw_exchange *x)
{
        return x->who ? &x->who->mark : NULL;
}

bool pgw_identify_sees(const struct pgw_exchange *x, uint32_t mark)
{
        return pgw_identify_has(x, PGW_SCOPE_JOBS_READ) || (x->who && x->who->mark == mark);
}
