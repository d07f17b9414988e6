/* SPDX-License-Identifier: MIT */
/* op_mixer and input_mixer. */

#include "derivative.h"
#include "fixture.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_ITEMS = 5, MOST_CHOICES = 128 };

/* ---- calls -------------------------------------------------------------------------------- */

static int64_t n_choices(struct kit_fixture *fixture, int64_t n_items) {
    kit_call(fixture, "n_choices", KIT_WORKER);
    const int64_t n = fixture->table.mixer.n_choices(fixture->self, n_items);
    kit_end_plain(fixture);
    if (n < 1 || n > MOST_CHOICES) {
        kit_fail("choices", "n_choices(%lld) is %lld", (long long)n_items, (long long)n);
    }
    return n;
}

static int64_t n_logits(struct kit_fixture *fixture, int64_t n_items) {
    kit_call(fixture, "n_logits", KIT_WORKER);
    const int64_t n = fixture->table.mixer.n_logits(fixture->self, n_items);
    kit_end_plain(fixture);
    return n;
}

static int64_t n_saved(struct kit_fixture *fixture, int64_t n) {
    if (fixture->table.mixer.n_saved == NULL) {
        return 0;
    }
    kit_call(fixture, "n_saved", KIT_WORKER);
    const int64_t saved = fixture->table.mixer.n_saved(fixture->self, n);
    kit_end_plain(fixture);
    if (saved < 0 || saved > 1000000) {
        kit_fail("plan", "n_saved(%lld) is %lld", (long long)n, (long long)saved);
    }
    return saved;
}

static int holds(struct kit_fixture *fixture, int64_t n_items, int64_t choice, int64_t item) {
    kit_call(fixture, "holds", KIT_WORKER);
    const int held = fixture->table.mixer.holds(fixture->self, n_items, choice, item);
    kit_end_plain(fixture);
    if (held != 0 && held != 1) {
        kit_fail("choices", "holds(%lld, %lld, %lld) is %d", (long long)n_items, (long long)choice,
                 (long long)item, held);
    }
    return held;
}

/* One mixture: its inputs and outputs. */
struct mixture {
    int64_t n, saved_room;
    int learned; /* has logits */
    mn_real *logits, *weights, *saved, *d_weights;
    struct mn_when when;
    uint64_t seed; /* of the noise */
};

/* What is mixed: the built-in candidates, or inputs. */
static struct mn_mixture *about_new(struct kit_fixture *fixture, int64_t n_items) {
    static const char *const names[2][MOST_ITEMS] = {
        {"skip_connect", "conv_3x3", "max_pool_3x3", "sep_conv_3x3", "dil_conv_3x3"},
        {"0", "1", "2", "3", "4"}};
    static const double parameters[MOST_ITEMS] = {0, 1764, 0, 644, 322};
    static const double macs[MOST_ITEMS] = {0, 345744, 0, 126224, 63112};
    const int is_input = fixture->kit->unit->kind == MN_INPUT_MIXER;
    struct mn_mixture *about = mock_buffer(&fixture->mock, sizeof *about, 0);
    const int64_t n = n_choices(fixture, n_items);
    uint8_t *held = mock_buffer(&fixture->mock, (size_t)(n * n_items), 0);
    for (int64_t c = 0; c < n; c++) {
        for (int64_t i = 0; i < n_items; i++) {
            held[c * n_items + i] = (uint8_t)holds(fixture, n_items, c, i);
        }
    }
    *about = (struct mn_mixture){.size = sizeof *about,
                                 .stride = 1,
                                 .name = is_input ? "kit.0.in" : "kit.0.op.0",
                                 .n_mixtures = 2,
                                 .n_items = (int32_t)n_items,
                                 .items = names[is_input],
                                 .parameters = parameters,
                                 .macs = macs,
                                 .n_choices = n,
                                 .holds = held};
    if (fixture->table.mixer.accept != NULL) {
        kit_call(fixture, "accept", KIT_SETUP);
        kit_ok(fixture, kit_end(fixture, fixture->table.mixer.accept(fixture->self,
                                                                     &fixture->mock.ctx, about)));
    }
    return about;
}

