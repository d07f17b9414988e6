/* SPDX-License-Identifier: MIT */
#include "learn/task.h"

#include "base/hash.h"
#include "learn/task_trace.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- services ----------------------------------------------------------------------------- */

int64_t nas_service_task_steps(struct mn_ctx *ctx, const struct mn_task *task, int64_t steps) {
    const struct nas_batches *given = nas_ctx_of(ctx)->prescribed;
    return given != NULL ? given->steps : steps;
}

static size_t image_reals(const struct nas_experiment *e) {
    return (size_t)e->data.channels * (size_t)e->data.height * (size_t)e->data.width;
}

/* Room for n images: that of the mini-batch before where it is large enough, since that one is not
 * needed any more. */
static int make_room(struct nas_ctx *c, size_t reals, int32_t n) {
    if (c->batch_unit == c->unit && n <= c->batch_room) {
        return MN_OK;
    }
    c->batch_room = 0;
    c->batch_unit = c->unit;
    c->batch_images = mn_scratch(&c->pub, (size_t)n * reals * sizeof(mn_real));
    c->batch_labels = mn_scratch(&c->pub, (size_t)n * sizeof(int32_t));
    if (c->batch_images == NULL || c->batch_labels == NULL) {
        return MN_NOMEM;
    }
    c->batch_room = n;
    return MN_OK;
}

/* n images drawn from the support set, with replacement. */
static int draw(struct mn_ctx *ctx, const struct mn_task *task, int64_t step, int32_t n,
                struct mn_set *out) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    const size_t reals = image_reals(task->host);
    const struct mn_where *at = &ctx->where;
    const int status = make_room(c, reals, n);
    if (status != MN_OK) {
        return status;
    }
    struct mn_rng rng = mn_rng_make(at->seed, MN_RNG_BATCH, (uint32_t)at->split,
                                    (uint64_t)at->meta_epoch, (uint32_t)at->task, (uint32_t)step);
    for (int32_t i = 0; i < n; i++) {
        const size_t from = mn_rng_below(&rng, (uint32_t)task->support.n);
        memcpy(c->batch_images + (size_t)i * reals, task->support.images + from * reals,
               reals * sizeof *c->batch_images);
        c->batch_labels[i] = task->support.labels[from];
    }
    *out = (struct mn_set){.n = n, .images = c->batch_images, .labels = c->batch_labels};
    return MN_OK;
}

int nas_service_task_batch(struct mn_ctx *ctx, const struct mn_task *task, int64_t step, int32_t n,
                           struct mn_set *out) {
    const struct nas_batches *given = nas_ctx_of(ctx)->prescribed;
    ctx->where.step = step;
    if (given != NULL) {
        if (step < 0 || step >= given->steps) {
            return mn_fail(ctx, MN_INTERNAL, "mini-batch %" PRId64 " of %" PRId64, step,
                           given->steps);
        }
        *out = given->sets[step];
        return MN_OK;
    }
    if (n < 0) {
        return mn_fail(ctx, MN_INTERNAL, "a mini-batch of %" PRId32 " images", n);
    }
    if (n == 0) {
        *out = task->support;
        return MN_OK;
    }
    return draw(ctx, task, step, n, out);
}

/* Meta-training only: an evaluation changes nothing that a bad task could spoil. */
static int diverges(const struct nas_ctx *c, double loss) {
    const double most = c->inner != NULL ? c->inner->e->run.max_loss : 0;
    return c->pub.where.split == MN_TRAIN && most > 0 && loss > most;
}

int nas_service_step_done(struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                          double skip_share, const struct mn_point *now) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    if (!isfinite(loss)) {
        return mn_fail(ctx, MN_NUMERIC, "the loss is %g", fabs(loss));
    }
    if (diverges(c, loss)) {
        return mn_fail(ctx, MN_NUMERIC, "the loss is %g, above run.max_loss (%g)", loss,
                       c->inner->e->run.max_loss);
    }
    if (c->inner != NULL) {
        const int status = nas_inner_record(c->inner, ctx, step);
        if (status != MN_OK) {
            return status;
        }
    }
    if (c->on_step != NULL) {
        const int status = c->on_step(c->on_step_data, ctx, step, loss, accuracy, skip_share, now);
        if (status != MN_OK) {
            return status;
        }
    }
    return mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped by the user") : MN_OK;
}

