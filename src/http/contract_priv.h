/* http/contract_priv.h - what contract_load.c makes and contract.c uses. */
#ifndef PGW_HTTP_CONTRACT_PRIV_H
#define PGW_HTTP_CONTRACT_PRIV_H

#include "http/contract.h"

#define PGW_METHODS_MAX  6
#define PGW_SEGMENTS_MAX 12
#define PGW_ALLOW_MAX    64

enum pgw_param_place { PGW_IN_PATH, PGW_IN_QUERY, PGW_IN_HEADER };

struct pgw_param {
        enum pgw_param_place place;
        const char *name;
        char header[64]; /* lower case, for headers */
        bool required;
        bool may_be_empty;
        size_t segment; /* of path parameters: which of the variable segments */
        const struct pgw_schema *schema;
};

struct pgw_operation_parts {
        struct pgw_param *params;
        size_t param_count;
        const char *media_type;
        bool body_required;
        const struct pgw_schema *body;
};

struct pgw_route {
        struct {
                struct pgw_str text; /* literal, or the variable's name */
                bool variable;
        } segments[PGW_SEGMENTS_MAX];
        size_t segment_count;
        struct {
                const char *method; /* upper case */
                struct pgw_operation op;
        } operations[PGW_METHODS_MAX];
        size_t operation_count;
        char allow[PGW_ALLOW_MAX];
};

struct pgw_contract {
        char *yaml;
        size_t yaml_size;
        char *json;
        json_t *document;
        struct pgw_schemas *schemas;
        struct pgw_route *routes;
        size_t route_count;
};

#endif
