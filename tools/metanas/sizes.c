/* SPDX-License-Identifier: MIT */
#include "sizes.h"

#include "command.h"

#include <string.h>

/* A logit so large that every mixer gives its choice all the weight, and one a little smaller: an
 * input mixer without logits ranks edges by their strongest operation. */
static const mn_real decided = 30, decided_less = 8;

enum { MOST_ROUNDS = 20 };

struct search {
    struct mn_cx *cx;
    const struct mn_model *model;
    struct mn_point at;
    uint8_t *keep;
    int sign; /* 1: largest, -1: smallest */
};

static int parameters_now(struct search *s, int64_t *out) {
    const int status = mn__model_prune(s->cx, s->model, &s->at, s->keep);
    return status != MN_OK ? status : mn__model_parameters(s->cx, s->model, s->keep, out);
}

static void decide(struct search *s, const struct mn__mixture *x, int64_t choice, mn_real logit) {
    mn_vec_fill(x->n_choices, 0, s->at.a + x->logit0);
    s->at.a[x->logit0 + choice] = logit;
}

/* Try every decision of one mixture; leaves the best in place. */
static int improve(struct search *s, const struct mn__mixture *x, int64_t *best, int *changed) {
    const mn_real levels[] = {decided, decided_less};
    int64_t best_choice = -1;
    mn_real best_level = 0;
    mn_real *before = s->at.a + x->logit0,
            *saved = mn_scratch(s->cx, (size_t)x->n_choices * sizeof *saved);
    if (saved == NULL) {
        return MN_NOMEM;
    }
    mn_vec_copy(x->n_choices, before, saved);
    for (int64_t c = 0; c < x->n_choices; c++) {
        for (int level = 0; level < (x->is_input ? 1 : 2); level++) {
            int64_t n;
            decide(s, x, c, levels[level]);
            const int status = parameters_now(s, &n);
            if (status != MN_OK) {
                return status;
            }
            if (s->sign * n > s->sign * *best) {
                *best = n;
                best_choice = c;
                best_level = levels[level];
            }
        }
    }
    if (best_choice < 0) {
        mn_vec_copy(x->n_choices, saved, before);
        return MN_OK;
    }
    decide(s, x, best_choice, best_level);
    *changed = 1;
    return MN_OK;
}

static int extreme(struct search *s, int64_t *out) {
    const int n = mn__model_n_mixtures(s->model);
    int changed = 1;
    for (int i = 0; i < n; i++) {
        const struct mn__mixture *x = mn__model_mixture(s->model, i);
        if (x->logit0 >= 0) {
            decide(s, x, 0, decided);
        }
    }
    int status = parameters_now(s, out);
    for (int round = 0; status == MN_OK && changed && round < MOST_ROUNDS; round++) {
        changed = 0;
        for (int i = 0; status == MN_OK && i < n; i++) {
            const struct mn__mixture *x = mn__model_mixture(s->model, i);
            const size_t mark = mn__arena_mark(&mn__cx_of(s->cx)->scratch);
            status = x->logit0 >= 0 ? improve(s, x, out, &changed) : MN_OK;
            mn__arena_release(&mn__cx_of(s->cx)->scratch, mark);
        }
    }
    return status;
}

int sizes_of_pruned(struct mn_cx *cx, const struct mn_model *model, int64_t *smallest,
                    int64_t *largest) {
    const struct mn_dims *dims = mn__model_dims(model);
    struct mn__arena arena = {0};
    struct search s = {.cx = cx, .model = model};
    s.at.a = mn__arena_zeroed(&arena, (size_t)dims->n_a * sizeof(mn_real));
    s.keep = mn__arena_zeroed(&arena, (size_t)dims->n_choices);
    int status = s.at.a != NULL && s.keep != NULL ? MN_OK : no_memory(cx);
    if (status == MN_OK) {
        s.sign = -1;
        status = extreme(&s, smallest);
    }
    if (status == MN_OK) {
        s.sign = 1;
        status = extreme(&s, largest);
    }
    mn__arena_fini(&arena);
    return status;
}
