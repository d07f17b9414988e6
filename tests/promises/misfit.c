/* SPDX-License-Identifier: MIT */

/* Units that say of themselves what cannot be, as the environment variable MISFIT tells; right
 * where it is not set. */
#include <metanas/plugin.h>

#include <stdlib.h>
#include <string.h>

static int is(const char *what) {
    const char *wanted = getenv("MISFIT");
    return wanted != NULL && strcmp(wanted, what) == 0;
}

/* ---- data set: a class is a shade ---------------------------------------------------------- */

static int start_data(void *self, struct mn_ctx *ctx) {
    return MN_OK;
}

static int describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    out->channels = is("no channels") ? 0 : 1;
    out->height = is("negative height") ? -8 : is("huge height") ? 1 << 30 : 8;
    out->width = is("huge images") ? 100000 : 8;
    out->height = is("huge images") ? 100000 : out->height;
    for (int split = 0; split < 3; split++) {
        out->n_classes[split] = is("negative classes") ? -1 : 10;
        out->min_samples[split] = is("negative images") ? -1 : 20;
        out->n_images[split] = is("less than unlimited") ? -2 : 200;
    }
    return MN_OK;
}

static void shade(mn_real *images, int32_t *labels, int32_t ways, int32_t n) {
    for (int32_t i = 0; i < ways * n; i++) {
        labels[i] = i / n + (is("labels") ? ways : 0);
        mn_vec_fill(64, (mn_real)(i / n) + (mn_real)(i % n) / 16, images + 64 * i);
    }
}

static int sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                  struct mn_episode *out) {
    shade(out->support, out->support_labels, spec->ways, spec->support);
    shade(out->query, out->query_labels, spec->ways, spec->query);
    for (int32_t i = 0; i < spec->ways; i++) {
        out->classes[i] = i;
    }
    return MN_OK;
}

static const struct mn_dataset data = {
    .size = sizeof data, .start = start_data, .describe = describe, .sample = sample};

/* ---- mixer: the softmax -------------------------------------------------------------------- */

static int64_t n_choices(const void *self, int64_t n_items) {
    return is("no choices") ? 0 : is("many choices") ? 1 << 17 : n_items;
}

static int64_t n_logits(const void *self, int64_t n_items) {
    return is("other logits") ? n_items + 1 : n_items;
}

static int holds(const void *self, int64_t n_items, int64_t choice, int64_t item) {
    return choice == item;
}

static int64_t n_saved(const void *self, int64_t n) {
    return is("negative n_saved") ? -1 : is("huge n_saved") ? INT64_MAX : 0;
}

static double threshold(const void *self, const struct mn_ctx *ctx) {
    return is("negative threshold")   ? -0.1
           : is("threshold over 1")   ? 1.5
           : is("threshold in tests") ? (ctx->where.split == MN_TEST ? 2 : 0)
           : is("no threshold")       ? NAN
                                      : 0;
}

static int forward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                   const struct mn_when *when, struct mn_rng *rng, mn_real *weights,
                   mn_real *saved) {
    mn_vec_softmax(n, logits, 1, weights);
    return MN_OK;
}

static int backward(const void *self, struct mn_ctx *ctx, int64_t n, const mn_real *logits,
                    const struct mn_when *when, const mn_real *weights, const mn_real *saved,
                    const mn_real *d_weights, mn_real *d_logits) {
    mn_vec_softmax_backward(n, weights, 1, d_weights, d_logits);
    return MN_OK;
}

static int select_all(const void *self, struct mn_ctx *ctx, int64_t n, const struct mn_when *when,
                      const mn_real *weights, const mn_real *strength, uint8_t *keep) {
    memset(keep, is("nothing kept") ? 0 : 1, (size_t)n);
    return MN_OK;
}

static const struct mn_mixer mixer = {.size = sizeof mixer,
                                      .n_choices = n_choices,
                                      .n_logits = n_logits,
                                      .holds = holds,
                                      .n_saved = n_saved,
                                      .threshold = threshold,
                                      .forward = forward,
                                      .backward = backward,
                                      .select = select_all};

/* ---- head: some of the features ------------------------------------------------------------ */

static int32_t n_weights(const void *self, const struct mn_head_site *site) {
    return is("start of nothing") ? 0 : 1;
}

static int weight(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                  int32_t index, struct mn_op_weight *out) {
    out->name = "scale";
    out->n_dims = 1;
    out->dims[0] = 1;
    out->init = MN_OP_INIT_ONES;
    return MN_OK;
}

static int head_forward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                        const struct mn_head_call *call) {
    for (int64_t i = 0; i < (int64_t)call->n * site->ways; i++) {
        const int64_t image = i / site->ways, k = i % site->ways % site->n_features;
        call->logits[i] = call->w[0] * call->features[image * site->n_features + k];
    }
    return MN_OK;
}

static int head_backward(const void *self, struct mn_ctx *ctx, const struct mn_head_site *site,
                         const struct mn_head_call *call) {
    const int64_t f = site->n_features, ways = site->ways;
    mn_vec_fill(call->n * f, 0, call->d_features);
    for (int64_t i = 0; i < (int64_t)call->n * ways; i++) {
        call->d_features[i / ways * f + i % ways % f] += call->w[0] * call->d_logits[i];
    }
    mn_vec_fill(call->d_w != NULL ? 1 : 0, 0, call->d_w);
    return MN_OK;
}

static int starts(const void *self) {
    return is("start of nothing") || is("no start");
}

static const struct mn_head head = {.size = sizeof head,
                                    .n_weights = n_weights,
                                    .weight = weight,
                                    .forward = head_forward,
                                    .backward = head_backward,
                                    .starts = starts};

