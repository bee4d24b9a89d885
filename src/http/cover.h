/* http/cover.h - whether a credential covers what a request names.
 *
 * To remove keys, patterns or tags each needs its scope, and all that is named must be covered:
 * keys and the literal beginnings of patterns by key_prefixes, tags by tag_prefixes, targets by
 * targets (http/identities.h). Everything that is not covered is added to the violations. Without
 * identities all is covered.
 */
#ifndef PGW_HTTP_COVER_H
#define PGW_HTTP_COVER_H

#include "domain/target.h"
#include "http/exchange.h"

/* The body of an invalidation, for these targets. PGW_E_SCOPE or PGW_E_COVER with violations;
 * PGW_E_SCHEMA when a key cannot be one. */
enum pgw_err pgw_cover_invalidation(struct pgw_exchange *, pgw_target_set) PGW_MUSTUSE;

/* What of it does not depend on the selectors: the scopes for their kinds, and the targets. */
enum pgw_err pgw_cover_kinds(struct pgw_exchange *, pgw_target_set) PGW_MUSTUSE;

/* The body of a tagging or an untagging, for these targets: keys and tags. */
enum pgw_err pgw_cover_tagging(struct pgw_exchange *, pgw_target_set) PGW_MUSTUSE;

/* The tag and the target that a query names. */
enum pgw_err pgw_cover_tag(struct pgw_exchange *, struct pgw_str tag,
                           const struct pgw_gateway_target *) PGW_MUSTUSE;

/* The targets that are covered become those of the body, for a request that cannot name any. */
void pgw_cover_narrow(struct pgw_exchange *);

/* Leave out of the body what is not covered, as the IETF draft wants it of its events. PGW_E_COVER
 * when nothing is left. */
enum pgw_err pgw_cover_trim(struct pgw_exchange *) PGW_MUSTUSE;

#endif
