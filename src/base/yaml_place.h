/* base/yaml_place.h - where in a file a fault is, as FILE:LINE. */
#ifndef PGW_BASE_YAML_PLACE_H
#define PGW_BASE_YAML_PLACE_H

#include "base/yaml.h"

/* Put the place in front of what `fault` says: the line of what `pointer` names or, since a strange
 * key has none of its own, of what that is in. Without `lines` the fault is the YAML reader's,
 * which knows the line. */
void pgw_yaml_place(struct pgw_fault *fault, const char *path, const struct pgw_yaml_lines *lines,
                    const char *pointer);

#endif
