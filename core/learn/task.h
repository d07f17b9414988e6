/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_TASK_H
#define NAS_LEARN_TASK_H

/* Tasks: sampling them, drawing their mini-batches, and what learners work on. */

#include "learn/experiment.h"
#include "learn/metrics.h"

/* ---- what learners work on ---------------------------------------------------------------- */

/* Called after every task step; see mn_step_done. */
typedef int (*nas_step_fn)(void *data, struct mn_ctx *ctx, int64_t step, double loss,
                           double accuracy, double skip_share, const struct mn_point *now);

/* How the steps of a task are watched, and where their mini-batches come from; zero = not at all,
 * and drawn. */
struct nas_watch {
    nas_step_fn on_step;
    /* Called before the first step with the point the task starts from. */
    int (*on_start)(void *data, struct mn_ctx *ctx, const struct mn_point *start);
    void *data;                   /* for both */
    const struct mn_set *batches; /* the mini-batches, in order (metanas probe), or NULL */
    int64_t n_batches;            /* and so many steps */
    struct nas_metrics *metrics;  /* receives what units report (mn_metric), or NULL */
};

/* What the services of a context refer to while plugins run; ctx->scope, set by who calls them. */
struct nas_scope {
    const struct nas_experiment *e;
    const struct mn_task *task;    /* NULL outside of one */
    const struct mn_point *params; /* where the task learner works */
    const mn_real *learner;        /* its optimiser state */
    struct nas_watch watch;
    mn_real *images; /* [batch_room] of the task learner's mini-batches, and their labels */
    int32_t *labels;
    int32_t batch_room;
    struct nas_arena batches;         /* where they lie if more are drawn than was declared */
    struct mn_point rates;            /* room for factors; NULL = no meta learner gives any */
    mn_real *own_delta;               /* for mn_own_delta, or NULL */
    const struct nas_meta_part *asks; /* whose `delta` runs, or NULL */
    struct nas_state *starting; /* whose named state a meta learner claims in `start`, or NULL */
    /* Where the task started; NULL where that is the meta point, and no teacher is wanted. */
    struct mn_point start;
    mn_real *targets;  /* [max_predictions][ways] of the loss's teacher, or NULL */
    int knows_support; /* they are those of the whole support set */
    /* What task_trace.c records of the task. */
    mn_real *trace;      /* [steps + 1][n_w + n_a + n_state], or NULL */
    int64_t steps, done; /* of the trace */
    mn_real *d_state;    /* [n_state] carried back through the steps */
    int64_t next;        /* step that mn_trace_back takes next */
};

/* Begin a task and make it ctx's; its memory is ctx's scratch. `traced`: record its steps if a meta
 * learner wants them. Until nas_scope_end, which is called after a failure, too. */
int nas_scope_begin(struct nas_scope *scope, const struct nas_experiment *experiment,
                    struct mn_ctx *ctx, const struct mn_task *task, const struct mn_point *params,
                    const mn_real *learner, const struct nas_watch *watch, int traced);
void nas_scope_end(struct mn_ctx *ctx);

/* A point of the model in ctx's scratch: a copy, or not cleared where `from` is NULL. MN_NOMEM. */
int nas_point_new(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                  const struct mn_point *from, struct mn_point *out);

/* task_trace.c: the steps of a task, as far as meta learners have a hand in them, by the factors
 * they give its updates and the trace by which they differentiate through it. */

/* Room for factors where a meta learner gives some and, for `traced`, for a trace where one wants
 * it, in ctx's scratch. The first point is recorded. */
int nas_trace_begin(struct nas_scope *scope, struct mn_ctx *ctx, int traced);
/* Record the first point again, where a trace is kept: it has changed. */
void nas_trace_start(const struct nas_scope *scope);
/* Note the point after step `step`, where a trace is kept. */
int nas_trace_record(struct nas_scope *scope, struct mn_ctx *ctx, int64_t step);
/* MN_INTERNAL where a trace is kept and steps are missing from it. */
int nas_trace_check(const struct nas_scope *scope, struct mn_ctx *ctx);

/* teacher.c: the network as a task started, whose predictions are the targets of its steps where
 * the loss wants them (enum mn_teacher). */

/* Keep the point that the task starts from, where the loss has a teacher or the head makes its own
 * start, in ctx's scratch. */
int nas_teacher_start(struct nas_scope *scope, struct mn_ctx *ctx, const struct mn_point *start);

/* ---- services of struct mn_host ----------------------------------------------------------- */

int64_t nas_service_task_steps(struct mn_ctx *ctx, const struct mn_task *task, int64_t steps);
int nas_service_task_batch(struct mn_ctx *ctx, const struct mn_task *task, int64_t step, int32_t n,
                           struct mn_set *out);
int nas_service_step_done(struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                          double skip_share, const struct mn_point *now);
int nas_service_step_rates(struct mn_ctx *ctx, int64_t step, struct mn_point *out);
int64_t nas_service_trace_steps(struct mn_ctx *ctx);
int nas_service_trace_point(struct mn_ctx *ctx, int64_t step, struct mn_point *out);
int nas_service_trace_back(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint);
mn_real *nas_service_own_delta(struct mn_ctx *ctx);
uint32_t nas_service_shapes(struct mn_ctx *ctx);
int nas_service_shape(struct mn_ctx *ctx, const struct mn_update *update, mn_real *after);
int nas_service_shape_back(struct mn_ctx *ctx, const struct mn_update *update, mn_real *d,
                           mn_real *d_u);
/* nas_service_model_pass, with the teacher's targets in the steps of a task. The teacher's pass has
 * the statistics of the same images, progress 0 and no noise. */
int nas_service_taught_pass(struct mn_ctx *ctx, const struct mn_model *model,
                            const struct mn_point *at, const struct mn_set *batch,
                            const struct mn_pass *pass, struct mn_outcome *out);

/* ---- sampling ----------------------------------------------------------------------------- */

/* Classes and images a class of a task of this split. */
struct mn_episode_spec nas_episode_spec(const struct nas_experiment *experiment, int split);

/* A task and its memory, in ctx's scratch: lives until the scratch is released. Sampled from
 * ctx->where's split, meta-epoch and task. classes[ways] may be NULL. */
int nas_episode_sample(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                       struct mn_task *out, int64_t *classes);

/* The same of a data set and a shape. `classes` and samples[ways][support + query] may be NULL. */
int nas_episode_draw(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                     const struct nas_instance *dataset, const struct mn_episode_spec *spec,
                     int64_t *classes, int64_t *samples, struct mn_task *out);

/* Buffers for a task in ctx's scratch, and the task that they will hold. MN_NOMEM. */
int nas_episode_room(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                     const struct mn_episode_spec *spec, struct mn_episode *out,
                     struct mn_task *task);

/* Reals of an image. */
size_t nas_image_reals(const struct nas_experiment *experiment);

/* A fingerprint of the images and labels of a task; the same in both precisions. */
uint64_t nas_episode_hash(const struct nas_experiment *experiment, const struct mn_task *task);

#endif
