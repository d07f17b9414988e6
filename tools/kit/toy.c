/* SPDX-License-Identifier: MIT */
#include "toy.h"

#define HITS_SHARE 0.5
#define SKIP_SHARE 0.125

double toy_image(int64_t step) {
    return 0.4 * (double)step + 0.25;
}

double toy_loss(const double *w, const double *a, double image, double progress, double *dw,
                double *da) {
    double loss = 0;
    for (int i = 0; i < TOY_W; i++) {
        const double off = w[i] - sin(image + i);
        const double coupled = a != NULL && i < TOY_A ? a[i] : 0;
        loss += 0.5 * (i + 1) * off * off;
        if (dw != NULL) {
            dw[i] = (i + 1) * off + (0.2 + progress) * coupled;
        }
    }
    for (int j = 0; a != NULL && j < TOY_A; j++) {
        const double off = a[j] - cos(image + 2 * j);
        loss += off * off + (0.2 + progress) * a[j] * w[j];
        if (da != NULL) {
            da[j] = 2 * off + (0.2 + progress) * w[j];
        }
    }
    return loss;
}

static struct toy *toy_of(struct mn_ctx *ctx) {
    return mock_of(ctx)->data;
}

static void check_size(const char *what, uint32_t size, size_t expected) {
    if (size != expected) {
        mock_fail("size_field", "a struct %s has size %u instead of %zu", what, size, expected);
    }
}

static void count_call(const char *what, int n) {
    if (n >= TOY_CALLS) {
        mock_fail("ignores_steps", "more than %d calls of %s in a short task", TOY_CALLS, what);
    }
}

static int model_dims(struct mn_ctx *ctx, const struct mn_model *model, struct mn_dims *out) {
    check_size("mn_dims", out->size, sizeof *out);
    *out = toy_of(ctx)->dims;
    return MN_OK;
}

static void widen(int n, const mn_real *x, double *out) {
    for (int i = 0; i < n; i++) {
        out[i] = (double)x[i];
    }
}

static void narrow(int n, const double *x, mn_real *out) {
    for (int i = 0; i < n; i++) {
        out[i] = (mn_real)x[i];
    }
}

/* The weights are those of a body and of a head, the last layer; the logits are one segment. */
static int model_segment(struct mn_ctx *ctx, const struct mn_model *model, int architecture,
                         int32_t index, struct mn_segment *out) {
    const struct toy *toy = toy_of(ctx);
    const int n = architecture ? toy->dims.n_a_segments : toy->dims.n_w_segments;
    check_size("mn_segment", out->size, sizeof *out);
    if (index < 0 || index >= n) {
        return mn_fail(ctx, MN_INTERNAL, "the model has no segment %d", (int)index);
    }
    *out = (struct mn_segment){.size = sizeof *out, .n_dims = 1};
    if (architecture) {
        out->name = "alpha";
        out->count = toy->dims.n_a;
    } else {
        out->name = index == 0 ? "body.weight" : "head.weight";
        out->offset = index == 0 ? 0 : TOY_BODY;
        out->count = index == 0 ? TOY_BODY : TOY_W - TOY_BODY;
    }
    out->dims[0] = out->count;
    return MN_OK;
}

/* The logits, if there are some, are those of one mixture of operations. */
static int model_mixture(struct mn_ctx *ctx, const struct mn_model *model, int32_t index,
                         struct mn_mixture *out) {
    static const char *const items[TOY_A] = {"none", "skip_connect", "conv_3x3"};
    static const double costs[TOY_A] = {0, 0, 9};
    static const uint8_t holds[TOY_A * TOY_A] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    const struct toy *toy = toy_of(ctx);
    check_size("mn_mixture", out->size, sizeof *out);
    if (index < 0 || index >= toy->dims.n_mixtures) {
        return mn_fail(ctx, MN_INTERNAL, "the model has no mixture %d", (int)index);
    }
    *out = (struct mn_mixture){.size = sizeof *out,
                               .kind = MN_OP_MIXER,
                               .name = "toy.0.op.0",
                               .stride = 1,
                               .n_mixtures = 1,
                               .n_items = TOY_A,
                               .items = items,
                               .parameters = costs,
                               .macs = costs,
                               .n_choices = TOY_A,
                               .holds = holds};
    return MN_OK;
}

