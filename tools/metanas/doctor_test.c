/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include "backend/cpu/kernels/kernel.h"
#include "base/file.h"
#include "estimate/rehearse.h"
#include "learn/task.h"
#include "learn/train.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- kernels ------------------------------------------------------------------------------ */

enum { IN = 5, OUT = 6, IMAGES = 3, SIDE = 9, PIXELS = SIDE * SIDE, TAPS = 9 };

struct convolution {
    mn_real x[IMAGES * IN * PIXELS], w[OUT * IN * TAPS], y[IMAGES * OUT * PIXELS];
};

/* 3x3, padding 1, on NCHW and OIHW arrays. */
static double plain(const struct convolution *c, int image, int o, int row, int column) {
    double sum = 0;
    for (int i = 0; i < IN; i++) {
        for (int t = 0; t < TAPS; t++) {
            const int r = row + t / 3 - 1, q = column + t % 3 - 1;
            if (r >= 0 && r < SIDE && q >= 0 && q < SIDE) {
                sum += (double)c->w[(o * IN + i) * TAPS + t] *
                       (double)c->x[(image * IN + i) * PIXELS + r * SIDE + q];
            }
        }
    }
    return sum;
}

static double largest_error(const struct convolution *c) {
    double worst = 0;
    for (int n = 0; n < IMAGES; n++) {
        for (int o = 0; o < OUT; o++) {
            for (int p = 0; p < PIXELS; p++) {
                const double want = plain(c, n, o, p / SIDE, p % SIDE);
                const double error = fabs((double)c->y[(n * OUT + o) * PIXELS + p] - want);
                worst = error <= worst ? worst : error; /* NaN is the worst */
            }
        }
    }
    return worst;
}

/* The same through a kernel table and its layout; 0 = no memory. */
static int convolve(const struct nas_kernels *k, struct convolution *c) {
    struct nas_grid grid;
    ptrdiff_t tap[TAPS];
    nas_grid_init(&grid, IMAGES, SIDE, SIDE, 1);
    const size_t nx = nas_grid_reals(&grid, IN), ny = nas_grid_reals(&grid, OUT);
    mn_real *x = calloc(nx, sizeof *x), *y = calloc(ny, sizeof *y);
    mn_real *mask = calloc((size_t)grid.image, sizeof *mask);
    mn_real *packed = calloc(k->packed(OUT, IN, TAPS), sizeof *packed);
    const int room = x != NULL && y != NULL && mask != NULL && packed != NULL;
    if (room) {
        const ptrdiff_t base = nas_grid_base(&grid);
        for (int t = 0; t < TAPS; t++) {
            tap[t] = (t / 3 - 1) * grid.row + t % 3 - 1;
        }
        nas_grid_mask(&grid, mask);
        grid.mask = mask;
        nas_grid_load(&grid, IN, 0, IMAGES, c->x, x + base);
        k->pack(OUT, IN, TAPS, c->w, IN * TAPS, TAPS, 1, packed);
        k->conv(OUT, IN, TAPS, tap, packed, x + base, grid.channel, y + base, grid.channel,
                (IMAGES - 1) * grid.image + grid.span, mask, grid.image, 0);
        nas_grid_store(&grid, OUT, 0, IMAGES, y + base, c->y);
    }
    free(x);
    free(y);
    free(mask);
    free(packed);
    return room;
}

static void test_kernels(struct doctor *d) {
    struct convolution *c = malloc(sizeof *c);
    struct mn_rng rng = mn_rng_make(1, MN_RNG_DATA, 0, 0, 0, 0);
    for (size_t i = 0; c != NULL && i < sizeof c->x / sizeof c->x[0]; i++) {
        c->x[i] = (mn_real)mn_rng_normal(&rng);
    }
    for (size_t i = 0; c != NULL && i < sizeof c->w / sizeof c->w[0]; i++) {
        c->w[i] = (mn_real)mn_rng_normal(&rng);
    }
    for (const char *const *name = nas_kernel_names + 1; *name != NULL; name++) {
        const struct nas_kernels *k = nas_kernels_find(*name);
        if (k == NULL) {
            continue;
        }
        if (c == NULL || !convolve(k, c)) {
            doctor_note(d, FINDING_FAILURE, "self-test", "kernels", "no memory");
        } else {
            const double error = largest_error(c);
            doctor_note(d, error < 1e-4 ? FINDING_OK : FINDING_FAILURE, "self-test", "kernels",
                        "%s: a convolution differs from plain loops by at most %.1e", k->name,
                        error);
        }
    }
    free(c);
}

