/* SPDX-License-Identifier: MIT */
#include "learn/task.h"

#include "base/hash.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

size_t nas_image_reals(const struct nas_experiment *e) {
    return (size_t)e->data.channels * (size_t)e->data.height * (size_t)e->data.width;
}

int nas_point_new(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_point *from,
                  struct mn_point *out) {
    const struct mn_dims *d = nas_model_dims(e->model);
    out->w = mn_scratch(ctx, (size_t)d->n_w * sizeof(mn_real));
    out->a = mn_scratch(ctx, (size_t)d->n_a * sizeof(mn_real));
    if (out->w == NULL || out->a == NULL) {
        return MN_NOMEM;
    }
    if (from != NULL) {
        mn_vec_copy(d->n_w, from->w, out->w);
        mn_vec_copy(d->n_a, from->a, out->a);
    }
    return MN_OK;
}

/* ---- what learners work on ---------------------------------------------------------------- */

int nas_scope_begin(struct nas_scope *scope, const struct nas_experiment *e, struct mn_ctx *ctx,
                    const struct mn_task *task, const struct mn_point *params,
                    const mn_real *learner, const struct nas_watch *watch, int traced) {
    const int32_t room = e->batch < 0 ? -e->batch : e->batch;
    *scope = (struct nas_scope){.e = e,
                                .task = task,
                                .params = params,
                                .learner = learner,
                                .watch = watch != NULL ? *watch : (struct nas_watch){0},
                                .batch_room = room,
                                .next = -1};
    scope->images = mn_scratch(ctx, (size_t)room * nas_image_reals(e) * sizeof(mn_real));
    scope->labels = mn_scratch(ctx, (size_t)room * sizeof(int32_t));
    if (scope->images == NULL || scope->labels == NULL) {
        return MN_NOMEM;
    }
    TRY(nas_trace_begin(scope, ctx, traced));
    nas_ctx_of(ctx)->scope = scope;
    return MN_OK;
}

void nas_scope_end(struct mn_ctx *ctx) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    if (c->scope != NULL) {
        nas_arena_fini(&c->scope->batches);
    }
    c->scope = NULL;
}

/* Room for n images. A meta learner's may not be overwritten by those of the task learner, which it
 * calls for adjoints: they last as long as its call. */
static int make_room(struct nas_scope *scope, struct mn_ctx *ctx, int32_t n, mn_real **images,
                     int32_t **labels) {
    const size_t bytes = (size_t)n * nas_image_reals(scope->e) * sizeof(mn_real);
    if (nas_instance_outermost(nas_ctx_of(ctx)->unit) != &scope->e->task_learner) {
        *images = mn_scratch(ctx, bytes);
        *labels = mn_scratch(ctx, (size_t)n * sizeof **labels);
        return *images != NULL && *labels != NULL ? MN_OK : MN_NOMEM;
    }
    if (n > scope->batch_room) {
        scope->images = nas_arena_take(&scope->batches, bytes);
        scope->labels = nas_arena_take(&scope->batches, (size_t)n * sizeof **labels);
        scope->batch_room = scope->images != NULL && scope->labels != NULL ? n : 0;
    }
    *images = scope->images;
    *labels = scope->labels;
    return n <= scope->batch_room
               ? MN_OK
               : mn_fail(ctx, MN_NOMEM, "no memory for a mini-batch of %" PRId32 " images", n);
}

int64_t nas_service_task_steps(struct mn_ctx *ctx, const struct mn_task *task, int64_t steps) {
    const struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    return scope != NULL && scope->watch.batches != NULL ? scope->watch.n_batches : steps;
}

int nas_service_task_batch(struct mn_ctx *ctx, const struct mn_task *task, int64_t step, int32_t n,
                           struct mn_set *out) {
    struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    const struct mn_where *at = &ctx->where;
    ctx->where.step = step;
    if (scope == NULL || scope->task == NULL) {
        return mn_fail(ctx, MN_INTERNAL, "mn_task_batch outside of a task");
    }
    if (scope->watch.batches != NULL) {
        if (step < 0 || step >= scope->watch.n_batches) {
            return mn_fail(ctx, MN_INTERNAL, "mini-batch %" PRId64 " of %" PRId64, step,
                           scope->watch.n_batches);
        }
        *out = scope->watch.batches[step];
        return MN_OK;
    }
    if (n < 0) {
        return mn_fail(ctx, MN_INTERNAL, "a mini-batch of %" PRId32 " images", n);
    }
    if (n == 0) {
        *out = task->support;
        return MN_OK;
    }
    const size_t reals = nas_image_reals(scope->e);
    mn_real *images;
    int32_t *labels;
    TRY(make_room(scope, ctx, n, &images, &labels));
    struct mn_rng rng = mn_rng_make(at->seed, MN_RNG_BATCH, (uint32_t)at->split,
                                    (uint64_t)at->meta_epoch, (uint32_t)at->task, (uint32_t)step);
    for (int32_t i = 0; i < n; i++) {
        const size_t from = mn_rng_below(&rng, (uint32_t)task->support.n);
        memcpy(images + (size_t)i * reals, task->support.images + from * reals,
               reals * sizeof *images);
        labels[i] = task->support.labels[from];
    }
    *out = (struct mn_set){.n = n, .images = images, .labels = labels};
    return MN_OK;
}

