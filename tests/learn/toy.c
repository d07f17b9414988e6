/* SPDX-License-Identifier: MIT */
/* A data set and learners whose results are short formulas, so that the tests of the outer loop can
 * compute them in another way. */
#include <metanas/plugin.h>

#include <signal.h>
#include <time.h>

/* ---- dataset: image s of class c is all c + s / 100 ------------------------------------------ */

struct data {
    int64_t size, classes, samples;
};

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    const struct data *s = self;
    *out = (struct mn_dataset_info){
        .size = sizeof *out, .channels = 1, .height = (int32_t)s->size, .width = (int32_t)s->size};
    for (int split = 0; split < 3; split++) {
        out->n_classes[split] = s->classes + split;
        out->min_samples[split] = s->samples;
        out->n_images[split] = -1;
    }
    return MN_OK;
}

static int start_data(void *self, struct mn_ctx *ctx) {
    return MN_OK;
}

static void fill(const struct data *s, int64_t class, int64_t sample, mn_real *out) {
    mn_vec_fill(s->size * s->size, (mn_real)((double)class + (double)sample / 100), out);
}

/* The classes that follow a random one; support images are samples 0.., query images go on. */
static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    const struct data *s = self;
    const int64_t pixels = s->size * s->size, classes = s->classes + spec->split;
    struct mn_rng rng = mn_rng_start(ctx, MN_RNG_PLUGIN);
    const int64_t first = mn_rng_below(&rng, (uint32_t)classes);
    for (int32_t c = 0; c < spec->ways; c++) {
        out->classes[c] = (first + c) % classes;
        for (int32_t i = 0; i < spec->support; i++) {
            const int32_t at = c * spec->support + i;
            fill(s, out->classes[c], i, out->support + at * pixels);
            out->support_labels[at] = c;
        }
        for (int32_t i = 0; i < spec->query; i++) {
            const int32_t at = c * spec->query + i;
            fill(s, out->classes[c], spec->support + i, out->query + at * pixels);
            out->query_labels[at] = c;
        }
    }
    return MN_OK;
}

static const struct mn_dataset data_table = {
    .size = sizeof data_table, .start = start_data, .describe = describe, .sample = sample};

static const struct mn_opt data_options[] = {
    MN_INT(struct data, size, 6, 1, 64, "height and width"),
    MN_INT(struct data, classes, 10, 0, 1000, "classes of the training split"),
    MN_INT(struct data, samples, 20, 0, 1000, "images of a class"),
};

/* ---- task learner ---------------------------------------------------------------------------- */

enum { NONE, STATUS, NAN_LOSS, NAN_WEIGHT, NAN_STATE, SIGNAL, NO_MESSAGE };

struct toy {
    int32_t moments, fault;
    int64_t adapts, at_epoch, at_task, nap;
    bool validating, first_draw;
};

enum { STEPS = 2, STATE = 2 };

static int64_t n_state(const void *self, const struct mn_dims *dims) {
    return STATE;
}

static int moments(const void *self) {
    return ((const struct toy *)self)->moments;
}

static uint32_t adapts(const void *self, const struct mn_where *where) {
    return (uint32_t)((const struct toy *)self)->adapts;
}

static int64_t steps(const void *self, const struct mn_where *where) {
    return STEPS;
}

static void nap(int64_t milliseconds) {
    const struct timespec t = {0, 1000000 * milliseconds};
    if (milliseconds > 0) {
        nanosleep(&t, NULL);
    }
}

/* What happens in the second step of the chosen task. */
static int misbehave(const struct toy *s, struct mn_ctx *ctx, struct mn_point *params,
                     mn_real *state, double *loss) {
    if (ctx->where.split != (s->validating ? MN_VAL : MN_TRAIN) ||
        ctx->where.meta_epoch != s->at_epoch || ctx->where.task != s->at_task ||
        (s->first_draw && ctx->where.seed >> 53 != 0)) {
        return MN_OK;
    }
    switch (s->fault) {
    case STATUS:
        return mn_fail(ctx, MN_UNSUPPORTED, "told to fail");
    case NO_MESSAGE:
        return MN_NUMERIC;
    case NAN_LOSS:
        *loss = -NAN;
        break;
    case NAN_WEIGHT:
        params->w[1] = NAN;
        break;
    case NAN_STATE:
        state[1] = INFINITY;
        break;
    case SIGNAL:
        raise(SIGUSR1);
        break;
    default:
        break;
    }
    return MN_OK;
}