/* With `masked`, a keep mask has taken the first choice, where others are left. */
static struct mixture mixture_new(struct kit_fixture *fixture, int64_t n_items, int masked) {
    struct mixture m = {.n = n_choices(fixture, n_items), .when.size = sizeof m.when};
    m.when.mixture = about_new(fixture, n_items);
    if (masked && m.n > 1) {
        m.n--;
        int32_t *left = mock_buffer(&fixture->mock, (size_t)m.n * sizeof *left, 0);
        for (int64_t i = 0; i < m.n; i++) {
            left[i] = (int32_t)i + 1;
        }
        m.when.choices = left;
    }
    m.learned = n_logits(fixture, n_items) > 0;
    m.when.gradient = (uint32_t)m.learned;
    if (m.learned && fixture->table.mixer.backward == NULL) {
        kit_fail("choices", "n_logits is not 0, but there is no backward");
    }
    m.saved_room = n_saved(fixture, m.n);
    m.logits = kit_input(fixture, m.n);
    m.weights = kit_output(fixture, m.n);
    m.saved = kit_output(fixture, m.saved_room);
    m.d_weights = kit_input(fixture, m.n);
    return m;
}

/* Weights are written and finite when this returns MN_OK. */
static int forward(struct kit_fixture *fixture, struct mixture *m) {
    struct mn_rng rng = mn_rng_make(m->seed, MN_RNG_MIXER, 0, 0, 0, 0);
    memset(m->weights, MOCK_POISON, (size_t)m->n * sizeof *m->weights);
    kit_seal(fixture, m->logits);
    kit_call(fixture, "forward", KIT_WORKER);
    const int status =
        kit_end(fixture, fixture->table.mixer.forward(
                             fixture->self, &fixture->mock.ctx, m->n, m->learned ? m->logits : NULL,
                             &m->when, &rng, m->weights, m->saved_room > 0 ? m->saved : NULL));
    mock_unseal(&fixture->mock, m->logits);
    if (status == MN_OK) {
        kit_written("the weights", m->n, m->weights);
    }
    return status;
}

static int backward(struct kit_fixture *fixture, struct mixture *m, mn_real *d_logits) {
    mn_real *const sealed[] = {m->logits, m->weights, m->saved, m->d_weights};
    for (int i = 0; i < 4; i++) {
        kit_seal(fixture, sealed[i]);
    }
    kit_call(fixture, "backward", KIT_WORKER);
    const int status =
        kit_end(fixture, fixture->table.mixer.backward(fixture->self, &fixture->mock.ctx, m->n,
                                                       m->logits, &m->when, m->weights,
                                                       m->saved_room > 0 ? m->saved : NULL,
                                                       m->d_weights, d_logits));
    for (int i = 0; i < 4; i++) {
        mock_unseal(&fixture->mock, sealed[i]);
    }
    if (status == MN_OK) {
        kit_written("d_logits", m->n, d_logits);
    }
    return status;
}

/* The mixer's own term of the loss, 0 where it has none; its gradient is added to d_logits, if not
 * NULL. */
static double penalty(struct kit_fixture *fixture, struct mixture *m, mn_real *d_logits) {
    mn_real *const sealed[] = {m->logits, m->weights, m->saved};
    if (fixture->table.mixer.penalty == NULL || !m->when.training) {
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        kit_seal(fixture, sealed[i]);
    }
    kit_call(fixture, "penalty", KIT_WORKER);
    const double value = fixture->table.mixer.penalty(
        fixture->self, &fixture->mock.ctx, m->n, m->learned ? m->logits : NULL, &m->when,
        m->weights, m->saved_room > 0 ? m->saved : NULL, d_logits);
    kit_end_plain(fixture);
    for (int i = 0; i < 3; i++) {
        mock_unseal(&fixture->mock, sealed[i]);
    }
    if (!isfinite(value)) {
        kit_fail("not_finite", "the penalty is %g", fabs(value));
    }
    return value;
}

