/* The braces make the set and what is set aside of it share a slot of a cluster. */
#include "domain/tag.h"

#include <string.h>

static bool is_plain(unsigned char c)
{
        return c > ' ' && c != 127 && c != '%' && c != '{' && c != '}';
}

struct pgw_str pgw_tag_key(struct pgw_str tag, char out[PGW_TAG_KEY_MAX])
{
        static const char head[] = "purgeway:tag:{", hex[] = "0123456789ABCDEF";
        size_t n = sizeof head - 1;

        PGW_ASSERT(tag.n <= PGW_TAG_MAX);
        memcpy(out, head, n);
        for (size_t i = 0; i < tag.n; i++) {
                const unsigned char c = (unsigned char)tag.p[i];
                if (is_plain(c)) {
                        out[n++] = (char)c;
                } else {
                        out[n++] = '%';
                        out[n++] = hex[c >> 4];
                        out[n++] = hex[c & 15];
                }
        }
        out[n++] = '}';
        return pgw_str_of(out, n);
}

struct pgw_str pgw_tag_claim_key(struct pgw_str tag, const struct pgw_job_id *id,
                                 char out[PGW_TAG_KEY_MAX])
{
        size_t n = pgw_tag_key(tag, out).n;

        out[n++] = ':';
        pgw_job_id_text(id, out + n);
        return pgw_str_of(out, n + PGW_JOB_ID_SIZE);
}
