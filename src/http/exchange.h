/* http/exchange.h - one request on its way through the rooms.
 *
 *      admit --> identify --> read --> understand --> act --> answer --> record
 *        |           |         |           |          |        ^
 *        +-----------+---------+-----------+----------+--------+  any refusal: straight to answer
 *
 * A room is a function. It reads what earlier rooms wrote, writes its own part, and says
 * whether the walk goes on (NEXT), stops until pgw_exchange_resume() (WAIT), or is
 * refused (FAIL, with err set). No room calls another; the walk only moves forward.
 *
 *      admit       finds the operation in the contract
 *      identify    finds who asks, and whether they may (http/identify.h), as often (http/charge.h)
 *      read        makes values of body and parameters, checked by the contract (http/body.h)
 *      understand  checks what the contract cannot say
 *      act         the operation's own function: values to the domain and back
 *      answer      an outcome or a refusal becomes status, headers and body
 *      record      one log line, metrics
 *
 * Lifetime: two hold an exchange, the request (until h2o disposes of it) and the walk
 * (until record). The last to let go frees it. After `gone` there is nobody to answer,
 * but what was begun is finished.
 */
#ifndef PGW_HTTP_EXCHANGE_H
#define PGW_HTTP_EXCHANGE_H

#include <sys/types.h>

#include "base/buf.h"
#include "domain/job.h"
#include "http/contract.h"
#include "http/gateway.h"

struct pgw_aside_kind;
struct pgw_aside_work;
struct st_h2o_req_t;

enum pgw_step { PGW_NEXT, PGW_WAIT, PGW_FAIL };

#define PGW_EXCHANGE_MAGIC  0x9e7c41d3u
#define PGW_REQUEST_ID_MAX  128
#define PGW_WAIT_MAX_S      30
#define PGW_ANSWER_BODY_MAX (16u << 20)

struct pgw_exchange {
        uint32_t magic;
        struct pgw_link link; /* on the gateway's list of unused ones */
        unsigned room;
        bool waiting; /* a room said WAIT and owes one resume */
        bool gone;    /* the client left */
        unsigned holds;
        struct pgw_gateway *gateway;
        struct st_h2o_req_t *req; /* NULL once gone */
        struct pgw_str target;    /* of what has not arrived, and has no `req` */
        uint64_t begun_us;

        /* admit */
        const struct pgw_operation *op;
        struct pgw_path_params path_params;
        char request_id[PGW_REQUEST_ID_MAX + 1];
        bool request_id_given;
        bool is_purge;        /* the method PURGE, with its selectors in a header */
        struct pgw_str allow; /* with a refusal PGW_E_METHOD, or OPTIONS */

        /* identify */
        struct pgw_identities *identities; /* held; NULL: whoever can ask may */
        const struct pgw_identity *who; /* one of these; NULL without them, and where anybody may */
        size_t actor_size;
        char actor[PGW_AUDIT_ACTOR_SIZE]; /* for the audit (http/actor.h) */
        unsigned limits;                  /* with a refusal PGW_E_RATE: a set (http/charge.h) */

        /* read */
        struct json_t *body;
        struct pgw_params params;
        struct pgw_violations violations; /* with a refusal PGW_E_SCHEMA */

        /* understand */
        uint64_t wait_s;
        bool wait_preferred; /* the wait came by Prefer */
        bool has_once;       /* an Idempotency-Key */
        struct pgw_once once;

        /* act */
        struct pgw_job job;
        bool is_repeat;      /* the job is that of an earlier request */
        size_t answer_bytes; /* of a large answer that its client has not taken yet */
        int status;
        const char *content_type;
        struct pgw_str static_body; /* used when set, else `out` */
        struct pgw_buf out;

        /* the first refusal */
        enum pgw_err err;
        struct pgw_fault fault;
        unsigned retry_s; /* when it is worth coming back; 0: soon */
};

/* What the front calls for every request (http/front.h). `ctx` is a struct pgw_gateway. */
int pgw_exchange_on_request(void *ctx, struct st_h2o_req_t *, enum pgw_err, const char *detail);

/* And for what the library refuses by itself. */
struct pgw_str pgw_exchange_on_refusal(void *ctx, struct st_h2o_req_t *, enum pgw_err,
                                       const char *detail);

/* And for what has not arrived in time: appends the whole answer, as HTTP/1.1 has it. */
enum pgw_err pgw_exchange_on_late(void *ctx, enum pgw_err why, struct pgw_str target,
                                  uint64_t request_ms, struct pgw_buf *out);

/* The completion of a WAIT; never from inside the room that said it. */
void pgw_exchange_resume(struct pgw_exchange *, enum pgw_err);

/* Begin work beside the loop (io/aside.h) that has about so many bytes to read; the room says WAIT.
 * The time it takes is not the client's. */
void pgw_exchange_begin_aside(struct pgw_exchange *, struct pgw_aside_work *,
                              const struct pgw_aside_kind *, uint64_t bytes);

/* The first thing at its end. False when nobody wants any more what came of it. */
bool pgw_exchange_end_aside(struct pgw_exchange *);

/* The value of the first request header of this name (lower case), or the empty slice. */
struct pgw_str pgw_exchange_header(const struct pgw_exchange *, struct pgw_str name);

/* The same, but empty as well when it is not UTF-8. */
struct pgw_str pgw_exchange_text_header(const struct pgw_exchange *, struct pgw_str name);

/* The next one of this name, for headers that are lists and may come in several lines (RFC 9110,
 * section 5.3). *at begins as PGW_HEADERS_BEGIN. */
#define PGW_HEADERS_BEGIN (-1)
bool pgw_exchange_next_header(const struct pgw_exchange *, struct pgw_str name, ssize_t *at,
                              struct pgw_str *ret);

/* True when there is more than one header of this name (lower case). */
bool pgw_exchange_header_is_repeated(const struct pgw_exchange *, struct pgw_str name);

/* Add an answer's header; both texts must live as long as the request (static, or from
 * pgw_exchange_keep). */
void pgw_exchange_add_header(struct pgw_exchange *, struct pgw_str name, struct pgw_str value);

/* True when the answer has a header of this name already. */
bool pgw_exchange_has_said(const struct pgw_exchange *, struct pgw_str name);

/* A copy of `s` that lives as long as the request. Not once it is gone. */
struct pgw_str pgw_exchange_keep(struct pgw_exchange *, struct pgw_str);

#endif