/* Which choices are to be computed for their gradient. */
static void measure(struct kit_fixture *fixture, const struct mixture *m, uint64_t *digest) {
    if (fixture->table.mixer.measure == NULL) {
        return;
    }
    uint8_t *measured = mock_buffer(&fixture->mock, (size_t)m->n, 0);
    kit_call(fixture, "measure", KIT_WORKER);
    fixture->table.mixer.measure(fixture->self, m->n, m->weights,
                                 m->saved_room > 0 ? m->saved : NULL, measured);
    kit_end_plain(fixture);
    for (int64_t i = 0; i < m->n; i++) {
        if (measured[i] > 1) {
            kit_fail("keep_value", "measured[%lld] is %d", (long long)i, measured[i]);
        }
    }
    kit_digest(digest, measured, (size_t)m->n);
}

/* Input mixers are told the strength of choices of one item. */
static int has_strength(const struct kit_fixture *fixture, int64_t n_items, int64_t n) {
    if (fixture->kit->unit->kind != MN_INPUT_MIXER || n != n_items) {
        return 0;
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t i = 0; i < n_items; i++) {
            if (fixture->table.mixer.holds(fixture->self, n_items, c, i) != (c == i)) {
                return 0;
            }
        }
    }
    return 1;
}

/* keep is poisoned. */
static int select_choices(struct kit_fixture *fixture, int64_t n_items, int64_t n, mn_real *weights,
                          mn_real *strength, uint8_t *keep) {
    const int strong = has_strength(fixture, n_items, n);
    const struct mn_when when = {
        .size = sizeof when, .progress = 1, .mixture = about_new(fixture, n_items)};
    kit_seal(fixture, weights);
    kit_call(fixture, "select", KIT_WORKER);
    const int status =
        kit_end(fixture, fixture->table.mixer.select(fixture->self, &fixture->mock.ctx, n, &when,
                                                     weights, strong ? strength : NULL, keep));
    mock_unseal(&fixture->mock, weights);
    int64_t kept = 0;
    for (int64_t i = 0; status == MN_OK && i < n; i++) {
        if (keep[i] > 1) {
            kit_fail("keep_value", "keep[%lld] is %d", (long long)i, keep[i]);
        }
        kept += keep[i];
    }
    if (status == MN_OK && kept == 0) {
        kit_fail("keeps_none", "none of %lld choices is kept", (long long)n);
    }
    return status;
}

/* ---- exercise ----------------------------------------------------------------------------- */

static int exercise_items(struct kit_fixture *fixture, int64_t n_items, struct mn_rng *rng,
                          uint64_t *digest) {
    struct mixture m = mixture_new(fixture, n_items, 0);
    mn_real *d_logits = kit_input(fixture, m.n), *strength = kit_input(fixture, m.n);
    uint8_t *keep = mock_buffer(&fixture->mock, (size_t)m.n, MOCK_POISON);
    kit_normal(rng, m.n, 1, m.logits);
    kit_normal(rng, m.n, 1, m.d_weights);
    for (int64_t i = 0; i < m.n; i++) {
        strength[i] = (mn_real)mn_rng_uniform(rng);
    }
    m.when.progress = mn_rng_uniform(rng);
    m.when.training = mn_rng_below(rng, 2);
    m.seed = mn_rng_u32(rng);
    int status = forward(fixture, &m);
    kit_digest(digest, m.weights, (size_t)m.n * sizeof *m.weights);
    if (status == MN_OK && m.learned) {
        measure(fixture, &m, digest);
        status = backward(fixture, &m, d_logits);
        const double own = penalty(fixture, &m, d_logits);
        kit_digest(digest, &own, sizeof own);
        kit_digest(digest, d_logits, (size_t)m.n * sizeof *d_logits);
    }
    m.when.progress = 1;
    m.when.training = m.when.gradient = 0;
    status = status == MN_OK ? forward(fixture, &m) : status;
    if (status == MN_OK) {
        status = select_choices(fixture, n_items, m.n, m.weights, strength, keep);
        kit_digest(digest, keep, (size_t)m.n);
    }
    return status;
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 1, 0, 0, 0);
    int status = MN_OK;
    for (int64_t n_items = 1; status == MN_OK && n_items <= MOST_ITEMS; n_items++) {
        status = exercise_items(fixture, n_items, &rng, digest);
    }
    return status;
}

