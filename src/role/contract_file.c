#include "role/contract_file.h"

#include "base/alloc.h"
#include "embed.h"
#include "http/gateway.h"
#include "role/file.h"

static enum pgw_err load_file(const char *path, struct pgw_fault *fault, struct pgw_contract **ret)
{
        char *bytes;
        size_t size;

        enum pgw_err err = pgw_file_read(path, PGW_CONTRACT_FILE_MAX, &bytes, &size, fault);
        if (err)
                return err;
        err = pgw_contract_load(pgw_str_of(bytes, size), pgw_gateway_operations, fault, ret);
        pgw_free(bytes);
        return err;
}

enum pgw_err pgw_contract_file_read(const struct pgw_settings *s, struct pgw_fault *fault,
                                    struct pgw_contract **ret)
{
        const struct pgw_str built_in =
            pgw_str_of(pgw_embed_openapi_yaml, pgw_embed_openapi_yaml_len);
        struct pgw_fault inner = {"", ""};

        if (!s->contract[0])
                return pgw_contract_load(built_in, pgw_gateway_operations, fault, ret);
        enum pgw_err err = load_file(s->contract, &inner, ret);
        if (err)
                pgw_fault_set(fault, "contract", "%s: %s%s%s", s->contract, inner.pointer,
                              inner.pointer[0] ? ": " : "", inner.detail);
        return err;
}
