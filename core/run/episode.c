/* SPDX-License-Identifier: MIT */
#include "run/episode.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- services ----------------------------------------------------------------------------- */

static int64_t task_steps(struct mn_cx *cx, const struct mn_task *task, int64_t steps) {
    const struct mn__batches *given = mn__cx_of(cx)->prescribed;
    return given != NULL ? given->steps : steps;
}

static size_t image_reals(const struct mn__experiment *e) {
    return (size_t)e->data.channels * (size_t)e->data.height * (size_t)e->data.width;
}

/* n images drawn from the support set, with replacement. */
static int draw(struct mn_cx *cx, const struct mn_task *task, int64_t step, int32_t n,
                struct mn_set *out) {
    const struct mn__experiment *e = task->host;
    const size_t reals = image_reals(e);
    struct mn_where at = cx->where;
    mn_real *images = mn_scratch(cx, (size_t)n * reals * sizeof *images);
    int32_t *labels = mn_scratch(cx, (size_t)n * sizeof *labels);
    if (images == NULL || labels == NULL) {
        return MN_NOMEM;
    }
    struct mn_rng rng = mn_rng_make(at.seed, MN_RNG_BATCH, (uint32_t)at.split,
                                    (uint64_t)at.meta_epoch, (uint32_t)at.task, (uint32_t)step);
    for (int32_t i = 0; i < n; i++) {
        const size_t from = mn_rng_below(&rng, (uint32_t)task->support.n);
        memcpy(images + (size_t)i * reals, task->support.images + from * reals,
               reals * sizeof *images);
        labels[i] = task->support.labels[from];
    }
    *out = (struct mn_set){.n = n, .images = images, .labels = labels};
    return MN_OK;
}

static int task_batch(struct mn_cx *cx, const struct mn_task *task, int64_t step, int32_t n,
                      struct mn_set *out) {
    struct mn__cx *c = mn__cx_of(cx);
    cx->where.step = step;
    if (c->prescribed != NULL) {
        if (step < 0 || step >= c->prescribed->steps) {
            return mn_fail(cx, MN_INTERNAL, "mini-batch %" PRId64 " of %" PRId64, step,
                           c->prescribed->steps);
        }
        *out = c->prescribed->sets[step];
        return MN_OK;
    }
    if (n == 0) {
        *out = task->support;
        return MN_OK;
    }
    /* The batch before is not needed any more: its room is used again. */
    if (c->batch_mark != 0 && c->batch_unit == c->unit) {
        mn__arena_release(&c->scratch, c->batch_mark - 1);
    }
    c->batch_mark = mn__arena_mark(&c->scratch) + 1;
    c->batch_unit = c->unit;
    return draw(cx, task, step, n, out);
}

static int step_done(struct mn_cx *cx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    struct mn__cx *c = mn__cx_of(cx);
    if (!isfinite(loss)) {
        return mn_fail(cx, MN_NUMERIC, "the loss of step %" PRId64 " is %g", step, loss);
    }
    if (c->on_step != NULL) {
        const int status = c->on_step(c->on_step_data, cx, step, loss, accuracy, skip_share, now);
        if (status != MN_OK) {
            return status;
        }
    }
    return mn_cancelled(cx) ? mn_fail(cx, MN_CANCELLED, "stopped by the user") : MN_OK;
}

void mn__episode_install(struct mn_host *host) {
    host->task_steps = task_steps;
    host->task_batch = task_batch;
    host->step_done = step_done;
}

/* ---- sampling ----------------------------------------------------------------------------- */

static void spec_of(const struct mn__experiment *e, int split, struct mn_episode_spec *spec) {
    const struct mn__task_options *t = &e->task;
    const int train = split == MN_TRAIN;
    *spec = (struct mn_episode_spec){
        .size = sizeof *spec,
        .split = split,
        .ways = (int32_t)t->ways,
        .support = (int32_t)(train && t->train_shots > 0 ? t->train_shots : t->shots),
        .query = (int32_t)(train && t->train_queries > 0 ? t->train_queries : t->queries)};
}

int mn__episode_sample(const struct mn__experiment *e, struct mn_cx *cx, struct mn_task *out,
                       int64_t *classes) {
    struct mn_episode_spec spec;
    spec_of(e, cx->where.split, &spec);
    const size_t support = (size_t)spec.ways * (size_t)spec.support;
    const size_t query = (size_t)spec.ways * (size_t)spec.query, reals = image_reals(e);
    struct mn_episode episode = {
        .size = sizeof episode,
        .support = mn_scratch(cx, support * reals * sizeof(mn_real)),
        .support_labels = mn_scratch(cx, support * sizeof(int32_t)),
        .query = mn_scratch(cx, query * reals * sizeof(mn_real)),
        .query_labels = mn_scratch(cx, query * sizeof(int32_t)),
        .classes = classes != NULL ? classes : mn_scratch(cx, (size_t)spec.ways * sizeof(int64_t))};
    if (!episode.support || !episode.support_labels || !episode.query || !episode.query_labels ||
        !episode.classes) {
        return MN_NOMEM;
    }
    struct mn__call call = mn__call_begin(cx, &e->dataset);
    const int status =
        mn__call_end(&call, e->dataset.table.dataset.sample(e->dataset.self, cx, &spec, &episode));
    *out = (struct mn_task){
        .size = sizeof *out,
        .ways = spec.ways,
        .support = {.n = (int32_t)support,
                    .images = episode.support,
                    .labels = episode.support_labels},
        .query = {.n = (int32_t)query, .images = episode.query, .labels = episode.query_labels},
        .host = e};
    return status;
}
