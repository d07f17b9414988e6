/* SPDX-License-Identifier: MIT */
/* task_learner: differentiating through a task. With c a random direction, c . (w, a) after the
 * task is a function of the point before it and of the factors of every step; what `adjoint` gives
 * is compared with its differences. */

#include "derivative.h"
#include "task_learner.h"

#include <float.h>
#include <math.h>
#include <string.h>

#ifdef MN_REAL_DOUBLE
#define EPSILON DBL_EPSILON
#else
#define EPSILON FLT_EPSILON
#endif

enum { POINT = TOY_W + TOY_A };

/* Of the largest effect that the task has on the gradient: second derivatives are themselves
 * differences. */
#define TOLERANCE 0.02

/* A recorded task. */
struct tape {
    struct kit_fixture *fixture;
    struct task_run run;
    mn_real *start;                    /* [POINT] */
    mn_real *factors[TASK_STEPS];      /* [POINT] each */
    struct mn_point rates[TASK_STEPS]; /* the same, for the toy */
    int64_t row;                       /* reals of a row of toy.tape */
    mn_real c[POINT];                  /* the direction */
    mn_real *d, *d_state;              /* the gradient so far: [POINT], [n_state] */
    mn_real *d_factors[TASK_STEPS];    /* [POINT] each */
};

static struct toy *toy_of(const struct tape *t) {
    return t->fixture->data;
}

static struct mn_point point_of(mn_real *at) {
    return (struct mn_point){at, at + TOY_W};
}

static struct tape tape_new(struct kit_fixture *fixture, uint64_t seed) {
    struct tape t = {.fixture = fixture, .run = task_run_new(fixture, seed)};
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 11, 0, 0, 0);
    t.row = POINT + t.run.n_state;
    t.start = kit_input(fixture, POINT);
    t.d = kit_input(fixture, POINT);
    t.d_state = kit_input(fixture, t.run.n_state);
    kit_normal(&rng, POINT, 1, t.start);
    kit_normal(&rng, POINT, 1, t.c);
    for (int step = 0; step < TASK_STEPS; step++) {
        t.factors[step] = kit_input(fixture, POINT);
        t.d_factors[step] = kit_output(fixture, POINT);
        t.rates[step] = point_of(t.factors[step]);
        for (int i = 0; i < POINT; i++) {
            t.factors[step][i] = (mn_real)(0.5 + mn_rng_uniform(&rng));
        }
    }
    return t;
}

/* From the start of the tape; with its factors. */
static int tape_adapt(struct tape *t) {
    struct toy *toy = toy_of(t);
    mn_vec_copy(TOY_W, t->start, t->run.params.w);
    mn_vec_copy(TOY_A, t->start + TOY_W, t->run.params.a);
    mn_vec_fill(t->run.n_state, 0, t->run.state);
    toy->rates = t->rates;
    return task_adapt(t->fixture, &t->run);
}

/* The same, recorded as the host does it. */
static int tape_record(struct tape *t) {
    struct toy *toy = toy_of(t);
    mn_real *rows = kit_input(t->fixture, (TASK_STEPS + 1) * t->row);
    mn_vec_copy(POINT, t->start, rows);
    toy->tape = (struct toy_tape){1, rows, t->run.state, t->run.n_state};
    const int status = tape_adapt(t);
    if (status == MN_OK && toy->n_dones != TASK_STEPS) {
        kit_fail("ignores_steps",
                 "the host prescribes %d steps, but mn_step_done was called %d times", TASK_STEPS,
                 toy->n_dones);
    }
    toy->tape.on = 0;
    kit_seal(t->fixture, rows);
    return status;
}

