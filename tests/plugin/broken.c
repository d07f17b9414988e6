/* SPDX-License-Identifier: MIT */
/* A correct plugin. A copy of it by the name X.WAY.so is wrong in one way: what the rows of that
 * name set. */

#include <metanas/plugin.h>

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Another one, for tables that are not of the unit's struct. */
struct larger {
    int64_t steps, other[13];
};

struct instance {
    int64_t steps;
    double rate;
    bool fast;
    const char *text;
    int32_t order;
    struct mn_ints sizes;
};

#ifndef MAGIC
#define MAGIC MN_MAGIC
#endif

struct wrong_place {
    int64_t first;
    struct mn_nested around;
};

static const char *const orders[] = {"first", "second", NULL};
static const char *const no_orders[] = {NULL};

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

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    return MN_OK;
}

static struct mn_meta_learner table = {.size = sizeof table, .delta = delta, .update = update};
static struct mn_opt options[2] = {MN_INT(struct instance, steps, 5, 1, 10, "steps")};
static struct mn_unit units[2] = {{.kind = MN_META_LEARNER,
                                   .instance_size = sizeof(struct instance),
                                   .n_opts = 1,
                                   .name = "broken",
                                   .doc = "does nothing",
                                   .opts = options,
                                   .vtable = &table},
                                  {.kind = MN_META_LEARNER,
                                   .instance_size = sizeof(struct instance),
                                   .name = "broken",
                                   .doc = "does nothing",
                                   .vtable = &table}};
static struct mn_plugin broken = {.magic = MAGIC,
                                  .size = sizeof(struct mn_plugin),
                                  .abi_major = MN_ABI_MAJOR,
                                  .abi_minor = MN_ABI_MINOR,
                                  .unit_stride = sizeof(struct mn_unit),
                                  .opt_stride = sizeof(struct mn_opt),
                                  .real_bytes = sizeof(mn_real),
                                  .n_units = 1,
                                  .name = "broken",
                                  .version = "1.0",
                                  .author = "",
                                  .license = "MIT",
                                  .url = "",
                                  .units = units};

#define SET(way, place, value)                                                                     \
    { way, &(place), &(__typeof__(place)){value}, sizeof(place) }
#define SET_OPTION(way, i, ...)                                                                    \
    { way, &options[i], &(struct mn_opt)__VA_ARGS__, sizeof(struct mn_opt) }
