/* SPDX-License-Identifier: MIT */
#include "backend/cpu/plan.h"

#include "backend/cpu/taps.h"

#include <stdlib.h>
#include <string.h>

/* A block of images: as many as let one temporary stay in a part of the second-level cache. */
enum { BLOCK_BYTES = 96 * 1024 };

static void most(int *at, int value) {
    *at = value > *at ? value : *at;
}

/* ---- paths -------------------------------------------------------------------------------- */

static void measure_map(struct nas_cpu_plan *p, const struct nas_stage *stage, int i,
                        struct nas_map *map) {
    const struct nas_linear *l = map->linear = &stage->linear[i];
    const int64_t weights = (int64_t)l->n_out * l->n_in * l->kh * l->kw;
    const int reduce = l->kind == NAS_LINEAR_REDUCE;
    map->n_tap = l->kh * l->kw;
    map->n_parts = reduce || (i == 0 && stage->n_linear == 2 && stage->linear[1].sh == 2) ? 2 : 1;
    map->part_out = reduce ? l->n_out / 2 : l->n_out;
    map->part[0].weight = map->part[1].weight = l->weight;
    if (reduce) {
        map->part[1].weight += weights / 2;
    }
    p->most_weights = weights > p->most_weights ? weights : p->most_weights;
    most(&p->most_channels, l->n_in);
    most(&p->most_channels, l->n_out);
    if (l->centred) {
        most(&p->pad, ((l->kh > l->kw ? l->kh : l->kw) - 1) / 2 * l->dilation);
    }
}

/* A path's place in the plan, and what is the most of all. */
static void measure_path(struct nas_cpu_plan *p, const struct nas_layer *layer, int e, int item) {
    const struct nas_path *path = &layer->edges[e].paths[item];
    struct nas_cpu_path *at = &p->paths[path->index];
    struct nas_cpu_size *size = &p->sizes[path->size];
    const enum nas_linear_kind kind = path->stage[0].linear[0].kind;
    const int custom = path->n_stages > 0 && kind == NAS_LINEAR_CUSTOM;
    const int pool =
        path->n_stages == 1 && (kind == NAS_LINEAR_MAX_POOL || kind == NAS_LINEAR_AVG_POOL);
    *at = (struct nas_cpu_path){
        .path = path,
        .layer = layer,
        .edge = e,
        .item = item,
        .strided = path->stride == 2 && !custom, /* plugins read a state at full size */
        .sums = nas_path_has_norm(path) || layer->mixture >= 0,
    };
    at->recompute = p->recompute && pool && at->sums;
    most(&p->most_channels, path->channels);
    for (int s = 0; s < path->n_stages; s++) {
        const struct nas_stage *stage = &path->stage[s];
        for (int i = 0; i < stage->n_linear; i++) {
            struct nas_map *map = &at->map[s][i];
            measure_map(p, stage, i, map);
            most(&size->temp_channels, map->n_parts * map->part_out);
        }
        most(&size->temp_channels, path->channels);
    }
}

/* ---- what is held all the time ------------------------------------------------------------ */

static size_t take(struct nas_cpu_plan *p, size_t reals) {
    const size_t at = p->n_fixed;
    p->n_fixed += (reals + NAS_LANES - 1) / NAS_LANES * NAS_LANES;
    return at;
}

static void more(size_t *at, size_t reals) {
    *at = reals > *at ? reals : *at;
}

static void plan_fixed(struct nas_cpu_plan *p) {
    const struct mn_model *m = p->model;
    for (int i = 0; i < m->n_sizes; i++) {
        struct nas_cpu_size *size = &p->sizes[i];
        for (int t = 0; t < NAS_TEMPS && size->temp_channels > 0; t++) {
            size->temp[t] = take(p, nas_grid_reals(&size->block, size->temp_channels)) +
                            (size_t)nas_grid_base(&size->block);
        }
    }
    /* Blocks of images on both sides of operations of plugins, and their own room. */
    for (int i = 0; i < m->n_paths; i++) {
        const struct nas_linear *l = p->paths[i].map[0][0].linear;
        if (l == NULL || l->kind != NAS_LINEAR_CUSTOM) {
            continue;
        }
        const struct mn_op_site *at = &l->custom->site;
        const size_t block = (size_t)p->sizes[p->paths[i].path->size].n_block;
        const size_t in = (size_t)at->height * (size_t)at->width;
        const size_t out = (size_t)at->out_height * (size_t)at->out_width;
        more(&p->n_plain[NAS_PLAIN_X], block * (size_t)l->n_in * in);
        more(&p->n_plain[NAS_PLAIN_DX], block * (size_t)l->n_in * in);
        more(&p->n_plain[NAS_PLAIN_Y], block * (size_t)l->n_out * out);
        more(&p->n_plain[NAS_PLAIN_WORK], block * (size_t)l->custom->shape.n_work);
    }
    for (int i = 0; i < NAS_PLAIN; i++) {
        p->plain[i] = take(p, p->n_plain[i]);
    }
}

/* ---- the plan ----------------------------------------------------------------------------- */

/* beside: a plan whose memory it shares and that it computes larger passes without gradients for,
 * or NULL. */
