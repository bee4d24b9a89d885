/* The parser keeps a stack of how many elements each open array still wants, and a flat
 * array of nodes. Strings are kept as offsets while the reply is incomplete, because the
 * bytes move when the socket's buffer grows; they become pointers once it is whole.
 */
#include "redis/wire.h"

#include <string.h>

#include "base/alloc.h"

#define PGW_WIRE_FIRST_NODES 64
#define PGW_WIRE_KEEP_NODES  16384

struct pgw_wire {
        struct pgw_wire_limits limits;
        struct pgw_reply *nodes;
        size_t count, cap;
        size_t at;                          /* bytes of this reply looked at so far */
        size_t scanned;                     /* how far a line without its end has been searched */
        size_t open[PGW_WIRE_DEPTH_MAX];    /* index of each open array */
        size_t missing[PGW_WIRE_DEPTH_MAX]; /* elements it still wants */
        unsigned depth;
};

struct pgw_wire *pgw_wire_new(const struct pgw_wire_limits *limits)
{
        struct pgw_wire *w = pgw_alloc(sizeof *w);

        w->limits = *limits;
        return w;
}

void pgw_wire_free(struct pgw_wire *w)
{
        if (!w)
                return;
        pgw_free(w->nodes);
        pgw_free(w);
}

void pgw_wire_reset(struct pgw_wire *w)
{
        w->count = 0;
        w->at = 0;
        w->scanned = 0;
        w->depth = 0;
        if (w->cap > PGW_WIRE_KEEP_NODES) {
                pgw_free(w->nodes);
                w->nodes = NULL;
                w->cap = 0;
        }
}

static enum pgw_err add_node(struct pgw_wire *w, struct pgw_reply **ret)
{
        if (w->count == w->limits.nodes)
                return PGW_E_REDIS_PROTOCOL;
        if (w->count == w->cap) {
                w->cap = w->cap ? w->cap * 2 : PGW_WIRE_FIRST_NODES;
                w->nodes = pgw_realloc(w->nodes, w->cap * sizeof *w->nodes);
        }
        *ret = &w->nodes[w->count++];
        **ret = (struct pgw_reply){._span = 1};
        return PGW_OK;
}

/* The line at w->at without its CR LF; *ret_found is false when it is not whole yet. */
static enum pgw_err read_line(struct pgw_wire *w, struct pgw_str bytes, struct pgw_str *ret,
                              bool *ret_found)
{
        const size_t from = w->scanned > w->at ? w->scanned : w->at;
        const char *end = from < bytes.n ? memchr(bytes.p + from, '\r', bytes.n - from) : NULL;

        *ret_found = false;
        if (!end || end + 1 == bytes.p + bytes.n) {
                w->scanned = end ? (size_t)(end - bytes.p) : bytes.n;
                return w->scanned - w->at > PGW_WIRE_LINE_MAX ? PGW_E_REDIS_PROTOCOL : PGW_OK;
        }
        if (end[1] != '\n' || (size_t)(end - bytes.p) - w->at > PGW_WIRE_LINE_MAX)
                return PGW_E_REDIS_PROTOCOL;
        *ret = pgw_str_of(bytes.p + w->at, (size_t)(end - bytes.p) - w->at);
        *ret_found = true;
        return PGW_OK;
}

static enum pgw_err read_number(struct pgw_str text, int64_t *ret)
{
        const bool negative = text.n && text.p[0] == '-';
        uint64_t magnitude;

        if (negative) {
                text.p++;
                text.n--;
        }
        if (pgw_str_to_u64(text, (uint64_t)INT64_MAX + negative, &magnitude))
                return PGW_E_REDIS_PROTOCOL;
        *ret = (int64_t)(negative ? 0 - magnitude : magnitude);
        return PGW_OK;
}

/* A value is complete: close every array that it completes. */
static void close_arrays(struct pgw_wire *w)
{
        while (w->depth) {
                if (--w->missing[w->depth - 1] > 0)
                        return;
                const size_t index = w->open[--w->depth];
                w->nodes[index]._span = w->count - index;
        }
}

static enum pgw_err open_array(struct pgw_wire *w, int64_t count)
{
        struct pgw_reply *node;
        enum pgw_err err = add_node(w, &node);

        if (err)
                return err;
        if (count == -1) {
                node->type = PGW_REPLY_NIL;
                close_arrays(w);
                return PGW_OK;
        }
        if (count < 0 || (uint64_t)count > w->limits.nodes - w->count)
                return PGW_E_REDIS_PROTOCOL;
        node->type = PGW_REPLY_ARRAY;
        node->count = (size_t)count;
        if (count == 0) {
                close_arrays(w);
                return PGW_OK;
        }
        if (w->depth == PGW_WIRE_DEPTH_MAX)
                return PGW_E_REDIS_PROTOCOL;
        w->open[w->depth] = w->count - 1;
        w->missing[w->depth++] = (size_t)count;
        return PGW_OK;
}

