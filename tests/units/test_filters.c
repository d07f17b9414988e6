/* SPDX-License-Identifier: MIT */
/* Units that are around another one. */
#include "check.h"
#include "mock.h"
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
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
