/* SPDX-License-Identifier: MIT */
#include "mixture.h"

/* The k-subsets of n items as bit masks (item 0 is bit 0), in lexicographic order of their sorted
 * items; found by looking at every mask. */
static int precedes(unsigned a, unsigned b, int n) {
    for (int i = 0; i < n; i++) {
        if ((a >> i & 1) != (b >> i & 1)) {
            return (int)(a >> i & 1);
        }
    }
    return 0;
}

static int subsets(int n, int k, unsigned *out) {
    int count = 0;
    for (unsigned mask = 0; mask < 1u << n; mask++) {
        int bits = 0, at = count;
        for (int i = 0; i < n; i++) {
            bits += (int)(mask >> i & 1);
        }
        if (bits != k) {
            continue;
        }
        for (; at > 0 && precedes(mask, out[at - 1], n); at--) {
            out[at] = out[at - 1];
        }
        out[at] = mask;
        count++;
    }
    return count;
}

static void check_combinations(struct mixture *x, int n, int k) {
    unsigned expected[1024];
    unit_int(&x->unit, "k", k);
    const int count = subsets(n, k < n ? k : n, expected);
    assert_int_equal(x->table->n_choices(x->unit.self, n), count);
    assert_int_equal(x->table->n_logits(x->unit.self, n), count);
    for (int c = 0; c < count; c++) {
        unsigned mask = 0;
        for (int i = 0; i < n; i++) {
            mask |= (unsigned)x->table->holds(x->unit.self, n, c, i) << i;
        }
        assert_int_equal(mask, expected[c]);
    }
}

static void combinations_are_lexicographic(void **state) {
    static const char *const plugins[] = {"soft_prune", "entmax"};
    for (int p = 0; p < 2; p++) {
        struct mixture x;
        mixture_open(&x, plugins[p], MN_INPUT_MIXER);
        for (int n = 1; n <= 9; n++) {
            for (int k = 1; k <= 10; k++) {
                check_combinations(&x, n, k);
            }
        }
        mixture_close(&x);
    }
}

/* C(33, 2) = 528, C(40, 4) = 91390; and where the count does not fit, the host must see a number
 * that it refuses. */
static void counts_of_many_inputs(void **state) {
    struct mixture x;
    mixture_open(&x, "soft_prune", MN_INPUT_MIXER);
    assert_int_equal(x.table->n_choices(x.unit.self, 33), 528);
    unit_int(&x.unit, "k", 4);
    assert_int_equal(x.table->n_choices(x.unit.self, 40), 91390);
    unit_int(&x.unit, "k", 50);
    assert_true(x.table->n_choices(x.unit.self, 100) == INT64_MAX);
    mixture_close(&x);
}

/* Eq. 7: x_j = sum_c q_c sum_{i in c} e_i, once over the combinations by brute force, once with the
 * weights and holds of the mixer. k = 1 is Eq. 6: a softmax over the inputs. */
static void check_equation_7(struct mixture *x, int n, int k, double progress) {
    unsigned mask[64];
    mn_real logits[64];
    double q[64], expected = 0, got = 0;
    unit_int(&x->unit, "k", k);
    const int count = subsets(n, k, mask);
    for (int c = 0; c < count; c++) {
        logits[c] = (mn_real)sin(2.1 * c + 0.4);
    }
    naive_softmax(count, logits, 1.0 - progress * 0.95, q);
    mixture_forward(x, count, logits, progress, 0);
    for (int i = 0; i < n; i++) {
        const double edge = cos(3.0 * i) + 2;
        for (int c = 0; c < count; c++) {
            expected += (mask[c] >> i & 1) != 0 ? q[c] * edge : 0;
            got += x->table->holds(x->unit.self, n, c, i) ? (double)x->weights[c] * edge : 0;
        }
    }
    assert_close(got, expected, 20 * ROUNDING);
    mixture_gradient(x, count, logits);
}

static void equations_6_and_7(void **state) {
    struct mixture x;
    mixture_open(&x, "soft_prune", MN_INPUT_MIXER);
    for (int k = 1; k <= 3; k++) {
        check_equation_7(&x, 4, k, 0);
        check_equation_7(&x, 5, k, 0.5);
        check_equation_7(&x, 5, k, 1);
    }
    mixture_close(&x);
}

static void sum_has_no_logits(void **state) {
    struct mixture x;
    struct mn_rng rng = mn_rng_make(0, MN_RNG_MIXER, 0, 0, 0, 0);
    mixture_open(&x, "sum", MN_INPUT_MIXER);
    assert_null(x.table->threshold);
    assert_int_equal(x.table->n_choices(x.unit.self, 4), 4);
    assert_int_equal(x.table->n_logits(x.unit.self, 4), 0);
    for (int c = 0; c < 4; c++) {
        for (int i = 0; i < 4; i++) {
            assert_int_equal(x.table->holds(x.unit.self, 4, c, i), c == i);
        }
    }
    assert_int_equal(
        x.table->forward(x.unit.self, &x.mock.ctx, 4, NULL, &x.when, &rng, x.weights, NULL), MN_OK);
    for (int i = 0; i < 4; i++) {
        assert_close(x.weights[i], 1, 0);
    }
    mixture_close(&x);
}

