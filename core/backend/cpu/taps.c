/* SPDX-License-Identifier: MIT */
#include "network/graph.h"

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

static int allocate(struct mn_model *m, struct nas_linear *l, int n_phase) {
    l->n_tap = l->kh * l->kw;
    for (int p = 0; p < n_phase; p++) {
        l->tap[p] = nas_arena_array(&m->arena, (size_t)l->n_tap, sizeof *l->tap[p]);
        l->phase[p] = nas_arena_array(&m->arena, (size_t)l->n_tap, sizeof *l->phase[p]);
        if (l->tap[p] == NULL || l->phase[p] == NULL) {
            return MN_NOMEM;
        }
    }
    return MN_OK;
}

static int plan_reduce(struct mn_model *m, struct nas_linear *l, const struct form *f) {
    if (allocate(m, l, 2) != MN_OK) {
        return MN_NOMEM;
    }
    const int shift = f->in_h % 2 == 0 && f->in_w % 2 == 0;
    l->tap[0][0] = tap_at(f, 0, 0, &l->phase[0][0]);
    l->tap[1][0] = tap_at(f, shift, shift, &l->phase[1][0]);
    return MN_OK;
}

static int plan_taps(struct mn_model *m, struct nas_linear *l, const struct form *f, int n_phase) {
    if (l->kind == NAS_LINEAR_REDUCE) {
        return plan_reduce(m, l, f);
    }
    if (allocate(m, l, n_phase) != MN_OK) {
        return MN_NOMEM;
    }
    for (int p = 0; p < n_phase; p++) {
        for (int t = 0; t < l->n_tap; t++) {
            const int dy = p + displacement(l, t / l->kw, l->kh);
            const int dx = displacement(l, t % l->kw, l->kw);
            l->tap[p][t] = tap_at(f, dy, dx, &l->phase[p][t]);
        }
    }
    return MN_OK;
}

/* ---- which taps lie on the image ---------------------------------------------------------- */

static int same_form(const struct nas_linear *a, const struct nas_linear *b) {
    return a->kind == b->kind && a->kh == b->kh && a->kw == b->kw && a->sh == b->sh &&
           a->sw == b->sw && a->dilation == b->dilation && a->centred == b->centred;
}

static struct nas_planes *find_planes(const struct mn_model *m, const struct nas_linear *l,
                                      const struct form *f, const struct nas_grid *out) {
    struct nas_planes *at = m->planes;
    while (at != NULL && !(at->grid == out && at->in_h == f->in_h && at->in_w == f->in_w &&
                           same_form(&at->map, l))) {
        at = at->next;
    }
    return at;
}

static struct nas_planes *new_planes(struct mn_model *m, const struct nas_linear *l,
                                     const struct form *f, const struct nas_grid *out) {
    const int all = l->kind == NAS_LINEAR_MAX_POOL;
    struct nas_planes *at = nas_arena_zeroed(&m->arena, sizeof *at);
    mn_real **valid = nas_arena_zeroed(&m->arena, (size_t)l->n_tap * sizeof *valid);
    if (at == NULL || valid == NULL) {
        return NULL;
    }
    *at = (struct nas_planes){
        .grid = out, .map = *l, .in_h = f->in_h, .in_w = f->in_w, .next = m->planes};
    for (int t = 0; t < (all ? l->n_tap : 1); t++) {
        mn_real *plane = nas_arena_array(&m->arena, (size_t)out->image, sizeof *plane);
        if (plane == NULL) {
            return NULL;
        }
        *(all ? &valid[t] : &at->share) = plane;
    }
    at->valid = all ? valid : NULL;
    m->planes = at;
    return at;
}

static int plan_pool(struct mn_model *m, struct nas_linear *l, const struct form *f,
                     const struct nas_grid *out) {
    struct nas_planes *planes = find_planes(m, l, f, out);
    planes = planes != NULL ? planes : new_planes(m, l, f, out);
    if (planes == NULL) {
        return MN_NOMEM;
    }
    l->valid = planes->valid;
    l->share = planes->share;
    return MN_OK;
}

/* Whether tap t of output place p lies on the image. */
static int is_on(const struct nas_planes *x, int t, ptrdiff_t p) {
    const struct nas_linear *l = &x->map;
    const int y = (int)(p / x->grid->row) * l->sh + displacement(l, t / l->kw, l->kh);
    const int at = (int)(p % x->grid->row) * l->sw + displacement(l, t % l->kw, l->kw);
    return x->grid->mask[p] != 0 && y >= 0 && y < x->in_h && at >= 0 && at < x->in_w;
}

static void fill_valid(const struct nas_planes *x) {
    for (int t = 0; t < x->map.n_tap; t++) {
        for (ptrdiff_t p = 0; p < x->grid->image; p++) {
            x->valid[t][p] = (mn_real)is_on(x, t, p);
        }
    }
}

static void fill_share(const struct nas_planes *x) {
    for (ptrdiff_t p = 0; p < x->grid->image; p++) {
        int n = 0;
        for (int t = 0; t < x->map.n_tap; t++) {
            n += is_on(x, t, p);
        }
        x->share[p] = n > 0 ? 1 / (mn_real)n : 0;
    }
}

