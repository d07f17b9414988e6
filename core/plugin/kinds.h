/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_KINDS_H
#define NAS_PLUGIN_KINDS_H

/* What is known of each kind of unit, from kinds.def. */

#include "metanas/plugin.h"

#include <stddef.h>

enum {
    NAS_KINDS = 0
#define KIND(id, name, vtable, template) +1
#include "plugin/kinds.def"
    ,
    NAS_SECTIONS = 0 /* the first kinds: those with a section of their name in a configuration */
#define SECTION(id, name, vtable, use) +1
#include "plugin/kinds.def"
};

/* The table of a unit of any kind. */
union nas_vtable {
    uint32_t size;
#define VTABLE(name) struct mn_##name name;
#include "plugin/kinds.def"
};

struct nas_kind {
    const char *name;   /* "op_mixer" */
    const char *vtable; /* "mixer" */
    size_t size;        /* bytes of the vtable */
    const char *use;    /* unit of a section that names none; NULL = the kind has no section */
    int has_template;   /* `metanas new-plugin` knows it */
};

/* By enum mn_kind, from 1 to NAS_KINDS; NULL = unknown. */
const struct nas_kind *nas_kind(int kind);
/* "op_mixer" and back; "?" and 0 where it is unknown. */
const char *nas_kind_name(int kind);
int nas_kind_from(const char *name);

/* The first function that a table of this kind must have and lacks, or NULL. *instead: one that
 * makes up for all that it must have, or NULL. */
const char *nas_kind_lacks(int kind, const void *vtable, const char **instead);

#endif
