/* SPDX-License-Identifier: MIT */
/* meta_learner, on the model of toy.h and tasks of trace.h. */

#include "derivative.h"
#include "fixture.h"
#include "trace.h"

#include <math.h>
#include <string.h>

enum { UPDATES = 6, MOST_BATCH = 1 << 20 };

static void prepare(struct kit_fixture *fixture) {
    fixture->data = mock_buffer(&fixture->mock, sizeof(struct trace), 0);
    trace_install(fixture->data, &fixture->mock, TOY_A);
    fixture->mock.claiming = 0;
}

static struct trace *trace_of_fixture(struct kit_fixture *fixture) {
    return fixture->data;
}

static struct toy *toy_of_fixture(struct kit_fixture *fixture) {
    return &trace_of_fixture(fixture)->toy;
}

static int start(struct kit_fixture *fixture) {
    int status = MN_OK;
    if (fixture->table.meta_learner.start != NULL) {
        fixture->mock.claiming = 1;
        kit_call(fixture, "start", KIT_SETUP);
        status =
            kit_end(fixture, fixture->table.meta_learner.start(fixture->self, &fixture->mock.ctx,
                                                               &toy_of_fixture(fixture)->dims));
        fixture->mock.claiming = 0;
    }
    return status;
}

/* ---- calls -------------------------------------------------------------------------------- */

static int64_t n_a(struct kit_fixture *fixture) {
    return toy_of_fixture(fixture)->dims.n_a;
}

static int traces(struct kit_fixture *fixture) {
    int asked = 0;
    if (fixture->table.meta_learner.traces != NULL) {
        kit_call(fixture, "traces", KIT_WORKER);
        asked = fixture->table.meta_learner.traces(fixture->self);
        kit_end_plain(fixture);
    }
    return asked;
}

static int64_t n_own(struct kit_fixture *fixture) {
    int64_t n = 0;
    if (fixture->table.meta_learner.n_own != NULL) {
        kit_call(fixture, "n_own", KIT_WORKER);
        n = fixture->table.meta_learner.n_own(fixture->self, &toy_of_fixture(fixture)->dims);
        kit_end_plain(fixture);
    }
    if (n < 0 || n > 1000000) {
        kit_fail("plan", "n_own is %lld for a model of %d weights and %lld logits", (long long)n,
                 TOY_W, (long long)n_a(fixture));
    }
    return n;
}

/* Images of the largest pass of `delta`: the query set, or what the learner announces. */
static int32_t most_images(struct kit_fixture *fixture) {
    const struct mn_meta_learner *table = &fixture->table.meta_learner;
    const struct mn_task *task = &toy_of_fixture(fixture)->task;
    if (table->max_batch == NULL) {
        return task->query.n;
    }
    kit_call(fixture, "max_batch", KIT_WORKER);
    int32_t n = table->max_batch(fixture->self);
    kit_end_plain(fixture);
    if (n < -MOST_BATCH || n > MOST_BATCH) {
        kit_fail("plan", "max_batch is %d", (int)n);
    }
    if (n <= 0) {
        n = -n > task->support.n ? -n : task->support.n;
    }
    return n > task->query.n ? n : task->query.n;
}

static struct mn_point point_new(struct kit_fixture *fixture) {
    return (struct mn_point){kit_input(fixture, TOY_W),
                             n_a(fixture) > 0 ? kit_input(fixture, n_a(fixture)) : NULL};
}

static struct mn_point random_point(struct kit_fixture *fixture, uint64_t seed, double scale) {
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 6, 0, 0, 0);
    struct mn_point at = point_new(fixture);
    kit_normal(&rng, TOY_W, scale, at.w);
    kit_normal(&rng, n_a(fixture), scale, at.a);
    return at;
}

/* What `delta` gives and `update` takes. */
struct direction {
    struct mn_point at;
    mn_real *own; /* NULL where n_own is 0 */
    int64_t n_own;
};

static struct direction direction_new(struct kit_fixture *fixture) {
    const int64_t n = n_own(fixture);
    return (struct direction){point_new(fixture), n > 0 ? kit_input(fixture, n) : NULL, n};
}

static struct direction random_direction(struct kit_fixture *fixture, uint64_t seed, double scale) {
    struct mn_rng rng = mn_rng_make(seed, MN_RNG_PLUGIN, 7, 0, 0, 0);
    struct direction d = direction_new(fixture);
    d.at = random_point(fixture, seed, scale);
    kit_normal(&rng, d.n_own, scale, d.own);
    return d;
}

