/* SPDX-License-Identifier: MIT */
#include "backend/cpu/taps.h"

/* Where a linear map reads: the form its source has in memory. */
struct form {
    int strided;    /* four phases, `phase` reals apart */
    int row_phases; /* two phases of rows only */
    ptrdiff_t phase;
    int row;
    int in_h, in_w; /* pixels of the source at full size */
};

static int floor_half(int v) {
    return (v - (v & 1)) / 2;
}

static int displacement(const struct nas_linear *l, int k, int size) {
    return l->centred ? (k - (size - 1) / 2) * l->dilation : k;
}

/* ---- the way forward ---------------------------------------------------------------------- */

/* Taps of part p: which pixel (dy, dx) of the source each reads, seen from the output's (s y, s x).
 */
static int plan_part(struct nas_cpu_plan *plan, struct nas_map *map, int p, const struct form *f) {
    const struct nas_linear *l = map->linear;
    struct nas_map_part *part = &map->part[p];
    /* The second half of a reduce is shifted by a pixel, where the image has one there. */
    const int reduce = l->kind == NAS_LINEAR_REDUCE, even = f->in_h % 2 == 0 && f->in_w % 2 == 0;
    const int down = reduce ? p * even : p, right = reduce ? p * even : 0;
    part->tap = nas_arena_array(&plan->arena, (size_t)map->n_tap, sizeof *part->tap);
    part->phase = nas_arena_array(&plan->arena, (size_t)map->n_tap, sizeof *part->phase);
    if (part->tap == NULL || part->phase == NULL) {
        return MN_NOMEM;
    }
    for (int t = 0; t < map->n_tap; t++) {
        const int dy = down + displacement(l, t / l->kw, l->kh);
        const int dx = right + displacement(l, t % l->kw, l->kw);
        const int halved = f->strided || f->row_phases;
        part->phase[t] = f->strided ? 2 * (dy & 1) + (dx & 1) : f->row_phases ? dy & 1 : 0;
        part->tap[t] = part->phase[t] * f->phase +
                       (ptrdiff_t)(halved ? floor_half(dy) : dy) * f->row +
                       (f->strided ? floor_half(dx) : dx);
    }
    return MN_OK;
}

/* ---- which taps lie on the image ---------------------------------------------------------- */

/* The planes of a pool, which those of one form share. */
static int plan_pool(struct nas_cpu_plan *plan, struct nas_map *map, const struct form *f,
                     const struct nas_grid *out) {
    const struct nas_linear *l = map->linear;
    const int n_planes = l->kind == NAS_LINEAR_MAX_POOL ? map->n_tap : 1;
    struct nas_planes *at = plan->planes;
    while (at != NULL && (at->grid != out || at->in_h != f->in_h || at->in_w != f->in_w ||
                          at->form.kind != l->kind || at->form.kh != l->kh ||
                          at->form.kw != l->kw || at->form.sh != l->sh || at->form.sw != l->sw ||
                          at->form.dilation != l->dilation || at->form.centred != l->centred)) {
        at = at->next;
    }
    if (at == NULL) {
        mn_real **planes = nas_arena_zeroed(&plan->arena, (size_t)n_planes * sizeof *planes);
        at = nas_arena_zeroed(&plan->arena, sizeof *at);
        for (int t = 0; planes != NULL && t < n_planes; t++) {
            planes[t] = nas_arena_array(&plan->arena, (size_t)out->image, sizeof *planes[t]);
        }
        if (plan->arena.failed) {
            return MN_NOMEM;
        }
        *at = (struct nas_planes){out, *l, f->in_h, f->in_w, n_planes, planes, plan->planes};
        plan->planes = at;
    }
    map->planes = at->plane;
    return MN_OK;
}

/* Whether tap t of output place p lies on the image. */
static int is_on(const struct nas_planes *x, int t, ptrdiff_t p) {
    const struct nas_linear *l = &x->form;
    const int y = (int)(p / x->grid->row) * l->sh + displacement(l, t / l->kw, l->kh);
    const int at = (int)(p % x->grid->row) * l->sw + displacement(l, t % l->kw, l->kw);
    return x->grid->mask[p] != 0 && y >= 0 && y < x->in_h && at >= 0 && at < x->in_w;
}

void nas_planes_fill(struct nas_cpu_plan *plan) {
    pthread_mutex_lock(&plan->filling);
    for (int i = 0; !plan->filled && i < plan->model->n_sizes; i++) {
        nas_grid_mask(&plan->sizes[i].grid, (mn_real *)(uintptr_t)plan->sizes[i].grid.mask);
    }
    for (const struct nas_planes *x = plan->planes; !plan->filled && x != NULL; x = x->next) {
        for (ptrdiff_t p = 0; p < x->grid->image; p++) {
            int n = 0;
            for (int t = 0; t < x->form.kh * x->form.kw; t++) {
                const int on = is_on(x, t, p);
                n += on;
                if (x->form.kind == NAS_LINEAR_MAX_POOL) {
                    x->plane[t][p] = (mn_real)on;
                }
            }
            if (x->form.kind == NAS_LINEAR_AVG_POOL) {
                x->plane[0][p] = n > 0 ? 1 / (mn_real)n : 0;
            }
        }
    }
    plan->filled = 1;
    pthread_mutex_unlock(&plan->filling);
    if (plan->predictions != NULL) {
        nas_planes_fill(plan->predictions);
    }
}

