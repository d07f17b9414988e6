/* SPDX-License-Identifier: MIT */
#ifndef MN__PLUGIN_KINDS_H
#define MN__PLUGIN_KINDS_H

/* What the loader knows of each kind of unit. */

#include "plugin/registry.h"

struct mn__needed {
    const char *name;
    size_t offset; /* of the function pointer in the vtable */
};

struct mn__kind {
    const char *name;
    size_t size, least; /* bytes of the vtable: here, and in MN_ABI_OLDEST */
    const struct mn__needed *needed;
    size_t n_needed;
    struct mn__needed instead; /* a function that makes up for all of those; name NULL = none */
};

/* By enum mn_kind; NULL = unknown. */
const struct mn__kind *mn__kind(int kind);

#endif
