#include "http/hook_copy.h"

#include <string.h>

#include <h2o.h>

#include "base/alloc.h"

struct field {
        struct pgw_str name, value;
};

struct pgw_hook_copy {
        struct pgw_hook_message message;
        char *body;
        size_t count;
        struct field fields[]; /* and behind them the bytes of all but the body */
};

struct pgw_str pgw_hook_host(const h2o_req_t *req)
{
        const h2o_iovec_t given = req->input.authority;

        /* A default stands in for what did not come. */
        if (!given.base || given.base == req->hostconf->authority.hostport.base)
                return (struct pgw_str){NULL, 0};
        return pgw_str_trim(pgw_str_of(given.base, given.len));
}

static size_t count_header(void *ctx, struct pgw_str name, struct pgw_str *ret)
{
        const struct pgw_hook_copy *copy = ctx;
        size_t count = 0;

        *ret = (struct pgw_str){NULL, 0};
        for (size_t i = 0; i < copy->count; i++)
                if (pgw_str_eq(copy->fields[i].name, name) && count++ == 0)
                        *ret = copy->fields[i].value;
        return count;
}

/* Moves *at behind the copy. */
static struct pgw_str put(char **at, const h2o_iovec_t bytes)
{
        char *begin = *at;

        if (bytes.len)
                memcpy(begin, bytes.base, bytes.len);
        *at += bytes.len;
        return pgw_str_of(begin, bytes.len);
}

static size_t head_size(const h2o_req_t *req)
{
        size_t size = req->method.len + req->path.len + req->input.authority.len;

        for (size_t i = 0; i < req->headers.size; i++)
                size += req->headers.entries[i].name->len + req->headers.entries[i].value.len;
        return size;
}

struct pgw_hook_copy *pgw_hook_copy_new(const h2o_req_t *req)
{
        const size_t count = req->headers.size;
        const struct pgw_str host = pgw_hook_host(req);
        struct pgw_hook_copy *copy =
            pgw_alloc(sizeof *copy + (count + 1) * sizeof copy->fields[0] + head_size(req));
        char *at = (char *)&copy->fields[count + 1];

        for (size_t i = 0; i < count; i++) {
                copy->fields[i].name = put(&at, *req->headers.entries[i].name);
                copy->fields[i].value = pgw_str_trim(put(&at, req->headers.entries[i].value));
        }
        copy->count = count;
        if (host.p)
                copy->fields[copy->count++] = (struct field){
                    .name = PGW_STR("host"), .value = put(&at, h2o_iovec_init(host.p, host.n))};
        copy->body = pgw_memdup(req->entity.base, req->entity.len);
        copy->message = (struct pgw_hook_message){
            .method = put(&at, req->method),
            .path = put(&at, req->path),
            .body = pgw_str_of(copy->body, req->entity.len),
            .header = count_header,
            .ctx = copy,
        };
        return copy;
}

void pgw_hook_copy_free(struct pgw_hook_copy *copy)
{
        if (copy)
                pgw_free(copy->body);
        pgw_free(copy);
}

const struct pgw_hook_message *pgw_hook_copy_message(const struct pgw_hook_copy *copy)
{
        return &copy->message;
}
