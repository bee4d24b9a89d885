/* http/answer.h - an outcome or a refusal becomes an HTTP response.
 *
 * Refusals are RFC 9457 problem details with all violations of a request, not the first.
 */
#ifndef PGW_HTTP_ANSWER_H
#define PGW_HTTP_ANSWER_H

#include "http/exchange.h"

/* Send the response of an exchange whose client is still there. */
void pgw_answer(struct pgw_exchange *);

/* For what somebody else is about to refuse: make the head of the answer in place of theirs, and
 * give its body, which lives as long as the request. */
struct pgw_str pgw_answer_instead(struct pgw_exchange *);

/* Append the whole answer, as HTTP/1.1 has it, to a request that has not arrived. */
enum pgw_err pgw_answer_late(struct pgw_buf *out, struct pgw_exchange *) PGW_MUSTUSE;

/* Its client has it, or will not have it any more. */
void pgw_answer_forget(struct pgw_exchange *);

#define PGW_ANSWER_LARGE 16384 /* bytes, from which on it counts and is not copied */

/* Append what is said of a refusal (RFC 9457), with the exchange's fault and violations. Not once
 * its client is gone. */
enum pgw_err pgw_answer_problem(struct pgw_buf *out, const struct pgw_exchange *,
                                enum pgw_err refusal) PGW_MUSTUSE;

/* What is said of a request about many that failed when so many of them `were ...`; that nothing
 * was acknowledged would not be true. */
void pgw_answer_part(struct pgw_exchange *, size_t done, const char *were);

/* Say when it is worth coming back: after x->retry_s, or soon. Not once its client is gone. */
void pgw_answer_retry_after(struct pgw_exchange *);

/* Count a response of this status. */
void pgw_answer_count(int status);

#endif