static int model_prune(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                       uint8_t *keep) {
    const struct toy *toy = toy_of(ctx);
    for (int64_t i = 0; i < toy->dims.n_choices; i++) {
        keep[i] = i == 1;
    }
    return MN_OK;
}

static void check_pass(const struct toy *toy, const struct mn_set *batch,
                       const struct mn_pass *pass, const struct mn_outcome *out) {
    check_size("mn_pass", pass->size, sizeof *pass);
    check_size("mn_outcome", out->size, sizeof *out);
    count_call("mn_model_pass", toy->n_passes);
    if (batch->n < 1 || batch->images == NULL || batch->labels == NULL) {
        mock_fail("pass", "a pass over no images");
    }
    if (toy->most_images > 0 && batch->n > toy->most_images) {
        mock_fail("batch_size", "a pass over %d images, but %d are planned for", (int)batch->n,
                  (int)toy->most_images);
    }
    if (!(pass->progress >= 0 && pass->progress <= 1)) {
        mock_fail("pass", "the progress of a pass is %g; it lies in 0 to 1", pass->progress);
    }
    if (((pass->flags & MN_PASS_GRAD_W) != 0 && out->d_w == NULL) ||
        ((pass->flags & MN_PASS_GRAD_A) != 0 && (out->d_a == NULL || toy->dims.n_a == 0))) {
        mock_fail("pass", "a pass asks for a gradient but has no room for it, or the model has "
                          "no architecture");
    }
}

/* Feature k of an image is its pixel times weight k. */
static void find_features(const struct toy *toy, const struct mn_point *at,
                          const struct mn_set *batch, const struct mn_pass *pass,
                          struct mn_outcome *out) {
    const uint32_t gradients = pass->flags & (MN_PASS_GRAD_W | MN_PASS_GRAD_A);
    const int alone = (pass->flags & MN_PASS_FEATURES) != 0;
    if ((pass->d_features != NULL) != (alone && gradients != 0) || (alone && out->logits != NULL)) {
        mock_fail("pass",
                  "d_features is for passes with MN_PASS_FEATURES and gradients, which need "
                  "it; logits for passes without that flag");
    }
    mn_vec_fill(alone && (gradients & MN_PASS_GRAD_W) != 0 ? TOY_W : 0, 0, out->d_w);
    mn_vec_fill(alone && (gradients & MN_PASS_GRAD_A) != 0 ? toy->dims.n_a : 0, 0, out->d_a);
    for (int32_t i = 0; i < batch->n * TOY_FEATURES; i++) {
        const mn_real pixel = batch->images[i / TOY_FEATURES];
        if (out->features != NULL) {
            out->features[i] = pixel * at->w[i % TOY_FEATURES];
        }
        if (alone && (gradients & MN_PASS_GRAD_W) != 0) {
            out->d_w[i % TOY_FEATURES] += pixel * pass->d_features[i];
        }
    }
}

static int model_pass(struct mn_ctx *ctx, const struct mn_model *model, const struct mn_point *at,
                      const struct mn_set *batch, const struct mn_pass *pass,
                      struct mn_outcome *out) {
    struct toy *toy = toy_of(ctx);
    double w[TOY_W], a[TOY_A], dw[TOY_W], da[TOY_A];
    const int with_a = toy->dims.n_a > 0;
    check_pass(toy, batch, pass, out);
    struct toy_pass *record = &toy->passes[toy->n_passes];
    *record = (struct toy_pass){.flags = pass->flags,
                                .progress = pass->progress,
                                .image = (double)batch->images[0],
                                .step = pass->step};
    widen(TOY_W, at->w, record->w);
    if (toy->n_passes++ == toy->fail_pass) {
        return mn_fail(ctx, MN_NUMERIC, "the loss is nan");
    }
    find_features(toy, at, batch, pass, out);
    if ((pass->flags & MN_PASS_FEATURES) != 0) {
        out->loss = 0;
        out->hits = 0;
        return MN_OK;
    }
    widen(TOY_W, at->w, w);
    widen(with_a ? TOY_A : 0, at->a, a);
    out->loss = toy_loss(w, with_a ? a : NULL, (double)batch->images[0], pass->progress, dw, da);
    for (int64_t i = 0; pass->keep != NULL && i < toy->dims.n_choices; i++) {
        out->loss += pass->keep[i] ? 0 : 0.125 * (double)(i + 1); /* each is missed more */
    }
    if (!isfinite(out->loss)) {
        return mn_fail(ctx, MN_NUMERIC, "the loss is not finite");
    }
    out->hits = (int32_t)(HITS_SHARE * batch->n);
    out->skip_share = SKIP_SHARE;
    for (int64_t i = 0; out->logits != NULL && i < 2 * (int64_t)batch->n; i++) {
        out->logits[i] = (mn_real)sin((double)i);
    }
    if ((pass->flags & MN_PASS_GRAD_W) != 0) {
        narrow(TOY_W, dw, out->d_w);
    }
    if ((pass->flags & MN_PASS_GRAD_A) != 0) {
        narrow(TOY_A, da, out->d_a);
    }
    return MN_OK;
}

