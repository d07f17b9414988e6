/* SPDX-License-Identifier: MIT */
/* ALFA (Baik et al. 2020): MAML in which a small network g generates the rates and decays of every
 * step from what the step is about to do. Of the weights, or of the logits, with a group for every
 * tensor l, x before the step and u the update that the task learner proposes,
 *   s  = gain * (mean of u_1, .., mean of u_N, mean of x_1, .., mean of x_N)
 *   o  = W2 relu(W1 s + b1) + b2             (r, c) = k (.) o
 *   x' = c_l x + r_l u                       in tensor l
 * with constants k of each step. Weights and logits have a network each, so that an update depends
 * on nothing that a task learner computes after it. W2 begins at 0, b2 and k at 1: r = c = 1. */
#include <metanas/extra/second_order.h>

struct alfa {
    struct mn_second_order second_order; /* first: MN_SECOND_ORDER_OPTIONS */
    int64_t rate_steps, hidden;
    bool decay;
    double lr_rates, lr_generator, gain;
    int64_t n_groups[2]; /* of the weights, of the logits; set by start, as the rest */
    /* Those of the weights, then those of the logits, as struct generator has them. */
    mn_real *constants, *generator;
    struct mn_outer_moments moments_constants, moments_generator;
};

enum { SEED_ALFA = MN_RNG_PLUGIN + 1 };

/* The paper's hidden layer is as wide as its input. A step of Adam moves every weight of a row
 * alike, so with hundreds of tensors the outputs would jump by more than they are. */
enum { WIDEST = 64 };

/* The network of the weights or of the logits. */
struct generator {
    int64_t n_groups, n_in, n_hidden, n_out;
    int64_t constants, at;     /* of alfa.constants and alfa.generator, where its own begin */
    int64_t w1, b1, w2, b2, n; /* in its own part of alfa.generator; n is all */
};

static struct generator generator_of(const struct alfa *s, const int64_t n_groups[2],
                                     int architecture) {
    struct generator g = {0};
    for (int half = 0; half <= architecture; half++) {
        g.constants += s->rate_steps * g.n_out;
        g.at += g.n;
        g.n_groups = n_groups[half];
        g.n_in = 2 * g.n_groups;
        g.n_hidden = s->hidden > 0 && g.n_in > 0 ? s->hidden : g.n_in < WIDEST ? g.n_in : WIDEST;
        g.n_out = s->decay ? 2 * g.n_groups : g.n_groups;
        g.b1 = g.n_hidden * g.n_in;
        g.w2 = g.b1 + g.n_hidden;
        g.b2 = g.w2 + g.n_out * g.n_hidden;
        g.n = g.b2 + g.n_out;
    }
    return g;
}

/* Reals of the constants and of the generators. */
static void count(const struct alfa *s, const int64_t n_groups[2], int64_t *constants,
                  int64_t *generator) {
    const struct generator last = generator_of(s, n_groups, 1);
    *constants = last.constants + s->rate_steps * last.n_out;
    *generator = last.at + last.n;
}

static int64_t n_own(const void *self, const struct mn_dims *dims) {
    const int64_t n_groups[2] = {dims->n_w_segments, dims->n_a_segments};
    int64_t constants, generator;
    count(self, n_groups, &constants, &generator);
    return constants + generator;
}

/* The first layer is drawn from the uniform distribution within 1 / sqrt(n_in). */
static void draw(const struct alfa *s, struct mn_ctx *ctx, int architecture) {
    const struct generator g = generator_of(s, s->n_groups, architecture);
    struct mn_rng rng = mn_rng_make(ctx->where.seed, SEED_ALFA, 0, 0, (uint32_t)architecture, 0);
    mn_real *at = s->generator + g.at;
    const double width = 1 / sqrt((double)(g.n_in > 0 ? g.n_in : 1));
    for (int64_t i = 0; i < g.w2; i++) {
        at[i] = (mn_real)(width * (2 * mn_rng_uniform(&rng) - 1));
    }
    mn_vec_fill(g.n_out, 1, at + g.b2);
}

static int start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    static const char *const names[] = {"m_constants", "v_constants", "t_constants"};
    static const char *const names_g[] = {"m_generator", "v_generator", "t_generator"};
    struct alfa *s = self;
    const struct mn_outer *outer = &s->second_order.outer;
    int64_t n_constants, n_generator;
    s->n_groups[0] = dims->n_w_segments;
    s->n_groups[1] = dims->n_a_segments;
    count(s, s->n_groups, &n_constants, &n_generator);
    int status = mn_outer_start(&s->second_order.outer, ctx, dims);
    if (status != MN_OK || n_constants == 0) {
        return status;
    }
    s->constants = mn_state(ctx, "constants", n_constants);
    s->generator = s->constants == NULL ? NULL : mn_state(ctx, "generator", n_generator);
    if (s->generator == NULL) {
        return MN_NOMEM;
    }
    mn_vec_fill(n_constants, 1, s->constants);
    draw(s, ctx, 0);
    draw(s, ctx, 1);
    status = mn_outer_claim(outer, ctx, names, n_constants, &s->moments_constants);
    return status != MN_OK
               ? status
               : mn_outer_claim(outer, ctx, names_g, n_generator, &s->moments_generator);
}

