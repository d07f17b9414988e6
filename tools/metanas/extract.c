/* SPDX-License-Identifier: MIT */
#include "extract.h"

#include "base/file.h"
#include "learn/configuration.h"
#include "rundir.h"
#include "store/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void extract_probabilities(int32_t n, const mn_real *logits, double *out) {
    double top = -INFINITY, sum = 0;
    for (int32_t i = 0; i < n; i++) {
        top = fmax(top, (double)logits[i]);
    }
    for (int32_t i = 0; i < n; i++) {
        out[i] = exp((double)logits[i] - top);
        sum += out[i];
    }
    for (int32_t i = 0; i < n; i++) {
        out[i] /= sum;
    }
}

/* ---- configuration ------------------------------------------------------------------------ */

/* The --set that turns the searched network into the fixed one. For free. */
static char *genotype(const struct extract *x) {
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return NULL;
    }
    fputs("genotype={", out);
    for (int i = 0; i < x->cells->n; i++) {
        const struct cell *cell = &x->cells->at[i];
        fprintf(out, "%s%s: [", i > 0 ? ", " : "", cell->type);
        for (int j = 0; j < cell->n_nodes; j++) {
            fputs(j > 0 ? ", '" : "'", out);
            cell_node_write(&cell->nodes[j], out);
            fputc('\'', out);
        }
        fputc(']', out);
    }
    fputc('}', out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* The run's configuration with the fixed network in place of the search. */
static int open_fixed(struct mn_ctx *ctx, const struct arguments *arguments,
                      const struct extract *x, struct nas_arena *arena,
                      struct nas_experiment *out) {
    const struct mn_dataset_info *data = &x->experiment->data;
    const int shape[3] = {data->channels, data->height, data->width};
    const struct nas_open open = {
        .flags = NAS_OPEN_NO_DATA, .shape = shape, .batches = x->experiment->batches};
    const size_t n = (size_t)arguments->sets.n;
    const char **sets = nas_arena_zeroed(arena, (n + 2) * sizeof *sets);
    int *positions = nas_arena_zeroed(arena, (n + 2) * sizeof *positions);
    char *own = genotype(x);
    if (sets == NULL || positions == NULL || own == NULL) {
        free(own);
        return no_memory(ctx);
    }
    for (size_t i = 0; i < n; i++) {
        sets[i] = arguments->sets.at[i];
        positions[i] = arguments->sets.argument[i];
    }
    sets[n] = own;
    struct arguments all = *arguments;
    all.sets = (struct texts){sets, positions, (int)n + 1};
    const int status = open_experiment(ctx, &all, x->config, &open, out);
    free(own);
    return status;
}

static int write_config(struct mn_ctx *ctx, struct nas_arena *arena, const char *dir,
                        const struct nas_experiment *fixed) {
    const char *path;
    char *text = NULL;
    size_t length = 0;
    int status = rundir_file(ctx, arena, dir, "network.yaml", &path);
    FILE *out = status == MN_OK ? open_memstream(&text, &length) : NULL;
    if (out == NULL) {
        return status != MN_OK ? status : no_memory(ctx);
    }
    const int written = nas_configuration_write(fixed, out);
    if (fclose(out) != 0 || written != MN_OK) {
        status = no_memory(ctx);
    } else {
        status = nas_file_replace(ctx, path, text, length);
    }
    free(text);
    return status;
}

/* ---- weights ------------------------------------------------------------------------------ */

static int write_weights(struct mn_ctx *ctx, struct nas_arena *arena, const char *dir,
                         const struct nas_experiment *fixed, const mn_real *w) {
    const int n = nas_model_dims(fixed->model)->n_w_segments;
    struct nas_safetensor *tensors = nas_arena_array(arena, (size_t)n, sizeof *tensors);
    const char *path;
    const int status = rundir_file(ctx, arena, dir, "network.safetensors", &path);
    if (status != MN_OK || tensors == NULL) {
        return status != MN_OK ? status : no_memory(ctx);
    }
    for (int i = 0; i < n; i++) {
        const struct mn_segment *s = nas_model_segment(fixed->model, 0, i);
        tensors[i] = (struct nas_safetensor){.name = s->name,
                                             .dtype = sizeof(mn_real) == 4 ? NAS_F32 : NAS_F64,
                                             .n_dims = s->n_dims,
                                             .data = w + s->offset};
        memcpy(tensors[i].dims, s->dims, sizeof s->dims);
    }
    const struct nas_metadata meta[] = {{"format", "metanas network 1"}};
    return nas_safetensors_write(ctx, path, n, tensors, 1, meta);
}

/* ---- check -------------------------------------------------------------------------------- */

#define LARGEST 1e-3 /* rounding of float stays far below */

static int largest_difference(struct mn_ctx *ctx, const struct extract *x, const mn_real *logits,
                              double *largest) {
    const int32_t ways = x->task->ways;
    double *a = mn_scratch(ctx, 2 * (size_t)ways * sizeof *a);
    *largest = 0;
    if (a == NULL) {
        return MN_NOMEM;
    }
    for (int32_t i = 0; i < x->task->query.n; i++) {
        extract_probabilities(ways, x->solution->logits + (int64_t)i * ways, a);
        extract_probabilities(ways, logits + (int64_t)i * ways, a + ways);
        for (int32_t k = 0; k < ways; k++) {
            *largest = fmax(*largest, fabs(a[k] - a[ways + k]));
        }
    }
    return MN_OK;
}

static int compare(struct mn_ctx *ctx, const struct extract *x, const struct nas_experiment *fixed,
                   mn_real *w, double *difference) {
    struct nas_ctx *c = nas_ctx_of(ctx);
    struct nas_workspace *before = c->workspace, *workspace = NULL;
    const size_t n = (size_t)x->task->query.n * (size_t)x->task->ways;
    const struct mn_point at = {w, NULL};
    struct mn_outcome outcome = {.size = sizeof outcome};
    outcome.logits = mn_scratch(ctx, n * sizeof(mn_real));
    int status =
        outcome.logits != NULL ? nas_workspace_new(ctx, fixed->model, &workspace) : MN_NOMEM;
    if (status == MN_OK) {
        c->workspace = workspace;
        status = nas_predict(fixed, ctx, x->task, &at, NULL, &outcome);
        c->workspace = before;
    }
    nas_workspace_free(workspace);
    if (status == MN_OK) {
        status = largest_difference(ctx, x, outcome.logits, difference);
    }
    if (status == MN_OK && !(*difference <= LARGEST)) {
        return mn_fail(ctx, MN_INTERNAL,
                       "the fixed network gives other probabilities than the pruned one (by %g)",
                       *difference);
    }
    return status;
}

/* A network in which nothing is searched is written as it is. */
static int write_adapted(struct mn_ctx *ctx, struct nas_arena *arena, const struct extract *x,
                         const char *dir) {
    const int status = write_config(ctx, arena, dir, x->experiment);
    return status != MN_OK ? status
                           : write_weights(ctx, arena, dir, x->experiment, x->solution->at.w);
}

/* Make the fixed network, see that it is the same, write it. */
static int write_pruned(struct mn_ctx *ctx, const struct arguments *arguments,
                        struct nas_arena *arena, const struct extract *x, const char *dir,
                        double *difference) {
    struct nas_experiment fixed = {0};
    mn_real *w = NULL;
    int status = open_fixed(ctx, arguments, x, arena, &fixed);
    if (status == MN_OK) {
        w = nas_arena_zeroed(arena, (size_t)nas_model_dims(fixed.model)->n_w * sizeof *w);
        status = w != NULL ? MN_OK : no_memory(ctx);
    }
    if (status == MN_OK) {
        status = nas_model_extract(ctx, x->experiment->model, x->solution->at.w, x->solution->keep,
                                   x->mixture, fixed.model, w);
    }
    if (status == MN_OK) {
        status = compare(ctx, x, &fixed, w, difference);
    }
    if (status == MN_OK) {
        status = write_config(ctx, arena, dir, &fixed);
    }
    if (status == MN_OK) {
        status = write_weights(ctx, arena, dir, &fixed, w);
    }
    nas_experiment_close(&fixed);
    return status;
}

int extract_write(struct mn_ctx *ctx, const struct arguments *arguments, const struct extract *x,
                  const char *dir, double *difference) {
    struct nas_arena arena = {0};
    const int searched = nas_model_n_mixtures(x->experiment->model) > 0;
    int status;
    *difference = 0;
    status = searched ? write_pruned(ctx, arguments, &arena, x, dir, difference)
                      : write_adapted(ctx, &arena, x, dir);
    nas_arena_fini(&arena);
    return status;
}
