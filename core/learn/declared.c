/* SPDX-License-Identifier: MIT */
#include "learn/declared.h"

#include "learn/dataset.h"
#include "learn/meta_prune.h"

#include <inttypes.h>

enum { MOST_STEPS = 1000000000 };

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

static int ask_batch(struct mn_ctx *ctx, const struct nas_instance *unit,
                     int32_t (*max_batch)(const void *self), int32_t *out) {
    *out = max_batch != NULL ? max_batch(unit->self) : 0;
    return *out >= -NAS_MOST_BATCH && *out <= NAS_MOST_BATCH
               ? MN_OK
               : nas_instance_wrong(ctx, unit, "max_batch is %" PRId32 "; -%d to %d are possible",
                                    *out, NAS_MOST_BATCH, NAS_MOST_BATCH);
}

int nas_declared_units(struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct nas_instance *learner = &e->task_learner;
    const struct mn_task_learner *table = &learner->table.task_learner;
    const struct mn_loss *loss = &e->loss.table.loss;
    e->moments = table->moments != NULL ? table->moments(learner->self) : MN_MOMENTS_AVERAGE;
    e->teacher = loss->teacher != NULL ? loss->teacher(e->loss.self) : MN_TEACHER_NONE;
    TRY(ask_batch(ctx, learner, table->max_batch, &e->batch));
    for (int i = 0; i < e->n_meta; i++) {
        const struct nas_instance *meta = e->meta[i].unit;
        TRY(ask_batch(ctx, meta, meta->table.meta_learner.max_batch, &e->meta[i].batch));
    }
    if (e->moments < MN_MOMENTS_AVERAGE || e->moments > MN_MOMENTS_CARRY) {
        return nas_instance_wrong(ctx, learner, "moments is %d, which is none of enum mn_moments",
                                  e->moments);
    }
    for (int i = 0; table->steps != NULL && i < PLACES; i++) {
        const struct mn_where where = place_at(e, i);
        const int64_t steps = table->steps(learner->self, &where);
        if (steps < 0 || steps > MOST_STEPS) {
            return nas_instance_wrong(ctx, learner,
                                      "steps is %" PRId64 " for a %s task; 0 to %d are possible",
                                      steps, nas_split_adjectives[where.split], MOST_STEPS);
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

int nas_declared_state(struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_task_learner *table = &e->task_learner.table.task_learner;
    e->n_state =
        table->n_state != NULL ? table->n_state(e->task_learner.self, nas_model_dims(e->model)) : 0;
    return e->n_state >= 0 && e->n_state <= NAS_MOST_REALS
               ? MN_OK
               : nas_instance_wrong(ctx, &e->task_learner,
                                    "n_state is %" PRId64 ", which is no size", e->n_state);
}
