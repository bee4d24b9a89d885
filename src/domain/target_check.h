/* domain/target_check.h - may this target keep tags?
 *
 * The sets that say which keys are under a tag live on the target, and a target is a
 * cache: when it may evict them, a purge by tag forgets keys. So its maxmemory-policy is
 * read when the connection becomes ready and every ten seconds:
 *      noeviction, or no maxmemory     tags are kept, and their sets may have an end
 *      volatile-*                      tags are kept in sets without an end, which such a
 *                                      server does not evict
 *      allkeys-*                       tags are refused
 * Of a cluster every master is asked, and the worst answer counts.
 */
#ifndef PGW_DOMAIN_TARGET_CHECK_H
#define PGW_DOMAIN_TARGET_CHECK_H

#include "redis/deployment.h"

#define PGW_TARGET_CHECK_EVERY_MS 10000
#define PGW_TARGET_RECHECK_MS     500 /* while it could not be read */

enum pgw_tags_policy { PGW_TAGS_UNKNOWN, PGW_TAGS_MAY_END, PGW_TAGS_STAY, PGW_TAGS_REFUSED };

/* The judgement over the text of INFO memory. Pure. */
enum pgw_tags_policy pgw_target_judge(struct pgw_str info, char ret_policy[32]);

struct pgw_target_check;

/* Close the deployment before freeing the check. */
struct pgw_target_check *pgw_target_check_new(struct pgw_loop *, struct pgw_deployment *);
void pgw_target_check_free(struct pgw_target_check *); /* NULL is allowed */

/* The deployment became ready, or is not ready any more. */
void pgw_target_check_on_state(struct pgw_target_check *, bool ready);

/* PGW_OK with the policy, or why there can be no tags now, and in the fault how to mend it. */
enum pgw_err pgw_target_check_tags(const struct pgw_target_check *, enum pgw_tags_policy *ret,
                                   struct pgw_fault *reterr_fault) PGW_MUSTUSE;

#endif
