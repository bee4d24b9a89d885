/* Any bytes as a file of identities: a set that finds nobody by nothing, or a fault with its line.
 */
#include <string.h>

#include "http/identities.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
        const struct pgw_str targets[] = {PGW_STR("default"), PGW_STR("eu")};
        struct pgw_identities *ids;
        struct pgw_fault fault = {"", ""};

        if (pgw_identities_read("f", pgw_str_of((const char *)data, size), targets, 2,
                                PGW_STR("a pepper"), &fault, &ids)) {
                PGW_ASSERT(strncmp(fault.pointer, "f:", 2) == 0);
                PGW_ASSERT(fault.detail[0] != '\0');
                return 0;
        }
        PGW_ASSERT(!pgw_identities_find(ids, PGW_STR("")));
        (void)pgw_identities_find(ids, PGW_STR("pgw_"));
        pgw_identities_drop(ids);
        return 0;
}
