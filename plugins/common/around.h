/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_AROUND_H
#define PLUGINS_COMMON_AROUND_H

/* A meta learner around another one, and the sizes of what both update. struct around stands first
 * in the instance. */

#include <metanas/plugin.h>

struct around {
    struct mn_nested around;
    int64_t n_w, n_a; /* set by around_start */
};

/* meta_learner.start */
static inline int around_start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct around *s = self;
    const struct mn_meta_learner *inner = s->around.table;
    s->n_w = dims->n_w;
    s->n_a = dims->n_a;
    return inner->start == NULL
               ? MN_OK
               : MN_NESTED(ctx, &s->around, inner->start(s->around.self, ctx, dims));
}

#endif