static void check_task(const struct toy *toy, const struct mn_task *task) {
    if (task != &toy->task) {
        mock_fail("pass", "a task that is not the one given");
    }
}

static int64_t task_steps(struct mn_ctx *ctx, const struct mn_task *task, int64_t steps) {
    const int64_t prescribed = toy_of(ctx)->prescribed;
    check_task(toy_of(ctx), task);
    return prescribed >= 0 ? prescribed : steps;
}

static int task_batch(struct mn_ctx *ctx, const struct mn_task *task, int64_t step, int32_t n,
                      struct mn_set *out) {
    struct toy *toy = toy_of(ctx);
    const int32_t images = n > 0 ? n : TOY_SUPPORT;
    check_task(toy, task);
    count_call("mn_task_batch", toy->n_batches);
    if (n < 0 || step < 0) {
        mock_fail("batch_size", "a mini-batch of %d images for step %lld", (int)n, (long long)step);
    }
    toy->batches[toy->n_batches++] = (struct toy_batch){step, n};
    mn_real *at = mn_scratch(ctx, (size_t)images * sizeof *at);
    int32_t *labels = at == NULL ? NULL : mn_scratch(ctx, (size_t)images * sizeof *labels);
    if (labels == NULL) {
        return MN_NOMEM;
    }
    for (int32_t i = 0; i < images; i++) {
        at[i] = (mn_real)toy_image(toy->one_image >= 0 ? toy->one_image : step);
        labels[i] = i % 2;
    }
    mock_seal(toy->mock, at);
    mock_seal(toy->mock, labels);
    *out = (struct mn_set){images, 0, at, labels};
    return MN_OK;
}

static void record(const struct toy *toy, int done, const struct mn_point *now) {
    const struct toy_tape *tape = &toy->tape;
    const int64_t n_a = toy->dims.n_a, row = TOY_W + n_a + tape->n_state;
    if (!tape->on || done >= toy->prescribed) {
        return;
    }
    mn_real *to = tape->rows + (done + 1) * row;
    mn_vec_copy(TOY_W, now->w, to);
    mn_vec_copy(n_a, now->a, to + TOY_W);
    mn_vec_copy(tape->n_state, tape->state, to + TOY_W + n_a);
}

static int step_done(struct mn_ctx *ctx, int64_t step, double loss, double accuracy,
                     double skip_share, const struct mn_point *now) {
    struct toy *toy = toy_of(ctx);
    count_call("mn_step_done", toy->n_dones);
    struct toy_done *done = &toy->dones[toy->n_dones];
    *done = (struct toy_done){.step = step,
                              .loss = loss,
                              .accuracy = accuracy,
                              .skip_share = skip_share,
                              .passes = toy->n_passes,
                              .batches = toy->n_batches};
    widen(TOY_W, now->w, done->w);
    widen((int)toy->dims.n_a, now->a, done->a);
    record(toy, toy->n_dones, now);
    if (toy->n_dones++ == toy->fail_done) {
        return mn_fail(ctx, MN_CANCELLED, "enough");
    }
    return mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped by the user") : MN_OK;
}

static int step_rates(struct mn_ctx *ctx, int64_t step, struct mn_point *out) {
    const struct toy *toy = toy_of(ctx);
    if (step < 0 || (toy->prescribed >= 0 && step >= toy->prescribed)) {
        mock_fail("pass", "mn_step_rates of step %lld of %lld", (long long)step,
                  (long long)toy->prescribed);
    }
    *out = toy->rates != NULL ? toy->rates[step] : (struct mn_point){NULL, NULL};
    return MN_OK;
}