static void seal_point(struct kit_fixture *fixture, const struct mn_point *at) {
    kit_seal(fixture, at->w);
    if (at->a != NULL) {
        kit_seal(fixture, at->a);
    }
}

static void unseal_point(struct kit_fixture *fixture, const struct mn_point *at) {
    mock_unseal(&fixture->mock, at->w);
    if (at->a != NULL) {
        mock_unseal(&fixture->mock, at->a);
    }
}

static void check_written(struct kit_fixture *fixture, const char *what,
                          const struct mn_point *at) {
    char name[64];
    snprintf(name, sizeof name, "%s w", what);
    kit_written(name, TOY_W, at->w);
    snprintf(name, sizeof name, "%s a", what);
    kit_written(name, n_a(fixture), at->a);
}

/* The factors of a step's updates, 1 where the learner has none. */
static int ask_rates(struct kit_fixture *fixture, int64_t step) {
    struct trace_at *factors = &trace_of_fixture(fixture)->factors[step];
    struct mn_point out = {kit_input(fixture, TOY_W),
                           n_a(fixture) > 0 ? kit_input(fixture, TOY_A) : NULL};
    const struct mn_point all = out;
    int status = MN_OK;
    mn_vec_fill(TOY_W, 1, factors->w);
    mn_vec_fill(TOY_A, 1, factors->a);
    mn_vec_fill(TOY_W, 1, out.w);
    mn_vec_fill(n_a(fixture), 1, out.a);
    if (fixture->table.meta_learner.rates != NULL) {
        kit_call(fixture, "rates", KIT_WORKER);
        status = kit_end(fixture, fixture->table.meta_learner.rates(
                                      fixture->self, &fixture->mock.ctx, NULL, step, &out));
    }
    if (status != MN_OK) {
        return status;
    }
    check_written(fixture, "the factors of", &all);
    mn_vec_copy(out.w != NULL ? TOY_W : 0, all.w, factors->w);
    mn_vec_copy(out.a != NULL ? n_a(fixture) : 0, all.a, factors->a);
    return MN_OK;
}

/* The steps of the task, with the learner's shape. */
static int run_trace(struct kit_fixture *fixture, const struct mn_point *meta) {
    const struct mn_meta_learner *table = &fixture->table.meta_learner;
    struct trace *trace = trace_of_fixture(fixture);
    if ((table->shape == NULL) != (table->shape_back == NULL)) {
        kit_fail("plan", "there is one of `shape` and `shape_back` alone");
    }
    trace->shaper = table->shape != NULL ? table : NULL;
    trace->self = fixture->self;
    toy_of_fixture(fixture)->shapes = table->shape != NULL ? MN_ADAPTS_W | MN_ADAPTS_A : 0;
    if (table->shape == NULL) {
        return trace_run(trace, meta);
    }
    kit_call(fixture, "shape", KIT_WORKER);
    const int status = kit_end(fixture, trace_run(trace, meta));
    for (int64_t step = 1; status == MN_OK && step <= TRACE_STEPS; step++) {
        const struct mn_point at = {trace->points[step].w, trace->points[step].a};
        check_written(fixture, "the shaped", &at);
    }
    return status;
}

/* Run the task from `meta`; returns where it ended. */
static int run_task(struct kit_fixture *fixture, const struct mn_point *meta,
                    struct mn_point *adapted) {
    struct trace *trace = trace_of_fixture(fixture);
    int status = MN_OK;
    for (int64_t step = 0; status == MN_OK && step < TRACE_STEPS; step++) {
        status = ask_rates(fixture, step);
    }
    if (status == MN_OK) {
        status = run_trace(fixture, meta);
    }
    *adapted = point_new(fixture);
    mn_vec_copy(TOY_W, trace->points[TRACE_STEPS].w, adapted->w);
    mn_vec_copy(n_a(fixture), trace->points[TRACE_STEPS].a, adapted->a);
    return status;
}

