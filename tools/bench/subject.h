/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

/* A case made ready to run: its network, a point in weight and architecture space, images. */

#include "cases.h"
#include "exec/threads.h"
#include "learn/experiment.h"
#include "profile.h"

/* What one worker writes; nothing is shared between workers. */
struct lane {
    struct mn_point out; /* gradients, or the adapted point */
    mn_real *learner;
    double skip_share; /* summed over passes */
    int64_t passes;
};

struct subject {
    const struct bench_case *what;
    struct nas_experiment e;
    int batch; /* images a step: fewer than the case asks for where memory would not allow them */
    int64_t unit; /* steps that are run at once: those of a task for LEARNER, otherwise 1 */
    struct mn_task task;
    struct mn_point at;
    uint8_t *keep; /* PRUNED */
    int n_lanes;
    struct lane *lanes;
    struct nas_arena arena;
    int64_t units; /* of the run under way */
};

/* Build; images and weights are random but always the same. */
int subject_open(struct mn_ctx *ctx, const struct bench_case *what, const char *kernels,
                 int workers, struct subject *out);
void subject_close(struct subject *subject);

/* Run `units` units on every worker of the pool, which is one of the subject's model. */
int subject_run(struct subject *subject, struct mn_ctx *ctx, struct nas_threads *pool,
                int64_t units);

/* Profile one unit after a first one; the seconds of all of it into *seconds. */
int subject_profile(struct subject *subject, struct mn_ctx *ctx, struct profile *out,
                    double *seconds);

/* Memory that is planned for this many workers, in bytes. */
double subject_plan(const struct subject *subject, int workers);
/* Mean share of candidates skipped in the passes run so far. */
double subject_skip_share(const struct subject *subject);
/* Arithmetic of a step in GFLOP where all candidates are computed; 0 = not all are. */
double subject_gflop(const struct subject *subject);

#endif