/* A bulk string whose length line is `line`; leaves w->at alone when it is not whole. */
static enum pgw_err read_bulk(struct pgw_wire *w, struct pgw_str bytes, struct pgw_str line,
                              bool *ret_whole)
{
        const size_t body = (size_t)(line.p - bytes.p) + line.n + 2;
        struct pgw_reply *node;
        int64_t length;
        enum pgw_err err = read_number(pgw_str_of(line.p + 1, line.n - 1), &length);

        *ret_whole = false;
        if (err)
                return err;
        if (length < -1 || length > (int64_t)w->limits.bulk_bytes)
                return PGW_E_REDIS_PROTOCOL;
        if (length >= 0 && bytes.n < body + (size_t)length + 2)
                return PGW_OK;
        if (length >= 0 && memcmp(bytes.p + body + length, "\r\n", 2) != 0)
                return PGW_E_REDIS_PROTOCOL;

        err = add_node(w, &node);
        if (err)
                return err;
        node->type = length < 0 ? PGW_REPLY_NIL : PGW_REPLY_STRING;
        node->_offset = body;
        node->str.n = length < 0 ? 0 : (size_t)length;
        w->at = length < 0 ? body : body + (size_t)length + 2;
        *ret_whole = true;
        close_arrays(w);
        return PGW_OK;
}

static enum pgw_err read_simple(struct pgw_wire *w, struct pgw_str bytes, struct pgw_str line)
{
        struct pgw_reply *node;
        enum pgw_err err;
        int64_t number = 0;

        if (line.p[0] == ':' || line.p[0] == '*') {
                err = read_number(pgw_str_of(line.p + 1, line.n - 1), &number);
                if (err)
                        return err;
        }
        w->at += line.n + 2;
        if (line.p[0] == '*')
                return open_array(w, number);

        err = add_node(w, &node);
        if (err)
                return err;
        node->type = line.p[0] == ':'   ? PGW_REPLY_INTEGER
                     : line.p[0] == '+' ? PGW_REPLY_STATUS
                                        : PGW_REPLY_ERROR;
        node->integer = number;
        if (node->type != PGW_REPLY_INTEGER) {
                node->_offset = (size_t)(line.p - bytes.p) + 1;
                node->str.n = line.n - 1;
        }
        close_arrays(w);
        return PGW_OK;
}

/* Read one value (or the head of an array). */
static enum pgw_err read_value(struct pgw_wire *w, struct pgw_str bytes, bool *ret_progress)
{
        struct pgw_str line;
        enum pgw_err err = read_line(w, bytes, &line, ret_progress);

        if (err || !*ret_progress)
                return err;
        if (line.n == 0)
                return PGW_E_REDIS_PROTOCOL;
        switch (line.p[0]) {
        case '$':
                return read_bulk(w, bytes, line, ret_progress);
        case '*':
        case ':':
        case '+':
        case '-':
                return read_simple(w, bytes, line);
        default:
                return PGW_E_REDIS_PROTOCOL;
        }
}

enum pgw_err pgw_wire_read(struct pgw_wire *w, struct pgw_str bytes,
                           const struct pgw_reply **ret_reply, size_t *ret_used)
{
        bool progress = true;

        if (w->count && w->depth == 0)
                pgw_wire_reset(w);
        do {
                enum pgw_err err = read_value(w, bytes, &progress);
                if (err)
                        return err;
        } while (progress && w->depth > 0);

        if (!progress) {
                *ret_reply = NULL;
                *ret_used = 0;
                return PGW_OK;
        }
        for (size_t i = 0; i < w->count; i++)
                w->nodes[i].str.p = bytes.p + w->nodes[i]._offset;
        *ret_reply = w->nodes;
        *ret_used = w->at;
        return PGW_OK;
}

const struct pgw_reply *pgw_reply_next(const struct pgw_reply *reply)
{
        return reply + reply->_span;
}

const struct pgw_reply *pgw_reply_at(const struct pgw_reply *reply, size_t index)
{
        if (!reply || reply->type != PGW_REPLY_ARRAY || index >= reply->count)
                return NULL;
        const struct pgw_reply *element = reply + 1;
        while (index--)
                element = pgw_reply_next(element);
        return element;
}

struct pgw_str pgw_reply_str(const struct pgw_reply *reply)
{
        if (!reply || (reply->type != PGW_REPLY_STRING && reply->type != PGW_REPLY_STATUS))
                return (struct pgw_str){NULL, 0};
        return reply->str;
}

int64_t pgw_reply_int(const struct pgw_reply *reply, int64_t otherwise)
{
        int64_t number;

        if (reply && reply->type == PGW_REPLY_INTEGER)
                return reply->integer;
        if (!reply || reply->type != PGW_REPLY_STRING || read_number(reply->str, &number))
                return otherwise;
        return number;
}

/* A mark, a number and the end of the line. */
#define HEAD_SIZE_MAX 24

static size_t write_head(char out[HEAD_SIZE_MAX], char mark, uint64_t number)
{
        out[0] = mark;
        const size_t n = 1 + pgw_u64_text(number, out + 1);
        memcpy(out + n, "\r\n", 2);
        return n + 2;
}

enum pgw_err pgw_wire_command(struct pgw_buf *out, size_t count)
{
        char head[HEAD_SIZE_MAX];

        return pgw_buf_add(out, head, write_head(head, '*', count));
}

/* Room is asked for once: a job is a good twenty arguments. */
enum pgw_err pgw_wire_arg(struct pgw_buf *out, struct pgw_str arg)
{
        char head[HEAD_SIZE_MAX], *room;
        const size_t n = write_head(head, '$', arg.n);
        enum pgw_err err = pgw_buf_reserve(out, n + arg.n + 2, &room);

        if (err)
                return err;
        memcpy(room, head, n);
        if (arg.n)
                memcpy(room + n, arg.p, arg.n);
        memcpy(room + n + arg.n, "\r\n", 2);
        out->n += n + arg.n + 2;
        return PGW_OK;
}
