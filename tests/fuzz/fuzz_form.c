/* Any bytes as a form, and as a Surrogate-Key header: a body or a refusal, nothing else. */
#include "base/panic.h"
#include "http/form.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const struct pgw_str text = pgw_str_of((const char *)data, size);
        struct pgw_violations violations = {._items = NULL};
        struct pgw_fault fault = {"", ""};
        json_t *body = NULL;

        if (pgw_form_read(text, &fault, &body))
                PGW_ASSERT(fault.detail[0] && !body);
        else
                PGW_ASSERT(json_is_object(body));
        json_decref(body);
        body = json_object();
        if (pgw_form_add_surrogate_keys(text, body, &violations) == PGW_OK)
                PGW_ASSERT(pgw_violations_count(&violations) == 0);
        json_decref(body);
        pgw_violations_fini(&violations);
        return 0;
}