int nas_service_step_done(struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                          double skip_share, const struct mn_point *now) {
    struct nas_scope *scope = nas_ctx_of(ctx)->scope;
    if (!isfinite(loss)) {
        return mn_fail(ctx, MN_NUMERIC, "the loss is %g", fabs(loss));
    }
    if (scope != NULL && scope->task != NULL) {
        /* In meta-training only: an evaluation changes nothing that a bad task could spoil. */
        const double most = ctx->where.split == MN_TRAIN ? scope->e->run.max_loss : 0;
        if (most > 0 && loss > most) {
            return mn_fail(ctx, MN_NUMERIC, "the loss is %g, above run.max_loss (%g)", loss, most);
        }
        TRY(nas_trace_record(scope, ctx, step));
        if (scope->watch.on_step != NULL) {
            TRY(scope->watch.on_step(scope->watch.data, ctx, step, loss, accuracy, skip_share,
                                     now));
        }
    }
    return mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped by the user") : MN_OK;
}

/* ---- sampling ----------------------------------------------------------------------------- */

struct mn_episode_spec nas_episode_spec(const struct nas_experiment *e, int split) {
    const struct nas_task_options *t = &e->task;
    const int train = split == MN_TRAIN;
    return (struct mn_episode_spec){
        .size = sizeof(struct mn_episode_spec),
        .split = split,
        .ways = (int32_t)t->ways,
        .support = (int32_t)(train && t->train_shots > 0 ? t->train_shots : t->shots),
        .query = (int32_t)(train && t->train_queries > 0 ? t->train_queries : t->queries)};
}

int nas_episode_sample(const struct nas_experiment *e, struct mn_ctx *ctx, struct mn_task *out,
                       int64_t *classes) {
    const struct mn_episode_spec spec = nas_episode_spec(e, ctx->where.split);
    return nas_episode_draw(e, ctx, &e->dataset, &spec, classes, NULL, out);
}

int nas_episode_room(const struct nas_experiment *e, struct mn_ctx *ctx,
                     const struct mn_episode_spec *spec, struct mn_episode *out,
                     struct mn_task *task) {
    const int32_t support = spec->ways * spec->support, query = spec->ways * spec->query;
    const size_t bytes = nas_image_reals(e) * sizeof(mn_real);
    *out = (struct mn_episode){.size = sizeof *out,
                               .support = mn_scratch(ctx, (size_t)support * bytes),
                               .support_labels = mn_scratch(ctx, (size_t)support * sizeof(int32_t)),
                               .query = mn_scratch(ctx, (size_t)query * bytes),
                               .query_labels = mn_scratch(ctx, (size_t)query * sizeof(int32_t)),
                               .classes = mn_scratch(ctx, (size_t)spec->ways * sizeof(int64_t))};
    *task = (struct mn_task){
        .size = sizeof *task,
        .ways = spec->ways,
        .support = {.n = support, .images = out->support, .labels = out->support_labels},
        .query = {.n = query, .images = out->query, .labels = out->query_labels},
        .host = e};
    return out->support && out->support_labels && out->query && out->query_labels && out->classes
               ? MN_OK
               : MN_NOMEM;
}

static int check_labels(const struct nas_instance *dataset, struct mn_ctx *ctx, int32_t ways,
                        const struct mn_set *set) {
    for (int32_t i = 0; i < set->n; i++) {
        if (set->labels[i] < 0 || set->labels[i] >= ways) {
            return nas_instance_wrong(
                ctx, dataset, "label %" PRId32 " of image %" PRId32 " is not in 0..%" PRId32,
                set->labels[i], i, ways - 1);
        }
    }
    return MN_OK;
}

int nas_episode_draw(const struct nas_experiment *e, struct mn_ctx *ctx,
                     const struct nas_instance *dataset, const struct mn_episode_spec *spec,
                     int64_t *classes, int64_t *samples, struct mn_task *out) {
    struct mn_episode episode;
    TRY(nas_episode_room(e, ctx, spec, &episode, out));
    episode.classes = classes != NULL ? classes : episode.classes;
    episode.samples = samples;
    struct nas_call call = nas_call_begin(ctx, dataset);
    TRY(nas_call_end(&call, dataset->table.dataset.sample(dataset->self, ctx, spec, &episode)));
    TRY(check_labels(dataset, ctx, spec->ways, &out->support));
    return check_labels(dataset, ctx, spec->ways, &out->query);
}

static uint64_t hash_set(uint64_t hash, const struct mn_set *set, size_t reals) {
    for (size_t i = 0; i < (size_t)set->n * reals; i++) {
        const float value = (float)set->images[i];
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        hash = nas_hash_int(hash, bits);
    }
    for (int32_t i = 0; i < set->n; i++) {
        hash = nas_hash_int(hash, (uint64_t)set->labels[i]);
    }
    return hash;
}

uint64_t nas_episode_hash(const struct nas_experiment *e, const struct mn_task *task) {
    const uint64_t hash = hash_set(nas_hash_begin(), &task->support, nas_image_reals(e));
    return hash_set(hash, &task->query, nas_image_reals(e));
}