static int back_step(struct tape *t, int step, uint32_t flags) {
    struct kit_fixture *fixture = t->fixture;
    mn_real *row = toy_of(t)->tape.rows + step * t->row;
    const struct mn_step done = {.size = sizeof done,
                                 .step = step,
                                 .before = point_of(row),
                                 .after = point_of(row + t->row),
                                 .state = row + POINT};
    struct mn_adjoint io = {.size = sizeof io,
                            .flags = flags,
                            .epsilon = 0.01,
                            .d = point_of(t->d),
                            .d_state = t->d_state,
                            .d_rates = point_of(t->d_factors[step])};
    memset(t->d_factors[step], MOCK_POISON, POINT * sizeof *t->d_factors[step]);
    toy_forget_calls(toy_of(t));
    kit_call(fixture, "adjoint", KIT_WORKER);
    const int status =
        kit_end(fixture, fixture->table.task_learner.adjoint(fixture->self, &fixture->mock.ctx,
                                                             NULL, &toy_of(t)->task, &done, &io));
    if (status == MN_OK) {
        kit_written("d", POINT, t->d);
        kit_written("d_state", t->run.n_state, t->d_state);
        kit_written("d_rates", POINT, t->d_factors[step]);
    }
    return status;
}

static int back(struct tape *t, uint32_t flags) {
    int status = MN_OK;
    mn_vec_copy(POINT, t->c, t->d);
    mn_vec_fill(t->run.n_state, 0, t->d_state);
    for (int step = TASK_STEPS - 1; status == MN_OK && step >= 0; step--) {
        status = back_step(t, step, flags);
    }
    return status;
}

/* ---- whether it can ----------------------------------------------------------------------- */

/* 1 where the learner says that it can; 0 where it says why not, which is then the message. */
static int differentiates(struct kit_fixture *fixture) {
    const struct mn_task_learner *table = &fixture->table.task_learner;
    if (table->adjoint == NULL) {
        return 0;
    }
    if (table->steps == NULL) {
        kit_fail("plan", "there is `adjoint`, but no `steps`");
    }
    if (table->check_adjoint == NULL) {
        return 1;
    }
    kit_call(fixture, "check_adjoint", KIT_WORKER);
    const int status = kit_end(fixture, table->check_adjoint(fixture->self, &fixture->mock.ctx));
    if (status != MN_OK && (status != MN_CONFIG || fixture->mock.key[0] == '\0')) {
        kit_fail("refused_option", "check_adjoint returned %s: %s", kit_status_name(status),
                 fixture->mock.message);
    }
    return status == MN_OK;
}

int task_exercise_adjoint(struct kit_fixture *fixture, uint64_t seed, uint64_t *digest) {
    if (!differentiates(fixture)) {
        return MN_OK;
    }
    struct tape t = tape_new(fixture, seed);
    int status = tape_record(&t);
    if (status == MN_OK) {
        status = back(&t, 0);
    }
    kit_digest(digest, t.d, POINT * sizeof *t.d);
    for (int step = 0; status == MN_OK && step < TASK_STEPS; step++) {
        kit_digest(digest, t.d_factors[step], POINT * sizeof *t.d);
    }
    toy_of(&t)->rates = NULL;
    toy_of(&t)->tape = (struct toy_tape){0};
    return status;
}

static void begin(struct kit_fixture *fixture, const struct kit *kit) {
    kit_fixture_begin(fixture, kit, 0);
    if (fixture->table.task_learner.adjoint == NULL) {
        kit_skip("the learner has no adjoint");
    }
    if (!differentiates(fixture)) {
        kit_skip("check_adjoint refuses the option %s: %s", fixture->mock.key,
                 fixture->mock.message);
    }
}

/* ---- factors ------------------------------------------------------------------------------ */

/* One step with factors for one half of the point: that half moves by factor times its update. */
static void check_rates(struct kit_fixture *fixture, int first, int n, const char *what) {
    struct tape t = tape_new(fixture, 1);
    mn_real plain[POINT];
    mn_real *params = first == 0 ? t.run.params.w : t.run.params.a;
    mn_real *factors = t.factors[0] + first;
    toy_of(&t)->prescribed = 1;
    mn_real random[POINT];
    mn_vec_copy(n, factors, random);
    mn_vec_fill(POINT, 1, t.factors[0]);
    kit_ok(fixture, tape_adapt(&t));
    mn_vec_copy(n, params, plain);
    mn_vec_copy(n, random, factors);
    kit_ok(fixture, tape_adapt(&t));
    for (int i = 0; i < n; i++) {
        const double from = (double)t.start[first + i], update = (double)plain[i] - from;
        const double expected = from + (double)random[i] * update;
        if (fabs((double)params[i] - expected) > 16 * EPSILON * (1 + fabs(from))) {
            kit_fail("rates",
                     "%s[%d] went from %.7g to %.7g; with the factor %.4g the update of %.4g ends "
                     "at %.7g",
                     what, i, from, (double)params[i], (double)random[i], update, expected);
        }
    }
}