static void sum_keeps_the_strongest(void **state) {
    const mn_real ones[] = {1, 1, 1, 1};
    const mn_real strength[] = {(mn_real)0.3, (mn_real)0.2, (mn_real)0.5, (mn_real)0.3};
    const mn_real equal[] = {(mn_real)0.3, (mn_real)0.3, (mn_real)0.3, (mn_real)0.3};
    struct mixture x;
    mixture_open(&x, "sum", MN_INPUT_MIXER);
    assert_int_equal(mixture_select(&x, 4, ones, strength), 0x5u); /* of equals the lower index */
    assert_int_equal(mixture_select(&x, 4, ones, equal), 0x3u);
    unit_int(&x.unit, "k", 3);
    assert_int_equal(mixture_select(&x, 4, ones, strength), 0xDu);
    assert_int_equal(mixture_select(&x, 2, ones, strength), 0x3u); /* fewer inputs than k */
    unit_int(&x.unit, "k", 1);
    assert_int_equal(mixture_select(&x, 4, ones, strength), 0x4u);
    mixture_close(&x);
}

static void sum_needs_strengths(void **state) {
    const mn_real ones[] = {1, 1};
    uint8_t keep[2];
    struct mixture x;
    mixture_open(&x, "sum", MN_INPUT_MIXER);
    assert_int_equal(x.table->select(x.unit.self, &x.mock.ctx, 2, &x.when, ones, NULL, keep),
                     MN_INTERNAL);
    mock_expect(&x.mock, MN_INTERNAL, NULL, "strength");
    mixture_close(&x);
}

/* ---- edge normalisation of PC-DARTS ------------------------------------------------------- */

static void edges_are_normalised(void **state) {
    const mn_real logits[] = {(mn_real)0.3, (mn_real)-0.7, (mn_real)1.1, (mn_real)0.2};
    double expected[4];
    struct mixture x;
    mixture_open(&x, "pc_darts", MN_INPUT_MIXER);
    assert_null(x.table->threshold);
    for (int n = 1; n < 6; n++) {
        assert_int_equal(x.table->n_choices(x.unit.self, n), n);
        assert_int_equal(x.table->n_logits(x.unit.self, n), n);
        assert_int_equal(x.table->holds(x.unit.self, n, n - 1, n - 1), 1);
        assert_int_equal(x.table->holds(x.unit.self, n, 0, n), 0);
    }
    naive_softmax(4, logits, 1, expected);
    for (int p = 0; p < 2; p++) {
        mixture_forward(&x, 4, logits, p, 0);
        for (int i = 0; i < 4; i++) {
            assert_close(x.weights[i], expected[i], 8 * ROUNDING);
        }
    }
    mixture_gradient(&x, 4, logits);
    mixture_close(&x);
}

/* Products: 0.05, 0.12, 0.15, 0.03. */
static void the_strongest_product_stays(void **state) {
    const mn_real weights[] = {(mn_real)0.1, (mn_real)0.4, (mn_real)0.3, (mn_real)0.2};
    const mn_real strength[] = {(mn_real)0.5, (mn_real)0.3, (mn_real)0.5, (mn_real)0.15};
    uint8_t keep[4];
    struct mixture x;
    mixture_open(&x, "pc_darts", MN_INPUT_MIXER);
    assert_int_equal(mixture_select(&x, 4, weights, strength), 0x6u);
    unit_int(&x.unit, "k", 1);
    assert_int_equal(mixture_select(&x, 4, weights, strength), 0x4u);
    unit_int(&x.unit, "k", 3);
    assert_int_equal(mixture_select(&x, 4, weights, strength), 0x7u);
    assert_int_equal(mixture_select(&x, 2, weights, strength), 0x3u);
    assert_int_equal(x.table->select(x.unit.self, &x.mock.ctx, 4, &x.when, weights, NULL, keep),
                     MN_INTERNAL);
    mock_expect(&x.mock, MN_INTERNAL, NULL, "strength");
    x.mock.memory_left = 0;
    assert_int_equal(x.table->select(x.unit.self, &x.mock.ctx, 4, &x.when, weights, strength, keep),
                     MN_NOMEM);
    mock_expect(&x.mock, MN_NOMEM, NULL, "scratch");
    mixture_close(&x);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(combinations_are_lexicographic),
        cmocka_unit_test(counts_of_many_inputs),
        cmocka_unit_test(equations_6_and_7),
        cmocka_unit_test(sum_has_no_logits),
        cmocka_unit_test(sum_keeps_the_strongest),
        cmocka_unit_test(sum_needs_strengths),
        cmocka_unit_test(edges_are_normalised),
        cmocka_unit_test(the_strongest_product_stays),
    };
    unit_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
