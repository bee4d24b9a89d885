/* The list of keys is read in place: a job of a thousand keys costs its own bytes. */
#include "domain/invalidation.h"

enum pgw_err pgw_keys_encode(struct pgw_buf *out, const struct pgw_str *keys, size_t count)
{
        enum pgw_err err = PGW_OK;

        for (size_t i = 0; i < count && !err; i++) {
                unsigned char head[10];
                size_t size = 0, left = keys[i].n;
                do {
                        head[size] = (unsigned char)(left & 127);
                        left >>= 7;
                        if (left)
                                head[size] |= 128;
                        size++;
                } while (left);
                err = pgw_buf_add(out, head, size);
                if (!err)
                        err = pgw_buf_add_str(out, keys[i]);
        }
        return err;
}

enum pgw_err pgw_keys_next(struct pgw_str *rest, struct pgw_str *ret_key)
{
        size_t length = 0, at = 0;

        /* Five groups of seven bits are more than any key that was ever accepted. */
        for (unsigned shift = 0;; shift += 7) {
                if (at == rest->n || shift > 28)
                        return PGW_E_CODEC;
                const unsigned char c = (unsigned char)rest->p[at++];
                length |= (size_t)(c & 127) << shift;
                if (!(c & 128))
                        break;
        }
        if (length > rest->n - at)
                return PGW_E_CODEC;
        *ret_key = pgw_str_of(rest->p + at, length);
        rest->p += at + length;
        rest->n -= at + length;
        return PGW_OK;
}

bool pgw_keys_have(struct pgw_str keys, struct pgw_str wanted)
{
        struct pgw_str key;

        while (keys.n && pgw_keys_next(&keys, &key) == PGW_OK)
                if (pgw_str_eq(key, wanted))
                        return true;
        return false;
}

enum pgw_err pgw_keys_count(struct pgw_str keys, size_t *ret)
{
        size_t count = 0;

        while (keys.n) {
                struct pgw_str key;
                enum pgw_err err = pgw_keys_next(&keys, &key);
                if (err)
                        return err;
                count++;
        }
        *ret = count;
        return PGW_OK;
}
