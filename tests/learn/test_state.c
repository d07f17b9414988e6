/* SPDX-License-Identifier: MIT */
/* States in checkpoints: what is saved, and what is refused. */
#include "backend/cpu/kernels/kernel.h"
#include "learn/train.h"

#include "../support/check.h"
#include "trial.h"

#include <stdlib.h>

static struct trial trial;
static char path[PATH_MAX];

static int begin(void **state) {
    trial_begin(&trial);
    snprintf(path, sizeof path, "%s", folder_path(&trial.folder, "state.safetensors"));
    return 0;
}

static int end(void **state) {
    trial_end(&trial);
    return 0;
}

/* A state of which every number is another, saved under path. */
static void save_numbers(void) {
    struct nas_state s;
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    const struct nas_metadata extra = {"note", "more"};
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    for (int64_t k = 0; k < d->n_w; k++) {
        s.meta.w[k] = (mn_real)k / 8;
        s.named[0].at[k] = (mn_real)-k / 4;
    }
    for (int64_t k = 0; k < d->n_a; k++) {
        s.meta.a[k] = (mn_real)k + (mn_real)0.5;
    }
    s.learner[0] = 3;
    s.learner[1] = 4;
    s.meta_epoch = 12;
    s.evaluated = 10;
    s.log[3] = 0.1;
    assert_ok(trial.ctx, nas_state_save(&trial.e, trial.ctx, path, &s, 1, &extra));
    nas_state_fini(&s);
}

static int load(struct nas_state *out) {
    return nas_state_load(&trial.e, trial.ctx, path, out);
}

static void test_round_trip(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, NULL);
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    save_numbers();
    assert_ok(trial.ctx, load(&s));
    for (int64_t k = 0; k < d->n_w; k++) {
        assert_true(s.meta.w[k] == (mn_real)k / 8 && s.named[0].at[k] == (mn_real)-k / 4);
    }
    for (int64_t k = 0; k < d->n_a; k++) {
        assert_true(s.meta.a[k] == (mn_real)k + (mn_real)0.5);
    }
    assert_true(s.learner[0] == 3 && s.learner[1] == 4);
    assert_int_equal(s.meta_epoch, 12);
    assert_int_equal(s.evaluated, 10);
    assert_true(s.log[0] == 0 && s.log[3] == 0.1 && s.loaded);
    nas_state_fini(&s);
}

/* Names and shapes of docs/state-names.md. */
static void test_names(void **state) {
    static const struct {
        const char *name;
        int n_dims;
        int64_t dims[4];
    } tensors[] = {
        {"stem.conv.weight", 4, {6, 1, 3, 3}},
        {"stem.bn.bias", 1, {6}},
        {"cells.0.preproc1.conv.weight", 4, {2, 6, 1, 1}},
        {"alpha.normal.0.op", 2, {2, 3}},
        {"head.weight", 2, {2, 2}},
        {"head.bias", 1, {2}},
        {"learner.state", 1, {2}},
    };
    struct nas_safetensors file;
    trial_must_open(&trial, trial_toy, NULL);
    save_numbers();
    assert_ok(trial.ctx, nas_safetensors_read(trial.ctx, path, &file));
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        const struct nas_safetensor *t = nas_safetensors_find(&file, tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->n_dims, tensors[i].n_dims);
        assert_memory_equal(t->dims, tensors[i].dims, sizeof tensors[i].dims);
    }
    assert_non_null(nas_safetensors_find(&file, "meta.seen"));
    nas_safetensors_fini(&file);
}

static void test_metadata(void **state) {
    struct nas_safetensors file;
    trial_must_open(&trial, trial_toy, NULL);
    save_numbers();
    assert_ok(trial.ctx, nas_safetensors_read(trial.ctx, path, &file));
    assert_string_equal(nas_safetensors_meta(&file, "meta_epoch"), "12");
    assert_string_equal(nas_safetensors_meta(&file, "seed"), "7");
    assert_string_equal(nas_safetensors_meta(&file, "note"), "more");
    assert_int_equal(nas_safetensors_meta(&file, "version")[0], '0');
    assert_string_equal(nas_safetensors_meta(&file, "kernels"), trial.e.kernels->name);
    assert_non_null(strstr(nas_safetensors_meta(&file, "blas"), "OpenBLAS"));
    assert_non_null(strstr(nas_safetensors_meta(&file, "config"), "\nmeta_learner:\n  use: toy"));
    const char *plugin = nas_safetensors_meta(&file, "meta_learner");
    assert_memory_equal(plugin, "toy of toy 1.0.0, file crc32 ", 29);
    assert_int_equal(strlen(plugin), 37);
    assert_string_not_equal(plugin + 29, "00000000");
    nas_safetensors_fini(&file);
}

/* ---- refused ------------------------------------------------------------------------------ */

/* The saved file with one of its tensors or metadata changed. */
struct change {
    const char *drop, *rename, *to; /* names */
    int64_t dim0;                   /* of `rename` */
    const char *drop_meta;
};