/* ---- choices ------------------------------------------------------------------------------ */

static void check_choices(struct kit_fixture *fixture, int64_t n_items) {
    const int64_t n = n_choices(fixture, n_items), logits = n_logits(fixture, n_items);
    const int plain = fixture->kit->unit->kind == MN_OP_MIXER;
    int covered[16] = {0};
    if (logits != 0 && logits != n) {
        kit_fail("choices", "n_logits(%lld) is %lld; it is n_choices (%lld) or 0",
                 (long long)n_items, (long long)logits, (long long)n);
    }
    for (int64_t c = 0; c < n; c++) {
        int held = 0;
        for (int64_t i = 0; i < n_items; i++) {
            const int in = holds(fixture, n_items, c, i);
            held += in;
            covered[i] |= in;
            if (plain && (n != n_items || in != (c == i))) {
                kit_fail("choices", "of %lld operations, choice %lld %s operation %lld",
                         (long long)n_items, (long long)c, in ? "holds" : "does not hold",
                         (long long)i);
            }
        }
        if (held == 0) {
            kit_fail("choices", "choice %lld of %lld items holds none", (long long)c,
                     (long long)n_items);
        }
    }
    for (int64_t i = 0; i < n_items; i++) {
        if (!covered[i]) {
            kit_fail("choices", "item %lld of %lld is in no choice", (long long)i,
                     (long long)n_items);
        }
    }
}

static void choices(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    for (int64_t n_items = 1; n_items <= 9; n_items++) {
        check_choices(&fixture, n_items);
    }
    kit_fixture_close(&fixture);
}

/* ---- weights ------------------------------------------------------------------------------ */

/* Calls `check` for logits that are equal, random, large and far apart, along the task. */
static void over_logits(const struct kit *kit,
                        void (*check)(struct kit_fixture *fixture, struct mixture *m)) {
    static const double scales[] = {0, 1, 30, 1000};
    for (int64_t n_items = 1; n_items <= MOST_ITEMS; n_items++) {
        for (int round = 0; round < 32; round++) {
            struct kit_fixture fixture;
            struct mn_rng rng = mn_rng_make((uint64_t)round, MN_RNG_PLUGIN, 2, 0, 0, 0);
            kit_fixture_begin(&fixture, kit, 0);
            struct mixture m = mixture_new(&fixture, n_items, round / 2 % 2);
            kit_normal(&rng, m.n, scales[round % 4], m.logits);
            m.when.progress = (round / 4) % 4 / 3.0;
            m.when.training = round >= 16;
            m.seed = (uint64_t)round;
            kit_at("%lld items, logits of scale %g, progress %g%s", (long long)n_items,
                   scales[round % 4], m.when.progress, m.when.training ? ", training" : "");
            check(&fixture, &m);
            kit_fixture_close(&fixture);
        }
    }
}

static void check_finite(struct kit_fixture *fixture, struct mixture *m) {
    mn_real *d_logits = kit_input(fixture, m->n);
    kit_ok(fixture, forward(fixture, m)); /* and finite */
    penalty(fixture, m, NULL);
    mn_vec_fill(m->n, 1, m->d_weights);
    if (m->learned) {
        kit_ok(fixture, backward(fixture, m, d_logits));
        penalty(fixture, m, d_logits);
        kit_written("d_logits", m->n, d_logits);
    }
}

static void finite_outputs(const struct kit *kit) {
    over_logits(kit, check_finite);
}

static void check_simplex(struct kit_fixture *fixture, struct mixture *m) {
    double sum = 0;
    kit_ok(fixture, forward(fixture, m));
    for (int64_t i = 0; i < m->n; i++) {
        if (m->weights[i] < 0) {
            kit_fail("simplex", "weight %lld is %g", (long long)i, (double)m->weights[i]);
        }
        sum += (double)m->weights[i];
    }
    if (m->learned && fabs(sum - 1) > 1e-5) {
        kit_fail("simplex", "the weights of %lld choices sum to %.7g", (long long)m->n, sum);
    }
}

