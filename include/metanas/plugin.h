/* SPDX-License-Identifier: MIT */
#ifndef METANAS_PLUGIN_H
#define METANAS_PLUGIN_H

/* What a plugin includes. A plugin is a shared object that exports one symbol, mn_plugin_entry,
 * defined by MN_PLUGIN:
 *
 *     MN_PLUGIN("reptile", "1.0.0",
 *               MN_UNIT(MN_META_LEARNER, "reptile", "moves towards the adapted weights",
 *                       struct reptile, options, &vtable))
 */

#include "ctx.h"
#include "dataset.h"
#include "head.h"
#include "host.h"
#include "loss.h"
#include "meta_learner.h"
#include "mixer.h"
#include "operation.h"
#include "option.h"
#include "search_space.h"
#include "task_learner.h"
#include "transport.h"
#include "vec.h"

#ifdef __cplusplus
extern "C" {
#endif

enum mn_kind {
    MN_DATASET = 1,
    MN_SEARCH_SPACE = 2,
    MN_OP_MIXER = 3,
    MN_INPUT_MIXER = 4,
    MN_HEAD = 5,
    MN_LOSS = 6,
    MN_TASK_LEARNER = 7,
    MN_META_LEARNER = 8,
    MN_TRANSPORT = 9, /* has no section: run.transport names it */
    MN_OPERATION = 10 /* section operations */
};

/* What a unit declares about itself; the conformance kit then asks no more of it. */
enum mn_unit_flag {
    MN_UNIT_FREE_SUM = 1,  /* mixers: weights need not sum to 1, nor be positive */
    MN_UNIT_SURROGATE = 2, /* mixers: in training passes backward is not the derivative of forward,
                              by intent (straight-through and sampled estimators) */
    MN_UNIT_AUGMENTS = 4 /* data sets: `sample` changes images at random; `image` gives them as they
                            are */
};

/* One thing a plugin offers. The instance is zeroed host memory of instance_size bytes whose option
 * fields the host has filled. */
struct mn_unit {
    int32_t kind;   /* enum mn_kind */
    uint32_t flags; /* enum mn_unit_flag */
    uint32_t instance_size;
    uint32_t n_opts;
    const char *name; /* [a-z][a-z0-9_]* */
    const char *doc;  /* one line, no full stop */
    const struct mn_opt *opts;
    const void *vtable; /* struct of the kind; its first field is its size */
};

struct mn_plugin {
    uint32_t magic; /* MN_MAGIC */
    uint32_t size;
    uint16_t abi_major, abi_minor;
    uint16_t unit_stride, opt_stride;
    uint32_t real_bytes;
    uint32_t n_units;
    const char *name; /* [a-z][a-z0-9_]*, the file is NAME.so */
    const char *version;
    const char *author;
    const char *license;
    const char *url;
    const struct mn_unit *units;
};

typedef const struct mn_plugin *(*mn_plugin_entry_fn)(void);

#ifndef MN_PLUGIN_AUTHOR
#define MN_PLUGIN_AUTHOR ""
#endif
#ifndef MN_PLUGIN_LICENSE
#define MN_PLUGIN_LICENSE "MIT"
#endif
#ifndef MN_PLUGIN_URL
#define MN_PLUGIN_URL ""
#endif

#ifdef __cplusplus
#define MN_C extern "C"
#else
#define MN_C
#endif

/* With enum mn_unit_flag. */
#define MN_UNIT_FLAGGED(kind_, flags_, name_, doc_, type_, opts_, vtable_)                         \
    {                                                                                              \
        (kind_), (flags_), (uint32_t)sizeof(type_),                                                \
            (uint32_t)(sizeof(opts_) / sizeof(struct mn_opt)), (name_), (doc_), (opts_), (vtable_) \
    }
#define MN_UNIT(kind_, name_, doc_, type_, opts_, vtable_)                                         \
    MN_UNIT_FLAGGED(kind_, 0, name_, doc_, type_, opts_, vtable_)

/* A unit without options and without an instance of its own. */
#define MN_UNIT_PLAIN_FLAGGED(kind_, flags_, name_, doc_, vtable_)                                 \
    { (kind_), (flags_), 1, 0, (name_), (doc_), NULL, (vtable_) }
#define MN_UNIT_PLAIN(kind_, name_, doc_, vtable_)                                                 \
    MN_UNIT_PLAIN_FLAGGED(kind_, 0, name_, doc_, vtable_)

#define MN_PLUGIN(name_, version_, ...)                                                            \
    static const struct mn_unit mn_plugin_units[] = {__VA_ARGS__};                                 \
    static const struct mn_plugin mn_plugin_self = {                                               \
        MN_MAGIC,                                                                                  \
        (uint32_t)sizeof(struct mn_plugin),                                                        \
        MN_ABI_MAJOR,                                                                              \
        MN_ABI_MINOR,                                                                              \
        (uint16_t)sizeof(struct mn_unit),                                                          \
        (uint16_t)sizeof(struct mn_opt),                                                           \
        (uint32_t)sizeof(mn_real),                                                                 \
        (uint32_t)(sizeof mn_plugin_units / sizeof mn_plugin_units[0]),                            \
        (name_),                                                                                   \
        (version_),                                                                                \
        MN_PLUGIN_AUTHOR,                                                                          \
        MN_PLUGIN_LICENSE,                                                                         \
        MN_PLUGIN_URL,                                                                             \
        mn_plugin_units};                                                                          \
    MN_C MN_EXPORT const struct mn_plugin *mn_plugin_entry(void);                                  \
    MN_C MN_EXPORT const struct mn_plugin *mn_plugin_entry(void) {                                 \
        return &mn_plugin_self;                                                                    \
    }

#ifdef __cplusplus
}
#endif

#endif
