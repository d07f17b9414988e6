/* SPDX-License-Identifier: MIT */
#ifndef METANAS_HOST_H
#define METANAS_HOST_H

/* The services of the host. Plugins link nothing: all they call is reached through ctx->host, best
 * by the inline functions below. */

#include "ctx.h"
#include "mixer.h"
#include "model.h"
#include "option.h"
#include "rng.h"

#include <stdarg.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mn_builder;
struct mn_conv_spec;
struct mn_node_spec;
struct mn_head_spec;

struct mn_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;

    /* errors and logging */
    int (*fail)(struct mn_ctx *ctx, int status, const char *format, va_list args);
    int (*bad_option)(struct mn_ctx *ctx, const char *key, const char *format, va_list args);
    void (*log)(struct mn_ctx *ctx, int level, const char *format, va_list args);
    int (*cancelled)(struct mn_ctx *ctx);

    /* nested units */
    void (*enter)(struct mn_ctx *ctx, const struct mn_nested *nested);
    int (*leave)(struct mn_ctx *ctx, const struct mn_nested *nested, int status);

    /* the configuration */
    const char *(*configured)(struct mn_ctx *ctx, const char *key);

    /* memory */
    void *(*scratch)(struct mn_ctx *ctx, size_t bytes);
    void *(*keep)(struct mn_ctx *ctx, size_t bytes);
    void *(*keep_shared)(struct mn_ctx *ctx, size_t bytes, int *filled);
    mn_real *(*state)(struct mn_ctx *ctx, const char *name, int64_t n);

    /* model */
    int (*model_dims)(struct mn_ctx *ctx, const struct mn_model *model, struct mn_dims *out);
    int (*model_segment)(struct mn_ctx *ctx, const struct mn_model *model, int architecture,
                         int32_t index, struct mn_segment *out);
    int (*model_pass)(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                      const struct mn_set *batch, const struct mn_pass *pass,
                      struct mn_outcome *out);
    int (*model_mixture)(struct mn_ctx *ctx, const struct mn_model *model, int32_t index,
                         struct mn_mixture *out);
    int (*model_prune)(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                       uint8_t *keep);

    /* task */
    int64_t (*task_steps)(struct mn_ctx *ctx, const struct mn_task *task, int64_t steps);
    int (*task_batch)(struct mn_ctx *ctx, const struct mn_task *task, int64_t step, int32_t n,
                      struct mn_set *out);
    int (*step_done)(struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now);
    int (*metric)(struct mn_ctx *ctx, const char *name, double value);

    /* building a network [setup] */
    int (*build_drop_path)(struct mn_builder *builder, double rate, int ramp);
    int (*build_conv)(struct mn_builder *builder, const struct mn_conv_spec *spec, int32_t *state);
    int (*build_reduce)(struct mn_builder *builder, const char *name, int32_t from,
                        int32_t channels, uint32_t flags, int32_t *state);
    int (*build_pool)(struct mn_builder *builder, const char *name, int32_t from, int32_t kind,
                      int32_t window, int32_t stride, int32_t *state);
    int (*build_sum)(struct mn_builder *builder, const char *name, int32_t n, const int32_t *states,
                     int32_t *state);
    int (*build_node)(struct mn_builder *builder, const struct mn_node_spec *spec, int32_t *state);
    int (*build_concat)(struct mn_builder *builder, const char *name, int32_t n,
                        const int32_t *states, int32_t *state);
    int (*build_head)(struct mn_builder *builder, const struct mn_head_spec *spec);

    /* differentiating through a task */
    int (*step_rates)(struct mn_ctx *ctx, int64_t step, struct mn_point *out);
    int64_t (*trace_steps)(struct mn_ctx *ctx);
    int (*trace_point)(struct mn_ctx *ctx, int64_t step, struct mn_point *out);
    int (*trace_back)(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint);
    mn_real *(*own_delta)(struct mn_ctx *ctx);
    uint32_t (*shapes)(struct mn_ctx *ctx);
    int (*shape)(struct mn_ctx *ctx, const struct mn_update *update, mn_real *after);
    int (*shape_back)(struct mn_ctx *ctx, const struct mn_update *update, mn_real *d, mn_real *d_u);

    /* arithmetic */
    void (*gemm)(int trans_a, int trans_b, int m, int n, int k, mn_real alpha, const mn_real *a,
                 int lda, const mn_real *b, int ldb, mn_real beta, mn_real *c, int ldc);
};

