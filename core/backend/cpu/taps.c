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

/* Tap (dy, dx) seen from output pixel (y, x) of row phase `phase_y`: source row s*y + phase_y + dy.
 */
static ptrdiff_t tap_at(const struct form *f, int dy, int dx, int *phase) {
    if (f->strided) {
        *phase = 2 * (dy & 1) + (dx & 1);
        return *phase * f->phase + (ptrdiff_t)floor_half(dy) * f->row + floor_half(dx);
    }
    if (f->row_phases) {
        *phase = dy & 1;
        return *phase * f->phase + (ptrdiff_t)floor_half(dy) * f->row + dx;
    }
    *phase = 0;
    return (ptrdiff_t)dy * f->row + dx;
}

static int displacement(const struct nas_linear *l, int k, int size) {
    return l->centred ? (k - (size - 1) / 2) * l->dilation : k;
}

static int plan_taps(struct nas_cpu_plan *plan, struct nas_map *map, const struct form *f,
                     int n_phase) {
    const struct nas_linear *l = map->linear;
    const int reduce = l->kind == NAS_LINEAR_REDUCE;
    const int shift = f->in_h % 2 == 0 && f->in_w % 2 == 0;
    map->n_tap = l->kh * l->kw;
    for (int p = 0; p < (reduce ? 2 : n_phase); p++) {
        map->tap[p] = nas_arena_array(&plan->arena, (size_t)map->n_tap, sizeof *map->tap[p]);
        map->phase[p] = nas_arena_array(&plan->arena, (size_t)map->n_tap, sizeof *map->phase[p]);
        if (map->tap[p] == NULL || map->phase[p] == NULL) {
            return MN_NOMEM;
        }
        for (int t = 0; t < map->n_tap; t++) {
            const int dy = reduce ? p * shift : p + displacement(l, t / l->kw, l->kh);
            const int dx = reduce ? p * shift : displacement(l, t % l->kw, l->kw);
            map->tap[p][t] = tap_at(f, dy, dx, &map->phase[p][t]);
        }
    }
    return MN_OK;
}

/* ---- which taps lie on the image ---------------------------------------------------------- */

static int same_form(const struct nas_linear *a, const struct nas_linear *b) {
    return a->kind == b->kind && a->kh == b->kh && a->kw == b->kw && a->sh == b->sh &&
           a->sw == b->sw && a->dilation == b->dilation && a->centred == b->centred;
}

/* The planes of a pool, which those of one form share. */
static int plan_pool(struct nas_cpu_plan *plan, struct nas_map *map, const struct form *f,
                     const struct nas_grid *out) {
    const int all = map->linear->kind == NAS_LINEAR_MAX_POOL;
    struct nas_planes *at = plan->planes;
    while (at != NULL && !(at->grid == out && at->in_h == f->in_h && at->in_w == f->in_w &&
                           same_form(&at->form, map->linear))) {
        at = at->next;
    }
    if (at == NULL) {
        mn_real **planes = nas_arena_zeroed(&plan->arena, (size_t)map->n_tap * sizeof *planes);
        at = nas_arena_zeroed(&plan->arena, sizeof *at);
        if (at == NULL || planes == NULL) {
            return MN_NOMEM;
        }
        for (int t = 0; t < (all ? map->n_tap : 1); t++) {
            planes[t] = nas_arena_array(&plan->arena, (size_t)out->image, sizeof *planes[t]);
            if (planes[t] == NULL) {
                return MN_NOMEM;
            }
        }
        *at = (struct nas_planes){.grid = out,
                                  .form = *map->linear,
                                  .in_h = f->in_h,
                                  .in_w = f->in_w,
                                  .valid = all ? planes : NULL,
                                  .share = all ? NULL : planes[0],
                                  .next = plan->planes};
        plan->planes = at;
    }
    map->valid = at->valid;
    map->share = at->share;
    return MN_OK;
}

/* Whether tap t of output place p lies on the image. */
static int is_on(const struct nas_planes *x, int t, ptrdiff_t p) {
    const struct nas_linear *l = &x->form;
    const int y = (int)(p / x->grid->row) * l->sh + displacement(l, t / l->kw, l->kh);
    const int at = (int)(p % x->grid->row) * l->sw + displacement(l, t % l->kw, l->kw);
    return x->grid->mask[p] != 0 && y >= 0 && y < x->in_h && at >= 0 && at < x->in_w;
}

static void fill(const struct nas_planes *x) {
    for (ptrdiff_t p = 0; p < x->grid->image; p++) {
        int n = 0;
        for (int t = 0; t < x->form.kh * x->form.kw; t++) {
            const int on = is_on(x, t, p);
            n += on;
            if (x->valid != NULL) {
                x->valid[t][p] = (mn_real)on;
            }
        }
        if (x->share != NULL) {
            x->share[p] = n > 0 ? 1 / (mn_real)n : 0;
        }
    }
}

