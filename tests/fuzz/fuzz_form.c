/* Any bytes as a form, and as a Surrogate-Key header: a body or a refusal, nothing else. */
#include "base/panic.h"
#include "http/form.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const struct pgw_str text = pgw_str_of((const char *)data, size);
        struct pgw_fault fault = {"", ""};
        json_t *body = NULL;

        if (pgw_form_read(text, &fault, &body))
                PGW_ASSERT(fault.detail[0] && !body);
        else
                PGW_ASSERT(json_is_object(body));
        json_decref(body);
        json_decref(pgw_form_of_surrogate_keys(text));
        return 0;
}
