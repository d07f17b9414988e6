/* SPDX-License-Identifier: MIT */
/* Units that are around another one. */
#include "check.h"
#include "toy.h"
#include "unit.h"

#include <stdlib.h>

/* ---- augment ------------------------------------------------------------------------------ */

enum { SIDE = 9, PLANE = SIDE * SIDE, CHANNELS = 2, REALS = CHANNELS * PLANE, EACH = 8, WAYS = 3 };

/* The data set that it is around: every image is `image`. */
struct source {
    mn_real image[REALS];
    int describe; /* status */
    int n_stopped;
};

static int source_start(void *self, struct mn_ctx *ctx) {
    return MN_OK;
}

static void source_stop(void *self) {
    ((struct source *)self)->n_stopped++;
}

static int source_describe(const void *self, struct mn_ctx *ctx, struct mn_dataset_info *out) {
    const struct source *s = self;
    *out = (struct mn_dataset_info){.size = sizeof *out,
                                    .channels = CHANNELS,
                                    .height = SIDE,
                                    .width = SIDE,
                                    .n_classes = {WAYS, WAYS, WAYS}};
    return s->describe == MN_OK ? MN_OK : mn_fail(ctx, s->describe, "no shape");
}

static int source_sample(const void *self, struct mn_ctx *ctx, const struct mn_episode_spec *spec,
                         struct mn_episode *out) {
    const struct source *s = self;
    assert_int_equal(mock_of(ctx)->n_nested, 1);
    for (int i = 0; i < WAYS * EACH; i++) {
        mn_vec_copy(REALS, s->image, out->support + i * REALS);
        mn_vec_copy(REALS, s->image, out->query + i * REALS);
    }
    return MN_OK;
}

static const struct mn_dataset source_table = {.size = sizeof source_table,
                                               .start = source_start,
                                               .stop = source_stop,
                                               .describe = source_describe,
                                               .sample = source_sample};

struct images {
    struct mock mock;
    struct source source;
    struct unit unit;
    const struct mn_dataset *table;
    mn_real support[WAYS * EACH * REALS], query[WAYS * EACH * REALS];
};

enum { DRAWN = 2 * WAYS * EACH }; /* images of a task */

static void images_open(struct images *x) {
    memset(x, 0, sizeof *x);
    mock_init(&x->mock);
    x->unit = unit_open("augment", MN_DATASET);
    x->table = x->unit.about->vtable;
    unit_around(&x->unit, &source_table, &x->source);
    for (int i = 0; i < REALS; i++) {
        x->source.image[i] = (mn_real)(1 + i);
    }
}

static void images_start(struct images *x) {
    assert_int_equal(x->table->start(x->unit.self, &x->mock.ctx), MN_OK);
    assert_int_equal(x->source.n_stopped, 0);
}

static void images_draw(struct images *x, int split, int64_t task) {
    const struct mn_episode_spec spec = {
        .size = sizeof spec, .split = split, .ways = WAYS, .support = EACH, .query = EACH};
    struct mn_episode out = {.size = sizeof out, .support = x->support, .query = x->query};
    x->mock.ctx.where.split = split;
    x->mock.ctx.where.task = task;
    assert_int_equal(x->table->sample(x->unit.self, &x->mock.ctx, &spec, &out), MN_OK);
    mock_check_guards(&x->mock);
    mock_release(&x->mock);
}

static const mn_real *images_at(const struct images *x, int i) {
    return i < WAYS * EACH ? x->support + i * REALS : x->query + (i - WAYS * EACH) * REALS;
}

static void images_close(struct images *x) {
    unit_close(&x->unit);
    mock_fini(&x->mock);
}

static void nothing_is_changed_without_options(void **state) {
    static struct images x;
    images_open(&x);
    images_start(&x);
    images_draw(&x, MN_TRAIN, 1);
    for (int i = 0; i < DRAWN; i++) {
        assert_memory_equal(images_at(&x, i), x.source.image, sizeof x.source.image);
    }
    images_close(&x);
}

/* Moved by whole pixels, with zeros where nothing was. */
static int is_moved(const struct source *s, const mn_real *image, int dy, int dx) {
    for (int i = 0; i < REALS; i++) {
        const int y = i % PLANE / SIDE - dy, x = i % SIDE - dx;
        const int inside = y >= 0 && x >= 0 && y < SIDE && x < SIDE;
        if (image[i] != (inside ? s->image[i - dy * SIDE - dx] : 0)) {
            return 0;
        }
    }
    return 1;
}