double toy_shape(double x, double u) {
    return 0.875 * x + (1.25 + 0.25 * x) * u;
}

void toy_shape_back(double x, double u, double d, double *d_x, double *d_u) {
    *d_x = (0.875 + 0.25 * u) * d;
    *d_u = (1.25 + 0.25 * x) * d;
}

static uint32_t shapes(struct mn_ctx *ctx) {
    return toy_of(ctx)->shapes;
}

static void check_update(const struct toy *toy, const struct mn_update *update) {
    const uint32_t half = update->architecture ? MN_ADAPTS_A : MN_ADAPTS_W;
    check_size("mn_update", update->size, sizeof *update);
    if ((toy->shapes & half) == 0 ||
        update->n != (update->architecture ? toy->dims.n_a : toy->dims.n_w) || update->step < 0 ||
        (toy->prescribed >= 0 && update->step >= toy->prescribed)) {
        mock_fail("pass", "an update of %lld %s in step %lld is shaped; mn_shapes gives %u",
                  (long long)update->n, update->architecture ? "logits" : "weights",
                  (long long)update->step, (unsigned)toy->shapes);
    }
}

static int shape(struct mn_ctx *ctx, const struct mn_update *update, mn_real *after) {
    check_update(toy_of(ctx), update);
    for (int64_t i = 0; i < update->n; i++) {
        after[i] = (mn_real)toy_shape((double)update->x[i], (double)update->u[i]);
    }
    return MN_OK;
}

static int shape_back(struct mn_ctx *ctx, const struct mn_update *update, mn_real *d,
                      mn_real *d_u) {
    check_update(toy_of(ctx), update);
    for (int64_t i = 0; i < update->n; i++) {
        double to_x, to_u;
        toy_shape_back((double)update->x[i], (double)update->u[i], (double)d[i], &to_x, &to_u);
        d[i] = (mn_real)to_x;
        d_u[i] = (mn_real)to_u;
    }
    return MN_OK;
}

static struct mn_set set_new(struct mock *mock, int32_t n, double image) {
    mn_real *images = mock_buffer(mock, (size_t)n * sizeof *images, 0);
    int32_t *labels = mock_buffer(mock, (size_t)n * sizeof *labels, 0);
    mn_vec_fill(n, (mn_real)image, images);
    mock_seal(mock, images);
    mock_seal(mock, labels);
    return (struct mn_set){n, 0, images, labels};
}

void toy_install(struct toy *toy, struct mock *mock, int64_t n_a) {
    memset(toy, 0, sizeof *toy);
    toy->mock = mock;
    toy->dims = (struct mn_dims){.size = sizeof toy->dims,
                                 .ways = 2,
                                 .channels = 1,
                                 .height = 1,
                                 .width = 1,
                                 .max_batch = 64,
                                 .n_w = TOY_W,
                                 .n_a = n_a,
                                 .n_choices = n_a,
                                 .n_mixtures = n_a > 0,
                                 .n_w_segments = 2,
                                 .n_a_segments = n_a > 0,
                                 .n_features = TOY_FEATURES};
    toy->prescribed = toy->one_image = toy->fail_pass = toy->fail_done = -1;
    toy->task = (struct mn_task){.size = sizeof toy->task,
                                 .ways = 2,
                                 .support = set_new(mock, TOY_SUPPORT, toy_image(0)),
                                 .query = set_new(mock, 1, TOY_QUERY)};
    mock->data = toy;
    mock->host.model_dims = model_dims;
    mock->host.model_segment = model_segment;
    mock->host.model_pass = model_pass;
    mock->host.model_mixture = model_mixture;
    mock->host.model_prune = model_prune;
    mock->host.task_steps = task_steps;
    mock->host.task_batch = task_batch;
    mock->host.step_done = step_done;
    mock->host.step_rates = step_rates;
    mock->host.shapes = shapes;
    mock->host.shape = shape;
    mock->host.shape_back = shape_back;
}

void toy_forget_calls(struct toy *toy) {
    toy->n_passes = toy->n_batches = toy->n_dones = 0;
}
