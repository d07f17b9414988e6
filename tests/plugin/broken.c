/* SPDX-License-Identifier: MIT */
/* A correct plugin, from which every switch takes or spoils one thing. */

#include <metanas/plugin.h>

/* Another one, for tables that are not of the unit's struct. */
struct larger {
    int64_t steps, other[13];
};

#ifndef ENTRY
#define ENTRY &broken
#endif
#ifndef MAGIC
#define MAGIC MN_MAGIC
#endif
#ifndef SIZE
#define SIZE sizeof(struct mn_plugin)
#endif
#ifndef MAJOR
#define MAJOR MN_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR MN_ABI_MINOR
#endif
#ifndef UNIT_STRIDE
#define UNIT_STRIDE sizeof(struct mn_unit)
#endif
#ifndef OPT_STRIDE
#define OPT_STRIDE sizeof(struct mn_opt)
#endif
#ifndef PLUGIN_NAME
#define PLUGIN_NAME "broken"
#endif
#ifndef PLUGIN_URL
#define PLUGIN_URL ""
#endif
#ifndef N_UNITS
#define N_UNITS 1
#endif
#ifndef KIND
#define KIND MN_META_LEARNER
#endif
#ifndef UNIT_NAME
#define UNIT_NAME "broken"
#endif
#ifndef UNIT_DOC
#define UNIT_DOC "does nothing"
#endif
#ifndef INSTANCE
#define INSTANCE sizeof(struct instance)
#endif
#ifndef VTABLE
#define VTABLE &table
#endif
#ifndef VTABLE_SIZE
#define VTABLE_SIZE sizeof table
#endif
#ifndef UPDATE
#define UPDATE update
#endif
#ifndef OPTIONS
#define OPTIONS options
#endif
#ifndef OPTION
#define OPTION MN_INT(struct instance, steps, 5, 1, 10, "steps")
#endif

struct instance {
    int64_t steps;
    double rate;
    bool fast;
    const char *text;
    int32_t order;
    struct mn_ints sizes;
};

/* Each switch leaves something without a use. */
#define SPARE __attribute__((unused))

SPARE static const char *const orders[] = {"first", "second", NULL};
SPARE static const char *const no_orders[] = {NULL};

#ifdef MISSING_SYMBOL
int mn_no_such_function(void);
#endif

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
#ifdef MISSING_SYMBOL
    return mn_no_such_function();
#else
    return MN_OK;
#endif
}

SPARE static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                        const struct mn_point *mean_delta) {
    return MN_OK;
}

SPARE static const struct mn_meta_learner table = {
    .size = VTABLE_SIZE, .delta = delta, .update = UPDATE};
SPARE static const struct mn_opt options[] = {OPTION};
SPARE static const struct mn_unit units[] = {{.kind = KIND,
                                              .instance_size = INSTANCE,
                                              .n_opts = sizeof options / sizeof options[0],
                                              .name = UNIT_NAME,
                                              .doc = UNIT_DOC,
                                              .opts = OPTIONS,
                                              .vtable = VTABLE},
                                             {.kind = KIND,
                                              .instance_size = INSTANCE,
                                              .name = UNIT_NAME,
                                              .doc = UNIT_DOC,
                                              .vtable = VTABLE}};
SPARE static const struct mn_plugin broken = {.magic = MAGIC,
                                              .size = SIZE,
                                              .abi_major = MAJOR,
                                              .abi_minor = MINOR,
                                              .unit_stride = UNIT_STRIDE,
                                              .opt_stride = OPT_STRIDE,
                                              .real_bytes = sizeof(mn_real),
                                              .n_units = N_UNITS,
                                              .name = PLUGIN_NAME,
                                              .version = "1.0",
                                              .author = "",
                                              .license = "MIT",
                                              .url = PLUGIN_URL,
                                              .units = units};

#ifdef NO_ENTRY
#define mn_plugin_entry another_name
#endif
MN_EXPORT const struct mn_plugin *mn_plugin_entry(void);
MN_EXPORT const struct mn_plugin *mn_plugin_entry(void) {
    return ENTRY;
}