/* The direction of a task that starts from `meta`. */
static int delta(struct kit_fixture *fixture, struct mn_point meta, struct direction *out) {
    struct trace *trace = trace_of_fixture(fixture);
    struct mn_point adapted;
    int status = run_task(fixture, &meta, &adapted);
    if (status != MN_OK) {
        return status;
    }
    const int64_t n = n_own(fixture);
    *out = (struct direction){
        {kit_output(fixture, TOY_W), n_a(fixture) > 0 ? kit_output(fixture, n_a(fixture)) : NULL},
        n > 0 ? kit_output(fixture, n) : NULL,
        n};
    seal_point(fixture, &meta);
    seal_point(fixture, &adapted);
    toy_forget_calls(&trace->toy);
    trace->open = traces(fixture);
    trace->own = out->own;
    trace->toy.most_images = most_images(fixture);
    kit_call(fixture, "delta", KIT_WORKER);
    status = kit_end(fixture, fixture->table.meta_learner.delta(fixture->self, &fixture->mock.ctx,
                                                                NULL, &trace->toy.task, &meta,
                                                                &adapted, &out->at));
    trace->open = 0;
    trace->own = NULL;
    trace->toy.most_images = 0;
    unseal_point(fixture, &meta);
    if (status == MN_OK) {
        check_written(fixture, "the direction of", &out->at);
        kit_written("the direction of its own", n, out->own);
    }
    return status;
}

static int update(struct kit_fixture *fixture, struct mn_point *meta, struct direction mean) {
    struct trace *trace = trace_of_fixture(fixture);
    seal_point(fixture, &mean.at);
    trace->own = mean.own;
    kit_call(fixture, "update", KIT_SETUP);
    const int status = kit_end(fixture, fixture->table.meta_learner.update(
                                            fixture->self, &fixture->mock.ctx, meta, &mean.at));
    trace->own = NULL;
    if (status == MN_OK) {
        check_written(fixture, "the meta point's", meta);
    }
    return status;
}

static void digest_point(struct kit_fixture *fixture, uint64_t *digest, const struct mn_point *at) {
    kit_digest(digest, at->w, TOY_W * sizeof(mn_real));
    kit_digest(digest, at->a, (size_t)n_a(fixture) * sizeof(mn_real));
}

static int exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    struct mn_point meta = random_point(fixture, seed, 1);
    struct direction out;
    int status = delta(fixture, meta, &out);
    if (status == MN_OK) {
        digest_point(fixture, digest, &out.at);
        kit_digest(digest, out.own, (size_t)out.n_own * sizeof(mn_real));
    }
    for (int i = 0; status == MN_OK && !workers && i < 2; i++) {
        status = update(fixture, &meta, random_direction(fixture, seed + 2, 0.1));
        digest_point(fixture, digest, &meta);
    }
    return status;
}

/* ---- cases -------------------------------------------------------------------------------- */

static void fixed_point(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    struct mn_point meta = random_point(&fixture, 1, 1), before = random_point(&fixture, 1, 1);
    for (int i = 0; i < 3; i++) {
        kit_ok(&fixture, update(&fixture, &meta, direction_new(&fixture)));
    }
    if (memcmp(meta.w, before.w, TOY_W * sizeof(mn_real)) != 0 ||
        memcmp(meta.a, before.a, TOY_A * sizeof(mn_real)) != 0) {
        kit_fail("fixed_point", "a direction of zeros moves the meta point");
    }
    kit_fixture_close(&fixture);
}

/* Moving along a direction of descent takes away from it. */
static void direction(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    struct mn_point meta = random_point(&fixture, 1, 1), before = random_point(&fixture, 1, 1);
    struct direction mean = random_direction(&fixture, 2, 0.1);
    kit_ok(&fixture, update(&fixture, &meta, mean));
    double along = 0;
    for (int i = 0; i < TOY_W; i++) {
        along += ((double)meta.w[i] - (double)before.w[i]) * (double)mean.at.w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        along += ((double)meta.a[j] - (double)before.a[j]) * (double)mean.at.a[j];
    }
    if (!(along < 0)) {
        kit_fail("wrong_direction",
                 "after one update the meta point moved by %g along the direction of descent, "
                 "which is subtracted",
                 along);
    }
    kit_fixture_close(&fixture);
}

/* The loss that tasks are about. */
static double query_loss(const struct mn_point *at) {
    double w[TOY_W], a[TOY_A];
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (double)at->w[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        a[j] = (double)at->a[j];
    }
    return toy_loss(w, a, TOY_QUERY, 1, NULL, NULL);
}