/* ---- loss: the square ---------------------------------------------------------------------- */

static int value(const void *self, struct mn_ctx *ctx, const struct mn_loss_call *call,
                 double *loss) {
    *loss = 0;
    for (int64_t i = 0; i < (int64_t)call->n * call->ways; i++) {
        const double off =
            (double)call->logits[i] - (call->labels[i / call->ways] == i % call->ways);
        *loss += off * off / call->n;
        call->d_logits[i] = (mn_real)(2 * off / call->n);
    }
    return MN_OK;
}

static int teacher(const void *self) {
    return is("teacher") ? 7 : MN_TEACHER_START;
}

static const struct mn_loss loss = {.size = sizeof loss, .value = value, .teacher = teacher};

/* The meta learner looks at all of the support set, of which the task learner takes one image. */
static int larger_pass(void) {
    return is("larger pass") || is("larger pass by number") || is("larger pass untold");
}

/* ---- task learner: one step downhill ------------------------------------------------------- */

static int64_t n_state(const void *self, const struct mn_dims *dims) {
    return is("negative n_state") ? -1 : is("huge n_state") ? INT64_MAX / 2 : 1;
}

static int moments(const void *self) {
    return is("moments") ? 7 : MN_MOMENTS_RESET;
}

static int32_t max_batch(const void *self) {
    return is("negative max_batch") ? -INT32_MAX
           : is("huge max_batch")   ? INT32_MAX
           : larger_pass()          ? 1
                                    : 0;
}

static int64_t steps(const void *self, const struct mn_where *where) {
    return is("negative steps")           ? -1
           : is("huge steps")             ? INT64_MAX
           : is("negative steps at last") ? (where->meta_epoch > 0 ? -2 : 1)
                                          : 1;
}

static int adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, struct mn_point *params, mn_real *state) {
    struct mn_dims dims;
    struct mn_set batch;
    int status = mn_model_dims(ctx, model, &dims);
    mn_real *d_w = mn_scratch(ctx, (size_t)dims.n_w * sizeof *d_w);
    const struct mn_pass pass = {
        .size = is("pass of no size") ? 0 : sizeof pass, .flags = MN_PASS_GRAD_W, .progress = 1};
    struct mn_outcome out = {.size = is("outcome of no size") ? 0 : sizeof out, .d_w = d_w};
    if (status == MN_OK) {
        status = d_w == NULL ? MN_NOMEM : mn_task_batch(ctx, task, 0, max_batch(self), &batch);
    }
    if (status == MN_OK) {
        status = mn_model_pass(ctx, model, params, &batch, &pass, &out);
    }
    if (status == MN_OK) {
        mn_vec_axpy(dims.n_w, (mn_real)-0.01, d_w, params->w);
        status = mn_step_done(ctx, 0, out.loss, (double)out.hits / batch.n, out.skip_share, params);
    }
    return status;
}

static const struct mn_task_learner task_learner = {.size = sizeof task_learner,
                                                    .n_state = n_state,
                                                    .moments = moments,
                                                    .max_batch = max_batch,
                                                    .steps = steps,
                                                    .adapt = adapt};

/* ---- meta learner: half way to where the tasks ended --------------------------------------- */

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    const char *name = is("unnamed state")     ? ""
                       : is("name of a state") ? "m w"
                       : is("no name")         ? NULL
                                               : "m";
    const int64_t n = is("state of nothing") ? 0 : is("huge state") ? INT64_MAX : 1;
    return mn_state(ctx, name, n) != NULL && (!is("state twice") || mn_state(ctx, "m", 1) != NULL)
               ? MN_OK
               : MN_INTERNAL;
}

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    struct mn_dims dims;
    const int status = mn_model_dims(ctx, model, &dims);
    for (int64_t i = 0; i < dims.n_w; i++) {
        out->w[i] = adapted->w[i] - meta->w[i];
    }
    for (int64_t i = 0; i < dims.n_a; i++) {
        out->a[i] = adapted->a[i] - meta->a[i];
    }
    if (status == MN_OK && larger_pass()) {
        const struct mn_pass pass = {.size = sizeof pass, .flags = MN_PASS_GRAD_W, .progress = 1};
        struct mn_outcome found = {.size = sizeof found, .d_w = out->w};
        return mn_model_pass(ctx, model, adapted, &task->support, &pass, &found);
    }
    return status;
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    return MN_OK;
}

static int32_t meta_batch(const void *self) {
    return is("negative batch")          ? -INT32_MAX
           : is("huge batch")            ? INT32_MAX
           : is("larger pass")           ? 0
           : is("larger pass by number") ? 21
                                         : 1;
}

static int64_t n_own(const void *self, const struct mn_dims *dims) {
    return is("negative n_own") ? -1 : is("huge n_own") ? INT64_MAX / 2 : 0;
}

static const struct mn_meta_learner meta_learner = {.size = sizeof meta_learner,
                                                    .start = start,
                                                    .max_batch = meta_batch,
                                                    .delta = delta,
                                                    .update = update,
                                                    .n_own = n_own};

MN_PLUGIN("misfit", "1.0.0", MN_UNIT_PLAIN(MN_DATASET, "misfit", "shades", &data),
          MN_UNIT_PLAIN(MN_OP_MIXER, "misfit", "the softmax", &mixer),
          MN_UNIT_PLAIN(MN_HEAD, "misfit", "some of the features", &head),
          MN_UNIT_PLAIN(MN_LOSS, "misfit", "the square", &loss),
          MN_UNIT_PLAIN(MN_TASK_LEARNER, "misfit", "one step", &task_learner),
          MN_UNIT_PLAIN(MN_META_LEARNER, "misfit", "goes nowhere", &meta_learner))