static void images_are_moved_up_to_shift(void **state) {
    static struct images x;
    int seen[3][3] = {{0}};
    images_open(&x);
    unit_int(&x.unit, "shift", 1);
    images_start(&x);
    for (int task = 0; task < 40; task++) {
        images_draw(&x, MN_TRAIN, task);
        for (int i = 0; i < DRAWN; i++) {
            int found = 0;
            for (int k = 0; k < 9; k++) {
                const int is = is_moved(&x.source, images_at(&x, i), k / 3 - 1, k % 3 - 1);
                seen[k / 3][k % 3] += is;
                found += is;
            }
            assert_int_equal(found, 1);
        }
    }
    for (int k = 0; k < 9; k++) { /* 213 in the mean, standard deviation 14 */
        assert_in_range(seen[k / 3][k % 3], 213 - 70, 213 + 70);
    }
    images_close(&x);
}

static void some_images_are_mirrored(void **state) {
    static struct images x;
    int mirrored = 0;
    images_open(&x);
    unit_real(&x.unit, "flip", 0.25);
    images_start(&x);
    for (int task = 0; task < 40; task++) {
        images_draw(&x, MN_TRAIN, task);
        for (int i = 0; i < DRAWN; i++) {
            const mn_real *at = images_at(&x, i);
            const int is = at[0] != x.source.image[0];
            for (int p = 0; p < REALS; p++) {
                assert_true(at[p] == x.source.image[is ? p - p % SIDE + SIDE - 1 - p % SIDE : p]);
            }
            mirrored += is;
        }
    }
    assert_in_range(mirrored, 480 - 95, 480 + 95); /* of 1920; standard deviation 19 */
    images_close(&x);
}

/* A ramp stays a ramp, of the direction in which it was turned. */
static void images_are_turned_about_their_centre(void **state) {
    static struct images x;
    const double c = 0.5 * (SIDE - 1), most = 30;
    double least = 0, largest = 0;
    images_open(&x);
    unit_real(&x.unit, "rotation", most);
    for (int i = 0; i < REALS; i++) {
        x.source.image[i] = (mn_real)(i % SIDE + 1);
    }
    images_start(&x);
    for (int task = 0; task < 10; task++) {
        images_draw(&x, MN_TRAIN, task);
        for (int i = 0; i < DRAWN; i++) {
            const mn_real *at = images_at(&x, i) + PLANE; /* the second channel */
            const int centre = SIDE / 2 * SIDE + SIDE / 2;
            const double by_x = (double)at[centre + 1] - (double)at[centre];
            const double by_y = (double)at[centre + SIDE] - (double)at[centre];
            const double angle = atan2(-by_y, by_x) * 180 / 3.14159265358979323846;
            assert_close(by_x * by_x + by_y * by_y, 1, 1e-4);
            for (int p = 0; p < PLANE; p++) {
                const double u = p % SIDE - c, v = (double)(p / SIDE) - c;
                if (hypot(u, v) <= c) {
                    assert_close((double)at[p], c + 1 + by_x * u + by_y * v, 1e-4);
                }
            }
            least = fmin(least, angle);
            largest = fmax(largest, angle);
        }
    }
    assert_true(least < -0.9 * most && least >= -most - 1e-3);
    assert_true(largest > 0.9 * most && largest <= most + 1e-3);
    images_close(&x);
}

static void a_square_is_cut_out(void **state) {
    static struct images x;
    int whole = 0;
    images_open(&x);
    unit_int(&x.unit, "cutout", 4);
    images_start(&x);
    images_draw(&x, MN_TRAIN, 0);
    for (int i = 0; i < DRAWN; i++) {
        const mn_real *at = images_at(&x, i);
        int top = SIDE, bottom = -1, left = SIDE, right = -1, n = 0;
        for (int p = 0; p < PLANE; p++) {
            const int cut = at[p] == 0;
            assert_true(cut ? at[PLANE + p] == 0 : at[p] == x.source.image[p]);
            n += cut;
            top = cut && p / SIDE < top ? p / SIDE : top;
            bottom = cut ? p / SIDE : bottom;
            left = cut && p % SIDE < left ? p % SIDE : left;
            right = cut && p % SIDE > right ? p % SIDE : right;
        }
        assert_int_equal(n, (bottom - top + 1) * (right - left + 1));
        assert_true(n >= 4 && bottom - top < 4 && right - left < 4); /* less at the border */
        whole += n == 16;
    }
    assert_true(whole > 0);
    images_close(&x);
}

