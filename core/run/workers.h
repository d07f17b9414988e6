/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_WORKERS_H
#define MN__RUN_WORKERS_H

/* A pool of threads over the tasks of a meta-batch. */

#include "model/model.h"

struct mn__workers;

/* `n` workers, each with its own context and workspace. n = 1 runs in the calling thread. */
int mn__workers_new(struct mn_cx *cx, int n, const struct mn_model *model,
                    struct mn__workers **out);
void mn__workers_free(struct mn__workers *workers);
int mn__workers_count(const struct mn__workers *workers);

/* Run job(data, cx, index) for index 0..n-1, each once, on any worker, in any order; returns when
 * all are done. cx->where is a copy of `where` with task = index. The first failure by index is
 * returned and its message copied to `cx`; after a failure no new index is started. ordered = 1:
 * one after the other in order. */
typedef int (*mn__job)(void *data, struct mn_cx *cx, int64_t index);
int mn__workers_run(struct mn__workers *workers, struct mn_cx *cx, const struct mn_where *where,
                    int64_t n, int ordered, mn__job job, void *data);

#endif