static int plan_all(struct nas_cpu_plan *p, struct mn_ctx *ctx, const struct nas_cpu_plan *beside) {
    const struct mn_model *m = p->model;
    p->sizes = nas_arena_zeroed(&p->arena, (size_t)m->n_sizes * sizeof *p->sizes);
    p->paths = nas_arena_zeroed(&p->arena, (size_t)m->n_paths * sizeof *p->paths);
    p->first = nas_arena_zeroed(&p->arena, (size_t)m->n_states * sizeof *p->first);
    if (p->sizes == NULL || p->paths == NULL || p->first == NULL) {
        return MN_NOMEM;
    }
    for (int i = 0; i < m->n_layers; i++) {
        const struct nas_layer *layer = &m->layers[i];
        most(&p->most_groups, layer->groups);
        for (int e = 0; e < layer->n_edges; e++) {
            most(&p->most_jobs, layer->edges[e].n_paths);
            for (int o = 0; o < layer->edges[e].n_paths; o++) {
                measure_path(p, layer, e, o);
            }
        }
        /* Parts are ranges of channels of one tensor, so that a concatenation costs nothing. */
        for (int k = 1; k < layer->n_parts; k++) {
            const int before = layer->parts[k - 1];
            p->first[layer->parts[k]] = p->first[before] + m->states[before].channels;
        }
    }
    for (int i = 0; i < m->n_sizes; i++) {
        struct nas_cpu_size *size = &p->sizes[i];
        struct nas_grid *g = &size->grid;
        nas_grid_init(g, p->n, m->sizes[i].height, m->sizes[i].width, p->pad);
        g->mask = nas_arena_array(&p->arena, (size_t)g->image, sizeof *g->mask);
        if (g->mask == NULL) { /* filled with the first lane */
            return MN_NOMEM;
        }
        const ptrdiff_t row = g->image * (ptrdiff_t)sizeof(mn_real);
        const ptrdiff_t fit =
            BLOCK_BYTES / (row * (size->temp_channels > 0 ? size->temp_channels : 1));
        size->n_block = (int)(fit < 1 ? 1 : fit > g->n ? g->n : fit);
        nas_grid_init(&size->block, size->n_block, g->h, g->w, p->pad);
        size->block.mask = g->mask;
    }
    for (int i = 0; i < m->n_layers; i++) {
        for (int e = 0; e < m->layers[i].n_edges; e++) {
            const struct nas_edge *edge = &m->layers[i].edges[e];
            size_t n_packed = 0;
            for (int o = 0; o < edge->n_paths; o++) {
                TRY(nas_taps_plan(p, &p->paths[edge->paths[o].index], &n_packed));
            }
            p->n_packed = n_packed > p->n_packed ? n_packed : p->n_packed;
        }
    }
    TRY(nas_schedule_emit(p, ctx));
    if (beside == NULL) {
        plan_fixed(p);
        p->n_reals = nas_allocate(&p->schedule, NAS_EXTENTS, p->n_fixed);
        return p->n_reals > 0 ? MN_OK : MN_NOMEM;
    }
    /* The tensors of both share memory; what is held all the time has its own. */
    const size_t end = nas_allocate(&p->schedule, NAS_FULL, beside->n_fixed);
    p->n_fixed = end > beside->n_reals ? end : beside->n_reals;
    plan_fixed(p);
    p->n_reals = p->n_fixed;
    return end > 0 ? MN_OK : MN_NOMEM;
}

static int plan_new(struct mn_ctx *ctx, const struct mn_model *network,
                    const struct nas_kernels *kernels, int n, const struct nas_cpu_plan *beside,
                    struct nas_cpu_plan **out) {
    struct nas_cpu_plan *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory to plan the network");
    }
    p->model = network;
    p->kernels = kernels;
    p->n = n;
    p->pad = 1;
    p->recompute = network->n_mixtures > 0; /* fixed networks are small: there the time counts */
    p->most_channels = network->dims.channels;
    pthread_mutex_init(&p->filling, NULL);
    const int status = plan_all(p, ctx, beside);
    if (status != MN_OK) {
        nas_cpu_free(p);
        return status == MN_NOMEM ? mn_fail(ctx, MN_NOMEM, "no memory to plan the network")
                                  : status;
    }
    *out = p;
    return MN_OK;
}

int nas_cpu_prepare(struct mn_ctx *ctx, const struct mn_model *network,
                    const struct nas_kernels *kernels, void **plan) {
    const struct mn_dims *dims = &network->dims;
    struct nas_cpu_plan *p = NULL;
    TRY(plan_new(ctx, network, kernels, dims->max_batch, NULL, &p));
    if (dims->max_predictions > dims->max_batch) {
        const int status =
            plan_new(ctx, network, kernels, dims->max_predictions, p, &p->predictions);
        if (status != MN_OK) {
            nas_cpu_free(p);
            return status;
        }
    }
    *plan = p;
    return MN_OK;
}

void nas_cpu_free(void *plan) {
    struct nas_cpu_plan *p = plan;
    if (p->predictions != NULL) {
        nas_cpu_free(p->predictions);
    }
    pthread_mutex_destroy(&p->filling);
    nas_arena_fini(&p->arena);
    free(p);
}
