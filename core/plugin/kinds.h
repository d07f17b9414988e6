/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_KINDS_H
#define NAS_PLUGIN_KINDS_H

/* What the loader knows of each kind of unit. */

#include "plugin/registry.h"

struct nas_needed {
    const char *name;
    size_t offset; /* of the function pointer in the vtable */
};

struct nas_kind {
    const char *name;
    size_t size, least; /* bytes of the vtable: here, and in MN_ABI_OLDEST */
    const struct nas_needed *needed;
    size_t n_needed;
    struct nas_needed instead; /* a function that makes up for all of those; name NULL = none */
};

/* By enum mn_kind; NULL = unknown. */
const struct nas_kind *nas_kind(int kind);

#endif
