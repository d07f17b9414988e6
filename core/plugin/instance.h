/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_INSTANCE_H
#define NAS_PLUGIN_INSTANCE_H

/* A unit with its options filled in: what a section of the configuration becomes. */

#include "plugin/kinds.h"
#include "plugin/registry.h"
#include "plugin/shm.h"

/* More numbers than a plugin can mean: a size beyond is an error of it. */
#define NAS_MOST_REALS ((int64_t)1 << 32)

struct nas_instance {
    int kind;
    struct nas_unit unit;
    void *self;                       /* instance struct, in arena */
    const struct nas_yaml *section;   /* for marks of options; may be NULL */
    struct nas_mark mark;             /* of the section */
    const char *label;                /* "op_mixer soft_prune", for messages */
    struct nas_arena arena;           /* instance, texts, mn_keep memory */
    int bound;                        /* its options are filled in, without a fault */
    int started;                      /* stop is owed */
    const struct nas_shm *shm_source; /* what another process has filled already, or NULL */
    int shm_wanted;                   /* others of this node will want what is kept shared */
    struct nas_shm shm;               /* shared memory that this process has filled */
    struct nas_shm_mapping {          /* all that it has mapped */
        const void *at;
        size_t bytes;
    } mappings[NAS_SHM_MOST];
    int n_mappings;
    union nas_vtable table;           /* with the functions of `around` where the unit has none */
    struct nas_instance *around;      /* the unit that it is around (MN_OPT_UNIT), or NULL */
    const struct nas_instance *outer; /* the one around it, or NULL */
    const char *name;                 /* where it is configured: "dataset", "dataset.around" */
    const char *within;               /* "", "around.": before names that it makes up */
};

enum { NAS_MOST_NESTED = 4 }; /* units in one another, without the outermost */

/* Make the instance of a section, which messages call `name` (NULL = by its kind): find the unit
 * named by its `use` (default_use when the section or the key is missing; NULL = required),
 * allocate, bind options. Faults of the configuration go to `faults`; other failures
 * are returned. A unit around another one is made with that. The instance must not move afterwards.
 * `fini` calls `stop` where owed; it takes a zeroed instance. */
int nas_instance_bind(struct nas_instance *instance, struct mn_ctx *ctx,
                      struct nas_registry *registry, int kind, const char *name,
                      struct nas_yaml *section, const char *default_use, struct nas_mark mark,
                      struct nas_faults *faults);
/* Run `check` of one that is bound, and before it that of the unit which it is around. */
int nas_instance_check(struct nas_instance *instance, struct mn_ctx *ctx,
                       struct nas_faults *faults);
/* Both. */
int nas_instance_init(struct nas_instance *instance, struct mn_ctx *ctx,
                      struct nas_registry *registry, int kind, const char *name,
                      struct nas_yaml *section, const char *default_use, struct nas_mark mark,
                      struct nas_faults *faults);
void nas_instance_fini(struct nas_instance *instance);

/* The outermost of nested units, and the innermost. */
const struct nas_instance *nas_instance_outermost(const struct nas_instance *instance);
const struct nas_instance *nas_instance_innermost(const struct nas_instance *instance);

/* Its section of a resolved configuration but for options with one of the flags `without`: `use`,
 * the options and the nested units, from column `indent` on. */
void nas_instance_write(const struct nas_instance *instance, uint32_t without, int indent,
                        FILE *out);

/* Services of struct mn_host. */
int nas_service_bad_option(struct mn_ctx *ctx, const char *key, const char *format, va_list args);
void *nas_service_keep(struct mn_ctx *ctx, size_t bytes);
void *nas_service_keep_shared(struct mn_ctx *ctx, size_t bytes, int *filled);
void nas_service_enter(struct mn_ctx *ctx, const struct mn_nested *nested);
int nas_service_leave(struct mn_ctx *ctx, const struct mn_nested *nested, int status);

/* Fail with MN_INTERNAL because what the unit says of itself cannot be: "LABEL: TEXT; this is an
 * error of the plugin". */
MN_PRINTF(3, 4)
int nas_instance_wrong(struct mn_ctx *ctx, const struct nas_instance *instance, const char *format,
                       ...);

/* Begin and end a call into the unit: sets ctx->unit (so mn_fail, mn_log, mn_bad_option know whose
 * it is); `end` checks the status (nas_ctx_result) and restores the unit before. The services are
 * those of the outermost call, whatever a unit around another one has given that. struct nas_call
 * call = nas_call_begin(ctx, &x); status = nas_call_end(&call, x.table.mixer.forward(x.self, ctx,
 * ...)); */
struct nas_call {
    struct mn_ctx *ctx;
    const struct nas_instance *unit, *before;
    const struct mn_host *host; /* before */
    size_t mark;
};
struct nas_call nas_call_begin(struct mn_ctx *ctx, const struct nas_instance *instance);
int nas_call_end(struct nas_call *call, int status);

#endif
