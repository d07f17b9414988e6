/* SPDX-License-Identifier: MIT */
#ifndef MN__PLUGIN_INSTANCE_H
#define MN__PLUGIN_INSTANCE_H

/* A unit with its options filled in: what a section of the configuration becomes. */

#include "plugin/registry.h"
#include "plugin/share.h"

/* More numbers than a plugin can mean: a size beyond is an error of it. */
#define MN__MOST_REALS ((int64_t)1 << 32)

struct mn__instance {
    struct mn__unit unit;
    void *self;                     /* instance struct, in arena */
    const struct mn__yaml *section; /* for marks of options; may be NULL */
    struct mn__mark mark;           /* of the section */
    const char *label;              /* "op_mixer soft_prune", for messages */
    struct mn__arena arena;         /* instance, texts, mn_keep memory */
    int started;                    /* stop is owed */
    struct mn__share share;         /* shared memory that this process has filled */
    struct mn__shared {             /* all that it has mapped */
        const void *at;
        size_t bytes;
    } shared[MN__MOST_SHARED];
    int n_shared;
    union { /* vtable, copied into zeroes: missing functions read NULL */
        struct mn_dataset dataset;
        struct mn_search_space search_space;
        struct mn_mixer mixer;
        struct mn_task_learner task_learner;
        struct mn_meta_learner meta_learner;
        struct mn_executor executor;
        struct mn_operation operation;
    } table;
};

/* Make the instance of a section, which messages call `name` (NULL = by its kind): find the unit
 * named by its `use` (default_use when the section or the key is missing; NULL = required),
 * allocate, bind options, run `check`. Faults of the configuration go to `faults`; other failures
 * are returned. The instance must not move afterwards. `fini` calls `stop` where owed; it takes a
 * zeroed instance. */
int mn__instance_init(struct mn__instance *instance, struct mn_cx *cx,
                      struct mn__registry *registry, int kind, const char *name,
                      struct mn__yaml *section, const char *default_use, struct mn__mark mark,
                      struct mn__faults *faults);
void mn__instance_fini(struct mn__instance *instance);

/* Put `keep` and `bad_option` into the host table. Once, at start. */
void mn__instance_install(struct mn_host *host);

/* Fail with MN_INTERNAL because what the unit says of itself cannot be: "LABEL: TEXT; this is an
 * error of the plugin". */
MN_PRINTF(3, 4)
int mn__instance_wrong(struct mn_cx *cx, const struct mn__instance *instance, const char *format,
                       ...);

/* Memory for mn_keep. NULL = none. */
void *mn__instance_keep(struct mn__instance *instance, size_t bytes);

/* Begin and end a call into the unit: sets cx->unit (so mn_fail, mn_log, mn_bad_option know whose
 * it is); `end` checks the status (mn__cx_result) and restores the unit before. struct mn__call
 * call = mn__call_begin(cx, &x); status = mn__call_end(&call, x.table.mixer.forward(x.self, cx,
 * ...)); */
struct mn__call {
    struct mn_cx *cx;
    const struct mn__instance *unit, *before;
    size_t mark;
};
struct mn__call mn__call_begin(struct mn_cx *cx, const struct mn__instance *instance);
int mn__call_end(struct mn__call *call, int status);

#endif
