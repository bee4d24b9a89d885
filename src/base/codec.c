/* Strictness matters here: two texts that decode to the same bytes would be two names
 * for one job or one key, so whatever is not the canonical form is refused. */
#include "base/codec.h"

#include <string.h>

static const char alphabet_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

void pgw_hex(const void *bytes, size_t size, char *out)
{
        const unsigned char *from = bytes;

        for (size_t i = 0; i < size; i++) {
                out[i * 2] = hex_digits[from[i] >> 4];
                out[i * 2 + 1] = hex_digits[from[i] & 15];
        }
}

static int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

enum pgw_err pgw_unhex(struct pgw_str text, void *out)
{
        unsigned char *to = out;

        if (text.n % 2)
                return PGW_E_INVALID;
        for (size_t i = 0; i < text.n / 2; i++) {
                const int high = hex_value(text.p[i * 2]), low = hex_value(text.p[i * 2 + 1]);
                if (high < 0 || low < 0)
                        return PGW_E_INVALID;
                to[i] = (unsigned char)(high << 4 | low);
        }
        return PGW_OK;
}

static size_t encode(const char *alphabet, const unsigned char *from, size_t size, char *out)
{
        size_t n = 0;

        for (size_t i = 0; i < size; i += 3) {
                const size_t have = size - i < 3 ? size - i : 3;
                uint32_t group = (uint32_t)from[i] << 16;
                if (have > 1)
                        group |= (uint32_t)from[i + 1] << 8;
                if (have > 2)
                        group |= from[i + 2];
                for (size_t k = 0; k <= have; k++)
                        out[n++] = alphabet[group >> (18 - 6 * k) & 63];
        }
        return n;
}

size_t pgw_base64(const void *bytes, size_t size, char *out)
{
        size_t n = encode(alphabet_std, bytes, size, out);

        while (n % 4)
                out[n++] = '=';
        return n;
}

size_t pgw_base64url(const void *bytes, size_t size, char *out)
{
        return encode(alphabet_url, bytes, size, out);
}

static int sextet(char c, bool url)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == (url ? '-' : '+'))
                return 62;
        if (c == (url ? '_' : '/'))
                return 63;
        return -1;
}

static enum pgw_err decode(struct pgw_str text, bool url, unsigned char *out, size_t *ret_size)
{
        uint32_t group = 0;
        unsigned bits = 0;
        size_t n = 0;

        if (text.n % 4 == 1)
                return PGW_E_INVALID;
        for (size_t i = 0; i < text.n; i++) {
                const int value = sextet(text.p[i], url);
                if (value < 0)
                        return PGW_E_INVALID;
                group = group << 6 | (uint32_t)value;
                bits += 6;
                if (bits >= 8) {
                        bits -= 8;
                        out[n++] = (unsigned char)(group >> bits & 255);
                }
        }
        if (group & ((1u << bits) - 1))
                return PGW_E_INVALID;
        *ret_size = n;
        return PGW_OK;
}

enum pgw_err pgw_unbase64(struct pgw_str text, void *out, size_t *ret_size)
{
        if (text.n % 4)
                return PGW_E_INVALID;
        for (int i = 0; i < 2 && text.n && text.p[text.n - 1] == '='; i++)
                text.n--;
        return decode(text, false, out, ret_size);
}

enum pgw_err pgw_unbase64url(struct pgw_str text, void *out, size_t *ret_size)
{
        return decode(text, true, out, ret_size);
}

/* The length of the UTF-8 sequence at `p`, or 0 when there is none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
        size_t n;
        uint32_t c;

        if (p[0] < 0x80)
                return 1;
        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                n = 2, c = p[0] & 0x1fu;
        else if ((p[0] & 0xf0) == 0xe0)
                n = 3, c = p[0] & 0x0fu;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
                n = 4, c = p[0] & 0x07u;
        else
                return 0;
        if (left < n)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3fu);
        }
        if (n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
                return 0;
        if (n == 4 && (c < 0x10000 || c > 0x10ffff))
                return 0;
        return n;
}

enum pgw_err pgw_url_decode(struct pgw_str text, char *out, size_t *ret_size)
{
        size_t n = 0;

        for (size_t i = 0; i < text.n; i++) {
                out[n] = text.p[i];
                if (text.p[i] == '%') {
                        if (text.n - i < 3 || pgw_unhex(pgw_str_of(text.p + i + 1, 2), out + n))
                                return PGW_E_INVALID;
                        i += 2;
                }
                n++;
        }
        *ret_size = n;
        return PGW_OK;
}

bool pgw_utf8_is_valid(struct pgw_str s)
{
        size_t i = 0;

        while (i < s.n) {
                const size_t n = utf8_length((const unsigned char *)s.p + i, s.n - i);
                if (!n)
                        return false;
                i += n;
        }
        return true;
}

static struct pgw_str escape_of(unsigned char c, char room[8])
{
        switch (c) {
        case '"':
                return PGW_STR("\\\"");
        case '\\':
                return PGW_STR("\\\\");
        case '\n':
                return PGW_STR("\\n");
        case '\r':
                return PGW_STR("\\r");
        case '\t':
                return PGW_STR("\\t");
        default:
                memcpy(room, "\\u00", 4);
                room[4] = hex_digits[c >> 4];
                room[5] = hex_digits[c & 15];
                return pgw_str_of(room, 6);
        }
}

static bool is_plain(unsigned char c)
{
        return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

enum pgw_err pgw_json_escape(struct pgw_buf *out, struct pgw_str s)
{
        enum pgw_err err = pgw_buf_add(out, "\"", 1);
        char room[8];

        for (size_t i = 0; i < s.n && !err;) {
                size_t run = 0;
                while (i + run < s.n && is_plain((unsigned char)s.p[i + run]))
                        run++;
                if (run) {
                        err = pgw_buf_add(out, s.p + i, run);
                        i += run;
                        continue;
                }
                const unsigned char c = (unsigned char)s.p[i];
                if (c < 0x80) {
                        err = pgw_buf_add_str(out, escape_of(c, room));
                        i++;
                        continue;
                }
                const size_t n = utf8_length((const unsigned char *)s.p + i, s.n - i);
                err = n ? pgw_buf_add(out, s.p + i, n) : pgw_buf_add(out, "\\ufffd", 6);
                i += n ? n : 1;
        }
        return err ? err : pgw_buf_add(out, "\"", 1);
}