/* ---- a step ------------------------------------------------------------------------------- */

/* The generator at an update. */
struct state {
    struct generator g;
    const mn_real *constants; /* [n_out], of the step */
    const mn_real *phi;       /* [n] */
    int64_t row;              /* of the constants in alfa.constants */
    struct mn_segment *groups;
    double *in, *hidden, *out; /* s; the hidden layer before relu; o */
};

/* The groups' rates come first, then their decays; without decay the latter are 1. */
static double rate_of(const struct state *t, int64_t group) {
    return (double)t->constants[group] * t->out[group];
}

static double decay_of(const struct state *t, int64_t group) {
    const int64_t i = t->g.n_groups + group;
    return i < t->g.n_out ? (double)t->constants[i] * t->out[i] : 1;
}

static double sum(int64_t n, const mn_real *x) {
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        total += (double)x[i];
    }
    return total;
}

static int find_state(const struct alfa *s, struct mn_ctx *ctx, const struct mn_model *model,
                      const struct mn_update *update, struct state *t) {
    const struct generator g = generator_of(s, s->n_groups, update->architecture);
    const int64_t step = update->step < s->rate_steps ? update->step : s->rate_steps - 1;
    double *room = mn_scratch(ctx, (size_t)(g.n_in + g.n_hidden + g.n_out) * sizeof *room);
    *t = (struct state){.g = g,
                        .row = g.constants + step * g.n_out,
                        .phi = s->generator + g.at,
                        .groups = mn_scratch(ctx, (size_t)g.n_groups * sizeof *t->groups)};
    if (room == NULL || t->groups == NULL) {
        return MN_NOMEM;
    }
    t->constants = s->constants + t->row;
    t->in = room;
    t->hidden = t->in + g.n_in;
    t->out = t->hidden + g.n_hidden;
    for (int64_t l = 0; l < g.n_groups; l++) {
        struct mn_segment *at = &t->groups[l];
        const int status = mn_model_segment(ctx, model, update->architecture, (int32_t)l, at);
        if (status != MN_OK) {
            return status;
        }
        t->in[l] = s->gain * sum(at->count, update->u + at->offset) / (double)at->count;
        t->in[g.n_groups + l] =
            s->gain * sum(at->count, update->x + at->offset) / (double)at->count;
    }
    for (int64_t h = 0; h < g.n_hidden; h++) {
        const mn_real *row = t->phi + g.w1 + h * g.n_in;
        t->hidden[h] = (double)t->phi[g.b1 + h];
        for (int64_t i = 0; i < g.n_in; i++) {
            t->hidden[h] += (double)row[i] * t->in[i];
        }
    }
    for (int64_t o = 0; o < g.n_out; o++) {
        const mn_real *row = t->phi + g.w2 + o * g.n_hidden;
        t->out[o] = (double)t->phi[g.b2 + o];
        for (int64_t h = 0; h < g.n_hidden; h++) {
            t->out[o] += (double)row[h] * fmax(t->hidden[h], 0);
        }
    }
    return MN_OK;
}

static int shape(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_update *update, mn_real *after) {
    struct state t;
    const int status = find_state(self, ctx, model, update, &t);
    for (int64_t l = 0; status == MN_OK && l < t.g.n_groups; l++) {
        const mn_real rate = (mn_real)rate_of(&t, l), decay = (mn_real)decay_of(&t, l);
        const int64_t end = t.groups[l].offset + t.groups[l].count;
        for (int64_t i = t.groups[l].offset; i < end; i++) {
            after[i] = decay * update->x[i] + rate * update->u[i];
        }
    }
    return status;
}

/* From the gradient of the outputs to that of the inputs; the gradients of the network's weights
 * are added to own, unless that is NULL. */
static void network_back(const struct state *t, const double *d_out, double *d_hidden, double *d_in,
                         mn_real *own) {
    const struct generator *g = &t->g;
    for (int64_t h = 0; h < g->n_hidden; h++) {
        d_hidden[h] = 0;
    }
    for (int64_t o = 0; o < g->n_out; o++) {
        const int64_t row = g->w2 + o * g->n_hidden;
        for (int64_t h = 0; h < g->n_hidden; h++) {
            d_hidden[h] += (double)t->phi[row + h] * d_out[o];
        }
        for (int64_t h = 0; own != NULL && h < g->n_hidden; h++) {
            own[row + h] += (mn_real)(d_out[o] * fmax(t->hidden[h], 0));
        }
        if (own != NULL) {
            own[g->b2 + o] += (mn_real)d_out[o];
        }
    }
    for (int64_t i = 0; i < g->n_in; i++) {
        d_in[i] = 0;
    }
    for (int64_t h = 0; h < g->n_hidden; h++) {
        const int64_t row = g->w1 + h * g->n_in;
        if (t->hidden[h] <= 0) {
            continue; /* relu */
        }
        for (int64_t i = 0; i < g->n_in; i++) {
            d_in[i] += (double)t->phi[row + i] * d_hidden[h];
        }
        for (int64_t i = 0; own != NULL && i < g->n_in; i++) {
            own[row + i] += (mn_real)(d_hidden[h] * t->in[i]);
        }
        if (own != NULL) {
            own[g->b1 + h] += (mn_real)d_hidden[h];
        }
    }
}

