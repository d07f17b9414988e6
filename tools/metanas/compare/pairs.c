/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include "base/stats.h"

#include <math.h>

/* ---- two runs ------------------------------------------------------------------------------ */

/* Tasks of equal fingerprints; a task that one test holds twice pairs twice at most. */
static int pair_tasks(struct mn_ctx *ctx, struct compared *all, struct run_pair *p) {
    const int64_t n = p->first->test.tasks, m = p->second->test.tasks, most = n < m ? n : m;
    double parameters = 0;
    p->differences = nas_arena_array(&all->arena, (size_t)most, sizeof *p->differences);
    if (p->differences == NULL) {
        return no_memory(ctx);
    }
    for (int64_t i = 0, k = 0; i < n && k < m;) {
        const struct nas_task_result *a = &p->first->tasks[i], *b = &p->second->tasks[k];
        if (a->episode == b->episode) {
            const double d = a->score.accuracy - b->score.accuracy;
            p->differences[p->tasks++] = d;
            p->won += d > 0;
            p->lost += d < 0;
            p->tied += d == 0;
            parameters += (double)a->parameters - (double)b->parameters;
        }
        i += a->episode <= b->episode;
        k += b->episode <= a->episode;
    }
    p->alone = n + m - 2 * p->tasks;
    if (p->tasks == 0) {
        return compare_mismatch(ctx, all, p->second, p->first);
    }
    p->parameters = parameters / (double)p->tasks;
    p->ci95 = nas_ci95(p->tasks, p->differences, &p->difference);
    p->p = nas_t_test(p->tasks, p->differences);
    return MN_OK;
}

static int add_pair(struct mn_ctx *ctx, struct compared *all, const struct tested_run *first,
                    const struct tested_run *second, struct comparison *out) {
    struct run_pair *p = &out->pairs[out->n_pairs++];
    *p = (struct run_pair){.first = first, .second = second};
    TRY(pair_tasks(ctx, all, p));
    out->tasks += p->tasks;
    out->tasks_alone += p->alone;
    out->won += p->won;
    out->tied += p->tied;
    out->lost += p->lost;
    return MN_OK;
}

/* ---- two arms ------------------------------------------------------------------------------ */

/* Equal seeds first. Of the others any pairing will do, for they are independent: that in the order
 * of the seeds. */
static int pair_seeds(struct mn_ctx *ctx, struct compared *all, struct comparison *out) {
    const struct tested_arm *a = out->first, *b = out->second;
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    const struct tested_run **left = nas_arena_array(&arena, (size_t)a->n, sizeof *left);
    const struct tested_run **right = nas_arena_array(&arena, (size_t)b->n, sizeof *right);
    int n_left = 0, n_right = 0;
    if (left == NULL || right == NULL) {
        return no_memory(ctx);
    }
    for (int i = 0, k = 0; i < a->n || k < b->n;) {
        if (k == b->n || (i < a->n && a->runs[i]->seed < b->runs[k]->seed)) {
            left[n_left++] = a->runs[i++];
        } else if (i == a->n || a->runs[i]->seed > b->runs[k]->seed) {
            right[n_right++] = b->runs[k++];
        } else {
            TRY(add_pair(ctx, all, a->runs[i++], b->runs[k++], out));
        }
    }
    const int rest = n_left < n_right ? n_left : n_right;
    for (int i = 0; i < rest; i++) {
        TRY(add_pair(ctx, all, left[i], right[i], out));
    }
    out->seeds_alone = n_left + n_right - 2 * rest;
    return MN_OK;
}

static void summarise(struct comparison *out, double *x) {
    const int64_t n = out->n_pairs;
    out->p = out->ci95 = out->sign_p = out->sign_holm = (double)NAN;
    for (int64_t i = 0; i < n; i++) {
        x[i] = out->pairs[i].difference;
        out->parameters += out->pairs[i].parameters / (double)n;
    }
    const double ci95 = nas_ci95(n, x, &out->difference);
    out->over = n > 1 ? "seeds" : "tasks";
    if (n == 1) {
        out->ci95 = out->pairs[0].ci95;
        out->p = out->pairs[0].p;
        out->sign_p = nas_sign_test(out->won, out->lost);
    } else if (n > COMPARE_FEW) {
        out->ci95 = ci95;
        out->p = nas_t_test(n, x);
    }
}

int compare_arms(struct mn_ctx *ctx, struct compared *all, const struct tested_arm *a,
                 const struct tested_arm *b, struct comparison *out) {
    const size_t most = (size_t)(a->n < b->n ? a->n : b->n);
    *out = (struct comparison){.first = a, .second = b, .run = a->name, .against = b->name};
    out->pairs = nas_arena_array(&all->arena, most, sizeof *out->pairs);
    double *x = nas_arena_array(&all->arena, most, sizeof *x);
    if (out->pairs == NULL || x == NULL) {
        return no_memory(ctx);
    }
    TRY(pair_seeds(ctx, all, out));
    summarise(out, x);
    return compare_config(ctx, all, out);
}

/* ---- all of them --------------------------------------------------------------------------- */

int compare_finish(struct mn_ctx *ctx, struct compared *all) {
    const size_t n = (size_t)all->n;
    double *p = nas_arena_array(&all->arena, 4 * n, sizeof *p);
    if (p == NULL) {
        return no_memory(ctx);
    }
    for (size_t i = 0; i < n; i++) {
        p[i] = all->items[i].p;
        p[n + i] = all->items[i].sign_p;
    }
    nas_holm(all->n, p, p + 2 * n);
    nas_holm(all->n, p + n, p + 3 * n);
    for (size_t i = 0; i < n; i++) {
        struct comparison *x = &all->items[i];
        x->p_holm = p[2 * n + i];
        x->sign_holm = p[3 * n + i];
        x->verdict = x->n_pairs > 1 && x->n_pairs <= COMPARE_FEW ? "few seeds"
                     : !(x->p_holm < 0.05)                       ? "undecided"
                     : x->difference > 0                         ? "better"
                                                                 : "worse";
    }
    return MN_OK;
}