static void learns(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    struct mn_point meta = random_point(&fixture, 1, 1);
    const double before = query_loss(&meta);
    for (int i = 0; i < 20; i++) {
        struct direction out;
        kit_ok(&fixture, delta(&fixture, meta, &out));
        kit_ok(&fixture, update(&fixture, &meta, out));
    }
    if (!(query_loss(&meta) < before)) {
        kit_fail("does_not_descend", "20 updates took the query loss from %.6g to %.6g", before,
                 query_loss(&meta));
    }
    kit_fixture_close(&fixture);
}

static void updates(struct kit_fixture *fixture, int from, int to, struct mn_point *meta) {
    for (int i = from; i < to; i++) {
        fixture->mock.ctx.where.meta_epoch = 90 + i;
        kit_ok(fixture, update(fixture, meta, random_direction(fixture, 100 + (uint64_t)i, 0.1)));
    }
}

/* What a checkpoint holds: the meta point and the named states. */
static void restore(struct kit_fixture *fixture, const struct kit_fixture *saved,
                    struct mn_point *meta, const struct mn_point *saved_meta) {
    mn_vec_copy(TOY_W, saved_meta->w, meta->w);
    mn_vec_copy(TOY_A, saved_meta->a, meta->a);
    if (fixture->mock.n_states != saved->mock.n_states) {
        kit_fail("hidden_state", "a second instance claims %d states, the first %d",
                 fixture->mock.n_states, saved->mock.n_states);
    }
    for (int i = 0; i < saved->mock.n_states; i++) {
        const int64_t n = saved->mock.states[i].n;
        mn_vec_copy(n, saved->mock.states[i].at,
                    mock_state(&fixture->mock, saved->mock.states[i].name, n));
    }
}

static void resume(const struct kit *kit) {
    for (int at = 1; at < UPDATES; at++) {
        struct kit_fixture straight, resumed;
        kit_fixture_begin(&straight, kit, 0);
        kit_fixture_begin(&resumed, kit, 0);
        struct mn_point on = random_point(&straight, 1, 1), again = point_new(&resumed);
        kit_at("saved after %d of %d updates", at, UPDATES);
        updates(&straight, 0, at, &on);
        restore(&resumed, &straight, &again, &on);
        updates(&straight, at, UPDATES, &on);
        updates(&resumed, at, UPDATES, &again);
        if (memcmp(on.w, again.w, TOY_W * sizeof(mn_real)) != 0 ||
            memcmp(on.a, again.a, TOY_A * sizeof(mn_real)) != 0) {
            kit_fail("hidden_state", "the resumed run ends at another point");
        }
        kit_fixture_close(&resumed);
        kit_fixture_close(&straight);
    }
}

/* ---- shape -------------------------------------------------------------------------------- */

/* d . after, as a function of one element of x or u. */
struct shaped {
    struct kit_fixture *fixture;
    struct mn_update update;
    const mn_real *d;
    mn_real *moves, *after;
};

static double along_d(void *data, double by, double *at) {
    struct shaped *s = data;
    const mn_real before = *s->moves;
    *s->moves = (mn_real)((double)before + by);
    *at = (double)*s->moves;
    kit_call(s->fixture, "shape", KIT_WORKER);
    kit_ok(s->fixture, kit_end(s->fixture, s->fixture->table.meta_learner.shape(
                                               s->fixture->self, &s->fixture->mock.ctx, NULL,
                                               &s->update, s->after)));
    *s->moves = before;
    kit_written("the shaped point", s->update.n, s->after);
    return mn_vec_dot(s->update.n, s->d, s->after);
}

static void compare_shape(struct shaped *s, mn_real *moves, const mn_real *got, const char *what) {
    for (int64_t i = 0; i < s->update.n; i++) {
        double expected;
        s->moves = moves + i;
        if (kit_agrees(along_d, s, (double)got[i], &expected) == KIT_DISAGREES) {
            kit_fail("shape_back", "of the %s %s[%d] is %.7g, differences of shape give %.7g",
                     s->update.architecture ? "logits" : "weights", what, (int)i, (double)got[i],
                     expected);
        }
    }
}