/* ---- errors ------------------------------------------------------------------------------- */

/* Record a message and return status: `return mn_fail(ctx, MN_NUMERIC, "loss is %g", x);`. The
 * first message of a failing call stays; the host adds where it happened. */
MN_PRINTF(3, 4)
static inline int mn_fail(struct mn_ctx *ctx, int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int result = ctx->host->fail(ctx, status, format, args);
    va_end(args);
    return result;
}

/* Say that the option `key` of this unit is wrong; the host adds its file:line:column. [setup]
 * Returns MN_CONFIG. */
MN_PRINTF(3, 4)
static inline int mn_bad_option(struct mn_ctx *ctx, const char *key, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int result = ctx->host->bad_option(ctx, key, format, args);
    va_end(args);
    return result;
}

/* Write a log line; the host prefixes the unit's name. */
MN_PRINTF(3, 4)
static inline void mn_log(struct mn_ctx *ctx, int level, const char *format, ...) {
    va_list args;
    va_start(args, format);
    ctx->host->log(ctx, level, format, args);
    va_end(args);
}

/* Non-zero once the user asked to stop; a learner then returns MN_CANCELLED between two steps. */
static inline int mn_cancelled(struct mn_ctx *ctx) {
    return ctx->host->cancelled(ctx);
}

/* ---- nested units ------------------------------------------------------------------------- */

/* What is called from here to mn_leave is the nested unit: messages name it, mn_keep lasts as long
 * as it, mn_state gets names of its own. */
static inline void mn_enter(struct mn_ctx *ctx, const struct mn_nested *nested) {
    ctx->host->enter(ctx, nested);
}

/* Back in the unit around it; returns the status that the nested one did, made sure that a failure
 * has a message. */
static inline int mn_leave(struct mn_ctx *ctx, const struct mn_nested *nested, int status) {
    return ctx->host->leave(ctx, nested, status);
}

/* The status of a call of a nested unit's function that takes ctx:
 *     const struct mn_dataset *inner = s->around.table;
 *     status = MN_NESTED(ctx, &s->around, inner->start(s->around.self, ctx));
 * Functions that do not take ctx are simply called. What the nested unit takes by mn_scratch lasts
 * until the unit around it returns. For the time of the call the unit around may set ctx->host to a
 * changed copy of the table, so that the nested one finds other services; units that the host calls
 * meanwhile do not see it. */
#define MN_NESTED(ctx, nested, call) (mn_enter((ctx), (nested)), mn_leave((ctx), (nested), (call)))

/* ---- the configuration -------------------------------------------------------------------- */

/* What the configuration says elsewhere, from `check` on: "task_learner.use" is the name of the
 * unit, "task_learner.lr_w", "task.ways" or "run.latency" an option, defaults included, as it would
 * be written but without quotes. Where units are nested the innermost is meant. NULL = there is no
 * such key; so is all of it where a unit stands alone, as in metanas check. Valid until the
 * callback returns. */
static inline const char *mn_configured(struct mn_ctx *ctx, const char *key) {
    return ctx->host->configured(ctx, key);
}

/* For `check`: this unit needs another section to have a certain value, such as the unit that it
 * works with; `why` says what for. MN_CONFIG where it has another. [setup] */
static inline int mn_need(struct mn_ctx *ctx, const char *key, const char *value, const char *why) {
    const char *has = mn_configured(ctx, key);
    if (has == NULL || strcmp(has, value) == 0) {
        return MN_OK;
    }
    return mn_bad_option(ctx, "use", "it needs %s: %s, but the configuration has %s: %s", key,
                         value, has, why);
}

/* ---- memory ------------------------------------------------------------------------------- */

/* `bytes` of scratch, 64-byte aligned, not cleared, released when the callback returns. NULL (with
 * a message recorded) when there is no memory: return MN_NOMEM. */
static inline void *mn_scratch(struct mn_ctx *ctx, size_t bytes) {
    return ctx->host->scratch(ctx, bytes);
}

/* `bytes` of zeroed memory that lives as long as the instance. [setup] NULL as above. */
static inline void *mn_keep(struct mn_ctx *ctx, size_t bytes) {
    return ctx->host->keep(ctx, bytes);
}