static const struct {
    const char *way;
    void *to;
    const void *from;
    size_t size;
} ways[] = {
    SET("newer_minor", broken.abi_minor, MN_ABI_MINOR + 1),
    SET("older_minor", broken.abi_minor, MN_ABI_MINOR - 1),
    SET("other_major", broken.abi_major, MN_ABI_MAJOR + 1),
    SET("size", broken.size, 16),
    SET("unit_stride", broken.unit_stride, 8),
    SET("opt_stride", broken.opt_stride, sizeof(struct mn_opt) + 4),
    SET("other_reals", broken.real_bytes, 8),
    SET("plugin_name", broken.name, "Broken"),
    SET("no_url", broken.url, NULL),
    SET("no_units", broken.n_units, 0),
    SET("unit_name", units[0].name, "a-b"),
    SET("unit_twice", broken.n_units, 2),
    SET("unit_doc", units[0].doc, ""),
    SET("kind", units[0].kind, 99),
    SET("no_vtable", units[0].vtable, NULL),
    SET("short_vtable", table.size, 16),
    SET("long_vtable", table.size, sizeof table + 8),
    SET("no_function", table.update, NULL),
    SET("no_table", units[0].opts, NULL),
    SET("opt_outside", units[0].instance_size, 4),
    SET_OPTION("opt_shared", 0,
               {"slow", "slow", NULL, MN_OPT_BOOL, 0, offsetof(struct instance, fast), 0, 0, 0, 1,
                NULL, NULL}),
    SET_OPTION("opt_shared", 1, MN_BOOL(struct instance, fast, 0, "fast")),
    SET("opt_shared", units[0].n_opts, 2),
    SET_OPTION("opt_other_struct", 0, MN_INT(struct larger, steps, 5, 1, 10, "steps")),
    SET_OPTION("opt_far", 0,
               {"steps", "steps", NULL, MN_OPT_INT, 0, 4294967288u, 0, 1, 1, 2, NULL, NULL}),
    SET_OPTION("opt_uneven", 0, {"steps", "steps", NULL, MN_OPT_INT, 0, 4, 0, 1, 1, 2, NULL, NULL}),
    SET_OPTION("opt_type", 0, {"steps", "steps", NULL, 77, 0, 0, 0, 1, 1, 2, NULL, NULL}),
    SET_OPTION("opt_key", 0, {"Steps", "steps", NULL, MN_OPT_INT, 0, 0, 0, 1, 1, 2, NULL, NULL}),
    SET_OPTION("opt_use", 0, {"use", "steps", NULL, MN_OPT_INT, 0, 0, 0, 1, 1, 2, NULL, NULL}),
    SET_OPTION("opt_unit", 0, MN_AROUND(struct wrong_place, around, "the second field")),
    SET_OPTION("opt_doc", 0, MN_INT(struct instance, steps, 5, 1, 10, NULL)),
    SET_OPTION("opt_twice", 0, MN_BOOL(struct instance, fast, 0, "a")),
    SET_OPTION("opt_twice", 1, MN_BOOL(struct instance, fast, 0, "b")),
    SET("opt_twice", units[0].n_opts, 2),
    SET_OPTION("int_range", 0, MN_INT(struct instance, steps, 11, 1, 10, "steps")),
    SET_OPTION("int_fraction", 0, MN_INT(struct instance, steps, 1.5, 1, 10, "steps")),
    SET_OPTION("real_open", 0,
               MN_REAL_OPEN(struct instance, rate, 0, 0, 1, MN_OPT_OPEN_MIN, "rate")),
    SET_OPTION("real_nan", 0, MN_REAL(struct instance, rate, NAN, 0, 1, "rate")),
    SET_OPTION("bool_two", 0, MN_BOOL(struct instance, fast, 2, "fast")),
    SET_OPTION("choice_range", 0, MN_CHOICE(struct instance, order, 2, orders, "order")),
    SET_OPTION("no_choices", 0, MN_CHOICE(struct instance, order, 0, no_orders, "order")),
    SET_OPTION("null_choices", 0, MN_CHOICE(struct instance, order, 0, NULL, "order")),
    SET_OPTION("list_range", 0, MN_INTS(struct instance, sizes, "3, 0", 1, 10, "sizes")),
    SET_OPTION("list_words", 0, MN_INTS(struct instance, sizes, "3, many", 1, 10, "sizes")),
    SET_OPTION("required", 0,
               {"steps", "steps", NULL, MN_OPT_INT, MN_OPT_REQUIRED, 0, 0, -1, 1, 2, NULL, NULL}),
};

#ifdef NO_ENTRY
#define mn_plugin_entry another_name
#endif
MN_EXPORT const struct mn_plugin *mn_plugin_entry(void);
MN_EXPORT const struct mn_plugin *mn_plugin_entry(void) {
    Dl_info info;
    if (dladdr(&broken, &info) == 0) {
        abort();
    }
    const char *slash = strrchr(info.dli_fname, '/'), *dot = strchr(slash, '.'),
               *end = strrchr(slash, '.');
    if (dot == end) {
        return &broken;
    }
    const size_t length = (size_t)(end - dot - 1);
    bool found = false;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strlen(ways[i].way) == length && memcmp(ways[i].way, dot + 1, length) == 0) {
            memcpy(ways[i].to, ways[i].from, ways[i].size);
            found = true;
        }
    }
    if (strncmp(dot, ".null_entry.", 12) == 0) {
        return NULL;
    }
    if (!found) {
        abort(); /* no such way */
    }
    return &broken;
}