void nas_planes_fill(struct nas_cpu_plan *plan) {
    pthread_mutex_lock(&plan->filling);
    for (int i = 0; !plan->filled && i < plan->model->n_sizes; i++) {
        nas_grid_mask(&plan->sizes[i].grid, (mn_real *)(uintptr_t)plan->sizes[i].grid.mask);
    }
    for (const struct nas_planes *x = plan->planes; !plan->filled && x != NULL; x = x->next) {
        fill(x);
    }
    plan->filled = 1;
    pthread_mutex_unlock(&plan->filling);
}

size_t nas_planes_unfilled_bytes(const void *of) {
    const struct nas_cpu_plan *plan = of;
    size_t reals = 0;
    for (int i = 0; i < plan->model->n_sizes; i++) {
        reals += (size_t)plan->sizes[i].grid.image;
    }
    for (const struct nas_planes *x = plan->planes; x != NULL; x = x->next) {
        reals += (size_t)x->grid->image * (size_t)(x->valid != NULL ? x->form.kh * x->form.kw : 1);
    }
    return plan->filled ? 0 : reals * sizeof(mn_real);
}

/* ---- the way back ------------------------------------------------------------------------- */

/* The taps of row phase p of the output that lie in phase q of the source, whose phases are
 * `phase` reals apart. */
static int plan_back(struct nas_cpu_plan *plan, struct nas_map *map, int p, int q,
                     const struct form *f, size_t *n_packed) {
    const struct nas_linear *l = map->linear;
    struct nas_taps *taps = &map->back[p][q];
    for (int t = 0; t < map->n_tap; t++) {
        taps->n += map->phase[p][t] == q;
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
        if (map->phase[p][t] == q) {
            taps->index[j] = t;
            taps->tap[j++] = q * f->phase - map->tap[p][t];
        }
    }
    taps->pack = *n_packed;
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        *n_packed += (size_t)l->n_in * (size_t)taps->n;
    } else if (l->kind == NAS_LINEAR_CONV) {
        *n_packed += plan->kernels->packed(l->n_in, l->n_out, taps->n);
    }
    return MN_OK;
}

/* Where the packed weights of a map lie, both ways. */
static int plan_packed(struct nas_cpu_plan *plan, struct nas_map *map, const struct form *f,
                       int n_phase, size_t *n_packed) {
    const struct nas_linear *l = map->linear;
    map->pack = *n_packed;
    if (l->kind == NAS_LINEAR_REDUCE) {
        const int half = l->n_out / 2;
        *n_packed += 2 * plan->kernels->packed(half, l->n_in, 1);
        for (int i = 0; i < 2; i++) {
            map->back[i][0].pack = *n_packed;
            *n_packed += plan->kernels->packed(l->n_in, half, 1);
        }
        return MN_OK;
    }
    if (l->kind == NAS_LINEAR_CONV) {
        *n_packed += plan->kernels->packed(l->n_out, l->n_in, map->n_tap);
    }
    for (int p = 0; p < n_phase; p++) {
        for (int q = 0; q < 4; q++) {
            TRY(plan_back(plan, map, p, q, f, n_packed));
        }
    }
    return MN_OK;
}

int nas_taps_plan(struct nas_cpu_plan *plan, struct nas_cpu_path *path, size_t *n_packed) {
    const struct nas_cell_state *source = &plan->model->states[path->path->source];
    const struct nas_grid *in = &plan->sizes[source->size].grid;
    const struct nas_grid *out = &plan->sizes[path->path->size].grid;
    for (int s = 0; s < path->path->n_stages; s++) {
        for (int i = 0; i < path->path->stage[s].n_linear; i++) {
            struct nas_map *map = &path->map[s][i];
            const enum nas_linear_kind kind = map->linear->kind;
            const int n_phase = i == 0 ? path->n_phase[s] : 1;
            struct form f = {.row = out->row, .in_h = out->h, .in_w = out->w};
            if (s == 0 && i == 0) {
                f.strided = path->strided;
                f.phase = path->strided ? (ptrdiff_t)nas_grid_reals(out, source->channels) : 0;
                f.in_h = in->h;
                f.in_w = in->w;
            } else if (i == 1 && path->n_phase[s] == 2) {
                f.row_phases = 1;
                f.phase = (ptrdiff_t)path->map[s][0].linear->n_out * out->channel;
            }
            if (kind == NAS_LINEAR_CUSTOM) {
                continue; /* it has no taps */
            }
            TRY(plan_taps(plan, map, &f, n_phase));
            if (kind == NAS_LINEAR_MAX_POOL || kind == NAS_LINEAR_AVG_POOL) {
                TRY(plan_pool(plan, map, &f, out));
            }
            TRY(plan_packed(plan, map, &f, n_phase, n_packed));
        }
    }
    return MN_OK;
}
