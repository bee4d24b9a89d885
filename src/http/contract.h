/* http/contract.h - the OpenAPI file, read at start and obeyed from then on.
 *
 * Routes come from its paths, and each operationId is bound to a function of this program
 * by name: an operation without a function, or a function without an operation, stops the
 * start. Bodies, path, query and header parameters are checked by its schemas.
 *
 * Every operation says by x-purgeway-scopes which scopes open it; the empty list opens it to
 * everybody. One without that stops the start too, so that nothing is open by having been
 * forgotten.
 *
 * Read-only after loading; any thread.
 */
#ifndef PGW_HTTP_CONTRACT_H
#define PGW_HTTP_CONTRACT_H

#include "http/schema.h"
#include "http/scope.h"

#define PGW_PATH_PARAMS_MAX 4
#define PGW_PARAMS_MAX      16

struct pgw_contract;

struct pgw_operation {
        const char *id;
        unsigned handler;     /* index in the names given to pgw_contract_load() */
        pgw_scope_set scopes; /* any of them opens it; none: it is open to everybody */
        struct pgw_operation_parts *_parts;
};

/* The path's variable segments, in its order, percent-encoded as they came. */
struct pgw_path_params {
        struct pgw_str values[PGW_PATH_PARAMS_MAX];
        size_t count;
};

/* The parameters that came, decoded. Zeroed is ready for use. Open, so that it can lie in a
 * request; slices point into its text or, those of headers, into the request. */
struct pgw_params {
        struct {
                const char *name;
                struct pgw_str value;
        } _items[PGW_PARAMS_MAX];
        size_t _count;
        char *_text; /* never longer than what it was decoded from */
        size_t _used;
};

/* `bytes` is YAML (or JSON, which is YAML); `names` ends with NULL. PGW_E_CONTRACT or
 * PGW_E_CONFIG with the place and the reason. */
enum pgw_err pgw_contract_load(struct pgw_str bytes, const char *const *names,
                               struct pgw_fault *reterr_fault,
                               struct pgw_contract **ret) PGW_MUSTUSE;
void pgw_contract_free(struct pgw_contract *);

/* The operation of a method and a path (without its query). HEAD finds what GET does.
 * PGW_E_NO_ROUTE, or PGW_E_METHOD with the value of an Allow header. */
enum pgw_err pgw_contract_find(const struct pgw_contract *, struct pgw_str method,
                               struct pgw_str path, struct pgw_path_params *ret_params,
                               const struct pgw_operation **ret_op,
                               struct pgw_str *reterr_allow) PGW_MUSTUSE;

/* The operation of this id, which is one of the names that the contract was loaded with. */
const struct pgw_operation *pgw_contract_operation(const struct pgw_contract *, const char *id);

/* The one media type of the operation's body, or NULL when it has none. */
const char *pgw_operation_media_type(const struct pgw_operation *);
bool pgw_operation_body_required(const struct pgw_operation *);

/* PGW_OK or PGW_E_SCHEMA with all that is wrong. */
enum pgw_err pgw_operation_check_body(const struct pgw_operation *, const json_t *body,
                                      struct pgw_violations *) PGW_MUSTUSE;

/* The value of a request header by its lower-case name; {NULL, 0} when it did not come. */
typedef struct pgw_str pgw_header_f(void *ctx, struct pgw_str name);

/* Read and check every parameter. A query parameter that the contract does not have is
 * refused. Violations point at "#/query/<name>", "#/path/<name>", "#/header/<name>". */
enum pgw_err pgw_operation_check_params(const struct pgw_operation *,
                                        const struct pgw_path_params *, struct pgw_str query,
                                        pgw_header_f *, void *ctx, struct pgw_params *ret,
                                        struct pgw_violations *) PGW_MUSTUSE;

void pgw_params_fini(struct pgw_params *);
bool pgw_params_has(const struct pgw_params *, const char *name);
struct pgw_str pgw_params_get(const struct pgw_params *, const char *name); /* or empty */
enum pgw_err pgw_params_get_u64(const struct pgw_params *, const char *name,
                                uint64_t *ret) PGW_MUSTUSE; /* PGW_E_INVALID: not there */

/* The file itself, as loaded and as JSON. */
struct pgw_str pgw_contract_yaml(const struct pgw_contract *);
struct pgw_str pgw_contract_json(const struct pgw_contract *);

#endif
