/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "mock.h"
#include "unit.h"

enum { N = 3, WAYS = 4, LOGITS = N * WAYS };

static const mn_real logits[LOGITS] = {(mn_real)0.5,  (mn_real)-1,  (mn_real)2,   (mn_real)0,
                                       (mn_real)1.5,  (mn_real)1.5, (mn_real)-3,  (mn_real)0,
                                       (mn_real)0.25, (mn_real)0.5, (mn_real)0.1, (mn_real)-0.75};
static const int32_t labels[N] = {2, 0, 3};

/* A loss, its host and what it gave. */
struct trial {
    struct mock mock;
    struct unit unit;
    double loss;
    mn_real d[LOGITS];
    uint32_t flags;
    const mn_real *w;
};

static void trial_open(struct trial *trial, const char *plugin) {
    *trial = (struct trial){.flags = MN_PASS_TRAINING};
    mock_init(&trial->mock);
    trial->unit = unit_open(plugin, MN_LOSS);
}

static void trial_close(struct trial *trial) {
    unit_close(&trial->unit);
    mock_fini(&trial->mock);
}

static void run(struct trial *trial, const mn_real *targets) {
    const struct mn_loss *table = trial->unit.about->vtable;
    const struct mn_loss_call call = {.size = sizeof call,
                                      .flags = trial->flags,
                                      .n = N,
                                      .ways = WAYS,
                                      .logits = logits,
                                      .labels = labels,
                                      .targets = targets,
                                      .d_logits = trial->d,
                                      .w = trial->w};
    assert_int_equal(table->value(trial->unit.self, &trial->mock.ctx, &call, &trial->loss), MN_OK);
}

/* Probability of class c for image i, the plain way. */
static double probability(int i, int c) {
    double sum = 0;
    for (int k = 0; k < WAYS; k++) {
        sum += exp((double)logits[i * WAYS + k]);
    }
    return exp((double)logits[i * WAYS + c]) / sum;
}

static void cross_entropy_is_that_of_the_label(void **state) {
    struct trial trial;
    double expected = 0;
    trial_open(&trial, "cross_entropy");
    run(&trial, NULL);
    for (int i = 0; i < N; i++) {
        expected -= log(probability(i, labels[i])) / N;
        for (int c = 0; c < WAYS; c++) {
            assert_close(trial.d[i * WAYS + c], (probability(i, c) - (c == labels[i])) / N,
                         4 * ROUNDING);
        }
    }
    assert_close(trial.loss, expected, 1e-12);
    trial_close(&trial);
}

/* (1 - s) times the loss of the label and s times the mean over all labels. */
static void smoothing_mixes_with_the_mean_over_labels(void **state) {
    struct trial trial;
    double expected = 0;
    trial_open(&trial, "cross_entropy");
    unit_real(&trial.unit, "smoothing", 0.1);
    run(&trial, NULL);
    for (int i = 0; i < N; i++) {
        expected -= 0.9 * log(probability(i, labels[i])) / N;
        for (int c = 0; c < WAYS; c++) {
            const double target = 0.9 * (c == labels[i]) + 0.1 / WAYS;
            expected -= 0.1 * log(probability(i, c)) / WAYS / N;
            assert_close(trial.d[i * WAYS + c], (probability(i, c) - target) / N, 4 * ROUNDING);
        }
    }
    assert_close(trial.loss, expected, 1e-12);
    trial_close(&trial);
}

/* Targets take the place of labels; where they are what the network says, nothing is to be done. */
static void targets_take_the_place_of_labels(void **state) {
    struct trial trial;
    mn_real hard[LOGITS] = {0}, same[LOGITS];
    double entropy = 0;
    trial_open(&trial, "cross_entropy");
    run(&trial, NULL);
    const double with_labels = trial.loss;
    for (int i = 0; i < N; i++) {
        hard[i * WAYS + labels[i]] = 1;
        for (int c = 0; c < WAYS; c++) {
            same[i * WAYS + c] = (mn_real)probability(i, c);
            entropy -= probability(i, c) * log(probability(i, c)) / N;
        }
    }
    run(&trial, hard);
    assert_close(trial.loss, with_labels, 1e-12);
    run(&trial, same);
    assert_close(trial.loss, entropy, 8 * ROUNDING);
    for (int i = 0; i < LOGITS; i++) {
        assert_close(trial.d[i], 0, 2 * ROUNDING);
    }
    trial_close(&trial);
}

/* Softened by the temperature, of logits of its own. */
static void distillation_compares_softened_predictions(void **state) {
    static const double other[WAYS] = {1, -0.5, 0.25, 0};
    const double t = 3, weight = 0.7;
    struct trial trial;
    mn_real targets[LOGITS];
    double labels_alone = 0, kl = 0, q[WAYS], sum = 0, sum_q = 0;
    for (int c = 0; c < WAYS; c++) {
        sum += exp(other[c]);
        sum_q += exp(other[c] / t);
    }
    for (int i = 0; i < LOGITS; i++) {
        targets[i] = (mn_real)(exp(other[i % WAYS]) / sum);
        q[i % WAYS] = exp(other[i % WAYS] / t) / sum_q;
    }
    trial_open(&trial, "distillation");
    const struct mn_loss *table = trial.unit.about->vtable;
    assert_int_equal(table->teacher(trial.unit.self), MN_TEACHER_START);
    unit_real(&trial.unit, "temperature", t);
    unit_real(&trial.unit, "weight", weight);
    run(&trial, targets);
    for (int i = 0; i < N; i++) {
        double soft = 0;
        labels_alone -= log(probability(i, labels[i])) / N;
        for (int c = 0; c < WAYS; c++) {
            soft += exp((double)logits[i * WAYS + c] / t);
        }
        for (int c = 0; c < WAYS; c++) {
            const double p = exp((double)logits[i * WAYS + c] / t) / soft;
            kl += q[c] * log(q[c] / p) / N;
            assert_close(
                trial.d[i * WAYS + c],
                ((1 - weight) * (probability(i, c) - (c == labels[i])) + weight * t * (p - q[c])) /
                    N,
                8 * ROUNDING);
        }
    }
    assert_close(trial.loss, (1 - weight) * labels_alone + weight * t * t * kl, 16 * ROUNDING);
    run(&trial, NULL); /* nobody teaches */
    assert_close(trial.loss, labels_alone, 1e-12);
    trial_close(&trial);
}

