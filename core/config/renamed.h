/* SPDX-License-Identifier: MIT */
#ifndef NAS_CONFIG_RENAMED_H
#define NAS_CONFIG_RENAMED_H

/* Keys that had another name in earlier versions. */

#include "config/yaml.h"

/* Give such keys and their values the names of today, so that the folders of earlier runs can still
 * be used. Each is told by a warning; `faults` NULL = no warnings. */
void nas_renamed_apply(struct nas_yaml *root, struct nas_faults *faults);

#endif
