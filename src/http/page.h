/* http/page.h - requests that a web page makes its visitor's browser send.
 *
 * A page of any site can have a browser send forms, and requests without a body, to wherever its
 * visitor may: to loopback, and with the visitor's certificate. It cannot read the answers, but to
 * pause a queue no answer is needed. The browser says where such a request comes from, by Origin or
 * Sec-Fetch-Site, and only a browser does.
 *
 * Before it sends JSON for a page of another site it asks for leave (CORS), which nobody gets here;
 * a proxy that gives it has decided for itself.
 *
 * A name that its owner has lead to loopback makes a page one of our own, so where nobody is asked
 * for a credential the name counts, for browsers. Single words are nobody's: no name that can be
 * bought is one.
 */
#ifndef PGW_HTTP_PAGE_H
#define PGW_HTTP_PAGE_H

#include "http/exchange.h"

/* PGW_E_ORIGIN, with the reason, for a request that changes something and was sent for a page of
 * another origin than the one that it was sent to. */
enum pgw_err pgw_page_judge(struct pgw_exchange *) PGW_MUSTUSE;

/* PGW_E_HOST, with the reason, for a browser's request without TLS to a name that is neither an
 * address, nor localhost, nor a single word, nor one of the gateway's names. */
enum pgw_err pgw_page_judge_name(struct pgw_exchange *) PGW_MUSTUSE;

#endif