/* The same task is the same whatever came before; another one is another, and so is that of a
 * second unit around the first. */
static void changes_hang_on_the_task_alone(void **state) {
    static struct images x;
    static mn_real first[sizeof x.support / sizeof(mn_real)];
    images_open(&x);
    unit_int(&x.unit, "shift", 3);
    images_start(&x);
    images_draw(&x, MN_TRAIN, 5);
    memcpy(first, x.support, sizeof first);
    images_draw(&x, MN_TRAIN, 6);
    assert_true(memcmp(first, x.support, sizeof first) != 0);
    images_draw(&x, MN_TRAIN, 5);
    assert_memory_equal(first, x.support, sizeof first);
    x.mock.ctx.where.meta_epoch = 1;
    images_draw(&x, MN_TRAIN, 5);
    assert_true(memcmp(first, x.support, sizeof first) != 0);
    x.mock.ctx.where.meta_epoch = 0;
    ((struct mn_nested *)x.unit.self)->depth = 2;
    images_draw(&x, MN_TRAIN, 5);
    assert_true(memcmp(first, x.support, sizeof first) != 0);
    images_close(&x);
}

static void tests_are_changed_where_that_is_wanted(void **state) {
    static struct images x;
    images_open(&x);
    unit_real(&x.unit, "flip", 1);
    images_start(&x);
    for (int split = MN_VAL; split <= MN_TEST; split++) {
        images_draw(&x, split, 0);
        assert_memory_equal(x.support, x.source.image, sizeof x.source.image);
    }
    unit_bool(&x.unit, "evaluation", true);
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        images_draw(&x, split, 0);
        assert_true(x.support[0] == x.source.image[SIDE - 1]);
    }
    images_close(&x);
}

static void a_start_that_fails_stops_what_it_started(void **state) {
    static struct images x;
    images_open(&x);
    x.source.describe = MN_IO;
    assert_int_equal(x.table->start(x.unit.self, &x.mock.ctx), MN_IO);
    assert_int_equal(x.source.n_stopped, 1);
    mock_expect(&x.mock, MN_IO, NULL, "no shape");
    images_close(&x);
}

/* ---- meta learners ------------------------------------------------------------------------ */

/* One whose direction and update are told: w -= 2 mean, and so the logits. */
struct descent {
    mn_real w[TOY_W], a[TOY_A];           /* the direction of a task */
    mn_real mean_w[TOY_W], mean_a[TOY_A]; /* of the last update */
    int n_started;
};

static int descent_start(void *self, struct mn_ctx *ctx, const struct mn_dims *dims) {
    assert_int_equal(mock_of(ctx)->n_nested, 1);
    ((struct descent *)self)->n_started++;
    return MN_OK;
}

static int descent_delta(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                         const struct mn_task *task, const struct mn_point *meta,
                         const struct mn_point *adapted, struct mn_point *out) {
    const struct descent *s = self;
    mn_vec_copy(TOY_W, s->w, out->w);
    mn_vec_copy(TOY_A, s->a, out->a);
    return MN_OK;
}

static int descent_update(void *self, struct mn_ctx *ctx, struct mn_point *meta,
                          const struct mn_point *mean_delta) {
    struct descent *s = self;
    assert_int_equal(mock_of(ctx)->n_nested, 1);
    mn_vec_copy(TOY_W, mean_delta->w, s->mean_w);
    mn_vec_copy(TOY_A, mean_delta->a, s->mean_a);
    mn_vec_sgd(TOY_W, 2, mean_delta->w, meta->w);
    mn_vec_sgd(TOY_A, 2, mean_delta->a, meta->a);
    return s->w[0] >= 0 ? MN_OK : mn_fail(ctx, MN_NUMERIC, "a negative direction");
}

static const struct mn_meta_learner descent_table = {.size = sizeof descent_table,
                                                     .start = descent_start,
                                                     .delta = descent_delta,
                                                     .update = descent_update};

struct outer {
    struct mock mock;
    struct toy toy;
    struct descent descent;
    struct unit unit;
    const struct mn_meta_learner *table;
    mn_real w[TOY_W], a[TOY_A]; /* the meta point, or a direction */
    struct mn_point at;
};