/* A teacher that is sure, and a network that is. */
static void distillation_is_finite(void **state) {
    const mn_real sure[] = {900, 0, -900}, targets[] = {0, 1, 0};
    const int32_t label = 0;
    struct trial trial;
    trial_open(&trial, "distillation");
    const struct mn_loss *table = trial.unit.about->vtable;
    const struct mn_loss_call call = {.size = sizeof call,
                                      .n = 1,
                                      .ways = 3,
                                      .logits = sure,
                                      .labels = &label,
                                      .targets = targets,
                                      .d_logits = trial.d};
    assert_int_equal(table->value(trial.unit.self, &trial.mock.ctx, &call, &trial.loss), MN_OK);
    assert_close(trial.loss, 0.5 * 4 * 450, 1e-9); /* weight T^2 (z_0 - z_1) / T */
    trial_close(&trial);
}

/* One hidden unit, on the cross entropy alone: c_i + v tanh(a c_i) for an image of cross entropy
 * c_i, and moved by the state of the task. */
static void metal_adds_what_it_has_learned(void **state) {
    enum { A = 0, V = 5, AFFINE = 7, B2_OFFSET = AFFINE + 7 * 4, ALL = AFFINE + 8 * 5 };
    struct trial trial;
    mn_real w[ALL] = {0};
    double c[N], mean = 0, learned = 0;
    for (int i = 0; i < N; i++) {
        c[i] = -log(probability(i, labels[i]));
        mean += c[i] / N;
    }
    trial_open(&trial, "metal");
    unit_int(&trial.unit, "hidden", 1);
    trial.w = w;
    w[A] = (mn_real)0.5;
    run(&trial, NULL); /* nothing has been learned yet */
    assert_close(trial.loss, mean, 8 * ROUNDING);
    w[V] = (mn_real)-0.75;
    w[B2_OFFSET] = (mn_real)0.25; /* b2 moves by a quarter of the mean cross entropy */
    for (int i = 0; i < N; i++) {
        learned -= 0.75 * tanh(0.5 * c[i]) / N;
    }
    run(&trial, NULL);
    assert_close(trial.loss, 1.25 * mean + learned, 8 * ROUNDING);
    for (int i = 0; i < LOGITS; i++) {
        const int image = i / WAYS, is = i % WAYS == labels[image];
        const double h = tanh(0.5 * c[image]), slope = 1.25 - 0.75 * 0.5 * (1 - h * h);
        assert_close(trial.d[i], slope * (probability(image, i % WAYS) - is) / N, 8 * ROUNDING);
    }
    trial.flags = 0; /* query images */
    run(&trial, NULL);
    assert_close(trial.loss, mean, 8 * ROUNDING);
    trial_close(&trial);
}

static void focal_counts_hard_images_more(void **state) {
    struct trial trial;
    double cross_entropy = 0, expected = 0;
    for (int i = 0; i < N; i++) {
        const double p = probability(i, labels[i]);
        cross_entropy -= log(p) / N;
        expected -= (1 - p) * (1 - p) * log(p) / N;
    }
    trial_open(&trial, "focal");
    run(&trial, NULL);
    assert_close(trial.loss, expected, 1e-12);
    unit_real(&trial.unit, "gamma", 0);
    run(&trial, NULL);
    assert_close(trial.loss, cross_entropy, 1e-12);
    for (int i = 0; i < LOGITS; i++) {
        const int image = i / WAYS, c = i % WAYS;
        assert_close(trial.d[i], (probability(image, c) - (c == labels[image])) / N, 4 * ROUNDING);
    }
    trial_close(&trial);
}

/* An image that is right beyond doubt: no 0 times infinity. */
static void focal_is_finite_where_nothing_is_left(void **state) {
    static const double gammas[] = {0, 0.5, 1, 2};
    const mn_real sure[] = {900, 0, -900};
    const int32_t label = 0;
    struct trial trial;
    trial_open(&trial, "focal");
    const struct mn_loss *table = trial.unit.about->vtable;
    for (size_t i = 0; i < sizeof gammas / sizeof *gammas; i++) {
        const struct mn_loss_call call = {.size = sizeof call,
                                          .n = 1,
                                          .ways = 3,
                                          .logits = sure,
                                          .labels = &label,
                                          .d_logits = trial.d};
        unit_real(&trial.unit, "gamma", gammas[i]);
        assert_int_equal(table->value(trial.unit.self, &trial.mock.ctx, &call, &trial.loss), MN_OK);
        assert_close(trial.loss, 0, 0);
        for (int c = 0; c < 3; c++) {
            assert_close(trial.d[c], 0, 0);
        }
    }
    trial_close(&trial);
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy_is_that_of_the_label),
        cmocka_unit_test(smoothing_mixes_with_the_mean_over_labels),
        cmocka_unit_test(targets_take_the_place_of_labels),
        cmocka_unit_test(distillation_compares_softened_predictions),
        cmocka_unit_test(distillation_is_finite),
        cmocka_unit_test(metal_adds_what_it_has_learned),
        cmocka_unit_test(focal_counts_hard_images_more),
        cmocka_unit_test(focal_is_finite_where_nothing_is_left),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
