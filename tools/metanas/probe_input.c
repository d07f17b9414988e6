/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* One name that must be in the file. */
struct expected {
    const char *name;
    int n_dims;
    int64_t dims[8];
};

struct input {
    struct probe *probe;
    const char *path;
    struct nas_safetensors tensors;
    struct expected *expected;
    int n_expected;
    int faults;
};

MN_PRINTF(3, 4)
static void fault(struct input *in, const char *name, const char *format, ...) {
    char text[512], line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(line, sizeof line, "%s: tensor '%s': %s", in->path, name, text);
    fprintf(stderr, "%s\n", nas_text_clean(line));
    in->faults++;
}

/* ---- sizes from the images ------------------------------------------------------------------ */

static const char *const image_shapes[] = {"", "[N, C, H, W]", "[S, N, C, H, W]",
                                           "[T, S, N, C, H, W]"};

static int sane_size(int64_t n) {
    return n >= 1 && n <= INT32_MAX;
}

static int all_sane(const struct nas_safetensor *t) {
    for (int d = 0; d < t->n_dims; d++) {
        if (!sane_size(t->dims[d])) {
            return 0;
        }
    }
    return 1;
}

/* The tensor `name` with n_dims sizes of at least 1, or NULL after a fault. */
static const struct nas_safetensor *sized(struct input *in, const char *name, int n_dims,
                                          const char *form) {
    char have[160];
    const struct nas_safetensor *t = nas_safetensors_find(&in->tensors, name);
    if (t == NULL) {
        fault(in, name, "missing; expected shape %s", form);
        return NULL;
    }
    nas_shape_text(t->n_dims, t->dims, have, sizeof have);
    if (t->n_dims != n_dims) {
        fault(in, name, "shape %s; expected %s", have, form);
        return NULL;
    }
    if (!all_sane(t)) {
        fault(in, name, "shape %s; every size must be at least 1", have);
        return NULL;
    }
    return t;
}

/* Sets the counts of the probe and the image shape; 0 = unknown. */
static int image_sizes(struct input *in, int shape[3]) {
    struct probe *p = in->probe;
    const int lead = (int)p->mode;
    const struct nas_safetensor *t = sized(in, "images", lead + 3, image_shapes[lead]);
    if (p->mode == PROBE_META) {
        const struct nas_safetensor *q = sized(in, "query_images", 5, "[T, Q, C, H, W]");
        p->n_query = q != NULL ? (int32_t)q->dims[1] : 0;
    }
    p->tasks = p->steps = 1;
    if (t == NULL) {
        return 0;
    }
    p->n = (int32_t)t->dims[lead - 1];
    p->steps = lead > 1 ? t->dims[lead - 2] : 1;
    p->tasks = lead > 2 ? t->dims[0] : 1;
    for (int d = 0; d < 3; d++) {
        shape[d] = (int)t->dims[lead + d];
    }
    return 1;
}

/* ---- names and shapes ----------------------------------------------------------------------- */

static void expect(struct input *in, const char *name, int n_dims, const int64_t *dims) {
    struct expected *e = &in->expected[in->n_expected++];
    e->name = name;
    e->n_dims = n_dims;
    memcpy(e->dims, dims, (size_t)n_dims * sizeof *dims);
}

/* A tensor of `lead` counts (tasks, steps, images: the last ones), with [C, H, W] for images. */
static void expect_set(struct input *in, const char *name, int lead, const int64_t *counts,
                       int is_images) {
    const struct mn_dims *d = nas_model_dims(in->probe->experiment.model);
    int64_t dims[8];
    memcpy(dims, counts, (size_t)lead * sizeof *counts);
    dims[lead] = d->channels;
    dims[lead + 1] = d->height;
    dims[lead + 2] = d->width;
    expect(in, name, is_images ? lead + 3 : lead, dims);
}

