#include "http/letter_filter.h"

#include <string.h>

#include <jansson.h>

#include "http/identities.h"
#include "http/selectors.h"
#include "http/time_text.h"

/* A member of the body where the request has one, else a parameter of its query. */
static struct pgw_str text_of(const struct pgw_exchange *x, const char *name)
{
        return x->body ? pgw_selectors_text(x, name) : pgw_params_get(&x->params, name);
}

enum pgw_err pgw_letter_filter_read(struct pgw_exchange *x, struct pgw_letter_filter *ret)
{
        const bool in_body = x->body != NULL;

        *ret = (struct pgw_letter_filter){
            .code = text_of(x, "code"),
            .error_class = text_of(x, "error_class"),
            .status = text_of(x, "status"),
            .target = text_of(x, "target"),
            .tag = text_of(x, "tag"),
            .request_id = text_of(x, "request_id"),
            .client = text_of(x, "client"),
        };
        const enum pgw_err after =
            pgw_time_read(x, text_of(x, "buried_after"),
                          in_body ? "#/buried_after" : "#/query/buried_after", &ret->after_ms);
        const enum pgw_err before =
            pgw_time_read(x, text_of(x, "buried_before"),
                          in_body ? "#/buried_before" : "#/query/buried_before", &ret->before_ms);
        return after ? after : before;
}

bool pgw_letter_filter_is_empty(const struct pgw_letter_filter *f)
{
        return f->code.n + f->error_class.n + f->status.n + f->target.n + f->tag.n +
                       f->request_id.n + f->client.n ==
                   0 &&
               !f->after_ms && !f->before_ms;
}

static bool is_code(struct pgw_str wanted, enum pgw_err error)
{
        const char *slug = pgw_err_slug(error);

        if (wanted.n != strlen(slug))
                return false;
        for (size_t i = 0; i < wanted.n; i++)
                if (wanted.p[i] != (slug[i] == '-' ? '_' : slug[i]))
                        return false;
        return true;
}

static bool failed_at(struct pgw_str history, struct pgw_str target)
{
        struct pgw_failure f;

        while (pgw_history_next(&history, &f) == PGW_OK)
                if (pgw_str_eq(f.target, target))
                        return true;
        return false;
}

bool pgw_letter_filter_fits(const struct pgw_letter_filter *f, const struct pgw_letter *l)
{
        if (f->code.n && !is_code(f->code, l->error))
                return false;
        if (f->error_class.n &&
            !pgw_str_eq_z(f->error_class, pgw_err_class_name(pgw_err_class(l->error))))
                return false;
        if (f->status.n && !pgw_str_eq_z(f->status, pgw_job_state_word(l->state)))
                return false;
        if (f->target.n && !failed_at(l->entry.history, f->target))
                return false;
        if (f->tag.n && !pgw_keys_have(l->entry.tags, f->tag))
                return false;
        if (f->client.n && pgw_identity_mark(f->client) != pgw_nonce_mark(l->id.nonce))
                return false;
        if (f->request_id.n && !pgw_str_eq(f->request_id, l->entry.request_id))
                return false;
        return (!f->after_ms || l->buried_ms > f->after_ms) &&
               (!f->before_ms || l->buried_ms < f->before_ms);
}