/* ---- sampling ----------------------------------------------------------------------------- */

void nas_episode_spec(const struct nas_experiment *e, int split, struct mn_episode_spec *spec) {
    const struct nas_task_options *t = &e->task;
    const int train = split == MN_TRAIN;
    *spec = (struct mn_episode_spec){
        .size = sizeof *spec,
        .split = split,
        .ways = (int32_t)t->ways,
        .support = (int32_t)(train && t->train_shots > 0 ? t->train_shots : t->shots),
        .query = (int32_t)(train && t->train_queries > 0 ? t->train_queries : t->queries)};
}

int nas_episode_room(const struct nas_experiment *e, struct mn_ctx *ctx,
                     const struct mn_episode_spec *spec, struct mn_episode *out) {
    const size_t support = (size_t)spec->ways * (size_t)spec->support;
    const size_t query = (size_t)spec->ways * (size_t)spec->query, reals = image_reals(e);
    *out = (struct mn_episode){.size = sizeof *out,
                               .support = mn_scratch(ctx, support * reals * sizeof(mn_real)),
                               .support_labels = mn_scratch(ctx, support * sizeof(int32_t)),
                               .query = mn_scratch(ctx, query * reals * sizeof(mn_real)),
                               .query_labels = mn_scratch(ctx, query * sizeof(int32_t)),
                               .classes = mn_scratch(ctx, (size_t)spec->ways * sizeof(int64_t))};
    return out->support && out->support_labels && out->query && out->query_labels && out->classes
               ? MN_OK
               : MN_NOMEM;
}

void nas_episode_task(const struct nas_experiment *e, const struct mn_episode_spec *spec,
                      const struct mn_episode *episode, struct mn_task *out) {
    *out = (struct mn_task){.size = sizeof *out,
                            .ways = spec->ways,
                            .support = {.n = spec->ways * spec->support,
                                        .images = episode->support,
                                        .labels = episode->support_labels},
                            .query = {.n = spec->ways * spec->query,
                                      .images = episode->query,
                                      .labels = episode->query_labels},
                            .host = e};
}

static int check_labels(const struct nas_experiment *e, struct mn_ctx *ctx, int32_t ways, int32_t n,
                        const int32_t *labels) {
    for (int32_t i = 0; i < n; i++) {
        if (labels[i] < 0 || labels[i] >= ways) {
            return nas_instance_wrong(
                ctx, &e->dataset, "label %" PRId32 " of image %" PRId32 " is not in 0..%" PRId32,
                labels[i], i, ways - 1);
        }
    }
    return MN_OK;
}

int nas_episode_draw(const struct nas_experiment *e, struct mn_ctx *ctx,
                     const struct mn_episode_spec *spec, struct mn_episode *out) {
    struct nas_call call = nas_call_begin(ctx, &e->dataset);
    int status =
        nas_call_end(&call, e->dataset.table.dataset.sample(e->dataset.self, ctx, spec, out));
    if (status == MN_OK) {
        status = check_labels(e, ctx, spec->ways, spec->ways * spec->support, out->support_labels);
    }
    return status != MN_OK
               ? status
               : check_labels(e, ctx, spec->ways, spec->ways * spec->query, out->query_labels);
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
    const uint64_t hash = hash_set(nas_hash_begin(), &task->support, image_reals(e));
    return hash_set(hash, &task->query, image_reals(e));
}

int nas_episode_sample(const struct nas_experiment *e, struct mn_ctx *ctx, struct mn_task *out,
                       int64_t *classes) {
    struct mn_episode_spec spec;
    struct mn_episode episode;
    nas_episode_spec(e, ctx->where.split, &spec);
    int status = nas_episode_room(e, ctx, &spec, &episode);
    if (status == MN_OK) {
        episode.classes = classes != NULL ? classes : episode.classes;
        status = nas_episode_draw(e, ctx, &spec, &episode);
        nas_episode_task(e, &spec, &episode, out);
    }
    return status;
}