size_t nas_planes_unfilled_bytes(const void *of) {
    const struct nas_cpu_plan *plan = of;
    size_t reals = 0;
    for (int i = 0; i < plan->model->n_sizes; i++) {
        reals += (size_t)plan->sizes[i].grid.image;
    }
    for (const struct nas_planes *x = plan->planes; x != NULL; x = x->next) {
        reals += (size_t)x->grid->image * (size_t)x->n;
    }
    const size_t bytes = plan->filled ? 0 : reals * sizeof(mn_real);
    return bytes + (plan->predictions != NULL ? nas_planes_unfilled_bytes(plan->predictions) : 0);
}

/* ---- the way back ------------------------------------------------------------------------- */

static size_t take_packed(const struct nas_cpu_plan *plan, int n_out, int n_in, int n_tap,
                          size_t *n_packed) {
    const size_t at = *n_packed;
    *n_packed += plan->kernels->packed(n_out, n_in, n_tap);
    return at;
}

/* The taps of a part that lie in phase q of the source, whose phases are `phase` reals apart. */
static int plan_back(struct nas_cpu_plan *plan, const struct nas_map *map,
                     struct nas_map_part *part, int q, ptrdiff_t phase, size_t *n_packed) {
    const struct nas_linear *l = map->linear;
    struct nas_taps *taps = &part->back[q];
    for (int t = 0; t < map->n_tap; t++) {
        taps->n += part->phase[t] == q;
    }
    if (taps->n == 0) {
        return MN_OK;
    }
    taps->index = nas_arena_array(&plan->arena, (size_t)taps->n, sizeof *taps->index);
    taps->tap = nas_arena_array(&plan->arena, (size_t)taps->n, sizeof *taps->tap);
    if (taps->index == NULL || taps->tap == NULL) {
        return MN_NOMEM;
    }
    for (int t = map->n_tap - 1, j = 0; t >= 0; t--) { /* by rising offset */
        if (part->phase[t] == q) {
            taps->index[j] = t;
            taps->tap[j++] = q * phase - part->tap[t];
        }
    }
    taps->pack = *n_packed;
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        *n_packed += (size_t)l->n_in * (size_t)taps->n;
    } else if (nas_map_has_products(map)) {
        taps->pack = take_packed(plan, l->n_in, map->part_out, taps->n, n_packed);
    }
    return MN_OK;
}

/* Taps, and where the packed weights lie both ways. */
static int plan_map(struct nas_cpu_plan *plan, struct nas_map *map, const struct form *f,
                    size_t *n_packed) {
    for (int p = 0; p < map->n_parts; p++) {
        struct nas_map_part *part = &map->part[p];
        TRY(plan_part(plan, map, p, f));
        if (nas_map_has_products(map)) {
            part->pack =
                p > 0 && part->weight == map->part[0].weight
                    ? map->part[0].pack
                    : take_packed(plan, map->part_out, map->linear->n_in, map->n_tap, n_packed);
        }
        for (int q = 0; q < 4; q++) {
            TRY(plan_back(plan, map, part, q, f->phase, n_packed));
        }
    }
    return MN_OK;
}

int nas_taps_plan(struct nas_cpu_plan *plan, struct nas_cpu_path *path, size_t *n_packed) {
    const struct nas_cell_state *source = &plan->model->states[path->path->source];
    const struct nas_grid *in = &plan->sizes[source->size].grid;
    const struct nas_grid *out = &plan->sizes[path->path->size].grid;
    for (int s = 0; s < path->path->n_stages; s++) {
        const struct nas_map *first = &path->map[s][0];
        for (int i = 0; i < path->path->stage[s].n_linear; i++) {
            struct nas_map *map = &path->map[s][i];
            const enum nas_linear_kind kind = map->linear->kind;
            struct form f = {.row = out->row, .in_h = out->h, .in_w = out->w};
            if (s == 0 && i == 0) {
                f.strided = path->strided;
                f.phase = path->strided ? (ptrdiff_t)nas_grid_reals(out, source->channels) : 0;
                f.in_h = in->h;
                f.in_w = in->w;
            } else if (i == 1 && first->n_parts == 2) {
                f.row_phases = 1;
                f.phase = (ptrdiff_t)first->part_out * out->channel;
            }
            if (kind != NAS_LINEAR_CUSTOM) { /* which has no taps */
                TRY(plan_map(plan, map, &f, n_packed));
            }
            if (kind == NAS_LINEAR_MAX_POOL || kind == NAS_LINEAR_AVG_POOL) {
                TRY(plan_pool(plan, map, &f, out));
            }
        }
    }
    return MN_OK;
}
