/* SPDX-License-Identifier: MIT */
#include "plugin/forward.h"

#include <string.h>

#define NESTED(vtable)                                                                             \
    const struct mn_nested *x = self;                                                              \
    const struct mn_##vtable *t = x->table;
#define STATUS(vtable, function, parameters, arguments)                                            \
    static int vtable##_##function parameters {                                                    \
        NESTED(vtable)                                                                             \
        return MN_NESTED(ctx, x, t->function arguments);                                           \
    }
#define PLAIN(vtable, type, function, parameters, arguments)                                       \
    static type vtable##_##function parameters {                                                   \
        NESTED(vtable)                                                                             \
        return t->function arguments;                                                              \
    }
#define VOID(vtable, function, parameters, arguments)                                              \
    static void vtable##_##function parameters {                                                   \
        NESTED(vtable)                                                                             \
        t->function arguments;                                                                     \
    }
#include "plugin/forwards.def"

static const struct forward {
    const char *vtable;
    size_t offset;
    void (*function)(void);
} forwards[] = {
#define ROW(vtable, function)                                                                      \
    {#vtable, offsetof(struct mn_##vtable, function), (void (*)(void))vtable##_##function},
#define STATUS(vtable, function, parameters, arguments) ROW(vtable, function)
#define PLAIN(vtable, type, function, parameters, arguments) ROW(vtable, function)
#define VOID(vtable, function, parameters, arguments) ROW(vtable, function)
#include "plugin/forwards.def"
};

const struct mn_opt *nas_forward_option(const struct mn_unit *unit) {
    for (uint32_t i = 0; i < unit->n_opts; i++) {
        if (unit->opts[i].type == MN_OPT_UNIT) {
            return &unit->opts[i];
        }
    }
    return NULL;
}

void nas_forward_fill(int kind, union nas_vtable *table, const union nas_vtable *nested) {
    /* An operation computes by itself or has maps, and one that does the first would be overruled
     * by the second. */
    const int computes = kind == MN_OPERATION && table->operation.forward != NULL;
    for (size_t i = 0; i < sizeof forwards / sizeof forwards[0]; i++) {
        const struct forward *f = &forwards[i];
        void (*here)(void), (*there)(void);
        if (strcmp(f->vtable, nas_kind(kind)->vtable) != 0 ||
            (computes && f->offset == offsetof(struct mn_operation, maps))) {
            continue;
        }
        memcpy(&here, (char *)table + f->offset, sizeof here);
        memcpy(&there, (const char *)nested + f->offset, sizeof there);
        if (here == NULL && there != NULL) {
            memcpy((char *)table + f->offset, &f->function, sizeof f->function);
        }
    }
}