static void change_file(const struct change *c) {
    struct nas_safetensors file;
    assert_ok(trial.ctx, nas_safetensors_read(trial.ctx, path, &file));
    int n = 0, m = 0;
    for (int i = 0; i < file.n; i++) {
        struct nas_safetensor t = file.tensors[i];
        if (c->rename != NULL && strcmp(t.name, c->rename) == 0) {
            t.name = c->to;
            t.dims[0] = c->dim0 > 0 ? c->dim0 : t.dims[0];
        }
        if (c->drop == NULL || strcmp(t.name, c->drop) != 0) {
            file.tensors[n++] = t;
        }
    }
    for (int i = 0; i < file.n_meta; i++) {
        const char *key = file.metadata[i].key;
        if (strcmp(key, "crc32") != 0 && (c->drop_meta == NULL || strcmp(key, c->drop_meta) != 0)) {
            file.metadata[m++] = file.metadata[i];
        }
    }
    assert_ok(trial.ctx, nas_safetensors_write(trial.ctx, path, n, file.tensors, m, file.metadata));
    nas_safetensors_fini(&file);
}

static void check_refused(struct change change, const char *why) {
    struct nas_state s;
    save_numbers();
    change_file(&change);
    assert_failed(trial.ctx, load(&s), MN_CONFIG, path, why);
    assert_null(s.meta.w);
}

static void test_refused(void **state) {
    trial_must_open(&trial, trial_toy, NULL);
    check_refused((struct change){.drop = "head.bias"}, "has no tensor head.bias");
    check_refused((struct change){.drop = "meta.seen"}, "has no tensor meta.seen");
    check_refused((struct change){.drop = "learner.state"}, "has no tensor learner.state");
    check_refused((struct change){.drop = "run.log"}, "no run.log");
    check_refused((struct change){.rename = "head.bias", .to = "head.bais"},
                  "has no tensor head.bias");
    check_refused((struct change){.rename = "head.bias", .to = "head.bias", .dim0 = 1},
                  "tensor head.bias has shape [1], this configuration needs [2]");
    check_refused((struct change){.drop_meta = "format"}, "its format is '(none)'");
}

static void test_other_network(void **state) {
    struct nas_state s;
    trial_must_open(&trial, trial_toy, NULL);
    save_numbers();
    trial_must_open(&trial, trial_toy, "search_space.ops=[skip_connect]");
    assert_failed(trial.ctx, load(&s), MN_CONFIG,
                  "tensor alpha.normal.0.op has shape [2, 3], this configuration needs [2, 1]");
    trial_must_open(&trial, trial_toy, "search_space.channels=4");
    assert_failed(trial.ctx, load(&s), MN_CONFIG, "tensor stem.conv.weight has shape [6, 1, 3, 3]",
                  "needs [12, 1, 3, 3]");
    trial_must_open(&trial, trial_toy, "meta_learner={use: reptile}");
    assert_failed(trial.ctx, load(&s), MN_CONFIG, "tensor meta.seen has no place");
    trial_must_open(&trial, trial_toy, "task_learner={use: sgd}");
    assert_failed(trial.ctx, load(&s), MN_CONFIG, "tensor learner.state");
}

/* ---- beginning ---------------------------------------------------------------------------- */

static void test_new(void **state) {
    struct nas_state s, again, other;
    trial_must_open(&trial, trial_toy, "run.alpha_std=0.5");
    const struct mn_dims *d = nas_model_dims(trial.e.model);
    const size_t bytes = (size_t)d->n_w * sizeof(mn_real);
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &s));
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &again));
    assert_memory_equal(s.meta.w, again.meta.w, bytes);
    trial.e.run.seed++;
    assert_ok(trial.ctx, nas_state_new(&trial.e, trial.ctx, &other));
    assert_memory_not_equal(s.meta.w, other.meta.w, bytes);
    assert_memory_not_equal(s.meta.a, other.meta.a, (size_t)d->n_a * sizeof(mn_real));
    assert_true(s.learner[0] == 0 && s.learner[1] == 0 && s.named[0].at[0] == 0);
    assert_int_equal(s.meta_epoch, 0);
    nas_state_fini(&s);
    nas_state_fini(&again);
    nas_state_fini(&other);
}

static void test_named_state_out_of_place(void **state) {
    trial_must_open(&trial, trial_toy, NULL);
    assert_null(mn_state(trial.ctx, "late", 3));
    assert_failed(trial.ctx, MN_INTERNAL, MN_INTERNAL, "mn_state(\"late\")", "start");
}

int main(int argc, char **argv) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, begin, end),
        cmocka_unit_test_setup_teardown(test_names, begin, end),
        cmocka_unit_test_setup_teardown(test_metadata, begin, end),
        cmocka_unit_test_setup_teardown(test_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_other_network, begin, end),
        cmocka_unit_test_setup_teardown(test_new, begin, end),
        cmocka_unit_test_setup_teardown(test_named_state_out_of_place, begin, end),
    };
    assert_true(argc > 1);
    trial_plugins(argv[1]);
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