/* The same for large data that is only read after `start`, such as the images of a dataset: where
 * several processes of a run share a node, they get one piece of memory. *filled = 1: another
 * process has filled it, with what this one would; it must not be written. Otherwise the caller
 * fills it before `start` returns. Processes call it in the same order with the same sizes. [setup]
 */
static inline void *mn_keep_shared(struct mn_ctx *ctx, size_t bytes, int *filled) {
    *filled = 0;
    return ctx->host->keep_shared(ctx, bytes, filled);
}

/* `n` zeroed reals (1 to 2^32) of named state, checkpointed by the host. The name has 1 to 100
 * letters, digits, '_', '.' and '-'; that of a nested unit is another than the same of the unit
 * around it. meta_learner.start only. NULL as above. */
static inline mn_real *mn_state(struct mn_ctx *ctx, const char *name, int64_t n) {
    return ctx->host->state(ctx, name, n);
}

/* ---- random numbers ----------------------------------------------------------------------- */

/* The stream of `purpose` for the task and step that ctx stands at. */
static inline struct mn_rng mn_rng_start(const struct mn_ctx *ctx, uint32_t purpose) {
    const struct mn_where *at = &ctx->where;
    return mn_rng_make(at->seed, purpose, (uint32_t)at->split, (uint64_t)at->meta_epoch,
                       (uint32_t)at->task, (uint32_t)at->step);
}

/* ---- model -------------------------------------------------------------------------------- */

/* Sizes of the model. */
static inline int mn_model_dims(struct mn_ctx *ctx, const struct mn_model *model,
                                struct mn_dims *out) {
    out->size = (uint32_t)sizeof *out;
    return ctx->host->model_dims(ctx, model, out);
}

/* Segment `index` of w (architecture = 0) or a (architecture = 1). */
static inline int mn_model_segment(struct mn_ctx *ctx, const struct mn_model *model,
                                   int architecture, int32_t index, struct mn_segment *out) {
    out->size = (uint32_t)sizeof *out;
    return ctx->host->model_segment(ctx, model, architecture, index, out);
}

/* One forward pass, and a backward pass where the flags ask for gradients. [worker]
 * MN_NUMERIC when the loss is not finite; MN_NOMEM; MN_CANCELLED. Source: Eq. 1, 5, 7. */
static inline int mn_model_pass(struct mn_ctx *ctx, const struct mn_model *model,
                                const struct mn_point *at, const struct mn_set *batch,
                                const struct mn_pass *pass, struct mn_outcome *out) {
    return ctx->host->model_pass(ctx, model, at, batch, pass, out);
}

/* Mixture `index` of dims.n_mixtures: what it mixes, what that costs, and where its choices and its
 * logits are. */
static inline int mn_model_mixture(struct mn_ctx *ctx, const struct mn_model *model, int32_t index,
                                   struct mn_mixture *out) {
    out->size = (uint32_t)sizeof *out;
    return ctx->host->model_mixture(ctx, model, index, out);
}

/* The hard pruning of Algorithm 3, line 8: keep[n_choices] from the mixers' select. [worker] */
static inline int mn_model_prune(struct mn_ctx *ctx, const struct mn_model *model,
                                 const struct mn_point *at, uint8_t *keep) {
    return ctx->host->model_prune(ctx, model, at, keep);
}

/* ---- task --------------------------------------------------------------------------------- */

/* How many steps to run: `steps`, unless the host prescribes the mini-batches (metanas probe). */
static inline int64_t mn_task_steps(struct mn_ctx *ctx, const struct mn_task *task, int64_t steps) {
    return ctx->host->task_steps(ctx, task, steps);
}

/* Mini-batch `step` of the task: n images drawn from the support set with replacement (Algorithm 2,
 * line 8), or the whole support set for n = 0. The arrays stay valid until the next call or until
 * the callback returns. [worker] */
static inline int mn_task_batch(struct mn_ctx *ctx, const struct mn_task *task, int64_t step,
                                int32_t n, struct mn_set *out) {
    return ctx->host->task_batch(ctx, task, step, n, out);
}

/* Tell the host that a step is done: loss and accuracy of its mini-batch, share of candidates
 * skipped, and the point after the update. A status other than MN_OK is to be returned at once. */
static inline int mn_step_done(struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                               double skip_share, const struct mn_point *now) {
    return ctx->host->step_done(ctx, step, loss, accuracy, skip_share, now);
}

