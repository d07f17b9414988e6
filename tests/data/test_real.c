/* SPDX-License-Identifier: MIT */
#include "files.h"
#include "store.h"

#include <stdlib.h>

/* The published data sets, from the folder in METANAS_DATA. The expected means were computed by
 * other software over all images. */

enum { SKIPPED = 77 }; /* exit code, to meson */

static void open_real(struct store *s, const char *plugin, const char *name) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", getenv("METANAS_DATA"), name);
    store_open(s, plugin);
    unit_path(&s->unit, "path", path);
}

static void expect_classes(const struct store *s, const int64_t expected[3], int64_t samples) {
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        assert_int_equal(s->info.n_classes[split], expected[split]);
        assert_int_equal(s->info.n_images[split], expected[split] * samples);
        assert_int_equal(s->info.min_samples[split], expected[split] > 0 ? samples : 0);
    }
}

/* Mean of one channel over a task. */
static double mean_of(const struct store *s, const struct drawn *d, int channel) {
    const int64_t plane = (int64_t)s->info.height * s->info.width;
    const int64_t support = (int64_t)d->spec.ways * d->spec.support;
    const int64_t n = support + (int64_t)d->spec.ways * d->spec.query;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const mn_real *image = i < support ? d->episode.support + i * d->reals
                                           : d->episode.query + (i - support) * d->reals;
        for (int64_t p = 0; p < plane; p++) {
            sum += (double)image[channel * plane + p];
        }
    }
    return sum / (double)(n * plane);
}

static void omniglot(void **state) {
    static const int64_t rotated[] = {4 * 864, 100, 659}, upright[] = {964, 0, 659};
    struct store s;
    open_real(&s, "omniglot", "omniglot");
    store_ready(&s);
    expect_classes(&s, rotated, 20);
    store_close(&s);
    open_real(&s, "omniglot", "omniglot");
    unit_int(&s.unit, "validation", 0);
    unit_choice(&s.unit, "rotations", "none");
    store_ready(&s);
    expect_classes(&s, upright, 20);
    struct drawn all = store_draw(&s, MN_TRAIN, 0, 0, 964, 1, 19);
    assert_true(fabs(mean_of(&s, &all, 0) - 0.07793743) < 2e-4);
    drawn_free(&all);
    all = store_draw(&s, MN_TEST, 0, 0, 659, 1, 19);
    assert_true(fabs(mean_of(&s, &all, 0) - 0.08428227) < 2e-4);
    drawn_free(&all);
    store_close(&s);
}

static void omniglot_vinyals(void **state) {
    static const char *const modes[] = {"train", "all", "none"};
    static const int64_t expected[][3] = {{4112, 172, 423}, {4112, 688, 1692}, {1028, 172, 423}};
    for (int i = 0; i < 3; i++) {
        struct store s;
        open_real(&s, "omniglot", "omniglot");
        unit_choice(&s.unit, "split", "vinyals");
        unit_choice(&s.unit, "rotations", modes[i]);
        unit_int(&s.unit, "size", 8);
        store_ready(&s);
        expect_classes(&s, expected[i], 20);
        store_close(&s);
    }
}

static void mini_imagenet(void **state) {
    static const int64_t expected[] = {64, 16, 20};
    static const double mean[] = {0.47403165, 0.42715367, 0.37386599};
    struct store s;
    open_real(&s, "image_folder", "mini-imagenet/mini-imagenet.zip");
    unit_choice(&s.unit, "cache", "files");
    unit_int(&s.unit, "size", 8); /* all of a split fits into a task, and means stay */
    store_ready(&s);
    expect_classes(&s, expected, 600);
    struct drawn all = store_draw(&s, MN_TEST, 0, 0, 20, 1, 599);
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(mean_of(&s, &all, c) - mean[c]) < 2e-3);
    }
    drawn_free(&all);
    store_close(&s);
    open_real(&s, "image_folder", "mini-imagenet/mini-imagenet.zip");
    unit_choice(&s.unit, "cache", "files");
    unit_int(&s.unit, "size", 0);
    store_ready(&s);
    assert_true(s.info.channels == 3 && s.info.height == 84 && s.info.width == 84);
    struct drawn d = store_draw(&s, MN_VAL, 0, 0, 16, 1, 15);
    drawn_check(&d, 16);
    drawn_free(&d);
    store_close(&s);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(omniglot),
        cmocka_unit_test(omniglot_vinyals),
        cmocka_unit_test(mini_imagenet),
    };
    const char *data = getenv("METANAS_DATA");
    if (data == NULL || data[0] == '\0') {
        printf("skipped: METANAS_DATA does not name a folder of omniglot/ and mini-imagenet/\n");
        return SKIPPED;
    }
    unit_arguments(argc, argv);
    return cmocka_run_group_tests_name("real", tests, NULL, NULL);
}