static void simplex(const struct kit *kit) {
    if ((kit->unit->flags & MN_UNIT_FREE_SUM) != 0) {
        kit_skip("the unit declares that its weights need not sum to 1");
    }
    over_logits(kit, check_simplex);
}

/* ---- gradient ----------------------------------------------------------------------------- */

struct moved {
    struct kit_fixture *fixture;
    struct mixture *m;
    int64_t logit;
    int of_penalty;
};

/* sum_i d_weights_i weight_i, or the penalty, with a logit moved by `by`. */
static double objective(void *data, double by, double *at) {
    const struct moved *moved = data;
    struct mixture *m = moved->m;
    const mn_real before = m->logits[moved->logit];
    m->logits[moved->logit] = (mn_real)((double)before + by);
    *at = (double)m->logits[moved->logit];
    kit_ok(moved->fixture, forward(moved->fixture, m));
    const double value = moved->of_penalty ? penalty(moved->fixture, m, NULL)
                                           : mn_vec_dot(m->n, m->d_weights, m->weights);
    m->logits[moved->logit] = before;
    return value;
}

/* Returns how many elements could be compared. */
static int check_gradient(struct kit_fixture *fixture, struct mixture *m) {
    mn_real *d = kit_input(fixture, m->n), *added = kit_input(fixture, m->n);
    int compared = 0;
    kit_ok(fixture, forward(fixture, m));
    kit_ok(fixture, backward(fixture, m, d));
    mn_vec_fill(m->n, (mn_real)0.75, added);
    kit_ok(fixture, backward(fixture, m, added));
    for (int64_t k = 0; k < m->n; k++) {
        struct moved moved = {fixture, m, k, 0};
        double expected;
        const enum kit_agreement agreement = kit_agrees(objective, &moved, (double)d[k], &expected);
        compared += agreement != KIT_UNSETTLED;
        if (agreement == KIT_DISAGREES) {
            kit_fail("gradient", "d_logits[%lld] is %.7g, differences of forward give %.7g",
                     (long long)k, (double)d[k], expected);
        }
        if (fabs((double)(added[k] - d[k]) - 0.75) > 1e-4 * (1 + fabs((double)d[k]))) {
            kit_fail("gradient_not_added",
                     "d_logits[%lld] was 0.75 and became %.7g instead of %.7g", (long long)k,
                     (double)added[k], 0.75 + (double)d[k]);
        }
    }
    return compared;
}

static void check_penalty(struct kit_fixture *fixture, struct mixture *m) {
    mn_real *d = kit_input(fixture, m->n);
    kit_ok(fixture, forward(fixture, m));
    mn_vec_fill(m->n, (mn_real)0.75, d);
    penalty(fixture, m, d);
    for (int64_t k = 0; k < m->n; k++) {
        struct moved moved = {fixture, m, k, 1};
        double expected;
        if (kit_agrees(objective, &moved, (double)d[k] - 0.75, &expected) == KIT_DISAGREES) {
            kit_fail("gradient",
                     "penalty adds %.7g to d_logits[%lld], differences of its value give %.7g",
                     (double)d[k] - 0.75, (long long)k, expected);
        }
    }
}

static void gradient_round(const struct kit *kit, int round, int *compared, int *all) {
    struct kit_fixture fixture;
    struct mn_rng rng = mn_rng_make((uint64_t)round, MN_RNG_PLUGIN, 3, 0, 0, 0);
    kit_fixture_begin(&fixture, kit, 0);
    struct mixture m = mixture_new(&fixture, 2 + round % (MOST_ITEMS - 1), round / 8);
    if (!m.learned) {
        kit_skip("the mixer has no logits");
    }
    kit_normal(&rng, m.n, 0.5, m.logits);
    kit_normal(&rng, m.n, 1, m.d_weights);
    m.when.progress = round % 4 / 3.0;
    m.when.training = (uint32_t)(round / 4) % 2;
    m.seed = (uint64_t)round;
    kit_at("%lld choices, progress %g%s", (long long)m.n, m.when.progress,
           m.when.training ? ", training" : "");
    *compared += check_gradient(&fixture, &m);
    check_penalty(&fixture, &m);
    *all += (int)m.n;
    kit_fixture_close(&fixture);
}