/* ---- a tiny experiment -------------------------------------------------------------------- */

static const char config[] =
    "run: {seed: 5, workers: 1, meta_epochs: 4, tasks_per_batch: 4, eval_every: 2, log_every: 1,\n"
    "      checkpoint_every: 1}\n"
    "task: {ways: 3, shots: 1, queries: 2}\n"
    "evaluation: {validation_tasks: 4}\n"
    "dataset: {use: glyphs, size: 10, train_classes: 20, val_classes: 10, test_classes: 10}\n"
    "search_space: {use: darts, cells: 2, nodes: 2, channels: 4}\n"
    "task_learner: {use: darts, steps: 3, batch: 3, test_steps: 3, test_batch: 3}\n";

struct bench {
    struct doctor *doctor;
    char folder[PATH_MAX / 2], config[PATH_MAX / 2 + 32];
};

static int open_tiny(const struct bench *b, const char *set, struct nas_experiment *e) {
    const char *const sets[] = {set, NULL};
    const struct texts *dirs = &b->doctor->arguments->plugin_dirs;
    const struct nas_open open = {
        .config = b->config, .sets = sets, .plugin_dirs = dirs->n > 0 ? dirs->at : NULL};
    return nas_experiment_open(e, b->doctor->ctx, &open);
}

static int loss_at(const struct nas_experiment *e, struct mn_ctx *ctx, const struct mn_task *task,
                   const struct mn_point *at, uint32_t flags, struct mn_outcome *out) {
    const struct mn_pass pass = {.size = sizeof pass, .flags = flags, .progress = 0};
    out->size = sizeof *out;
    return mn_model_pass(ctx, e->model, at, &task->support, &pass, out);
}

/* out = w + step * direction */
static void move(int64_t n, const mn_real *w, double step, const mn_real *direction, mn_real *out) {
    for (int64_t i = 0; i < n; i++) {
        out[i] = (mn_real)((double)w[i] + step * (double)direction[i]);
    }
}

/* Along the gradient the slope of the loss is the gradient's length. */
static int slope(const struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_state *state,
                 double *slope_out, double *length) {
    const int64_t n = nas_model_dims(e->model)->n_w;
    struct mn_task task;
    struct mn_outcome out = {0};
    mn_real *g = mn_scratch(ctx, (size_t)n * sizeof *g),
            *w = mn_scratch(ctx, (size_t)n * sizeof *w);
    double losses[2], square = 0;
    if (g == NULL || w == NULL) {
        return MN_NOMEM;
    }
    int status = rehearse_task(e, ctx, &task);
    out.d_w = g;
    if (status == MN_OK) {
        status = loss_at(e, ctx, &task, &state->meta, MN_PASS_GRAD_W, &out);
    }
    for (int64_t i = 0; status == MN_OK && i < n; i++) {
        square += (double)g[i] * (double)g[i];
    }
    *length = sqrt(square);
    const double epsilon = 1e-2 / *length;
    for (int side = 0; status == MN_OK && side < 2; side++) {
        const struct mn_point at = {w, state->meta.a};
        move(n, state->meta.w, side == 0 ? -epsilon : epsilon, g, w);
        out.d_w = NULL;
        status = loss_at(e, ctx, &task, &at, 0, &out);
        losses[side] = out.loss;
    }
    *slope_out = status == MN_OK ? (losses[1] - losses[0]) / 2e-2 : 0;
    return status;
}

static void test_gradient(const struct bench *b) {
    struct doctor *d = b->doctor;
    struct nas_experiment e = {0};
    struct nas_state state = {0};
    struct nas_ctx *c = nas_ctx_of(d->ctx);
    double measured = 0, length = 0;
    const size_t mark = nas_arena_mark(&c->scratch);
    int status = open_tiny(b, "run.workers=1", &e);
    if (status == MN_OK) {
        status = nas_state_new(&e, d->ctx, &state);
    }
    if (status == MN_OK) {
        status = nas_workspace_new(d->ctx, e.model, &c->workspace);
    }
    if (status == MN_OK) {
        status = slope(&e, d->ctx, &state, &measured, &length);
    }
    if (status != MN_OK) {
        doctor_note_message(d, "self-test", "gradient");
    } else {
        const double error = fabs(measured / length - 1);
        doctor_note(d, error < 0.05 ? FINDING_OK : FINDING_FAILURE, "self-test", "gradient",
                    "of a network's loss is %.5g long, the loss's slope along it is %.5g", length,
                    measured);
    }
    nas_workspace_free(c->workspace);
    c->workspace = NULL;
    nas_arena_release(&c->scratch, mark);
    nas_state_fini(&state);
    nas_experiment_close(&e);
}

