/* SPDX-License-Identifier: MIT */
#include "metanas/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The vectors that Random123 publishes for philox4x32-10. */
static void philox_known_answers(void **state) {
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t out[4];
        mn_philox(cases[i].counter, cases[i].key, out);
        assert_memory_equal(out, cases[i].out, sizeof out);
    }
}

/* The words of a stream are the blocks of its counter, in order. */
static void streams_hand_out_blocks_in_order(void **state) {
    struct mn_rng rng = mn_rng_make(5, MN_RNG_BATCH, 1, 7, 3, 9);
    const uint32_t key[2] = {rng.key[0], rng.key[1]};
    for (uint32_t block = 0; block < 50; block++) {
        const uint32_t counter[4] = {block, 9, 3, 7};
        uint32_t out[4];
        mn_philox(counter, key, out);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(mn_rng_u32(&rng), out[i]);
        }
    }
}

static void every_coordinate_makes_another_stream(void **state) {
    const struct mn_rng streams[] = {mn_rng_make(1, 1, 0, 0, 0, 0),
                                     mn_rng_make(2, 1, 0, 0, 0, 0),
                                     mn_rng_make(1, 2, 0, 0, 0, 0),
                                     mn_rng_make(1, 1, 1, 0, 0, 0),
                                     mn_rng_make(1, 1, 0, 1, 0, 0),
                                     mn_rng_make(1, 1, 0, (uint64_t)1 << 32, 0, 0),
                                     mn_rng_make(1, 1, 0, 0, 1, 0),
                                     mn_rng_make(1, 1, 0, 0, 0, 1),
                                     mn_rng_make((uint64_t)1 << 32, 1, 0, 0, 0, 0)};
    enum { N = sizeof streams / sizeof streams[0] };
    uint64_t first[N];
    for (size_t i = 0; i < N; i++) {
        struct mn_rng rng = streams[i], again = streams[i];
        first[i] = (uint64_t)mn_rng_u32(&rng) << 32 | mn_rng_u32(&rng);
        assert_int_equal(mn_rng_u32(&again), first[i] >> 32);
        for (size_t k = 0; k < i; k++) {
            assert_true(first[i] != first[k]);
        }
    }
}

/* All bounds below are about five standard errors, and the seeds are fixed. */
enum { DRAWS = 400000 };

static void uniform_is_uniform(void **state) {
    struct mn_rng rng = mn_rng_make(1, MN_RNG_PLUGIN, 0, 0, 0, 0);
    double sum = 0, squares = 0, lagged = 0, before = 0.5;
    int bins[100] = {0};
    for (int i = 0; i < DRAWS; i++) {
        const double u = mn_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
        squares += (u - 0.5) * (u - 0.5);
        lagged += (u - 0.5) * (before - 0.5);
        before = u;
        bins[(int)(u * 100)]++;
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 5 * sqrt(1.0 / 12 / DRAWS));
    assert_true(fabs(squares / DRAWS - 1.0 / 12) < 5 * sqrt(1.0 / 180 / DRAWS));
    assert_true(fabs(lagged / DRAWS) < 5 * (1.0 / 12) / sqrt(DRAWS));
    double chi2 = 0;
    for (int i = 0; i < 100; i++) {
        chi2 += (bins[i] - DRAWS / 100.0) * (bins[i] - DRAWS / 100.0) / (DRAWS / 100.0);
    }
    assert_true(chi2 > 99 - 5 * sqrt(198) && chi2 < 99 + 5 * sqrt(198));
}