void task_case_rates(const struct kit *kit) {
    struct kit_fixture fixture;
    begin(&fixture, kit);
    check_rates(&fixture, 0, TOY_W, "w");
    check_rates(&fixture, TOY_W, TOY_A, "a");
    kit_fixture_close(&fixture);
}

/* One step in which one half of the point is shaped: that half goes where toy_shape takes its
 * update.
 */
static void check_shape(struct kit_fixture *fixture, int first, int n, const char *what) {
    struct tape t = tape_new(fixture, 1);
    mn_real plain[POINT];
    mn_real *params = first == 0 ? t.run.params.w : t.run.params.a;
    toy_of(&t)->prescribed = 1;
    kit_ok(fixture, tape_adapt(&t));
    mn_vec_copy(n, params, plain);
    if (memcmp(plain, t.start + first, (size_t)n * sizeof *plain) == 0) {
        return; /* it does not adapt */
    }
    toy_of(&t)->shapes = first == 0 ? MN_ADAPTS_W : MN_ADAPTS_A;
    kit_ok(fixture, tape_adapt(&t));
    toy_of(&t)->shapes = 0;
    for (int i = 0; i < n; i++) {
        const double from = (double)t.start[first + i], update = (double)plain[i] - from;
        const double expected = toy_shape(from, update);
        if (fabs((double)params[i] - expected) > 16 * EPSILON * (1 + fabs(from))) {
            kit_fail("shape",
                     "%s[%d] went from %.7g to %.7g; the update of %.4g, shaped, ends at %.7g",
                     what, i, from, (double)params[i], update, expected);
        }
    }
}

void task_case_shape(const struct kit *kit) {
    struct kit_fixture fixture;
    begin(&fixture, kit);
    check_shape(&fixture, 0, TOY_W, "w");
    check_shape(&fixture, TOY_W, TOY_A, "a");
    kit_fixture_close(&fixture);
}

/* ---- gradients ---------------------------------------------------------------------------- */

struct moved {
    struct tape *tape;
    mn_real *at;
};

static double objective(void *data, double by, double *at) {
    struct moved *moved = data;
    struct tape *t = moved->tape;
    const mn_real before = *moved->at;
    *moved->at = (mn_real)((double)before + by);
    *at = (double)*moved->at;
    kit_ok(t->fixture, tape_adapt(t));
    *moved->at = before;
    return mn_vec_dot(TOY_W, t->c, t->run.params.w) +
           mn_vec_dot(TOY_A, t->c + TOY_W, t->run.params.a);
}

/* `got` [POINT] with regard to at[POINT]; `identity` is what it were if the task did nothing.
 * Elements whose differences do not settle lie at a kink. Returns how many were compared. */
static int compare(struct tape *t, mn_real *at, const mn_real *got, const mn_real *identity,
                   const char *what) {
    double expected[POINT], error[POINT], scale = 0;
    int compared = 0;
    for (int i = 0; i < POINT; i++) {
        struct moved moved = {t, at + i};
        expected[i] = kit_derivative(objective, &moved, 0.25, &error[i]);
        scale = fmax(scale, fabs(expected[i] - (identity != NULL ? (double)identity[i] : 0)));
    }
    for (int i = 0; i < POINT; i++) {
        struct moved moved = {t, at + i};
        const double off = fabs((double)got[i] - expected[i]);
        const double tolerance = TOLERANCE * scale + 16 * EPSILON;
        const int settled = error[i] <= 0.2 * tolerance + 16 * EPSILON;
        if (settled && off <= tolerance + 5 * error[i]) {
            compared++;
        } else if (kit_derivative_at_kink(objective, &moved, (double)got[i], expected[i],
                                          tolerance)) {
            compared++;
        } else if (settled) {
            kit_fail("adjoint", "%s[%d] is %.7g, differences of adapt give %.7g", what, i,
                     (double)got[i], expected[i]);
        }
    }
    return compared;
}

