/* SPDX-License-Identifier: MIT */
/* task_learner, on the model of toy.h. */

#include "task_learner.h"

#include <math.h>
#include <string.h>

enum { LONG = 60 };

static void prepare(struct kit_fixture *fixture) {
    fixture->data = mock_buffer(&fixture->mock, sizeof(struct toy), 0);
    toy_install(fixture->data, &fixture->mock, TOY_A);
    ((struct toy *)fixture->data)->prescribed = TASK_STEPS;
}

static struct toy *toy_of_fixture(struct kit_fixture *fixture) {
    return fixture->data;
}

/* ---- calls -------------------------------------------------------------------------------- */

static int64_t n_state(struct kit_fixture *fixture) {
    const struct mn_task_learner *t = &fixture->table.task_learner;
    int64_t n = 0;
    if (t->n_state != NULL) {
        kit_call(fixture, "n_state", KIT_WORKER);
        n = t->n_state(fixture->self, &toy_of_fixture(fixture)->dims);
        kit_end_plain(fixture);
    }
    if (n < 0 || n > 1000000) {
        kit_fail("plan", "n_state is %lld for a model of %d weights and %d logits", (long long)n,
                 TOY_W, TOY_A);
    }
    return n;
}

static int32_t max_batch(struct kit_fixture *fixture) {
    int32_t n = 0;
    if (fixture->table.task_learner.max_batch != NULL) {
        kit_call(fixture, "max_batch", KIT_WORKER);
        n = fixture->table.task_learner.max_batch(fixture->self);
        kit_end_plain(fixture);
    }
    if (n < -1000000) {
        kit_fail("plan", "max_batch is %d", (int)n);
    }
    return n;
}

static uint32_t adapts(struct kit_fixture *fixture) {
    uint32_t what = MN_ADAPTS_W | MN_ADAPTS_A;
    if (fixture->table.task_learner.adapts != NULL) {
        kit_call(fixture, "adapts", KIT_WORKER);
        what = fixture->table.task_learner.adapts(fixture->self, &fixture->mock.ctx.where);
        kit_end_plain(fixture);
    }
    if ((what & ~(uint32_t)(MN_ADAPTS_W | MN_ADAPTS_A)) != 0) {
        kit_fail("plan", "adapts is 0x%x", what);
    }
    return what;
}

static void ask_plan(struct kit_fixture *fixture) {
    const struct mn_task_learner *t = &fixture->table.task_learner;
    max_batch(fixture);
    adapts(fixture);
    if (t->moments != NULL) {
        kit_call(fixture, "moments", KIT_WORKER);
        const int moments = t->moments(fixture->self);
        kit_end_plain(fixture);
        if (moments < MN_MOMENTS_AVERAGE || moments > MN_MOMENTS_CARRY) {
            kit_fail("plan", "moments is %d", moments);
        }
    }
    if (t->steps != NULL) {
        kit_call(fixture, "steps", KIT_WORKER);
        const int64_t steps = t->steps(fixture->self, &fixture->mock.ctx.where);
        kit_end_plain(fixture);
        if (steps < 0) {
            kit_fail("plan", "steps is %lld", (long long)steps);
        }
    }
}

struct task_run task_run_new(struct kit_fixture *fixture, uint64_t seed) {
    struct toy *toy = toy_of_fixture(fixture);
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 5, 0, 0, 0);
    struct task_run run = {.n_state = n_state(fixture)};
    run.params.w = kit_input(fixture, TOY_W);
    run.params.a = toy->dims.n_a > 0 ? kit_input(fixture, TOY_A) : NULL;
    run.state = run.n_state > 0 ? kit_input(fixture, run.n_state) : NULL;
    kit_normal(&rng, TOY_W, 1, run.params.w);
    kit_normal(&rng, toy->dims.n_a, 1, run.params.a);
    return run;
}