static int expect_all(struct input *in) {
    struct probe *p = in->probe;
    const struct mn_model *model = p->experiment.model;
    const struct mn_dims *d = nas_model_dims(model);
    const int n_segments[2] = {d->n_w_segments, d->n_a_segments};
    in->expected = probe_array(p, n_segments[0] + n_segments[1] + 4, sizeof *in->expected);
    if (in->expected == NULL) {
        return MN_NOMEM;
    }
    for (int architecture = 0; architecture < 2; architecture++) {
        for (int i = 0; i < n_segments[architecture]; i++) {
            const struct mn_segment *s = nas_model_segment(model, architecture, i);
            expect(in, s->name, s->n_dims, s->dims);
        }
    }
    const int lead = (int)p->mode;
    const int64_t counts[] = {p->tasks, p->steps, p->n}, query[] = {p->tasks, p->n_query};
    expect_set(in, "images", lead, counts + 3 - lead, 1);
    expect_set(in, "labels", lead, counts + 3 - lead, 0);
    if (p->n_query > 0) {
        expect_set(in, "query_images", 2, query, 1);
        expect_set(in, "query_labels", 2, query, 0);
    }
    return MN_OK;
}

static int is_labels(const char *name) {
    return strcmp(name, "labels") == 0 || strcmp(name, "query_labels") == 0;
}

/* The first number that is not finite; -1 = none. */
static int64_t first_not_finite(const mn_real *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return i;
        }
    }
    return -1;
}

/* What stands in a tensor of the right form: finite numbers, labels of classes. */
static int check_content(struct input *in, const struct nas_safetensor *t) {
    struct probe *p = in->probe;
    const int ways = nas_model_dims(p->experiment.model)->ways;
    const int64_t n = nas_safetensor_count(t);
    const size_t mark = nas_arena_mark(&p->arena);
    void *all = probe_array(p, n, is_labels(t->name) ? sizeof(int32_t) : sizeof(mn_real));
    if (all == NULL) {
        return MN_NOMEM;
    }
    if (!is_labels(t->name)) {
        nas_safetensor_reals(p->ctx, t, all);
        const int64_t at = first_not_finite(all, n);
        if (at >= 0) {
            fault(in, t->name, "element %" PRId64 " is %g; every number must be finite", at,
                  (double)((const mn_real *)all)[at]);
        }
    } else if (nas_safetensor_ints(p->ctx, t, all) != MN_OK) {
        fault(in, t->name, "labels are 0 to %d (task.ways is %d): %s", ways - 1, ways,
              nas_ctx_message(p->ctx));
        nas_ctx_clear(p->ctx);
    } else {
        const int32_t *labels = all;
        int64_t i = 0;
        while (i < n && labels[i] >= 0 && labels[i] < ways) {
            i++;
        }
        if (i < n) {
            fault(in, t->name, "element %" PRId64 " is %d; expected 0 to %d (task.ways is %d)", i,
                  labels[i], ways - 1, ways);
        }
    }
    nas_arena_release(&p->arena, mark);
    return MN_OK;
}

static int check_one(struct input *in, const struct expected *e) {
    char have[160], wanted[160];
    const struct nas_safetensor *t = nas_safetensors_find(&in->tensors, e->name);
    nas_shape_text(e->n_dims, e->dims, wanted, sizeof wanted);
    if (t == NULL) {
        fault(in, e->name, "missing; expected shape %s", wanted);
        return MN_OK;
    }
    nas_shape_text(t->n_dims, t->dims, have, sizeof have);
    if (t->n_dims != e->n_dims ||
        memcmp(t->dims, e->dims, (size_t)e->n_dims * sizeof *e->dims) != 0) {
        fault(in, e->name, "shape %s; expected %s", have, wanted);
        return MN_OK;
    }
    const int real = nas_safetensor_is_real(t);
    const int whole = t->dtype == NAS_I32 || t->dtype == NAS_I64;
    if (is_labels(e->name) ? !whole : !real) {
        fault(in, e->name, "wrong element type; expected %s",
              is_labels(e->name) ? "I64 or I32" : "F32, F64, F16 or BF16");
        return MN_OK;
    }
    return check_content(in, t);
}

