/* SPDX-License-Identifier: MIT */
/* DARTS-PT (Wang et al., ICLR 2021): what stays is chosen by what the network does without it, not
 * by its weight. Mixtures are decided one after the other in a random order, operations before
 * inputs; of a mixture those choices stay whose removal makes the loss of the support set worst. As
 * many stay as the mixer would keep. The tuning between two decisions is left out: a task has few
 * steps. Everything else is the task learner around which it is. */
#include <metanas/plugin.h>

#include <string.h>

struct perturbed {
    struct mn_nested around; /* first */
    int32_t of;
};

enum { ALL, OPERATIONS };

struct choosing {
    struct mn_ctx *ctx;
    const struct mn_model *model;
    const struct mn_task *task;
    const struct mn_point *at;
    uint8_t *keep; /* decided so far; the rest stays */
};

/* The loss of the support set without one choice. */
static int loss_without(const struct choosing *c, int64_t choice, double *loss) {
    const struct mn_pass pass = {.size = sizeof pass, .progress = 1, .keep = c->keep};
    struct mn_outcome out = {.size = sizeof out};
    c->keep[choice] = 0;
    const int status = mn_model_pass(c->ctx, c->model, c->at, &c->task->support, &pass, &out);
    c->keep[choice] = 1;
    *loss = out.loss;
    return status;
}

static int64_t count(int64_t n, const uint8_t *keep) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        kept += keep[i];
    }
    return kept;
}

/* Of n choices the `stay` with the largest losses, of equals the earlier. */
static void keep_worst(int64_t n, const double *loss, int64_t stay, uint8_t *keep) {
    for (int64_t i = 0; i < n; i++) {
        int64_t before = 0;
        for (int64_t j = 0; j < n; j++) {
            before += loss[j] > loss[i] || (j < i && loss[j] >= loss[i]);
        }
        keep[i] = before < stay;
    }
}

static int decide(const struct choosing *c, const struct mn_mixture *mixture, int64_t stay) {
    double *loss = mn_scratch(c->ctx, (size_t)mixture->n_choices * sizeof *loss);
    int status = loss != NULL ? MN_OK : MN_NOMEM;
    for (int64_t i = 0; status == MN_OK && i < mixture->n_choices; i++) {
        status = mn_cancelled(c->ctx) ? MN_CANCELLED
                                      : loss_without(c, mixture->first_choice + i, &loss[i]);
    }
    if (status == MN_OK) {
        keep_worst(mixture->n_choices, loss, stay, c->keep + mixture->first_choice);
    }
    return status;
}

/* Numbers 0 to n - 1 in a random order. */
static void shuffle(struct mn_rng *rng, int32_t n, int32_t *order) {
    for (int32_t i = 0; i < n; i++) {
        const int32_t j = (int32_t)mn_rng_below(rng, (uint32_t)i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

/* keep comes as the mixers choose: how many stay. */
static int decide_all(const struct perturbed *s, const struct choosing *c,
                      const struct mn_dims *dims, const uint8_t *chosen, const int32_t *order) {
    static const int32_t kinds[] = {MN_OP_MIXER, MN_INPUT_MIXER};
    int status = MN_OK;
    for (int k = 0; k < (s->of == OPERATIONS ? 1 : 2); k++) {
        for (int32_t i = 0; status == MN_OK && i < dims->n_mixtures; i++) {
            struct mn_mixture mixture;
            status = mn_model_mixture(c->ctx, c->model, order[i], &mixture);
            if (status != MN_OK || mixture.kind != kinds[k]) {
                continue;
            }
            const int64_t stay = count(mixture.n_choices, chosen + mixture.first_choice);
            if (stay < mixture.n_choices) {
                status = decide(c, &mixture, stay);
            }
        }
    }
    return status;
}

static int prune(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *at, uint8_t *keep) {
    const struct perturbed *s = self;
    struct mn_rng rng = mn_rng_start(ctx, MN_RNG_PLUGIN);
    struct mn_dims dims;
    int status = mn_model_dims(ctx, model, &dims);
    if (status != MN_OK) {
        return status;
    }
    uint8_t *chosen = mn_scratch(ctx, (size_t)dims.n_choices + 1);
    int32_t *order = mn_scratch(ctx, ((size_t)dims.n_mixtures + 1) * sizeof *order);
    if (chosen == NULL || order == NULL) {
        return MN_NOMEM;
    }
    status = mn_model_prune(ctx, model, at, chosen);
    if (status != MN_OK) {
        return status;
    }
    shuffle(&rng, dims.n_mixtures, order);
    memset(keep, 1, (size_t)dims.n_choices);
    const struct choosing choosing = {ctx, model, task, at, keep};
    status = decide_all(s, &choosing, &dims, chosen, order);
    for (int32_t i = 0; status == MN_OK && s->of == OPERATIONS && i < dims.n_mixtures; i++) {
        struct mn_mixture mixture;
        status = mn_model_mixture(ctx, model, i, &mixture);
        if (status == MN_OK && mixture.kind == MN_INPUT_MIXER) {
            memcpy(keep + mixture.first_choice, chosen + mixture.first_choice,
                   (size_t)mixture.n_choices);
        }
    }
    return status;
}

static const struct mn_task_learner table = {.size = sizeof table, .prune = prune};

static const char *const of_choices[] = {"all", "operations", NULL};

static const struct mn_opt options[] = {
    MN_AROUND(struct perturbed, around, "the task learner whose networks are pruned so"),
    MN_CHOICE_FLAGS(struct perturbed, of, ALL, of_choices, MN_OPT_EVALUATION,
                    "what is chosen by the loss: operations and inputs, or operations alone"),
};

MN_PLUGIN(
    "darts_pt", "0.1.0",
    MN_UNIT(MN_TASK_LEARNER, "darts_pt",
            "another task learner, pruned by what the network loses without a choice (DARTS-PT)",
            struct perturbed, options, &table))