static void outer_open(struct outer *x, const char *plugin) {
    memset(x, 0, sizeof *x);
    mock_init(&x->mock);
    toy_install(&x->toy, &x->mock, TOY_A);
    x->unit = unit_open(plugin, MN_META_LEARNER);
    x->table = x->unit.about->vtable;
    x->at = (struct mn_point){x->w, x->a};
    x->descent.w[0] = 3; /* of norm 5 */
    x->descent.w[3] = 4;
    x->descent.a[1] = -2;
    unit_around(&x->unit, &descent_table, &x->descent);
}

static void outer_start(struct outer *x) {
    assert_int_equal(x->table->start(x->unit.self, &x->mock.ctx, &x->toy.dims), MN_OK);
    assert_int_equal(x->descent.n_started, 1);
}

static void outer_update(struct outer *x) {
    const struct mn_point mean = {x->descent.w, x->descent.a};
    for (int i = 0; i < TOY_W; i++) {
        x->w[i] = (mn_real)(0.5 * i);
    }
    for (int j = 0; j < TOY_A; j++) {
        x->a[j] = (mn_real)(0.25 * j);
    }
    assert_int_equal(x->table->update(x->unit.self, &x->mock.ctx, &x->at, &mean), MN_OK);
    mock_check_guards(&x->mock);
    mock_release(&x->mock);
}

static void outer_delta(struct outer *x) {
    assert_int_equal(
        x->table->delta(x->unit.self, &x->mock.ctx, NULL, &x->toy.task, &x->at, &x->at, &x->at),
        MN_OK);
}

static void outer_close(struct outer *x) {
    unit_close(&x->unit);
    mock_fini(&x->mock);
}

static void the_mean_direction_is_clipped(void **state) {
    struct outer x;
    outer_open(&x, "clipped");
    unit_real(&x.unit, "max_norm", 2);
    outer_start(&x);
    outer_update(&x);
    assert_close(x.descent.mean_w[0], 3 * 2 / 5.0, ROUNDING);
    assert_close(x.descent.mean_w[3], 4 * 2 / 5.0, ROUNDING);
    assert_true(x.descent.mean_a[1] == -2); /* not unless it is asked for */
    assert_true(x.descent.w[0] == 3);       /* it is the host's */
    unit_real(&x.unit, "max_norm_a", 0.5);
    unit_real(&x.unit, "max_norm", 5);
    outer_update(&x);
    assert_memory_equal(x.descent.mean_w, x.descent.w, sizeof x.descent.w);
    assert_close(x.descent.mean_a[1], -0.5, ROUNDING);
    outer_delta(&x);
    assert_memory_equal(x.a, x.descent.a, sizeof x.a); /* of a task nothing is */
    unit_real(&x.unit, "max_norm", 0);
    unit_real(&x.unit, "max_norm_a", 0);
    outer_update(&x);
    assert_memory_equal(x.descent.mean_w, x.descent.w, sizeof x.descent.w);
    assert_memory_equal(x.descent.mean_a, x.descent.a, sizeof x.descent.a);
    outer_close(&x);
}

static void the_direction_of_a_task_is_clipped(void **state) {
    struct outer x;
    outer_open(&x, "clipped");
    unit_real(&x.unit, "max_norm", 1);
    unit_real(&x.unit, "max_norm_a", 1);
    unit_choice(&x.unit, "of", "task");
    outer_start(&x);
    outer_delta(&x);
    assert_close(x.w[0], 0.6, ROUNDING);
    assert_close(x.w[3], 0.8, ROUNDING);
    assert_close(x.a[1], -1, ROUNDING);
    outer_update(&x);
    assert_memory_equal(x.descent.mean_w, x.descent.w, sizeof x.descent.w);
    x.descent.w[1] = (mn_real)INFINITY; /* is for the host to see */
    outer_delta(&x);
    assert_true(isinf(x.w[1]) && x.w[0] == 3);
    outer_close(&x);
}

/* The factor of a meta-epoch, by what it does to an update. */
static double factor_at(struct outer *x, int64_t meta_epoch) {
    x->mock.ctx.where.meta_epoch = meta_epoch;
    outer_update(x);
    const double factor = (0.5 * 3 - (double)x->w[3]) / (2 * 4);
    assert_close(x->w[0], -factor * 2 * 3, 10 * ROUNDING);
    assert_close(x->a[1], 0.25 + factor * 2 * 2, 10 * ROUNDING);
    assert_true(x->w[1] == (mn_real)0.5); /* no direction */
    return factor;
}

