/* SPDX-License-Identifier: MIT */
#include "subject.h"

#include "../metanas/estimate/rehearse.h"
#include "base/clock.h"
#include "base/memory.h"
#include "learn/adapt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* After the warm-up, so that the architecture adapts. */
static const struct mn_where place = {
    .size = sizeof place, .split = MN_TRAIN, .seed = 1, .meta_epoch = 999, .meta_epochs = 1000};

/* Logits as far apart as those of a trained architecture: most weights fall under the threshold at
 * the final temperature. Elsewhere they are nearly equal, and all candidates are computed. */
static double logits_apart(const struct bench_case *what) {
    return what->kind == LATE || what->kind == LEARNER ? 0.2 : 1e-3;
}

/* ---- making ready ------------------------------------------------------------------------- */

static int open_network(struct subject *s, struct mn_ctx *ctx, const char *kernels) {
    const struct bench_case *what = s->what;
    const int shape[3] = {what->channels, what->height, what->width};
    const int reduced = strcmp(kernels, "bf16") == 0;
    const char *sets[] = {
        nas_arena_format(
            &s->arena, "run={kernels: %s, precision: %s, alpha_std: %g, tasks_per_batch: 1000}",
            reduced ? "auto" : kernels, reduced ? "bf16" : "float", logits_apart(what)),
        nas_arena_format(&s->arena, "task={ways: %d, shots: 1, queries: 1, train_shots: 15}",
                         what->ways),
        nas_arena_format(&s->arena, "task_learner={batch: %d, test_batch: 1, warm_up: 0}",
                         s->batch),
        NULL};
    const char *text =
        nas_arena_format(&s->arena, "run: {name: benchmark}\nsearch_space: %s\n", what->space);
    const char *const directories[] = {BENCH_PLUGINS, NULL};
    const struct nas_open open = {.config = "benchmark",
                                  .text = text, /* and the sets */
                                  .sets = sets,
                                  .plugin_dirs = directories,
                                  .flags = NAS_OPEN_NO_DATA,
                                  .shape = shape};
    if (s->arena.failed) {
        return mn_fail(ctx, MN_NOMEM, "no memory");
    }
    return nas_experiment_open(&s->e, ctx, &open);
}

/* Halve the batch until the workspaces fit into two thirds of what memory is left. */
static int open_fitting(struct subject *s, struct mn_ctx *ctx, const char *kernels, int workers) {
    for (s->batch = s->what->batch;; s->batch /= 2) {
        const int status = open_network(s, ctx, kernels);
        const int64_t available = nas_memory_available();
        if (status != MN_OK || s->batch == 1 || available < 0 ||
            subject_plan(s, workers) < 2.0 / 3 * (double)available) {
            return status;
        }
        nas_experiment_close(&s->e);
    }
}

static mn_real *reals(struct subject *s, int64_t n) {
    return nas_arena_zeroed(&s->arena, (size_t)n * sizeof(mn_real));
}

static int make_room(struct subject *s, struct mn_ctx *ctx, int workers) {
    const struct mn_dims *d = nas_model_dims(s->e.model);
    int good = 1;
    s->n_lanes = workers;
    s->lanes = nas_arena_zeroed(&s->arena, (size_t)workers * sizeof *s->lanes);
    s->keep = nas_arena_zeroed(&s->arena, (size_t)d->n_choices);
    s->at = (struct mn_point){reals(s, d->n_w), reals(s, d->n_a)};
    for (int i = 0; s->lanes != NULL && i < workers; i++) {
        struct lane *lane = &s->lanes[i];
        lane->out = (struct mn_point){reals(s, d->n_w), reals(s, d->n_a)};
        lane->learner = reals(s, s->e.n_state);
        good = good && lane->out.w && lane->out.a && lane->learner;
    }
    good = good && s->lanes != NULL && s->keep != NULL && s->at.w != NULL && s->at.a != NULL;
    return good ? MN_OK : mn_fail(ctx, MN_NOMEM, "no memory");
}

/* One choice of each mixture, the candidates in turn. */
static void keep_one_of_each(struct subject *s) {
    for (int i = 0; i < nas_model_n_mixtures(s->e.model); i++) {
        const struct nas_mixture *x = nas_model_mixture(s->e.model, i);
        s->keep[x->choice0 + i % x->n_choices] = 1;
    }
}

int subject_open(struct mn_ctx *ctx, const struct bench_case *what, const char *kernels,
                 int workers, struct subject *s) {
    memset(s, 0, sizeof *s);
    s->what = what;
    ctx->where = place;
    int status = open_fitting(s, ctx, kernels, workers);
    if (status == MN_OK) {
        status = make_room(s, ctx, workers);
    }
    if (status == MN_OK) {
        status = rehearse_task(&s->e, ctx, &s->task);
    }
    if (status == MN_OK) {
        const struct mn_task_learner *learner = &s->e.task_learner.table.task_learner;
        s->unit = what->kind == LEARNER ? learner->steps(s->e.task_learner.self, &place) : 1;
        nas_model_init(s->e.model, place.seed, logits_apart(what), &s->at);
        keep_one_of_each(s);
    } else {
        subject_close(s);
    }
    return status;
}