static void normal_is_normal(void **state) {
    struct mn_rng rng = mn_rng_make(2, MN_RNG_PLUGIN, 0, 0, 0, 0);
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0, pairs = 0, before = 0;
    int within_one = 0, above_three = 0;
    for (int i = 0; i < DRAWS; i++) {
        const double x = mn_rng_normal(&rng);
        m1 += x;
        m2 += x * x;
        m3 += x * x * x;
        m4 += x * x * x * x;
        pairs += x * before;
        before = x;
        within_one += fabs(x) < 1;
        above_three += x > 3;
    }
    const double error = 5 / sqrt(DRAWS);
    assert_true(fabs(m1 / DRAWS) < error);
    assert_true(fabs(m2 / DRAWS - 1) < error * sqrt(2));
    assert_true(fabs(m3 / DRAWS) < error * sqrt(15));
    assert_true(fabs(m4 / DRAWS - 3) < error * sqrt(96));
    assert_true(fabs(pairs / DRAWS) < error);
    assert_true(fabs(within_one / (double)DRAWS - erf(sqrt(0.5))) < error * 0.47);
    assert_true(fabs(above_three / (double)DRAWS - 0.5 * erfc(3 / sqrt(2))) < error * 0.037);
}

static void below_is_even_and_bounded(void **state) {
    struct mn_rng rng = mn_rng_make(3, MN_RNG_PLUGIN, 0, 0, 0, 0);
    for (uint32_t n = 1; n <= 40; n += 13) {
        int bins[40] = {0};
        for (int i = 0; i < DRAWS / 4; i++) {
            const uint32_t x = mn_rng_below(&rng, n);
            assert_true(x < n);
            bins[x]++;
        }
        const double expected = DRAWS / 4.0 / n;
        for (uint32_t k = 0; k < n; k++) {
            assert_true(fabs(bins[k] - expected) <= 5 * sqrt(expected));
        }
    }
    assert_int_equal(mn_rng_below(&rng, 1), 0);
}

/* With n = 3 * 2^30, a plain remainder would put half of the draws in the first third, and scaling
 * without rejection half of them on the multiples of three. */
static void below_has_no_modulo_bias(void **state) {
    struct mn_rng rng = mn_rng_make(4, MN_RNG_PLUGIN, 0, 0, 0, 0);
    int first_third = 0, multiples = 0;
    for (int i = 0; i < DRAWS; i++) {
        const uint32_t x = mn_rng_below(&rng, 3u << 30);
        assert_true(x < 3u << 30);
        first_third += x < 1u << 30;
        multiples += x % 3 == 0;
    }
    assert_true(fabs(first_third / (double)DRAWS - 1.0 / 3) < 5 * sqrt(2.0 / 9 / DRAWS));
    assert_true(fabs(multiples / (double)DRAWS - 1.0 / 3) < 5 * sqrt(2.0 / 9 / DRAWS));
}

/* Streams of neighbouring tasks and steps must not move together. */
static void neighbouring_streams_do_not_correlate(void **state) {
    enum { STREAMS = 300, EACH = 200 };
    double task = 0, step = 0;
    for (uint32_t i = 0; i < STREAMS; i++) {
        struct mn_rng at = mn_rng_make(9, MN_RNG_SAMPLES, 0, 0, i, i);
        struct mn_rng next_task = mn_rng_make(9, MN_RNG_SAMPLES, 0, 0, i + 1, i);
        struct mn_rng next_step = mn_rng_make(9, MN_RNG_SAMPLES, 0, 0, i, i + 1);
        for (int k = 0; k < EACH; k++) {
            const double x = mn_rng_uniform(&at) - 0.5;
            task += x * (mn_rng_uniform(&next_task) - 0.5);
            step += x * (mn_rng_uniform(&next_step) - 0.5);
        }
    }
    const double bound = 5 * (1.0 / 12) * sqrt(STREAMS * EACH);
    assert_true(fabs(task) < bound);
    assert_true(fabs(step) < bound);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(streams_hand_out_blocks_in_order),
        cmocka_unit_test(every_coordinate_makes_another_stream),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(normal_is_normal),
        cmocka_unit_test(below_is_even_and_bounded),
        cmocka_unit_test(below_has_no_modulo_bias),
        cmocka_unit_test(neighbouring_streams_do_not_correlate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
