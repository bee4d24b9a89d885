/* domain/tag.h - which keys belong together.
 *
 * A tag is a name for keys that go together. Its keys are the members of a set on the
 * target, beside the cache itself:
 *      purgeway:tag:{<tag>}             the keys under the tag
 *      purgeway:tag:{<tag>}:<name>      set aside of it, until it is walked through; most often
 *                                       the name is the id of a job
 *      purgeway:tag:{<tag>}:aside       a hash of what is set aside (lua/claim.lua)
 * with `%`, `{`, `}`, DEL and the bytes up to the space of the tag written as %XX, so that
 * no tag can name another's key. The layout is public: an application may SADD by itself,
 * in the same pipeline in which it fills its cache.
 */
#ifndef PGW_DOMAIN_TAG_H
#define PGW_DOMAIN_TAG_H

#include "domain/job_id.h"

#define PGW_TAG_MAX       256 /* bytes */
#define PGW_ASIDE_MAX     (PGW_JOB_ID_SIZE + 3)
#define PGW_ASIDES_OF_JOB 100
#define PGW_TAG_KEY_MAX   (13 + 2 + 3 * PGW_TAG_MAX + 1 + PGW_ASIDE_MAX)

/* Of the members that a pruner is not certain of (lua/doubt.lua). */
#define PGW_ASIDE_IN_DOUBT "prune"

/* The set of a tag of at most PGW_TAG_MAX bytes, written to `out`. */
struct pgw_str pgw_tag_key(struct pgw_str tag, char out[PGW_TAG_KEY_MAX]);

/* The hash of what is set aside of it. */
struct pgw_str pgw_tag_asides_key(struct pgw_str tag, char out[PGW_TAG_KEY_MAX]);

/* The name of what a job sets aside; it may have to several times, `number` is below
 * PGW_ASIDES_OF_JOB. */
struct pgw_str pgw_aside_name(const struct pgw_job_id *, unsigned number, char out[PGW_ASIDE_MAX]);

/* The set of that name, of at most PGW_ASIDE_MAX bytes. */
struct pgw_str pgw_tag_aside_key(struct pgw_str tag, struct pgw_str name,
                                 char out[PGW_TAG_KEY_MAX]);

#endif
