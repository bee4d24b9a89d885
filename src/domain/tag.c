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

static struct pgw_str append(struct pgw_str tag, struct pgw_str name, char out[PGW_TAG_KEY_MAX])
{
        const size_t n = pgw_tag_key(tag, out).n;

        PGW_ASSERT(name.n <= PGW_ASIDE_MAX);
        out[n] = ':';
        memcpy(out + n + 1, name.p, name.n);
        return pgw_str_of(out, n + 1 + name.n);
}

struct pgw_str pgw_tag_asides_key(struct pgw_str tag, char out[PGW_TAG_KEY_MAX])
{
        return append(tag, PGW_STR("aside"), out);
}

struct pgw_str pgw_aside_name(const struct pgw_job_id *id, unsigned number, char out[PGW_ASIDE_MAX])
{
        char text[20];
        const size_t n = pgw_u64_text(number, text);

        PGW_ASSERT(number < PGW_ASIDES_OF_JOB);
        pgw_job_id_text(id, out);
        if (number == 0)
                return pgw_str_of(out, PGW_JOB_ID_SIZE);
        out[PGW_JOB_ID_SIZE] = '.';
        memcpy(out + PGW_JOB_ID_SIZE + 1, text, n);
        return pgw_str_of(out, PGW_JOB_ID_SIZE + 1 + n);
}

struct pgw_str pgw_tag_aside_key(struct pgw_str tag, struct pgw_str name, char out[PGW_TAG_KEY_MAX])
{
        return append(tag, name, out);
}