/* Names that image_sizes reported already when they are missing or of the wrong rank. */
static int reported(const struct input *in, const char *name) {
    const char *names[] = {"images", "labels", "query_images", "query_labels"};
    const int n = in->probe->mode == PROBE_META ? 4 : 2;
    for (int i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

static int check_names(struct input *in) {
    for (int i = 0; i < in->n_expected; i++) {
        TRY(check_one(in, &in->expected[i]));
    }
    for (int i = 0; i < in->tensors.n; i++) {
        const char *name = in->tensors.tensors[i].name;
        int known = reported(in, name);
        for (int k = 0; !known && k < in->n_expected; k++) {
            known = strcmp(name, in->expected[k].name) == 0;
        }
        if (!known) {
            fault(in, name, "not expected here; remove it");
        }
    }
    return MN_OK;
}

/* ---- content -------------------------------------------------------------------------------- */

static int read_reals(struct input *in, const char *name, mn_real **out) {
    const struct nas_safetensor *t = nas_safetensors_find(&in->tensors, name);
    *out = probe_array(in->probe, nas_safetensor_count(t), sizeof **out);
    return *out != NULL ? nas_safetensor_reals(in->probe->ctx, t, *out) : MN_NOMEM;
}

static int read_labels(struct input *in, const char *name, int32_t **out) {
    const struct nas_safetensor *t = nas_safetensors_find(&in->tensors, name);
    *out = probe_array(in->probe, nas_safetensor_count(t), sizeof **out);
    return *out != NULL ? nas_safetensor_ints(in->probe->ctx, t, *out) : MN_NOMEM;
}

static int read_segments(struct input *in, int architecture, mn_real *to) {
    const struct mn_model *model = in->probe->experiment.model;
    const struct mn_dims *d = nas_model_dims(model);
    for (int i = 0; i < (architecture ? d->n_a_segments : d->n_w_segments); i++) {
        const struct mn_segment *s = nas_model_segment(model, architecture, i);
        TRY(nas_safetensor_reals(in->probe->ctx, nas_safetensors_find(&in->tensors, s->name),
                                 to + s->offset));
    }
    return MN_OK;
}

static int read_content(struct input *in) {
    struct probe *p = in->probe;
    TRY(nas_state_new(&p->experiment, p->ctx, &p->state));
    TRY(read_segments(in, 0, p->state.meta.w));
    TRY(read_segments(in, 1, p->state.meta.a));
    TRY(read_reals(in, "images", &p->images));
    TRY(read_labels(in, "labels", &p->labels));
    if (p->mode == PROBE_META) {
        TRY(read_reals(in, "query_images", &p->query_images));
        TRY(read_labels(in, "query_labels", &p->query_labels));
    }
    return MN_OK;
}

static int check_and_read(struct input *in) {
    struct probe *p = in->probe;
    const struct arguments *a = p->arguments;
    int shape[3] = {0, 0, 0};
    char images[64] = "C,H,W"; /* where they do not tell their shape */
    const int have_images = image_sizes(in, shape);
    const struct nas_open more = {
        .flags = NAS_OPEN_NO_DATA,
        .shape = have_images ? shape : NULL,
        .batches = {.steps = p->n > p->n_query ? p->n : p->n_query, .support = p->n * p->steps}};
    TRY(open_experiment(p->ctx, a, a->operand, &more, &p->experiment));
    if (have_images) {
        TRY(expect_all(in));
        TRY(check_names(in));
        snprintf(images, sizeof images, "%d,%d,%d", shape[0], shape[1], shape[2]);
    }
    return in->faults == 0
               ? read_content(in)
               : mn_fail(p->ctx, MN_IO,
                         "%s: %d fault%s; 'metanas validate %s --tensors --shape %s' lists names "
                         "and shapes",
                         in->path, in->faults, in->faults > 1 ? "s" : "", a->operand, images);
}

int probe_read(struct probe *probe) {
    struct input in = {.probe = probe, .path = probe->flags->state};
    TRY(nas_safetensors_read(probe->ctx, in.path, &in.tensors));
    const int status = check_and_read(&in);
    nas_safetensors_fini(&in.tensors);
    return status;
}