static void updates_follow_the_schedule(void **state) {
    static const double at[] = {0.75, 0.5};
    const double pi = 3.14159265358979323846;
    struct outer x;
    outer_open(&x, "scheduled");
    x.mock.ctx.where.meta_epochs = 40;
    outer_start(&x);
    for (int64_t e = 0; e < 40; e++) {
        unit_real(&x.unit, "warm_up", 0);
        unit_choice(&x.unit, "schedule", "constant");
        assert_close(factor_at(&x, e), 1, 10 * ROUNDING);
        unit_choice(&x.unit, "schedule", "linear");
        assert_close(factor_at(&x, e), 1 - (double)e / 40, 10 * ROUNDING);
        unit_choice(&x.unit, "schedule", "cosine");
        const double cosine = 0.5 * (1 + cos(pi * (double)e / 40));
        assert_close(factor_at(&x, e), cosine, 10 * ROUNDING);
        unit_real(&x.unit, "warm_up", 0.25); /* 10 meta-epochs */
        assert_close(factor_at(&x, e), cosine * (e < 9 ? 0.1 * (double)(e + 1) : 1), 10 * ROUNDING);
        unit_real(&x.unit, "warm_up", 0);
        unit_choice(&x.unit, "schedule", "step");
        unit_reals(&x.unit, "steps", at, 2);
        unit_real(&x.unit, "decay", 0.5);
        assert_close(factor_at(&x, e), e < 20 ? 1 : e < 30 ? 0.5 : 0.25, 10 * ROUNDING);
    }
    outer_close(&x);
}

/* A factor of 1 changes no bit; steps go with their schedule. */
static void a_schedule_may_do_nothing(void **state) {
    static const double at[] = {0.5};
    struct outer x;
    mn_real w[TOY_W];
    outer_open(&x, "scheduled");
    unit_choice(&x.unit, "schedule", "constant");
    x.descent.w[0] = (mn_real)0.1;
    x.mock.ctx.where.meta_epochs = 3;
    outer_start(&x);
    outer_update(&x);
    for (int i = 0; i < TOY_W; i++) {
        w[i] = (mn_real)(0.5 * i);
    }
    mn_vec_sgd(TOY_W, 2, x.descent.w, w);
    assert_memory_equal(x.w, w, sizeof w);
    unit_reals(&x.unit, "steps", at, 1);
    assert_int_equal(x.table->check(x.unit.self, &x.mock.ctx), MN_CONFIG);
    mock_expect(&x.mock, MN_CONFIG, "steps", "schedule: step");
    unit_choice(&x.unit, "schedule", "step");
    assert_int_equal(x.table->check(x.unit.self, &x.mock.ctx), MN_OK);
    unit_reals(&x.unit, "steps", at, 0);
    assert_int_equal(x.table->check(x.unit.self, &x.mock.ctx), MN_CONFIG);
    mock_expect(&x.mock, MN_CONFIG, "steps", "never falls");
    x.descent.w[0] = -1;
    const struct mn_point mean = {x.descent.w, x.descent.a};
    assert_int_equal(x.table->update(x.unit.self, &x.mock.ctx, &x.at, &mean), MN_NUMERIC);
    outer_close(&x);
}

/* ---- task learner ------------------------------------------------------------------------- */

/* One that asks for gradients at the point where it is. */
struct asker {
    uint32_t flags;
    const struct mn_host *host; /* that it found */
    struct mn_outcome out;
    mn_real d_w[TOY_W], d_a[TOY_A];
};

static int asker_adapt(const void *self, struct mn_ctx *ctx, const struct mn_model *model,
                       const struct mn_task *task, struct mn_point *params, mn_real *state) {
    struct asker *s = (struct asker *)(uintptr_t)self;
    const struct mn_pass pass = {.size = sizeof pass, .flags = s->flags, .progress = 1};
    s->host = ctx->host;
    s->out = (struct mn_outcome){.size = sizeof s->out, .d_w = s->d_w, .d_a = s->d_a};
    const int status = mn_model_pass(ctx, model, params, &task->support, &pass, &s->out);
    assert_ptr_equal(ctx->host, s->host);
    return status;
}

static const struct mn_task_learner asker_table = {.size = sizeof asker_table,
                                                   .adapt = asker_adapt};

