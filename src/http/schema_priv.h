/* http/schema_priv.h - the compiled form, between schema_compile.c and schema_check.c. */
#ifndef PGW_HTTP_SCHEMA_PRIV_H
#define PGW_HTTP_SCHEMA_PRIV_H

#include "http/schema.h"
#include "http/schema_pattern.h"

enum { /* bits of `types` */
       PGW_TYPE_OBJECT = 1,
       PGW_TYPE_ARRAY = 2,
       PGW_TYPE_STRING = 4,
       PGW_TYPE_NUMBER = 8,
       PGW_TYPE_INTEGER = 16,
       PGW_TYPE_BOOLEAN = 32,
       PGW_TYPE_NULL = 64
};

enum pgw_format { PGW_FORMAT_NONE, PGW_FORMAT_INT32, PGW_FORMAT_FLOAT, PGW_FORMAT_BYTE };

struct pgw_schema_property {
        struct pgw_str name;
        const struct pgw_schema *schema; /* NULL: only required */
        bool required;
};

struct pgw_schema_list {
        const struct pgw_schema **items;
        size_t count;
};

struct pgw_schema {
        const json_t *node;           /* where it was compiled from; found again by it */
        const struct pgw_schema *ref; /* all else is ignored */
        struct pgw_schema *next;      /* of the same document */
        unsigned types;               /* 0: any */
        const json_t *choices;        /* enum */
        enum pgw_format format;
        const json_t *max, *min, *multiple_of; /* numbers; NULL: none */
        bool exclusive_max, exclusive_min;
        uint64_t length_max, length_min, items_max, items_min, members_max, members_min;
        bool unique;
        struct pgw_pattern *pattern;
        const struct pgw_schema *items;
        struct pgw_schema_property *properties;
        size_t property_count;
        bool closed; /* additionalProperties: false */
        const struct pgw_schema *additional;
        struct pgw_schema_list all, any, one;
        const struct pgw_schema *not_this;
};

#endif
