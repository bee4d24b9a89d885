/* What anybody may have written into the audit: whatever is read is shown as JSON in UTF-8. */
#include <jansson.h>

#include "base/panic.h"
#include "http/audit_json.h"

#define OUT_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void show(const struct pgw_audit *a)
{
        struct pgw_buf out;

        pgw_buf_init(&out, OUT_MAX);
        if (pgw_audit_json(&out, a, "default") == PGW_OK) {
                json_t *read = json_loadb(out.p, out.n, JSON_ALLOW_NUL, NULL);
                PGW_ASSERT(read);
                json_decref(read);
        }
        pgw_buf_fini(&out);
}

/* The record is the whole input, in the reply that XRANGE would give. */
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        static const struct pgw_wire_limits limits = {16, 1 << 20};
        const struct pgw_reply *reply = NULL;
        struct pgw_wire *wire = pgw_wire_new(&limits);
        struct pgw_buf sent;
        struct pgw_audit a;
        size_t used;

        pgw_buf_init(&sent, OUT_MAX);
        if (pgw_buf_printf(&sent, "*2\r\n$3\r\n5-7\r\n*2\r\n$1\r\nd\r\n$%zu\r\n", size) == PGW_OK &&
            pgw_buf_add(&sent, data, size) == PGW_OK && pgw_buf_add(&sent, "\r\n", 2) == PGW_OK &&
            pgw_wire_read(wire, pgw_buf_str(&sent), &reply, &used) == PGW_OK && reply &&
            pgw_audit_read(reply, &a) == PGW_OK)
                show(&a);
        pgw_buf_fini(&sent);
        pgw_wire_free(wire);
        return 0;
}