/* After STEPS steps of meta-epoch e and task t: w_k += STEPS (k % 7 + 1) (t + 1) / 64,
 * a_k += STEPS (k % 3 + 1) (e + 1) / 32, state_0 += t + 1, state_1 = 2 state_1 + t + 1. The loss is
 * e + t / 8 + step, the accuracy t / 4, the share skipped 1/2. */
static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    const struct toy *s = self;
    struct mn_dims dims;
    struct mn_set batch;
    int status = mn_model_dims(ctx, model, &dims);
    const mn_real t = (mn_real)ctx->where.task, e = (mn_real)ctx->where.meta_epoch;
    state[0] += t + 1;
    state[1] = 2 * state[1] + t + 1;
    for (int64_t step = 0; status == MN_OK && step < STEPS; step++) {
        double loss = (double)(e + t / 8) + (double)step;
        status = mn_task_batch(ctx, task, step, 2, &batch);
        nap(s->nap);
        for (int64_t k = 0; k < dims.n_w; k++) {
            params->w[k] += (mn_real)(k % 7 + 1) * (t + 1) / 64;
        }
        for (int64_t k = 0; k < dims.n_a; k++) {
            params->a[k] += (mn_real)(k % 3 + 1) * (e + 1) / 32;
        }
        if (status == MN_OK && step == 1) {
            status = misbehave(s, ctx, params, state, &loss);
        }
        if (status == MN_OK) {
            status = mn_step_done(ctx, step, loss, (double)t / 4, 0.5, params);
        }
    }
    return status;
}

static const struct mn_task_learner learner_table = {.size = sizeof learner_table,
                                                     .n_state = n_state,
                                                     .moments = moments,
                                                     .adapts = adapts,
                                                     .steps = steps,
                                                     .adapt = adapt};

static const char *const moments_choices[] = {"average", "reset", "carry", NULL};
static const char *const fault_choices[] = {"none",      "status", "nan_loss",   "nan_weight",
                                            "nan_state", "signal", "no_message", NULL};
static const struct mn_opt learner_options[] = {
    MN_CHOICE(struct toy, moments, 0, moments_choices, "what becomes of the state"),
    MN_INT(struct toy, adapts, 3, 0, 3, "enum mn_adapts"),
    MN_CHOICE(struct toy, fault, NONE, fault_choices, "what goes wrong"),
    MN_INT(struct toy, at_epoch, 0, 0, 1000, "in which meta-epoch"),
    MN_INT(struct toy, at_task, 0, 0, 1000, "in which task"),
    MN_BOOL(struct toy, validating, 0, "in which split"),
    MN_BOOL(struct toy, first_draw, 0, "only before a rollback"),
    MN_INT(struct toy, nap, 0, 0, 999, "milliseconds that a step sleeps"),
};

/* ---- meta learner: the direction is meta - adapted, and a named sum of all directions -------- */

struct sum {
    int64_t fault;
    int64_t n_w, n_a;
    mn_real *seen;
};

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    struct sum *s = self;
    s->n_w = dims->n_w;
    s->n_a = dims->n_a;
    s->seen = mn_state(ctx, "seen", dims->n_w);
    return s->seen != NULL ? MN_OK : MN_NOMEM;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct sum *s = self;
    mn_vec_sub(s->n_w, meta->w, adapted->w, out->w);
    mn_vec_sub(s->n_a, meta->a, adapted->a, out->a);
    return MN_OK;
}

/* meta -= mean + seen / 2, with w only in seen */
static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    const struct sum *s = self;
    mn_vec_axpy(s->n_w, 1, mean_delta->w, s->seen);
    mn_vec_axpy(s->n_w, -1, mean_delta->w, meta->w);
    mn_vec_axpy(s->n_w, (mn_real)-0.5, s->seen, meta->w);
    mn_vec_axpy(s->n_a, -1, mean_delta->a, meta->a);
    if (s->fault > 0 && ctx->where.meta_epoch == s->fault) {
        meta->w[0] = INFINITY;
    }
    return MN_OK;
}

static const struct mn_meta_learner sum_table = {
    .size = sizeof sum_table, .start = start, .delta = delta, .update = update};

static const struct mn_opt sum_options[] = {
    MN_INT(struct sum, fault, 0, 0, 1000, "meta-epoch in which the state becomes infinite"),
};

MN_PLUGIN("toy", "1.0.0",
          MN_UNIT(MN_DATASET, "toy", "constant images", struct data, data_options, &data_table),
          MN_UNIT(MN_TASK_LEARNER, "toy", "adds known numbers", struct toy, learner_options,
                  &learner_table),
          MN_UNIT(MN_META_LEARNER, "toy", "a step and the sum of all steps", struct sum,
                  sum_options, &sum_table))
