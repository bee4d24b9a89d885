/* Any bytes as a settings or contract file: a value or a fault, nothing else. */
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        struct pgw_yaml_lines *lines;
        struct pgw_fault fault = {"", ""};
        json_t *value;

        if (pgw_yaml_load((const char *)data, size, &fault, &value, &lines)) {
                PGW_ASSERT(fault.detail[0] != '\0');
                return 0;
        }
        (void)pgw_yaml_line(lines, "/a");
        json_decref(value);
        pgw_yaml_lines_free(lines);
        return 0;
}
