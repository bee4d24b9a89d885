/* Any bytes as a file of webhooks and a delivery: a fault with its line, or hooks whose rules make
 * something of it within their bounds. The file ends at the first NUL; behind it the body, and in
 * front of that, up to another NUL, its content type.
 */
#include <string.h>

#include "http/hook_map.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static enum pgw_err secret(void *ctx, struct pgw_str reference, struct pgw_buf *out,
                           struct pgw_fault *fault)
{
        (void)ctx;
        if (pgw_buf_add_str(out, reference))
                return pgw_fault_config(fault, "too long");
        return PGW_OK;
}

static size_t header(void *ctx, struct pgw_str name, struct pgw_str *ret)
{
        *ret = *(const struct pgw_str *)ctx;
        return pgw_str_eq_z(name, "content-type") || pgw_str_eq_z(name, "x-topic") ||
               (pgw_str_starts(name, PGW_STR("ce-")) && pgw_str_find(*ret, PGW_STR("b"), ret));
}

static void map(const struct pgw_hook *hook, struct pgw_str type, struct pgw_str body)
{
        const struct pgw_hook_message message = {.method = PGW_STR("POST"),
                                                 .path = PGW_STR("/"),
                                                 .body = body,
                                                 .header = header,
                                                 .ctx = &type};
        const struct pgw_hook_wish wish = {.rules = true, .bytes_max = 1u << 20};
        struct pgw_cloud_events events;
        struct pgw_hook_mapped mapped;
        struct pgw_buf id;

        if (pgw_cloud_events_read(&message, NULL, &events))
                return;
        pgw_buf_init(&id, PGW_CLOUD_EVENTS_ID_MAX);
        (void)!pgw_hook_delivery_id(hook, &events, &id);
        if (pgw_hook_map(hook, &events, &wish, NULL, &mapped) == PGW_OK)
                PGW_ASSERT(!mapped.invalidation || mapped.held > 0);
        pgw_hook_mapped_fini(&mapped);
        pgw_buf_fini(&id);
        pgw_cloud_events_fini(&events);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const struct pgw_str targets[] = {PGW_STR("default"), PGW_STR("eu")};
        const struct pgw_hooks_sources sources = {
            .path = "f", .targets = targets, .target_count = 2, .secret = secret};
        struct pgw_str file = pgw_str_of((const char *)data, size), type = PGW_STR(""), body = type;
        struct pgw_hooks *hooks;
        struct pgw_fault fault = {"", ""};

        if (pgw_str_cut(file, '\0', &file, &body))
                (void)pgw_str_cut(body, '\0', &type, &body);
        if (pgw_hooks_read(&sources, file, &fault, &hooks)) {
                PGW_ASSERT(strncmp(fault.pointer, "f:", 2) == 0);
                PGW_ASSERT(fault.detail[0] != '\0');
                return 0;
        }
        const struct pgw_hook *hook = pgw_hooks_find(hooks, PGW_STR("h"));
        if (hook)
                map(hook, type, body);
        pgw_hooks_drop(hooks);
        return 0;
}
