/* SPDX-License-Identifier: MIT */
#include "plugin/kinds.h"

#include <string.h>

static const struct nas_kind kinds[NAS_KINDS + 1] = {
    {0},
#define KIND(id, name, vtable, template)                                                           \
    [id] = {#name, #vtable, sizeof(struct mn_##vtable), NULL, template},
#define SECTION(id, name, vtable, use) [id] = {#name, #vtable, sizeof(struct mn_##vtable), use, 1},
#include "plugin/kinds.def"
};

static const struct function {
    const char *vtable, *name;
    size_t offset;
    int alternative; /* for all that are needed */
} functions[] = {
#define NEEDS(vtable, function) {#vtable, #function, offsetof(struct mn_##vtable, function), 0},
#define INSTEAD(vtable, function) {#vtable, #function, offsetof(struct mn_##vtable, function), 1},
#include "plugin/kinds.def"
};

const struct nas_kind *nas_kind(int kind) {
    return kind >= 1 && kind <= NAS_KINDS ? &kinds[kind] : NULL;
}

const char *nas_kind_name(int kind) {
    return nas_kind(kind) != NULL ? kinds[kind].name : "?";
}

int nas_kind_from(const char *name) {
    for (int i = 1; i <= NAS_KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return i;
        }
    }
    return 0;
}

const char *nas_kind_lacks(int kind, const void *vtable, const char **instead) {
    const char *lacks = NULL;
    *instead = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        const struct function *f = &functions[i];
        void (*function)(void);
        if (strcmp(f->vtable, kinds[kind].vtable) != 0) {
            continue;
        }
        memcpy(&function, (const char *)vtable + f->offset, sizeof function);
        if (f->alternative && function != NULL) {
            return NULL;
        }
        if (f->alternative) {
            *instead = f->name;
        } else if (function == NULL && lacks == NULL) {
            lacks = f->name;
        }
    }
    return lacks;
}
