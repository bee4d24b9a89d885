/* One pass over the lines. Field names may have been folded to lower case by then; nothing
 * here depends on their case. */
#include "http/guard_h1.h"

#include <string.h>

struct head {
        unsigned fields, hosts, lengths, encodings;
        bool expects; /* what cannot be met */
        bool old;     /* HTTP/1.0 */
};

/* RFC 9110 section 5.6.2. A table, because every byte of every name is looked up. */
static const bool token_chars[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true, ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true, ['-'] = true, ['.'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['^'] = true, ['_'] = true, ['`'] = true,
    ['a' ... 'z'] = true, ['|'] = true,         ['~'] = true,
};

static bool is_token(struct pgw_str s)
{
        for (size_t i = 0; i < s.n; i++)
                if (!token_chars[(unsigned char)s.p[i]])
                        return false;
        return s.n > 0;
}

/* All but controls, and spaces that are not in their place. */
static bool is_visible(struct pgw_str s)
{
        for (size_t i = 0; i < s.n; i++)
                if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
                        return false;
        return true;
}

/* RFC 9110 section 5.5. */
static bool is_value_bytewise(struct pgw_str s)
{
        for (size_t i = 0; i < s.n; i++) {
                const unsigned char c = (unsigned char)s.p[i];
                if ((c < ' ' && c != '\t') || c == 0x7f)
                        return false;
        }
        return true;
}

/* Whether any of the eight bytes is a control, a tab among them. */
static bool has_control(const char *eight)
{
        const uint64_t ones = 0x0101010101010101, tops = 0x80 * ones;
        uint64_t word;

        memcpy(&word, eight, sizeof word);
        const uint64_t deleted = word ^ (0x7f * ones);
        return (((word - ' ' * ones) & ~word) | ((deleted - ones) & ~deleted)) & tops;
}

/* Eight at a time, because every byte of every value is looked at; the last eight overlap. */
static bool is_value(struct pgw_str s)
{
        const size_t step = sizeof(uint64_t);

        if (s.n < step)
                return is_value_bytewise(s);
        for (size_t i = 0; i + step < s.n; i += step)
                if (has_control(s.p + i))
                        return is_value_bytewise(s);
        return !has_control(s.p + s.n - step) || is_value_bytewise(s);
}

static const char *read_request_line(struct pgw_str line, struct head *h)
{
        struct pgw_str method, target, rest;

        if (!pgw_str_cut(line, ' ', &method, &rest) || !is_token(method) ||
            !pgw_str_cut(rest, ' ', &target, &rest))
                return "the request line is not `METHOD target HTTP/1.x`";
        h->old = pgw_str_eq(rest, PGW_STR("HTTP/1.0"));
        if (!h->old && !pgw_str_eq(rest, PGW_STR("HTTP/1.1")))
                return "the version is neither HTTP/1.1 nor HTTP/1.0";
        if (target.n == 0)
                return "the request target is empty";
        if (!is_visible(target))
                return "the request target holds a character that is not allowed";
        return NULL;
}

/* Why a line that does not begin with a name and a colon is no field. */
static const char *misread(struct pgw_str line, size_t name_size)
{
        if (line.p[0] == ' ' || line.p[0] == '\t')
                return "a header field is folded over two lines";
        if (name_size == 0 && line.p[0] == ':')
                return "a header field has no name";
        return memchr(line.p, ':', line.n)
                   ? "a header field's name holds a character that is not allowed"
                   : "a header field has no name";
}

static const char *read_encoding(struct pgw_str value, struct head *h)
{
        h->encodings++;
        if (pgw_str_eq_nocase(pgw_str_trim(value), PGW_STR("chunked")))
                return NULL;
        return "the only transfer encoding that is taken is chunked";
}

static bool is_hex(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* RFC 3986 section 3.2.2: what a name may hold beside escapes. */
static const bool host_chars[256] = {
    ['!'] = true, ['$'] = true,         ['&' ... '.'] = true, ['0' ... '9'] = true, [';'] = true,
    ['='] = true, ['A' ... 'Z'] = true, ['_'] = true,         ['a' ... 'z'] = true, ['~'] = true,
};

static bool is_escape(struct pgw_str s, size_t at)
{
        return s.p[at] == '%' && at + 2 < s.n && is_hex(s.p[at + 1]) && is_hex(s.p[at + 2]);
}

/* RFC 9112 section 3.2: a host and perhaps a port. It may be empty. */
static bool is_host(struct pgw_str s)
{
        const bool is_literal = s.n && s.p[0] == '[';
        size_t n = is_literal;

        while (n < s.n && (host_chars[(unsigned char)s.p[n]] || is_escape(s, n) ||
                           (is_literal && s.p[n] == ':')))
                n++;
        if (is_literal && (n == s.n || s.p[n++] != ']'))
                return false;
        if (n < s.n && s.p[n++] != ':')
                return false;
        while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
                n++;
        return n == s.n;
}

static const char *read_host(struct pgw_str value, struct head *h)
{
        h->hosts++;
        return is_host(pgw_str_trim(value)) ? NULL : "Host is no host with a port";
}

static const char *read_length(struct pgw_str value, struct head *h)
{
        const struct pgw_str digits = pgw_str_trim(value);
        uint64_t length;

        h->lengths++;
        return pgw_str_to_u64(digits, UINT64_MAX, &length) ? "Content-Length is not a number"
                                                           : NULL;
}

static const char *read_field(struct pgw_str line, struct head *h)
{
        const char *reason = NULL;
        size_t n = 0;

        while (n < line.n && token_chars[(unsigned char)line.p[n]])
                n++;
        if (n == 0 || n == line.n || line.p[n] != ':')
                return misread(line, n);
        const struct pgw_str name = pgw_str_of(line.p, n),
                             value = pgw_str_of(line.p + n + 1, line.n - n - 1);
        switch (n) {
        case sizeof "host" - 1:
                if (pgw_str_eq_nocase(name, PGW_STR("host")))
                        reason = read_host(value, h);
                break;
        case sizeof "expect" - 1:
                h->expects |= pgw_str_eq_nocase(name, PGW_STR("expect")) &&
                              !pgw_str_eq_nocase(pgw_str_trim(value), PGW_STR("100-continue"));
                break;
        case sizeof "content-length" - 1:
                if (pgw_str_eq_nocase(name, PGW_STR("content-length")))
                        return read_length(value, h);
                break;
        case sizeof "transfer-encoding" - 1:
                if (pgw_str_eq_nocase(name, PGW_STR("transfer-encoding")))
                        return read_encoding(value, h);
                break;
        default:
                break;
        }
        return is_value(value) ? reason
                               : "a header field's value holds a character that is not allowed";
}

static const char *judge(const struct head *h)
{
        if (h->lengths > 1)
                return "Content-Length stands there twice";
        if (h->encodings > 1)
                return "Transfer-Encoding stands there twice";
        if (h->lengths && h->encodings)
                return "Content-Length and Transfer-Encoding contradict each other";
        if (h->expects && (h->lengths || h->encodings))
                return "the only expectation that can be met is 100-continue";
        if (h->old && h->encodings)
                return "HTTP/1.0 has no Transfer-Encoding";
        if (h->hosts > 1)
                return "Host stands there twice";
        if (!h->old && h->hosts == 0)
                return "Host is missing";
        return NULL;
}

static struct pgw_h1_verdict refuse(int status, const char *reason)
{
        return (struct pgw_h1_verdict){.status = status, .reason = reason};
}

/* More of it may be right, and is of no use. */
static struct pgw_h1_verdict refuse_size(bool is_too_large, bool is_whole)
{
        return (struct pgw_h1_verdict){
            .status = is_too_large ? 431 : 400,
            .reason = is_too_large ? "the header block is larger than this service accepts"
                                   : "the head does not end",
            .unfinished = !is_whole,
            .oversized = is_whole};
}

/* An empty line stands behind one of these lines, however it is written. */
static bool has_end(struct pgw_str lines)
{
        const char *from = lines.p, *end = lines.p + lines.n, *lf;

        while ((lf = memchr(from, '\n', (size_t)(end - from)))) {
                from = lf + 1;
                if (from < end && *from == '\r')
                        from++;
                if (from < end && *from == '\n')
                        return true;
        }
        return false;
}

/* From the line's beginning, with the LF that is before it. */
static struct pgw_str lines_from(struct pgw_str bytes, struct pgw_str line)
{
        const size_t at = (size_t)(line.p - bytes.p), from = at ? at - 1 : 0;

        return pgw_str_of(bytes.p + from, bytes.n - from);
}

struct pgw_h1_verdict pgw_guard_h1(struct pgw_str bytes, size_t head_max)
{
        struct head h = {.fields = 0};
        const char *reason = NULL;
        size_t at = 0;

        for (bool first = true;; first = false) {
                const char *end = at < bytes.n ? memchr(bytes.p + at, '\n', bytes.n - at) : NULL;
                if (!end)
                        return refuse_size(bytes.n > head_max, false);
                struct pgw_str line = pgw_str_of(bytes.p + at, (size_t)(end - bytes.p) - at);
                at += line.n + 1;
                if (at > head_max)
                        return refuse_size(true, has_end(lines_from(bytes, line)));
                if (line.n == 0 || line.p[line.n - 1] != '\r')
                        return refuse(400, "a line ends with LF alone");
                line.n--;
                if (line.n == 0 && first)
                        return refuse(400, "the request line is empty");
                if (line.n == 0)
                        break;
                if (!first && ++h.fields > PGW_H1_FIELDS_MAX)
                        return refuse(431, "there are more than 100 header fields");
                reason = first ? read_request_line(line, &h) : read_field(line, &h);
                /* None of what a line may hold takes a CR. */
                if (reason && memchr(line.p, '\r', line.n))
                        reason = "a line holds a CR";
                if (reason)
                        return refuse(400, reason);
        }
        reason = judge(&h);
        if (reason)
                return refuse(400, reason);
        return (struct pgw_h1_verdict){.chunked = h.encodings > 0, .size = at};
}