int task_adapt(struct kit_fixture *fixture, struct task_run *run) {
    struct toy *toy = toy_of_fixture(fixture);
    toy_forget_calls(toy);
    kit_call(fixture, "adapt", KIT_WORKER);
    return kit_end(fixture,
                   fixture->table.task_learner.adapt(fixture->self, &fixture->mock.ctx, NULL,
                                                     &toy->task, &run->params, run->state));
}

static void check_finite(const struct kit_fixture *fixture, const struct task_run *run) {
    const struct toy *toy = fixture->data;
    kit_written("params->w", TOY_W, run->params.w);
    kit_written("params->a", toy->dims.n_a, run->params.a);
    kit_written("state", run->n_state, run->state);
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    int status = MN_OK;
    ask_plan(fixture);
    for (int split = MN_TRAIN; status == MN_OK && split <= MN_TEST; split += MN_TEST) {
        fixture->mock.ctx.where.split = split;
        struct task_run run = task_run_new(fixture, seed);
        status = task_adapt(fixture, &run);
        kit_digest(digest, run.params.w, TOY_W * sizeof(mn_real));
        kit_digest(digest, run.params.a, TOY_A * sizeof(mn_real));
        kit_digest(digest, run.state, (size_t)run.n_state * sizeof(mn_real));
        if (status == MN_OK) {
            check_finite(fixture, &run);
        }
    }
    fixture->mock.ctx.where.split = MN_TRAIN;
    return status == MN_OK ? task_exercise_adjoint(fixture, seed, digest) : status;
}

/* ---- cases -------------------------------------------------------------------------------- */

/* 1 where both points have the same bits. */
static int same_reals(int64_t n, const mn_real *a, const mn_real *b) {
    return n == 0 || memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

static void zero_steps(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    toy_of_fixture(&fixture)->prescribed = 0;
    struct task_run run = task_run_new(&fixture, 1), before = task_run_new(&fixture, 1);
    kit_ok(&fixture, task_adapt(&fixture, &run));
    if (toy_of_fixture(&fixture)->n_passes > 0 || toy_of_fixture(&fixture)->n_dones > 0) {
        kit_fail("ignores_steps", "the host prescribes 0 steps, but there were %d passes",
                 toy_of_fixture(&fixture)->n_passes);
    }
    if (!same_reals(TOY_W, run.params.w, before.params.w) ||
        !same_reals(TOY_A, run.params.a, before.params.a)) {
        kit_fail("zero_steps", "the parameters changed without a step");
    }
    kit_fixture_close(&fixture);
}

/* Loss of the problem that all mini-batches pose when they show one image. */
static double loss_at(const struct task_run *run) {
    double w[TOY_W], a[TOY_A];
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)run->params.w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        a[j] = (double)run->params.a[j];
    }
    return toy_loss(w, a, (double)(mn_real)toy_image(0), 1, NULL, NULL);
}

static void descends(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    toy_of_fixture(&fixture)->prescribed = LONG;
    toy_of_fixture(&fixture)->one_image = 0;
    for (int split = MN_TRAIN; split <= MN_TEST; split += MN_TEST) {
        kit_at("%d steps, %s", LONG, split == MN_TRAIN ? "meta-training" : "evaluation");
        fixture.mock.ctx.where.split = split;
        struct task_run run = task_run_new(&fixture, 1);
        const double before = loss_at(&run);
        kit_ok(&fixture, task_adapt(&fixture, &run));
        if (!(loss_at(&run) < before)) {
            kit_fail("does_not_descend", "the loss went from %.6g to %.6g", before, loss_at(&run));
        }
    }
    kit_fixture_close(&fixture);
}