/* Report a number of this unit, such as a learning rate or a temperature: metrics.jsonl has it as
 * KIND.NAME, that of a nested unit as KIND.around.NAME. Of a task counts the last value, of a
 * meta-epoch the mean over its tasks; a report in `update` counts as it is. Outside of
 * meta-training it goes nowhere. The name is like an option's, at most 40 letters; 16 names are
 * possible in all. [worker] or [main] MN_INTERNAL. */
static inline int mn_metric(struct mn_ctx *ctx, const char *name, double value) {
    return ctx->host->metric(ctx, name, value);
}

/* ---- differentiating through a task ------------------------------------------------------- */

/* The factors that the meta learner has learned for the updates of task step `step`: out->w[n_w],
 * out->a[n_a]; NULL = 1 for all; 0 for the weights of a loss, which no task adapts. Valid until the
 * next call or until the callback returns. The update of a task learner with `adjoint` is x +=
 * factor * (what it would add without them). [worker] task_learner.adapt and task_learner.adjoint
 * only. Source: Meta-SGD (Li et al. 2017), MAML++ (Antoniou et al. 2019), section 4. */
static inline int mn_step_rates(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    return ctx->host->step_rates(ctx, step, out);
}

/* The halves whose updates a meta learner shapes, of enum mn_adapts; 0 = none, and x += u. [worker]
 * In a task, as are the next two. */
static inline uint32_t mn_shapes(struct mn_ctx *ctx) {
    return ctx->host->shapes(ctx);
}

/* Where a half that mn_shapes names goes in a step: after[n], which is neither x nor u. Called once
 * a step for each half that it changes, with what mn_step_rates has scaled. [worker]
 * task_learner.adapt only. */
static inline int mn_shape(struct mn_ctx *ctx, const struct mn_update *update, mn_real *after) {
    return ctx->host->shape(ctx, update, after);
}

/* The same backwards, at the same `update` up to rounding: d[n] comes with regard to `after` and
 * becomes the gradient with regard to x, but for what u owes to x; that goes on from d_u[n],
 * written whole, through the learner's own update. [worker] task_learner.adjoint only, once for
 * each mn_shape of the step. */
static inline int mn_shape_back(struct mn_ctx *ctx, const struct mn_update *update, mn_real *d,
                                mn_real *d_u) {
    return ctx->host->shape_back(ctx, update, d, d_u);
}

/* Steps of the task just adapted to; -1 (with a message recorded: return MN_INTERNAL) where no
 * trace was kept. [worker] meta_learner.delta of a learner with `traces` only, as are the next two.
 */
static inline int64_t mn_trace_steps(struct mn_ctx *ctx) {
    return ctx->host->trace_steps(ctx);
}

/* The point before step `step`; step = mn_trace_steps: the adapted point. Not to be changed; valid
 * until delta returns. */
static inline int mn_trace_point(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    return ctx->host->trace_point(ctx, step, out);
}

/* Take a gradient back through step `step` by the task learner's `adjoint`. The last step comes
 * first, then every step before it in turn; the host carries the gradient of the optimiser state.
 * MN_NUMERIC, MN_NOMEM, MN_CANCELLED; MN_INTERNAL out of turn. */
static inline int mn_trace_back(struct mn_ctx *ctx, int64_t step, struct mn_adjoint *adjoint) {
    adjoint->size = (uint32_t)sizeof *adjoint;
    return ctx->host->trace_back(ctx, step, adjoint);
}

/* In meta_learner.delta the n_own reals of this task's direction, to be written whole; in
 * meta_learner.update their mean. NULL (with a message recorded: return MN_INTERNAL) elsewhere and
 * where n_own is 0. */
static inline mn_real *mn_own_delta(struct mn_ctx *ctx) {
    return ctx->host->own_delta(ctx);
}

/* ---- arithmetic --------------------------------------------------------------------------- */

/* c[m][n] = alpha * a[m][k] * b[k][n] + beta * c, row-major; lda, ldb and ldc are reals from row to
 * row. trans_a: a is [k][m]; trans_b: b is [n][k]. One thread, the same bits each time. beta = 0: c
 * is not read. [worker] */
static inline void mn_gemm(const struct mn_ctx *ctx, int trans_a, int trans_b, int m, int n, int k,
                           mn_real alpha, const mn_real *a, int lda, const mn_real *b, int ldb,
                           mn_real beta, mn_real *c, int ldc) {
    ctx->host->gemm(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

#ifdef __cplusplus
}
#endif

#endif
