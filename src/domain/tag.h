/* domain/tag.h - which keys belong together.
 *
 * A tag is a name for keys that go together. Its keys are the members of a set on the
 * target, beside the cache itself:
 *      purgeway:tag:{<tag>}             the keys under the tag
 *      purgeway:tag:{<tag>}:<job id>    set aside by a job, until that job has ended
 * with `%`, `{`, `}`, DEL and the bytes up to the space of the tag written as %XX, so that
 * no tag can name another's key. The layout is public: an application may SADD by itself,
 * in the same pipeline in which it fills its cache.
 */
#ifndef PGW_DOMAIN_TAG_H
#define PGW_DOMAIN_TAG_H

#include "domain/job_id.h"

#define PGW_TAG_MAX     256 /* bytes */
#define PGW_TAG_KEY_MAX (13 + 2 + 3 * PGW_TAG_MAX + 1 + PGW_JOB_ID_SIZE)

/* The set of a tag of at most PGW_TAG_MAX bytes, written to `out`. */
struct pgw_str pgw_tag_key(struct pgw_str tag, char out[PGW_TAG_KEY_MAX]);

/* What a job has set aside of it. */
struct pgw_str pgw_tag_claim_key(struct pgw_str tag, const struct pgw_job_id *,
                                 char out[PGW_TAG_KEY_MAX]);

#endif