/* ---- two runs ----------------------------------------------------------------------------- */

static int train(const struct bench *b, int workers) {
    struct nas_experiment e = {0};
    struct nas_state state = {0};
    struct nas_ctx *c = nas_ctx_of(b->doctor->ctx);
    char set[32], dir[PATH_MAX];
    const int quiet = c->log_level;
    snprintf(set, sizeof set, "run.workers=%d", workers);
    snprintf(dir, sizeof dir, "%s/run%d", b->folder, workers);
    c->log_level = MN_LOG_WARN;
    int status = open_tiny(b, set, &e);
    if (status == MN_OK) {
        status = nas_state_new(&e, b->doctor->ctx, &state);
    }
    if (status == MN_OK) {
        status = nas_train(&e, b->doctor->ctx, &state, dir, NULL);
    }
    c->log_level = quiet;
    nas_state_fini(&state);
    nas_experiment_close(&e);
    return status;
}

static int same_tensors(const struct nas_safetensors *a, const struct nas_safetensors *b) {
    int same = a->n == b->n;
    for (int i = 0; same && i < a->n; i++) {
        const struct nas_safetensor *x = &a->tensors[i], *y = nas_safetensors_find(b, x->name);
        const size_t each = x->dtype == NAS_F64 ? sizeof(double) : sizeof(mn_real);
        same = y != NULL && y->dtype == x->dtype &&
               nas_safetensor_count(x) == nas_safetensor_count(y) &&
               memcmp(x->data, y->data, (size_t)nas_safetensor_count(x) * each) == 0;
    }
    return same;
}

static void test_runs(const struct bench *b) {
    struct doctor *d = b->doctor;
    struct nas_safetensors files[2];
    int n = 0, status = MN_OK;
    for (int workers = 1; status == MN_OK && workers <= 2; workers++) {
        status = train(b, workers);
    }
    for (; status == MN_OK && n < 2; n += status == MN_OK) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/run%d/checkpoint.safetensors", b->folder, n + 1);
        status = nas_safetensors_read(d->ctx, path, &files[n]);
    }
    if (status != MN_OK) {
        doctor_note_message(d, "self-test", "two runs");
    } else {
        const int same = same_tensors(&files[0], &files[1]);
        doctor_note(d, same ? FINDING_OK : FINDING_FAILURE, "self-test", "two runs",
                    "with 1 and with 2 workers end with %s bits", same ? "the same" : "other");
    }
    for (int i = 0; i < n; i++) {
        nas_safetensors_fini(&files[i]);
    }
}

/* ---- the folder --------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *at) {
    return remove(path);
}

/* Written, synced, renamed, read back. */
static int test_file(const struct bench *b) {
    struct doctor *d = b->doctor;
    uint8_t *back;
    size_t length;
    int status = nas_file_replace(d->ctx, b->config, config, sizeof config - 1);
    if (status == MN_OK) {
        status = nas_file_read(d->ctx, b->config, sizeof config, &back, &length);
    }
    if (status != MN_OK) {
        doctor_note_message(d, "self-test", "a file");
        return 0;
    }
    const int same = length == sizeof config - 1 && memcmp(back, config, length) == 0;
    free(back);
    doctor_note(d, same ? FINDING_OK : FINDING_FAILURE, "self-test", "a file",
                "written, synced and renamed in %s, then read: %s", d->folder,
                same ? "the same" : "another");
    return same;
}

void doctor_test(struct doctor *d) {
    struct bench b = {.doctor = d};
    test_kernels(d);
    const int n = snprintf(b.folder, sizeof b.folder, "%s/.metanas-doctor-XXXXXX", d->folder);
    if (n >= (int)sizeof b.folder || mkdtemp(b.folder) == NULL) {
        doctor_note(d, FINDING_FAILURE, "self-test", "a folder", "cannot be made in %s: %s",
                    d->folder, n >= (int)sizeof b.folder ? "too long" : strerror(errno));
        return;
    }
    snprintf(b.config, sizeof b.config, "%s/config.yaml", b.folder);
    if (test_file(&b)) {
        test_gradient(&b);
        test_runs(&b);
    }
    if (nftw(b.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        doctor_note(d, FINDING_WARNING, "self-test", "a folder", "%s cannot be removed: %s",
                    b.folder, strerror(errno));
    }
}
