/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include "learn/adapt.h"
#include "learn/host.h"

#include <string.h>

/* ---- without noise -------------------------------------------------------------------------- */

/* Learners ask for training passes. A probe is compared with other programs, which cannot draw our
 * random numbers, so it takes drop path and mixer noise away again unless told to keep them. */
static int pass_without_noise(struct mn_ctx *ctx, const struct mn_model *model,
                              const struct mn_point *at, const struct mn_set *batch,
                              const struct mn_pass *pass, struct mn_outcome *out) {
    struct mn_pass quiet = *pass;
    quiet.flags &= ~(uint32_t)MN_PASS_TRAINING;
    return nas_host.model_pass(ctx, model, at, batch, &quiet, out);
}

/* ---- the task learner ----------------------------------------------------------------------- */

struct losses {
    int64_t steps;
    double *at; /* [steps] of this task */
    int64_t done;
};

static int record_loss(void *data, struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                       double skip_share, const struct mn_point *now) {
    struct losses *losses = data;
    if (step < 0 || step >= losses->steps) {
        return mn_fail(ctx, MN_INTERNAL, "the task learner reports step %lld of %lld",
                       (long long)step, (long long)losses->steps);
    }
    losses->at[step] = loss;
    losses->done++;
    return MN_OK;
}

static int64_t image_reals(const struct probe *probe) {
    const struct mn_dims *d = nas_model_dims(probe->experiment.model);
    return (int64_t)d->channels * d->height * d->width;
}

/* Task t: its support set is all its mini-batches. */
static struct mn_task task_of(const struct probe *probe, int64_t t) {
    const int64_t support = probe->steps * probe->n;
    struct mn_task task = {.size = sizeof task,
                           .ways = nas_model_dims(probe->experiment.model)->ways};
    task.support.n = (int32_t)support;
    task.support.images = probe->images + t * support * image_reals(probe);
    task.support.labels = probe->labels + t * support;
    if (probe->mode == PROBE_META) {
        task.query.n = probe->n_query;
        task.query.images = probe->query_images + t * probe->n_query * image_reals(probe);
        task.query.labels = probe->query_labels + t * probe->n_query;
    }
    return task;
}

struct meta_step {
    struct mn_point adapted;
    struct nas_direction *directions; /* [tasks] */
    mn_real *learner;
    struct mn_set *sets;
    double *losses;
};

/* Task t; in mode PROBE_META its direction too. */
static int adapt(struct probe *probe, const struct mn_task *task, struct meta_step *m, int64_t t) {
    struct mn_set *sets = m->sets;
    struct losses record = {probe->steps, m->losses + t * probe->steps, 0};
    for (int64_t s = 0; s < probe->steps; s++) {
        sets[s] =
            (struct mn_set){.n = probe->n,
                            .images = task->support.images + s * probe->n * image_reals(probe),
                            .labels = task->support.labels + s * probe->n};
    }
    const struct nas_watch watch = {
        .on_step = record_loss, .data = &record, .n_batches = probe->steps, .batches = sets};
    TRY(probe->mode == PROBE_META
            ? nas_task_direction(&probe->experiment, probe->ctx, task, &watch, &probe->state.meta,
                                 &m->adapted, m->learner, &m->directions[t])
            : nas_adapt(&probe->experiment, probe->ctx, task, &watch, &m->adapted, m->learner));
    return record.done == probe->steps
               ? MN_OK
               : mn_fail(probe->ctx, MN_INTERNAL, "the task learner ran %lld steps of %lld",
                         (long long)record.done, (long long)probe->steps);
}

/* ---- the meta learner ----------------------------------------------------------------------- */

static void point_room(struct probe *probe, struct mn_point *point) {
    const struct mn_dims *d = nas_model_dims(probe->experiment.model);
    point->w = probe_array(probe, d->n_w, sizeof(mn_real));
    point->a = probe_array(probe, d->n_a, sizeof(mn_real));
}

static int meta_room(struct probe *probe, struct meta_step *m) {
    m->learner = probe_array(probe, probe->experiment.n_state, sizeof(mn_real));
    m->sets = probe_array(probe, probe->steps, sizeof *m->sets);
    m->losses = probe_array(probe, probe->tasks * probe->steps, sizeof *m->losses);
    m->directions = probe_array(probe, probe->tasks, sizeof *m->directions);
    point_room(probe, &m->adapted);
    for (int64_t t = 0; m->directions != NULL && t < probe->tasks; t++) {
        point_room(probe, &m->directions[t].to);
        m->directions[t].own = probe_array(probe, probe->experiment.n_own, sizeof(mn_real));
    }
    return nas_ctx_of(probe->ctx)->status;
}

static int one_task(struct probe *probe, struct meta_step *m, int64_t t) {
    const struct mn_dims *d = nas_model_dims(probe->experiment.model);
    const struct mn_task task = task_of(probe, t);
    probe->ctx->where.task = t;
    mn_vec_copy(d->n_w, probe->state.meta.w, m->adapted.w);
    mn_vec_copy(d->n_a, probe->state.meta.a, m->adapted.a);
    mn_vec_fill(probe->experiment.n_state, 0, m->learner);
    return adapt(probe, &task, m, t);
}

static int put_losses(struct probe *probe, const struct meta_step *m) {
    const int64_t dims[2] = {probe->tasks, probe->steps};
    const int skip = probe->mode == PROBE_LEARN;
    return probe_put(probe, "losses", NAS_F64, 2 - skip, dims + skip, m->losses);
}

static int learn(struct probe *probe, struct meta_step *m) {
    for (int64_t t = 0; t < probe->tasks; t++) {
        TRY(one_task(probe, m, t));
    }
    if (probe->mode != PROBE_META) {
        probe->state.meta = m->adapted;
        return MN_OK;
    }
    probe->ctx->where.task = 0;
    return nas_meta_update(&probe->experiment, probe->ctx, &probe->state.meta, probe->tasks,
                           m->directions, NULL);
}

int probe_learn(struct probe *probe) {
    struct mn_host without_noise = nas_host;
    struct meta_step m;
    TRY(meta_room(probe, &m));
    without_noise.model_pass = pass_without_noise;
    probe->ctx->host = probe->flags->training ? &nas_host : &without_noise;
    const int status = learn(probe, &m);
    probe->ctx->host = &nas_host;
    TRY(status);
    return put_losses(probe, &m);
}
