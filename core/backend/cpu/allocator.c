/* SPDX-License-Identifier: MIT */
#include "backend/cpu/allocator.h"

#include <stdlib.h>

/* ---- liveness ----------------------------------------------------------------------------- */

/* A tensor lives from an operation that begins it to the last that uses it before another begins
 * it. */
static void find_ranges(struct nas_schedule *s, enum nas_extent extent) {
    for (int i = 0; i < s->n_tensors; i++) {
        for (int r = 0; r < NAS_RANGES; r++) {
            s->tensors[i].live[extent][r] = (struct nas_range){0, -1};
        }
    }
    for (int i = 0; i < (extent == NAS_FORWARD ? s->n_forward : s->n_ops); i++) {
        for (int u = 0; u < s->ops[i].n_uses; u++) {
            const struct nas_use *use = &s->uses[s->ops[i].first_use + u];
            struct nas_range *range = s->tensors[use->tensor].live[extent];
            range += range[1].to >= 0 || (use->begins && range[0].to >= 0);
            *range = (struct nas_range){range->to < 0 ? i : range->from, i};
        }
    }
}

int nas_tensor_lives(const struct nas_tensor *t, enum nas_extent extent, int op) {
    const struct nas_range *live = t->live[extent];
    return (live[0].from <= op && op <= live[0].to) || (live[1].from <= op && op <= live[1].to);
}

static int meet(const struct nas_tensor *a, const struct nas_tensor *b, enum nas_extent extent) {
    for (int i = 0; i < NAS_RANGES * NAS_RANGES; i++) {
        const struct nas_range *x = &a->live[extent][i / NAS_RANGES];
        const struct nas_range *y = &b->live[extent][i % NAS_RANGES];
        if (x->from <= x->to && y->from <= y->to && x->from <= y->to && y->from <= x->to) {
            return 1;
        }
    }
    return 0;
}

/* ---- places ------------------------------------------------------------------------------- */

static int larger_first(const void *a, const void *b) {
    const struct nas_tensor *x = *(struct nas_tensor *const *)a;
    const struct nas_tensor *y = *(struct nas_tensor *const *)b;
    if (x->reals != y->reals) {
        return x->reals > y->reals ? -1 : 1;
    }
    return (x > y) - (x < y); /* as they were added: qsort alone may change the order */
}

/* Place one more tensor beside `n` placed ones, which are sorted by place, and sort it in. */
static void place(struct nas_tensor **placed, int n, struct nas_tensor *t, enum nas_extent extent,
                  size_t first) {
    size_t at = first;
    for (int i = 0; i < n && placed[i]->at[extent] < at + t->reals; i++) {
        const size_t end = placed[i]->at[extent] + placed[i]->reals;
        if (end > at && meet(placed[i], t, extent)) {
            at = end;
        }
    }
    t->at[extent] = at;
    int to = n;
    for (; to > 0 && placed[to - 1]->at[extent] > at; to--) {
        placed[to] = placed[to - 1];
    }
    placed[to] = t;
}

/* They are sorted by place. */
static void find_alone(struct nas_tensor **placed, int n, enum nas_extent extent) {
    for (int i = 0; i < n; i++) {
        placed[i]->alone[extent] = 1;
    }
    for (int i = 0; i < n; i++) {
        const size_t end = placed[i]->at[extent] + placed[i]->reals;
        for (int j = i + 1; j < n && placed[j]->at[extent] < end; j++) {
            if (placed[i]->size < 0 || placed[i]->size != placed[j]->size ||
                placed[i]->at[extent] != placed[j]->at[extent]) {
                placed[i]->alone[extent] = placed[j]->alone[extent] = 0;
            }
        }
    }
}

size_t nas_allocate(struct nas_schedule *s, int extents, size_t first) {
    struct nas_tensor **order = calloc((size_t)s->n_tensors, sizeof *order);
    size_t end = first;
    if (order == NULL) {
        return 0;
    }
    for (int extent = 0; extent < extents; extent++) {
        int n_placed = 0;
        find_ranges(s, (enum nas_extent)extent);
        for (int i = 0; i < s->n_tensors; i++) {
            order[i] = &s->tensors[i];
        }
        qsort(order, (size_t)s->n_tensors, sizeof(struct nas_tensor *), larger_first);
        for (int i = 0; i < s->n_tensors; i++) {
            struct nas_tensor *t = order[i];
            t->at[extent] = first;
            if (t->live[extent][0].to < 0) {
                continue; /* no operation uses it */
            }
            /* The placed ones take the places of those that are done. */
            place(order, n_placed++, t, (enum nas_extent)extent, first);
            end = t->at[extent] + t->reals > end ? t->at[extent] + t->reals : end;
        }
        find_alone(order, n_placed, (enum nas_extent)extent);
    }
    free(order);
    return end;
}