static void check_step(const struct toy *toy, int i, int32_t most) {
    const struct toy_done *done = &toy->dones[i];
    const int passes = i > 0 ? toy->dones[i - 1].passes : 0;
    const int batches = i > 0 ? toy->dones[i - 1].batches : 0;
    if (done->step != i) {
        kit_fail("call_order", "mn_step_done number %d tells step %lld", i, (long long)done->step);
    }
    if (done->batches == batches || done->passes == passes) {
        kit_fail("call_order", "step %d ended without a new mini-batch and a pass over it", i);
    }
    if (!isfinite(done->loss) || !(done->accuracy >= 0 && done->accuracy <= 1) ||
        !(done->skip_share >= 0 && done->skip_share <= 1)) {
        kit_fail("call_order", "step %d reports loss %g, accuracy %g, skipped share %g", i,
                 done->loss, done->accuracy, done->skip_share);
    }
    for (int b = batches; b < done->batches; b++) {
        const int32_t n = toy->batches[b].n;
        if (most > 0 && (n == 0 || n > most)) {
            kit_fail("batch_size", "step %d draws %d images (0 = all), but max_batch is %d", i,
                     (int)n, (int)most);
        }
    }
}

static void order(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    const struct toy *toy = toy_of_fixture(&fixture);
    for (int split = MN_TRAIN; split <= MN_TEST; split += MN_TEST) {
        fixture.mock.ctx.where.split = split;
        struct task_run run = task_run_new(&fixture, 1);
        const int32_t most = max_batch(&fixture);
        kit_ok(&fixture, task_adapt(&fixture, &run));
        if (toy->n_dones != TASK_STEPS) {
            kit_fail(toy->n_passes == TASK_STEPS ? "call_order" : "ignores_steps",
                     "the host prescribes %d steps, but mn_step_done was called %d times",
                     TASK_STEPS, toy->n_dones);
        }
        for (int i = 0; i < TASK_STEPS; i++) {
            check_step(toy, i, most);
        }
    }
    kit_fixture_close(&fixture);
}

/* What `adapts` leaves out must not change; what it names may. */
static void changes(const struct kit *kit) {
    static const int64_t epochs[] = {0, 90};
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    for (int i = 0; i < 4; i++) {
        fixture.mock.ctx.where.split = i < 2 ? MN_TRAIN : MN_TEST;
        fixture.mock.ctx.where.meta_epoch = epochs[i % 2];
        kit_at("%s, meta-epoch %lld of 100", i < 2 ? "meta-training" : "evaluation",
               (long long)epochs[i % 2]);
        const uint32_t what = adapts(&fixture);
        struct task_run run = task_run_new(&fixture, 1), before = task_run_new(&fixture, 1);
        kit_ok(&fixture, task_adapt(&fixture, &run));
        if (((what & MN_ADAPTS_W) == 0 && !same_reals(TOY_W, run.params.w, before.params.w)) ||
            ((what & MN_ADAPTS_A) == 0 && !same_reals(TOY_A, run.params.a, before.params.a))) {
            kit_fail("adapts", "adapts is 0x%x, but the %s changed", what,
                     (what & MN_ADAPTS_W) == 0 ? "weights" : "architecture");
        }
    }
    kit_fixture_close(&fixture);
}

static void numeric(const struct kit *kit) {
    for (int pass = 0; pass < TASK_STEPS; pass++) {
        struct kit_fixture fixture;
        kit_fixture_begin(&fixture, kit, 0);
        struct toy *toy = toy_of_fixture(&fixture);
        toy->fail_pass = pass;
        struct task_run run = task_run_new(&fixture, 1);
        kit_at("pass %d fails", pass);
        const int status = task_adapt(&fixture, &run);
        if (toy->n_passes > pass && status != MN_NUMERIC) {
            kit_fail("hides_numeric", "the loss was not a number, but adapt returned %s",
                     kit_status_name(status));
        }
        if (toy->n_passes > pass + 1) {
            kit_fail("hides_numeric", "after a failed pass the model was run again");
        }
        kit_fixture_close(&fixture);
    }
}