void task_case_adjoint(const struct kit *kit) {
    int compared = 0, all = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct kit_fixture fixture;
        begin(&fixture, kit);
        struct tape t = tape_new(&fixture, seed);
        toy_of(&t)->shapes = seed % 2 == 0 ? MN_ADAPTS_W | MN_ADAPTS_A : 0;
        kit_at("task %d of %d steps", (int)seed, TASK_STEPS);
        kit_ok(&fixture, tape_record(&t));
        kit_ok(&fixture, back(&t, 0));
        compared += compare(&t, t.start, t.d, t.c, "d");
        for (int step = 0; step < TASK_STEPS; step++) {
            kit_at("task %d, factors of step %d of %d", (int)seed, step, TASK_STEPS);
            compared += compare(&t, t.factors[step], t.d_factors[step], NULL, "d_rates");
        }
        all += (1 + TASK_STEPS) * POINT;
        kit_fixture_close(&fixture);
    }
    if (2 * compared < all) {
        kit_fail("adjoint", "adapt is not smooth: differences settle for %d of %d elements only",
                 compared, all);
    }
}

/* The last step, shaped and taken for a constant: d becomes what the shape leaves of it. */
static void check_first_order_shape(struct kit_fixture *fixture) {
    struct tape t = tape_new(fixture, 2);
    mn_vec_fill(POINT, 1, t.factors[TASK_STEPS - 1]);
    toy_of(&t)->shapes = MN_ADAPTS_W | MN_ADAPTS_A;
    kit_ok(fixture, tape_record(&t));
    const mn_real *before = toy_of(&t)->tape.rows + (TASK_STEPS - 1) * t.row;
    const mn_real *after = before + t.row;
    mn_vec_copy(POINT, t.c, t.d);
    kit_ok(fixture, back_step(&t, TASK_STEPS - 1, MN_ADJOINT_FIRST_ORDER));
    for (int i = 0; i < POINT; i++) {
        const double x = (double)before[i], u = ((double)after[i] - 0.875 * x) / (1.25 + 0.25 * x);
        const double c = (double)t.c[i];
        double expected, d_u;
        toy_shape_back(x, u, c, &expected, &d_u);
        if (memcmp(&before[i], &after[i], sizeof before[i]) == 0) {
            expected = c; /* the step does not adapt it */
        }
        if (fabs((double)t.d[i] - expected) > 64 * EPSILON * (1 + fabs(x)) * (1 + fabs(c))) {
            kit_fail("first_order", "with a shape d[%d] was %.7g and became %.7g; it leaves %.7g",
                     i, c, (double)t.d[i], expected);
        }
    }
    toy_of(&t)->shapes = 0;
}

void task_case_first_order(const struct kit *kit) {
    struct kit_fixture fixture;
    mn_real whole[POINT];
    begin(&fixture, kit);
    struct tape t = tape_new(&fixture, 1);
    kit_ok(&fixture, tape_record(&t));
    mn_vec_copy(POINT, t.c, t.d);
    kit_ok(&fixture, back_step(&t, TASK_STEPS - 1, 0));
    mn_vec_copy(POINT, t.d_factors[TASK_STEPS - 1], whole);
    kit_ok(&fixture, back(&t, MN_ADJOINT_FIRST_ORDER));
    for (int i = 0; i < POINT; i++) {
        const double got = (double)t.d_factors[TASK_STEPS - 1][i], expected = (double)whole[i];
        if (t.d[i] < t.c[i] || t.d[i] > t.c[i]) {
            kit_fail("first_order", "d[%d] was %.7g and became %.7g", i, (double)t.c[i],
                     (double)t.d[i]);
        }
        if (fabs(got - expected) > KIT_GRADIENT_TOLERANCE * (fabs(expected) + EPSILON)) {
            kit_fail("first_order", "d_rates[%d] is %.7g, without the flag it is %.7g", i, got,
                     expected);
        }
    }
    check_first_order_shape(&fixture);
    kit_fixture_close(&fixture);
}
