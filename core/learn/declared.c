/* SPDX-License-Identifier: MIT */
#include "learn/declared.h"

#include "learn/meta_prune.h"

#include <inttypes.h>

enum { MOST_STEPS = 1000000000 };

static const char *const split_names[] = {"training", "validation", "test"};

int nas_declared_data(const struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_dataset_info *d = &e->data;
    const int64_t most_side = 100000, most_reals = (int64_t)1 << 30;
    if (d->channels < 1 || d->height < 1 || d->width < 1 || d->channels > most_side ||
        d->height > most_side || d->width > most_side ||
        (int64_t)d->height * d->width > most_reals / d->channels) {
        return nas_instance_wrong(ctx, &e->dataset,
                                  "describes images of %" PRId32 "x%" PRId32 "x%" PRId32
                                  "; channels, height and width are 1 to %" PRId64
                                  ", their product at most 2^30",
                                  d->channels, d->height, d->width, most_side);
    }
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        if (d->n_classes[split] < 0 || d->n_classes[split] > most_reals ||
            d->min_samples[split] < 0 || d->n_images[split] < -1) {
            return nas_instance_wrong(ctx, &e->dataset,
                                      "describes %" PRId64 " %s classes of %" PRId64
                                      " images or more, %" PRId64 " in all, which is impossible",
                                      d->n_classes[split], split_names[split],
                                      d->min_samples[split], d->n_images[split]);
        }
    }
    return MN_OK;
}

/* Place i of those where what a plugin says may differ most: the beginnings of the splits and the
 * end of meta-training. */
enum { PLACES = 4 };

static struct mn_where place_at(const struct nas_experiment *e, int i) {
    const int64_t end = e->run.meta_epochs > 0 ? e->run.meta_epochs - 1 : 0;
    struct mn_where where =
        i == PLACES - 1 ? nas_experiment_where(e, MN_TRAIN, end) : nas_experiment_where(e, i, 0);
    where.adapts = MN_ADAPTS_W | MN_ADAPTS_A;
    return where;
}

static int check_threshold(const struct nas_experiment *e, struct mn_ctx *ctx,
                           const struct nas_instance *mixer) {
    const struct mn_mixer *table = &mixer->table.mixer;
    const struct mn_where before = ctx->where;
    double threshold = 0;
    for (int i = 0; table->threshold != NULL && i < PLACES && threshold >= 0 && threshold <= 1;
         i++) {
        ctx->where = place_at(e, i);
        threshold = table->threshold(mixer->self, ctx);
    }
    ctx->where = before;
    return threshold >= 0 && threshold <= 1
               ? MN_OK
               : nas_instance_wrong(ctx, mixer, "threshold is %g; 0 to 1 are possible", threshold);
}

/* Candidates are not cut before there is anything known of them. */
static int check_shrink(const struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    for (int64_t i = 0; table->adapts != NULL && i < e->run.shrink.n; i++) {
        const struct mn_where where = nas_experiment_where(e, MN_TRAIN, nas_meta_shrink_at(e, i));
        if ((table->adapts(e->task_learner.self, &where) & MN_ADAPTS_A) == 0) {
            return mn_fail(ctx, MN_CONFIG,
                           "run: shrink: %s does not adapt the architecture yet at meta-epoch "
                           "%" PRId64 ", after which candidates are to be cut; a shorter warm-up "
                           "or a longer run would do",
                           e->task_learner.label, where.meta_epoch);
        }
    }
    return MN_OK;
}

static int check_batch(struct mn_ctx *ctx, const struct nas_instance *unit,
                       int32_t (*max_batch)(const void *self)) {
    const int32_t batch = max_batch != NULL ? max_batch(unit->self) : 0;
    return batch >= -NAS_MOST_BATCH && batch <= NAS_MOST_BATCH
               ? MN_OK
               : nas_instance_wrong(ctx, unit, "max_batch is %" PRId32 "; -%d to %d are possible",
                                    batch, NAS_MOST_BATCH, NAS_MOST_BATCH);
}

int nas_declared_units(const struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct nas_instance *learner = &e->task_learner;
    const struct mn_task_learner *table = &learner->table.task_learner;
    const int moments = table->moments != NULL ? table->moments(learner->self) : 0;
    TRY(check_batch(ctx, learner, table->max_batch));
    for (int i = 0; i < e->n_meta; i++) {
        const struct nas_instance *meta = e->meta[i].unit;
        TRY(check_batch(ctx, meta, meta->table.meta_learner.max_batch));
    }
    if (moments < MN_MOMENTS_AVERAGE || moments > MN_MOMENTS_CARRY) {
        return nas_instance_wrong(ctx, learner, "moments is %d, which is none of enum mn_moments",
                                  moments);
    }
    for (int i = 0; table->steps != NULL && i < PLACES; i++) {
        const struct mn_where where = place_at(e, i);
        const int64_t steps = table->steps(learner->self, &where);
        if (steps < 0 || steps > MOST_STEPS) {
            return nas_instance_wrong(ctx, learner,
                                      "steps is %" PRId64 " for a %s task; 0 to %d are possible",
                                      steps, split_names[where.split], MOST_STEPS);
        }
    }
    if (e->teacher < MN_TEACHER_NONE || e->teacher > MN_TEACHER_START) {
        return nas_instance_wrong(ctx, &e->loss, "teacher is %d, which is none of enum mn_teacher",
                                  e->teacher);
    }
    TRY(check_shrink(e, ctx));
    TRY(check_threshold(e, ctx, &e->op_mixer));
    return check_threshold(e, ctx, &e->input_mixer);
}

int nas_declared_state(const struct nas_experiment *e, struct mn_ctx *ctx) {
    return e->n_state >= 0 && e->n_state <= NAS_MOST_REALS
               ? MN_OK
               : nas_instance_wrong(ctx, &e->task_learner,
                                    "n_state is %" PRId64 ", which is no size", e->n_state);
}
