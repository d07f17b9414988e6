/* SPDX-License-Identifier: MIT */
/* A unit around another one calls its functions with ctx between mn_enter and mn_leave. */
#include "nested.h"

#include <string.h>

/* The unit that `self` is, which is to be the one that was entered last. */
static const struct nas_instance *entered(struct mn_ctx *ctx, const void *self,
                                          const char *function) {
    const struct mock *mock = mock_of(ctx);
    const struct mn_nested *last = mock->n_nested > 0 ? mock->nested[mock->n_nested - 1] : NULL;
    if (last == NULL || last->self != self) {
        kit_fail("not_entered", "%s of the unit that it is around was called without mn_enter",
                 function);
    }
    return last->host;
}

#define STATUS(vtable, function, parameters, arguments)                                            \
    static int vtable##_##function parameters {                                                    \
        const struct nas_instance *x = entered(ctx, self, #function);                              \
        return x->table.vtable.function arguments;                                                 \
    }
#define PLAIN(vtable, type, function, parameters, arguments)
#define VOID(vtable, function, parameters, arguments)
#include "plugin/forwards.def"

static const struct watched {
    const char *vtable;
    size_t offset;
    void (*function)(void);
} functions[] = {
#define STATUS(vtable, function, parameters, arguments)                                            \
    {#vtable, offsetof(struct mn_##vtable, function), (void (*)(void))vtable##_##function},
#define PLAIN(vtable, type, function, parameters, arguments)
#define VOID(vtable, function, parameters, arguments)
#include "plugin/forwards.def"
};

void kit_nested_watch(int kind, union nas_vtable *table) {
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        const struct watched *f = &functions[i];
        void (*here)(void);
        memcpy(&here, (char *)table + f->offset, sizeof here);
        if (strcmp(f->vtable, nas_kind(kind)->vtable) == 0 && here != NULL) {
            memcpy((char *)table + f->offset, &f->function, sizeof f->function);
        }
    }
}
