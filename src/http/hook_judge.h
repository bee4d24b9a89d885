/* http/hook_judge.h - from a delivery to the body of an invalidation, and a verdict. */
#ifndef PGW_HTTP_HOOK_JUDGE_H
#define PGW_HTTP_HOOK_JUDGE_H

#include "http/exchange.h"
#include "http/hook_map.h"

enum pgw_hook_verdict {
#define X(name, word) PGW_VERDICT_##name,
#include "tbl/hook_verdicts.h"
#undef X
        PGW_VERDICT_COUNT
};

/* "bad_signature". Static. */
const char *pgw_hook_verdict_word(enum pgw_hook_verdict);

struct pgw_hook_case {
        enum pgw_hook_verdict verdict;
        struct pgw_buf id; /* of the delivery; empty: none */
        struct pgw_hook_mapped mapped;
};

void pgw_hook_case_init(struct pgw_hook_case *);
void pgw_hook_case_fini(struct pgw_hook_case *);

/* What is only to see whether the address is good: that of GitHub, and that of WooCommerce, which
 * is not signed. */
bool pgw_hook_is_ping(const struct pgw_hook *, const struct pgw_hook_message *);

/* Read the message, which is that of who it says, and go by the rules. With the verdict ACCEPTED
 * there is an invalidation; with FILTERED and EMPTY there is nothing to do. Otherwise the refusal,
 * with violations. Any thread. */
enum pgw_err pgw_hook_read(const struct pgw_hook *, const struct pgw_hook_message *,
                           const struct pgw_hook_wish *, struct pgw_fault *reterr_fault,
                           struct pgw_violations *, struct pgw_hook_case *) PGW_MUSTUSE;

/* Who asks is who the hook acts as from here on; nobody, and false, when there is none of that
 * name. On the loop. */
bool pgw_hook_act(struct pgw_exchange *, const struct pgw_hook *);

/* What is still ACCEPTED becomes x->body, an invalidation that may be accepted, and who asks is who
 * the hook acts as. Otherwise the refusal. On the loop. */
enum pgw_err pgw_hook_fit(struct pgw_exchange *, const struct pgw_hook *,
                          struct pgw_hook_case *) PGW_MUSTUSE;

#endif
