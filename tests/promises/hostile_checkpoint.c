/* SPDX-License-Identifier: MIT */
/* Damaged checkpoints: each truncation and random flips of a bit, with the checksum as it was and
 * with it set right. Nothing is loaded that differs from what was saved, unless the file is a valid
 * one that says so. */
#include "learn/state.h"

#include "../learn/trial.h"
#include "../support/check.h"
#include "../support/seal.h"
#include "hostile.h"

#include <stdlib.h>

enum { FLIPS = 500, ALL_FLIPS = 10000 };

static struct trial trial;
static char path[PATH_MAX];
static struct nas_state saved;
static uint8_t *whole;      /* the checkpoint */
static size_t length, data; /* of the file; where its tensors begin */

static int begin(void **state) {
    trial_begin(&trial);
    trial_must_open(&trial, trial_toy, NULL);
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    const struct nas_metadata note = {"note", "more"};
    snprintf(path, sizeof path, "%s", folder_path(&trial.folder, "state.safetensors"));
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &saved));
    for (int64_t k = 0; k < d->n_w; k++) {
        saved.named[0].at[k] = (mn_real)-k / 4;
    }
    saved.learner[0] = 3;
    saved.meta_epoch = 12;
    saved.evaluated = saved.best_epoch = 10;
    saved.best = 0.5;
    assert_ok(trial.ctx, nas_state_save(&trial.e, trial.ctx, path, &saved, 1, &note));
    whole = file_get(path, &length);
    data = 8 + whole[0] + 256u * whole[1] + 65536u * whole[2];
    assert_true(data < length);
    return 0;
}

static int end(void **state) {
    free(whole);
    nas_state_fini(&saved);
    trial_end(&trial);
    return 0;
}

/* Load a file; 1 = it was accepted. A refusal names the file. */
static int load(const uint8_t *bytes, size_t n, struct nas_state *out) {
    file_put(path, bytes, n);
    const int status = nas_state_load(&trial.e, trial.ctx, path, out);
    if (status == MN_OK) {
        return 1;
    }
    assert_true(status == MN_IO || status == MN_CONFIG);
    if (strstr(nas_ctx_message(trial.ctx), path) == NULL &&
        strncmp(nas_ctx_message(trial.ctx), "tensor ", 7) != 0) {
        fail_msg("the message does not name the file: %s", nas_ctx_message(trial.ctx));
    }
    nas_ctx_clear(trial.ctx);
    return 0;
}

static void must_refuse(const uint8_t *bytes, size_t n, const char *how) {
    struct nas_state got;
    if (load(bytes, n, &got)) {
        fail_msg("%s was loaded", how);
    }
}

static void test_truncated(void **state) {
    char how[64];
    const int cuts = hostile_count((int)length / 10, (int)length);
    for (int i = 0; i < cuts; i++) {
        const size_t n = length * (size_t)i / (size_t)cuts;
        uint8_t *cut = malloc(n + 1);
        assert_non_null(cut);
        memcpy(cut, whole, n);
        snprintf(how, sizeof how, "a file cut at byte %zu", n);
        must_refuse(cut, n, how);
        if (seal_put(cut, n)) {
            must_refuse(cut, n, how);
        }
        free(cut);
    }
}

/* Bytes of both states that differ. */
static int differences(const void *a, const void *b, size_t n) {
    const uint8_t *x = a, *y = b;
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        count += x[i] != y[i];
    }
    return count;
}

static int state_differences(const struct nas_state *got) {
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    int n = differences(got->meta.w, saved.meta.w, (size_t)d->n_w * sizeof(mn_real));
    n += differences(got->meta.a, saved.meta.a, (size_t)d->n_a * sizeof(mn_real));
    n += differences(got->learner, saved.learner, (size_t)trial.e.n_state * sizeof(mn_real));
    assert_int_equal(got->n_named, saved.n_named);
    for (int i = 0; i < saved.n_named; i++) {
        assert_int_equal(got->named[i].n, saved.named[i].n);
        n += differences(got->named[i].at, saved.named[i].at,
                         (size_t)saved.named[i].n * sizeof(mn_real));
    }
    return n + differences(got->log, saved.log, sizeof saved.log);
}

/* Of a header nothing but the note of the best validation goes into the state. */
static void check_loaded(const struct nas_state *got, size_t at) {
    const int changed = state_differences(got);
    assert_true(changed <= (at >= data));
    if (at >= data) {
        assert_true(got->best == saved.best && got->best_epoch == saved.best_epoch);
    } else {
        assert_true(got->meta_epoch == saved.meta_epoch && got->evaluated == saved.evaluated);
        assert_true(got->best >= -1 && got->best <= 1);
    }
}

static void test_flipped(void **state) {
    struct mn_rng rng = mn_rng_make(6, MN_RNG_PLUGIN, 0, 0, 0, 0);
    const int flips = hostile_count(FLIPS, ALL_FLIPS);
    int loaded = 0, refused = 0;
    for (int i = 0; i < flips; i++) {
        /* Half of them in the header, which is short. */
        const uint32_t within = (uint32_t)(i % 2 ? length : data);
        const size_t at = mn_rng_below(&rng, within);
        struct nas_state got;
        uint8_t *damaged = malloc(length);
        assert_non_null(damaged);
        memcpy(damaged, whole, length);
        damaged[at] ^= (uint8_t)(1u << mn_rng_below(&rng, 8));
        must_refuse(damaged, length, "a file with a changed bit");
        if (seal_put(damaged, length) && load(damaged, length, &got)) {
            check_loaded(&got, at);
            nas_state_fini(&got);
            loaded++;
        } else {
            refused++;
        }
        free(damaged);
    }
    assert_true(loaded > flips / 10 && refused > flips / 10); /* both ways were walked */
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_truncated, begin, end),
        cmocka_unit_test_setup_teardown(test_flipped, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    return cmocka_run_group_tests_name("hostile checkpoint", tests, NULL, NULL);
}