static int shape_back(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                      const struct mn_update *update, const mn_real *d, mn_real *d_x, mn_real *d_u,
                      mn_real *own) {
    const struct alfa *s = self;
    struct state t;
    const int status = find_state(s, ctx, model, update, &t);
    if (status != MN_OK) {
        return status;
    }
    const int64_t n_groups = t.g.n_groups;
    double *d_out = mn_scratch(ctx, (size_t)(t.g.n_out + t.g.n_hidden + t.g.n_in) * sizeof *d_out);
    if (d_out == NULL) {
        return MN_NOMEM;
    }
    double *d_hidden = d_out + t.g.n_out, *d_in = d_hidden + t.g.n_hidden;
    for (int64_t o = 0; o < t.g.n_out; o++) { /* d rate_l = d . u, d decay_l = d . x */
        const struct mn_segment *at = &t.groups[o % n_groups];
        const mn_real *with = (o < n_groups ? update->u : update->x) + at->offset;
        const double d_product = mn_vec_dot(at->count, d + at->offset, with);
        d_out[o] = d_product * (double)t.constants[o];
        if (own != NULL) {
            own[t.row + o] += (mn_real)(d_product * t.out[o]);
        }
    }
    int64_t n_constants, n_generator;
    count(s, s->n_groups, &n_constants, &n_generator);
    network_back(&t, d_out, d_hidden, d_in, own != NULL ? own + n_constants + t.g.at : NULL);
    for (int64_t l = 0; l < n_groups; l++) {
        const int64_t end = t.groups[l].offset + t.groups[l].count;
        const double each = s->gain / (double)t.groups[l].count;
        const double rate = rate_of(&t, l), decay = decay_of(&t, l);
        for (int64_t i = t.groups[l].offset; i < end; i++) {
            d_u[i] = (mn_real)(rate * (double)d[i] + each * d_in[l]);
            d_x[i] = (mn_real)(decay * (double)d[i] + each * d_in[n_groups + l]);
        }
    }
    return MN_OK;
}

/* ---- outer loop --------------------------------------------------------------------------- */

static int delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                 const struct mn_task *task, const struct mn_point *meta,
                 const struct mn_point *adapted, struct mn_point *out) {
    const struct alfa *s = self;
    int64_t n_constants, n_generator;
    count(s, s->n_groups, &n_constants, &n_generator);
    mn_real *own = n_constants > 0 ? mn_own_delta(ctx) : NULL;
    if (n_constants > 0 && own == NULL) {
        return MN_INTERNAL;
    }
    mn_vec_fill(n_constants > 0 ? n_constants + n_generator : 0, 0, own);
    return mn_second_order_delta(&s->second_order, ctx, model, task, NULL, out);
}

static int update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                  const struct mn_point *mean_delta) {
    struct alfa *s = self;
    struct mn_outer *outer = &s->second_order.outer;
    const double factor = mn_schedule_factor(outer->schedule, &ctx->where);
    int64_t n_constants, n_generator;
    count(s, s->n_groups, &n_constants, &n_generator);
    const mn_real *own = n_constants > 0 ? mn_own_delta(ctx) : NULL;
    if (n_constants > 0) {
        if (own == NULL) {
            return MN_INTERNAL;
        }
        mn_outer_descend(outer, s->lr_rates * factor, n_constants, own, &s->moments_constants,
                         s->constants);
        mn_outer_descend(outer, s->lr_generator * factor, n_generator, own + n_constants,
                         &s->moments_generator, s->generator);
    }
    return mn_outer_update(outer, ctx, meta, mean_delta);
}

static const struct mn_meta_learner learner = {
    .size = sizeof learner,
    .start = start,
    .delta = delta,
    .update = update,
    .traces = mn_second_order_traces,
    .n_own = n_own,
    .shape = shape,
    .shape_back = shape_back,
};

static const struct mn_opt options[] = {
    MN_SECOND_ORDER_OPTIONS,
    MN_INT(struct alfa, rate_steps, 5, 1, 10000,
           "steps that have constants of their own; later steps take those of the last"),
    MN_INT(
        struct alfa, hidden, 0, 0, 4096,
        "width of the generator's hidden layer; 0 = that of its input, two for every tensor, but "
        "at most 64"),
    MN_BOOL(struct alfa, decay, 1, "whether it generates decays of the weights besides rates"),
    MN_REAL(struct alfa, lr_rates, 0.001, 0, 1e12, "meta learning rate of the constants"),
    MN_REAL(struct alfa, lr_generator, 0.001, 0, 1e12, "meta learning rate of the generator"),
    MN_REAL(struct alfa, gain, 1, 0, 1e6, "factor on the generator's inputs; 0 = it sees nothing"),
};

MN_PLUGIN("alfa", "0.1.0",
          MN_UNIT(MN_META_LEARNER, "alfa",
                  "MAML with rates and decays that a network generates in every step", struct alfa,
                  options, &learner))