static void gradient(const struct kit *kit) {
    int compared = 0, all = 0;
    /* Rounds 4 to 7 and 12 to 15 are training passes. */
    const int surrogate = (kit->unit->flags & MN_UNIT_SURROGATE) != 0;
    for (int round = 0; round < 16; round++) {
        if (surrogate && round / 4 % 2 == 1) {
            continue;
        }
        gradient_round(kit, round, &compared, &all);
    }
    if (2 * compared < all) {
        kit_fail("gradient", "forward is not smooth: differences settle for %d of %d logits only",
                 compared, all);
    }
}

/* ---- pruning ------------------------------------------------------------------------------ */

/* Equal weights, one above all, all tiny, random ones. */
static void fill_weights(int shape, int64_t n, struct mn_rng *rng, mn_real *out) {
    for (int64_t i = 0; i < n; i++) {
        const double values[] = {1.0 / (double)n, i == n - 1, 1e-9,
                                 mn_rng_uniform(rng) / (double)n};
        out[i] = (mn_real)values[shape];
    }
}

static void check_select(struct kit_fixture *fixture, int64_t n_items, int shape) {
    struct mn_rng rng = mn_rng_make((uint64_t)shape, MN_RNG_PLUGIN, 4, 0, 0, 0);
    const int64_t n = n_choices(fixture, n_items);
    mn_real *weights = kit_input(fixture, n), *strength = kit_input(fixture, n);
    uint8_t *keep = mock_buffer(&fixture->mock, (size_t)n, MOCK_POISON);
    fill_weights(shape, n, &rng, weights);
    fill_weights(shape, n, &rng, strength);
    kit_ok(fixture, select_choices(fixture, n_items, n, weights, strength, keep));
}

static void select_some(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    for (int64_t n_items = 1; n_items <= MOST_ITEMS; n_items++) {
        for (int shape = 0; shape < 4; shape++) {
            for (int split = MN_TRAIN; split <= MN_TEST; split++) {
                static const char *const shapes[] = {"equal", "one 1, the others 0", "tiny",
                                                     "random"};
                kit_at("%lld items, weights: %s, %s", (long long)n_items, shapes[shape],
                       split == MN_TRAIN ? "meta-training" : "evaluation");
                fixture.mock.ctx.where.split = split;
                check_select(&fixture, n_items, shape);
            }
        }
    }
    kit_fixture_close(&fixture);
}

static void threshold(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    for (int split = MN_TRAIN; fixture.table.mixer.threshold != NULL && split <= MN_TEST; split++) {
        fixture.mock.ctx.where.split = split;
        kit_call(&fixture, "threshold", KIT_WORKER);
        const double t = fixture.table.mixer.threshold(fixture.self, &fixture.mock.ctx);
        kit_end_plain(&fixture);
        if (!(t >= 0 && t < 1)) {
            kit_fail("threshold", "the threshold is %g", t);
        }
    }
    kit_fixture_close(&fixture);
}

static const struct kit_case cases[] = {
    {"choices", "every choice is a set of items, for operations the item itself", 0, choices},
    {"finite", "weights and gradients are finite for any logits, at progress 0 to 1", 0,
     finite_outputs},
    {"simplex", "weights are not negative and sum to 1", 0, simplex},
    {"gradient", "backward adds the derivative of forward", 0, gradient},
    {"select", "pruning keeps at least one choice", 0, select_some},
    {"threshold", "the threshold lies in [0, 1)", 0, threshold},
};

const struct kit_kind kit_mixer = {.exercise = exercise,
                                   .ends = 1,
                                   .options = 1,
                                   .cases = cases,
                                   .n_cases = sizeof cases / sizeof cases[0]};