void nas_planes_fill(struct mn_model *m) {
    pthread_mutex_lock(&m->filling);
    for (int i = 0; !m->filled && i < m->n_sizes; i++) {
        nas_grid_mask(&m->sizes[i].grid, (mn_real *)(uintptr_t)m->sizes[i].grid.mask);
    }
    for (const struct nas_planes *x = m->planes; !m->filled && x != NULL; x = x->next) {
        if (x->valid != NULL) {
            fill_valid(x);
        } else {
            fill_share(x);
        }
    }
    m->filled = 1;
    pthread_mutex_unlock(&m->filling);
}

size_t nas_model_unfilled_bytes(const struct mn_model *m) {
    size_t reals = 0;
    for (int i = 0; i < m->n_sizes; i++) {
        reals += (size_t)m->sizes[i].grid.image;
    }
    for (const struct nas_planes *x = m->planes; x != NULL; x = x->next) {
        reals += (size_t)x->grid->image * (size_t)(x->valid != NULL ? x->map.n_tap : 1);
    }
    return m->filled ? 0 : reals * sizeof(mn_real);
}

/* ---- the way back ------------------------------------------------------------------------- */

/* The taps of row phase p of the output that lie in phase q of the source, whose phases are
 * `phase` reals apart. */
static int plan_back(struct mn_model *m, struct nas_linear *l, int p, int q, const struct form *f,
                     size_t *n_packed) {
    struct nas_taps *taps = &l->back[p][q];
    for (int t = 0; t < l->n_tap; t++) {
        taps->n += l->phase[p][t] == q;
    }
    if (taps->n == 0) {
        return MN_OK;
    }
    taps->index = nas_arena_array(&m->arena, (size_t)taps->n, sizeof *taps->index);
    taps->tap = nas_arena_array(&m->arena, (size_t)taps->n, sizeof *taps->tap);
    if (taps->index == NULL || taps->tap == NULL) {
        return MN_NOMEM;
    }
    for (int t = l->n_tap - 1, j = 0; t >= 0; t--) { /* by rising offset */
        if (l->phase[p][t] == q) {
            taps->index[j] = t;
            taps->tap[j++] = q * f->phase - l->tap[p][t];
        }
    }
    taps->pack = *n_packed;
    if (l->kind == NAS_LINEAR_DEPTHWISE) {
        *n_packed += (size_t)l->n_in * (size_t)taps->n;
    } else if (l->kind == NAS_LINEAR_CONV) {
        *n_packed += m->kernels->packed(l->n_in, l->n_out, taps->n);
    }
    return MN_OK;
}

/* Where the packed weights of a map lie, both ways. */
static int plan_packed(struct mn_model *m, struct nas_linear *l, const struct form *f, int n_phase,
                       size_t *n_packed) {
    l->pack = *n_packed;
    if (l->kind == NAS_LINEAR_REDUCE) {
        const int half = l->n_out / 2;
        *n_packed += 2 * m->kernels->packed(half, l->n_in, 1);
        for (int i = 0; i < 2; i++) {
            l->back[i][0].pack = *n_packed;
            *n_packed += m->kernels->packed(l->n_in, half, 1);
        }
        return MN_OK;
    }
    if (l->kind == NAS_LINEAR_CONV) {
        *n_packed += m->kernels->packed(l->n_out, l->n_in, l->n_tap);
    }
    for (int p = 0; p < n_phase; p++) {
        for (int q = 0; q < 4; q++) {
            if (plan_back(m, l, p, q, f, n_packed) != MN_OK) {
                return MN_NOMEM;
            }
        }
    }
    return MN_OK;
}

int nas_taps_plan(struct mn_model *m, struct nas_path *path, size_t *n_packed) {
    const struct nas_cell_state *source = &m->states[path->source];
    const struct nas_grid *in = &m->sizes[source->grid].grid;
    const struct nas_grid *out = &m->sizes[path->grid].grid;
    for (int s = 0; s < path->n_stages; s++) {
        struct nas_stage *stage = &path->stage[s];
        for (int i = 0; i < stage->n_linear; i++) {
            struct nas_linear *l = &stage->linear[i];
            if (l->kind == NAS_LINEAR_FOREIGN) {
                continue; /* it has no taps */
            }
            struct form f = {.row = out->row, .in_h = out->h, .in_w = out->w};
            if (s == 0 && i == 0) {
                f.strided = path->strided;
                f.phase = path->strided ? (ptrdiff_t)nas_grid_reals(out, source->channels) : 0;
                f.in_h = in->h;
                f.in_w = in->w;
            } else if (i == 1 && stage->n_phase == 2) {
                f.row_phases = 1;
                f.phase = (ptrdiff_t)stage->linear[0].n_out * out->channel;
            }
            int status = plan_taps(m, l, &f, i == 0 ? stage->n_phase : 1);
            if (status == MN_OK &&
                (l->kind == NAS_LINEAR_MAX_POOL || l->kind == NAS_LINEAR_AVG_POOL)) {
                status = plan_pool(m, l, &f, out);
            }
            if (status == MN_OK) {
                status = plan_packed(m, l, &f, i == 0 ? stage->n_phase : 1, n_packed);
            }
            if (status != MN_OK) {
                return status;
            }
        }
    }
    return MN_OK;
}