static void cancel(const struct kit *kit) {
    for (int step = 0; step < TASK_STEPS; step++) {
        struct kit_fixture fixture;
        kit_fixture_begin(&fixture, kit, 0);
        struct toy *toy = toy_of_fixture(&fixture);
        toy->fail_done = step;
        struct task_run run = task_run_new(&fixture, 1);
        kit_at("step %d is cancelled", step);
        const int status = task_adapt(&fixture, &run);
        if (status != MN_CANCELLED) {
            kit_fail("ignores_cancel", "mn_step_done returned MN_CANCELLED, adapt %s",
                     kit_status_name(status));
        }
        if (toy->n_dones > step + 1 || toy->n_passes > toy->dones[step].passes) {
            kit_fail("ignores_cancel", "after MN_CANCELLED the model was run again");
        }
        kit_fixture_close(&fixture);
    }
}

static void no_architecture(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, KIT_WATCH_BOUNDS);
    toy_install(fixture.data, &fixture.mock, 0);
    toy_of_fixture(&fixture)->prescribed = TASK_STEPS;
    struct task_run run = task_run_new(&fixture, 1);
    const int status = task_adapt(&fixture, &run);
    if (status != MN_OK && status != MN_UNSUPPORTED) {
        kit_fail("no_architecture", "adapt returned %s: %s", kit_status_name(status),
                 fixture.mock.message);
    }
    kit_fixture_close(&fixture);
}

/* ---- pruning ------------------------------------------------------------------------------ */

static void prune(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, KIT_WATCH_ALL);
    const struct mn_task_learner *t = &fixture.table.task_learner;
    if (t->prune == NULL) {
        kit_skip("the task learner leaves pruning to the mixers");
    }
    fixture.mock.ctx.where.split = MN_TEST;
    struct task_run run = task_run_new(&fixture, 1);
    const struct toy *toy = toy_of_fixture(&fixture);
    const int64_t n = toy->dims.n_choices;
    uint8_t *keep = mock_buffer(&fixture.mock, (size_t)n, MOCK_POISON);
    int64_t kept = 0;
    kit_seal(&fixture, run.params.w);
    kit_seal(&fixture, run.params.a);
    kit_call(&fixture, "prune", KIT_WORKER);
    kit_ok(&fixture, kit_end(&fixture, t->prune(fixture.self, &fixture.mock.ctx, NULL, &toy->task,
                                                &run.params, keep)));
    for (int64_t i = 0; i < n; i++) {
        if (keep[i] > 1) {
            kit_fail("keep_value", "keep[%lld] is %d", (long long)i, keep[i]);
        }
        kept += keep[i];
    }
    if (kept == 0) {
        kit_fail("keeps_none", "none of %lld choices is kept", (long long)n);
    }
    for (int i = 0; i < toy->n_passes; i++) {
        if (fabs(toy->passes[i].image - TOY_QUERY) < 1e-6) {
            kit_fail("pass", "prune looks at the query set");
        }
    }
    kit_fixture_close(&fixture);
}

static const struct kit_case cases[] = {
    {"zero_steps", "no steps leave the parameters as they are", 0, zero_steps},
    {"descends", "the loss of a small convex problem falls", 0, descends},
    {"order", "each step is a mini-batch, passes and mn_step_done, no larger than planned", 0,
     order},
    {"adapts", "only what `adapts` names is changed", 0, changes},
    {"numeric", "a loss that is not a number ends the task with MN_NUMERIC", 0, numeric},
    {"cancel", "a stop is honoured between two steps", 0, cancel},
    {"rates", "an update is multiplied by the factors of mn_step_rates", 0, task_case_rates},
    {"shape", "an update goes where mn_shape takes it", 0, task_case_shape},
    {"adjoint", "`adjoint` is the derivative of the steps of adapt", 0, task_case_adjoint},
    {"first_order", "with updates taken for constants only d_rates is written", 0,
     task_case_first_order},
    {"prune", "pruning keeps at least one choice, and does not look at the query set", 0, prune},
    {"no_architecture", "a model without architecture is adapted or refused", 0, no_architecture},
};

const struct kit_kind kit_task_learner = {.prepare = prepare,
                                          .exercise = exercise,
                                          .options = 1,
                                          .cases = cases,
                                          .n_cases = sizeof cases / sizeof cases[0]};