static void shape(const struct kit *kit) {
    struct kit_fixture fixture;
    kit_fixture_begin(&fixture, kit, 0);
    const struct mn_meta_learner *table = &fixture.table.meta_learner;
    if (table->shape == NULL || table->shape_back == NULL) {
        kit_skip("the learner does not shape updates");
    }
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 12, 0, 0, 0);
    for (int i = 0; i < fixture.mock.n_states; i++) { /* away from where it begins */
        for (int64_t k = 0; k < fixture.mock.states[i].n; k++) {
            fixture.mock.states[i].at[k] += (mn_real)(0.25 * mn_rng_normal(&rng));
        }
    }
    for (int round = 0; round < 4; round++) {
        const int half = round % 2;
        const int64_t n = half == 0 ? TOY_W : TOY_A, n_of_own = n_own(&fixture);
        mn_real *x = kit_input(&fixture, n), *u = kit_input(&fixture, n);
        mn_real *d = kit_input(&fixture, n), *own = kit_input(&fixture, n_of_own);
        mn_real *d_x = kit_output(&fixture, n), *d_u = kit_output(&fixture, n);
        struct shaped s = {&fixture,
                           {sizeof s.update, half, round / 2, n, x, u},
                           d,
                           NULL,
                           kit_output(&fixture, n)};
        kit_normal(&rng, n, 1, x);
        kit_normal(&rng, n, 1, u);
        kit_normal(&rng, n, 1, d);
        kit_call(&fixture, "shape_back", KIT_WORKER);
        kit_ok(&fixture,
               kit_end(&fixture, table->shape_back(fixture.self, &fixture.mock.ctx, NULL, &s.update,
                                                   d, d_x, d_u, round < 2 ? NULL : own)));
        kit_written("d_x", n, d_x);
        kit_written("d_u", n, d_u);
        kit_written("own", n_of_own, own);
        compare_shape(&s, x, d_x, "d_x");
        compare_shape(&s, u, d_u, "d_u");
    }
    kit_fixture_close(&fixture);
}

static void numeric(const struct kit *kit) {
    struct kit_fixture fixture;
    struct direction out;
    kit_fixture_begin(&fixture, kit, 0);
    toy_of_fixture(&fixture)->fail_pass = 0;
    const int status = delta(&fixture, random_point(&fixture, 1, 1), &out);
    if (toy_of_fixture(&fixture)->n_passes == 0) {
        kit_ok(&fixture, status);
    } else if (status != MN_NUMERIC) {
        kit_fail("hides_numeric", "the loss was not a number, but delta returned %s",
                 kit_status_name(status));
    }
    kit_fixture_close(&fixture);
}

static void prepare_weights_only(struct kit_fixture *fixture) {
    prepare(fixture);
    toy_of_fixture(fixture)->dims.n_a = 0;
    toy_of_fixture(fixture)->dims.n_a_segments = 0;
}

static void no_architecture(const struct kit *kit) {
    struct kit_fixture fixture;
    struct direction out;
    const int opened = kit_fixture_open_with(&fixture, kit, KIT_WATCH_BOUNDS, prepare_weights_only);
    if (opened == MN_UNSUPPORTED) {
        kit_fixture_close(&fixture);
        return;
    }
    kit_ok(&fixture, opened);
    struct mn_point meta = random_point(&fixture, 1, 1);
    int status = delta(&fixture, meta, &out);
    if (status == MN_OK) {
        status = update(&fixture, &meta, out);
    }
    if (status != MN_OK && status != MN_UNSUPPORTED) {
        kit_fail("no_architecture", "%s returned %s: %s", fixture.function, kit_status_name(status),
                 fixture.mock.message);
    }
    kit_fixture_close(&fixture);
}

static const struct kit_case cases[] = {
    {"fixed_point", "without a direction the meta point stays", 0, fixed_point},
    {"direction", "update moves against the mean direction", 0, direction},
    {"learns", "delta and update together lower the loss of a small convex problem", 0, learns},
    {"resume", "saved, restored and continued equals straight on, to the bit", 0, resume},
    {"shape", "`shape_back` is the transposed Jacobian of `shape`", 0, shape},
    {"numeric", "a loss that is not a number ends delta with MN_NUMERIC", 0, numeric},
    {"no_architecture", "a model without architecture is learned or refused", 0, no_architecture},
};

const struct kit_kind kit_meta_learner = {.prepare = prepare,
                                          .start = start,
                                          .exercise = exercise,
                                          .options = 1,
                                          .cases = cases,
                                          .n_cases = sizeof cases / sizeof cases[0]};