static void gradients_of_a_task_are_clipped(void **state) {
    struct mock mock;
    struct toy toy;
    struct asker asker = {.flags = MN_PASS_GRAD_W | MN_PASS_GRAD_A | MN_PASS_TRAINING};
    double w[TOY_W], a[TOY_A], dw[TOY_W], da[TOY_A], norm_w = 0, norm_a = 0;
    mn_real at_w[TOY_W], at_a[TOY_A];
    struct mn_point at = {at_w, at_a};
    mock_init(&mock);
    toy_install(&toy, &mock, TOY_A);
    struct unit unit = unit_open("clipped", MN_TASK_LEARNER);
    struct unit twice = unit_open("clipped", MN_TASK_LEARNER);
    const struct mn_task_learner *table = unit.about->vtable;
    unit_around(&unit, &asker_table, &asker);
    unit_around(&twice, table, unit.self);
    for (int i = 0; i < TOY_W; i++) {
        at_w[i] = (mn_real)(w[i] = 0.25 * i + 2);
    }
    for (int j = 0; j < TOY_A; j++) {
        at_a[j] = (mn_real)(a[j] = 0.5 * j - 1);
    }
    toy_loss(w, a, (double)toy.task.support.images[0], 1, dw, da);
    for (int i = 0; i < TOY_W; i++) {
        norm_w += dw[i] * dw[i];
    }
    for (int j = 0; j < TOY_A; j++) {
        norm_a += da[j] * da[j];
    }
    norm_w = sqrt(norm_w);
    norm_a = sqrt(norm_a);
    assert_true(norm_w > 4 && norm_a > 2);
    for (int round = 0; round < 4; round++) {
        const double most_w = round == 0 ? 1000 : 1.5, most_a = round < 2 ? 0 : 0.25;
        const double by_w = fmin(1, most_w / norm_w), by_a = most_a > 0 ? most_a / norm_a : 1;
        unit_real(&unit, "max_norm", round == 3 ? 3 : most_w);
        unit_real(&unit, "max_norm_a", most_a);
        unit_real(&twice, "max_norm", most_w);
        const void *self = round == 3 ? twice.self : unit.self;
        assert_int_equal(table->adapt(self, &mock.ctx, NULL, &toy.task, &at, NULL), MN_OK);
        assert_ptr_equal(mock.ctx.host, &mock.host);
        assert_true(asker.host != &mock.host);
        for (int i = 0; i < TOY_W; i++) {
            assert_close(asker.d_w[i], by_w * dw[i], 10 * ROUNDING);
        }
        for (int j = 0; j < TOY_A; j++) {
            assert_close(asker.d_a[j], by_a * da[j], 10 * ROUNDING);
        }
    }
    toy.fail_pass = toy.n_passes;
    assert_int_equal(table->adapt(unit.self, &mock.ctx, NULL, &toy.task, &at, NULL), MN_NUMERIC);
    mock_expect(&mock, MN_NUMERIC, NULL, "nan");
    assert_ptr_equal(mock.ctx.host, &mock.host);
    assert_int_equal(table->check_adjoint(unit.self, &mock.ctx), MN_CONFIG);
    mock_expect(&mock, MN_CONFIG, "around", "no derivative");
    asker.flags = 0; /* no gradient */
    mn_vec_fill(TOY_W, 100, asker.d_w);
    assert_int_equal(table->adapt(unit.self, &mock.ctx, NULL, &toy.task, &at, NULL), MN_OK);
    assert_true(asker.d_w[0] == 100);
    unit_close(&unit);
    unit_close(&twice);
    mock_fini(&mock);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_changed_without_options),
        cmocka_unit_test(images_are_moved_up_to_shift),
        cmocka_unit_test(some_images_are_mirrored),
        cmocka_unit_test(images_are_turned_about_their_centre),
        cmocka_unit_test(a_square_is_cut_out),
        cmocka_unit_test(changes_hang_on_the_task_alone),
        cmocka_unit_test(tests_are_changed_where_that_is_wanted),
        cmocka_unit_test(a_start_that_fails_stops_what_it_started),
        cmocka_unit_test(the_mean_direction_is_clipped),
        cmocka_unit_test(the_direction_of_a_task_is_clipped),
        cmocka_unit_test(updates_follow_the_schedule),
        cmocka_unit_test(a_schedule_may_do_nothing),
        cmocka_unit_test(gradients_of_a_task_are_clipped),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