void subject_close(struct subject *s) {
    nas_experiment_close(&s->e);
    nas_arena_fini(&s->arena);
}

/* ---- running ------------------------------------------------------------------------------ */

static int has_gradients(const struct bench_case *what) {
    return what->kind == STEP || what->kind == LATE;
}

static int one_pass(const struct subject *s, struct mn_ctx *ctx, struct lane *lane) {
    const struct mn_set batch = {
        .n = s->batch, .images = s->task.support.images, .labels = s->task.support.labels};
    const struct mn_pass pass = {.size = sizeof pass,
                                 .flags =
                                     has_gradients(s->what) ? MN_PASS_GRAD_W | MN_PASS_GRAD_A : 0,
                                 .progress = s->what->kind == LATE ? 1 : 0,
                                 .keep = s->what->kind == PRUNED ? s->keep : NULL};
    struct mn_outcome out = {.size = sizeof out, .d_w = lane->out.w, .d_a = lane->out.a};
    const int status = mn_model_pass(ctx, s->e.model, &s->at, &batch, &pass, &out);
    lane->skip_share += out.skip_share;
    lane->passes++;
    return status;
}

static int note_step(void *data, struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    struct lane *lane = &((struct subject *)data)->lanes[ctx->where.task];
    lane->skip_share += skip_share;
    lane->passes++;
    return MN_OK;
}

static int one_task(struct subject *s, struct mn_ctx *ctx, struct lane *lane) {
    const struct mn_dims *d = nas_model_dims(s->e.model);
    mn_vec_copy(d->n_w, s->at.w, lane->out.w);
    mn_vec_copy(d->n_a, s->at.a, lane->out.a);
    mn_vec_fill(s->e.n_state, 0, lane->learner);
    const struct nas_watch watch = {.on_step = note_step, .data = s};
    return nas_adapt(&s->e, ctx, &s->task, &watch, &lane->out, lane->learner);
}

static int run_lane(void *data, struct mn_ctx *ctx, int64_t index) {
    struct subject *s = data;
    struct lane *lane = &s->lanes[index];
    int status = MN_OK;
    for (int64_t i = 0; status == MN_OK && i < s->units; i++) {
        status = s->what->kind == LEARNER ? one_task(s, ctx, lane) : one_pass(s, ctx, lane);
    }
    return status;
}

int subject_run(struct subject *s, struct mn_ctx *ctx, struct nas_threads *pool, int64_t units) {
    s->units = units;
    const int status =
        nas_threads_run(pool, ctx, &place, 0, nas_threads_count(pool), 0, run_lane, s);
    return status == MN_OK ? MN_OK : nas_ctx_where(ctx, "%s", s->what->name);
}

static int profile_model(struct subject *s, struct mn_ctx *ctx, struct profile *out,
                         double *seconds) {
    struct nas_threads *alone = NULL;
    int status = nas_threads_new(ctx, 1, s->e.model, &alone);
    if (status == MN_OK) {
        status = subject_run(s, ctx, alone, 1); /* touches the memory for the first time */
    }
    if (status == MN_OK) {
        const double begin = nas_now();
        profile_reset();
        status = subject_run(s, ctx, alone, 1);
        *seconds = nas_now() - begin;
        profile_read(out);
    }
    nas_threads_free(alone);
    return status;
}

int subject_profile(struct subject *s, struct mn_ctx *ctx, struct profile *out, double *seconds) {
    const struct mn_dims *d = nas_model_dims(s->e.model);
    struct mn_model *own = s->e.model, *profiled;
    const struct nas_network_units units = nas_experiment_network(&s->e);
    int status = nas_model_new(ctx, &units, d, s->e.backend, profile_wrap(s->e.kernels), &profiled);
    if (status == MN_OK) {
        s->e.model = profiled;
        status = profile_model(s, ctx, out, seconds);
        s->e.model = own;
        nas_model_free(profiled);
    }
    return status;
}

/* ---- figures ------------------------------------------------------------------------------ */

double subject_plan(const struct subject *s, int workers) {
    const struct mn_dims *d = nas_model_dims(s->e.model);
    const double point = (double)(d->n_w + d->n_a) * sizeof(mn_real);
    return workers * ((double)nas_model_workspace_bytes(s->e.model) + point) + point;
}

double subject_skip_share(const struct subject *s) {
    double sum = 0, passes = 0;
    for (int i = 0; i < s->n_lanes; i++) {
        sum += s->lanes[i].skip_share;
        passes += (double)s->lanes[i].passes;
    }
    return passes > 0 ? sum / passes : 0;
}

/* A forward pass is one multiply-add a weight and pixel, a backward pass two more. */
double subject_gflop(const struct subject *s) {
    const double forward = 2 * nas_model_work(s->e.model) * s->batch * 1e-9;
    return s->what->kind == STEP ? 3 * forward : s->what->kind == FORWARD ? forward : 0;
}
