/* http/answer.h - an outcome or a refusal becomes an HTTP response.
 *
 * Refusals are RFC 9457 problem details with all violations of a request, not the first.
 */
#ifndef PGW_HTTP_ANSWER_H
#define PGW_HTTP_ANSWER_H

#include "http/exchange.h"

/* Send the response of an exchange whose client is still there. */
void pgw_answer(struct pgw_exchange *);

/* Append what is said of a refusal (RFC 9457), with the exchange's fault and violations. Not once
 * its client is gone. */
enum pgw_err pgw_answer_problem(struct pgw_buf *out, const struct pgw_exchange *,
                                enum pgw_err refusal) PGW_MUSTUSE;

/* Say when it is worth coming back: after x->retry_s, or soon. Not once its client is gone. */
void pgw_answer_retry_after(struct pgw_exchange *);

/* Count a response of this status. */
void pgw_answer_count(int status);

#endif
