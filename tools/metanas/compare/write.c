/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include "store/records.h"

/* Columns of JSON and CSV. */
#define PLAIN(type, kind, member, name)                                                            \
    { name, NAS_COLUMN_##kind, NAS_UNIT_PLAIN, NAS_IN_ALL, NULL, offsetof(type, member) }

static const struct nas_column columns_of_comparison[] = {
    PLAIN(struct comparison, TEXT, run, "run"),
    PLAIN(struct comparison, TEXT, against, "against"),
    PLAIN(struct comparison, REAL, difference, "difference"),
    PLAIN(struct comparison, REAL, ci95, "difference_ci95"),
    PLAIN(struct comparison, TEXT, over, "over"),
    PLAIN(struct comparison, INT, n_pairs, "runs"),
    PLAIN(struct comparison, INT, tasks, "tasks"),
    PLAIN(struct comparison, REAL, p, "p"),
    PLAIN(struct comparison, REAL, p_holm, "p_holm"),
    PLAIN(struct comparison, INT, won, "won"),
    PLAIN(struct comparison, INT, tied, "tied"),
    PLAIN(struct comparison, INT, lost, "lost"),
    PLAIN(struct comparison, REAL, sign_p, "sign_p"),
    PLAIN(struct comparison, REAL, sign_holm, "sign_p_holm"),
    PLAIN(struct comparison, REAL, parameters, "parameters_difference"),
    PLAIN(struct comparison, INT, tasks_alone, "tasks_left_out"),
    PLAIN(struct comparison, INT, seeds_alone, "runs_left_out"),
    PLAIN(struct comparison, TEXT, verdict, "result"),
};
static const struct nas_columns comparison_columns = {
    sizeof columns_of_comparison / sizeof columns_of_comparison[0], columns_of_comparison};

static const struct nas_column columns_of_pair[] = {
    PLAIN(struct run_pair, INT, tasks, "tasks"),
    PLAIN(struct run_pair, INT, alone, "tasks_left_out"),
    PLAIN(struct run_pair, REAL, difference, "difference"),
    PLAIN(struct run_pair, REAL, ci95, "difference_ci95"),
    PLAIN(struct run_pair, REAL, p, "p"),
    PLAIN(struct run_pair, INT, won, "won"),
    PLAIN(struct run_pair, INT, tied, "tied"),
    PLAIN(struct run_pair, INT, lost, "lost"),
    PLAIN(struct run_pair, REAL, parameters, "parameters_difference"),
};
static const struct nas_columns pair_columns = {sizeof columns_of_pair / sizeof columns_of_pair[0],
                                                columns_of_pair};

/* Jansson's adding functions take `part`, and a NULL as a failure. */
static json_t *run_json(const struct tested_run *run) {
    json_t *object = nas_columns_json(&nas_record_columns, NAS_IN_TEST, &run->test);
    /* The seed of a test may be that of its tasks. */
    const int failed = object == NULL ||
                       json_object_set_new(object, "run", json_string(run->name)) ||
                       json_object_set_new(object, "arm", json_integer(run->arm + 1)) ||
                       json_object_set_new(object, "run_seed", json_integer(run->seed));
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *pair_json(const struct run_pair *pair) {
    json_t *object = nas_columns_json(&pair_columns, NAS_IN_ALL, pair);
    const int failed = object == NULL ||
                       json_object_set_new(object, "run", json_string(pair->first->name)) ||
                       json_object_set_new(object, "against", json_string(pair->second->name));
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *comparison_json(const struct comparison *x) {
    json_t *object = nas_columns_json(&comparison_columns, NAS_IN_ALL, x), *pairs = json_array();
    int failed = object == NULL || pairs == NULL;
    for (int64_t i = 0; i < x->n_pairs; i++) {
        failed |= json_array_append_new(pairs, pair_json(&x->pairs[i]));
    }
    failed |= json_object_set_new(object, "pairs", pairs);
    if (x->config_diff.key[0] != '\0') {
        failed |=
            json_object_set_new(object, "first_difference",
                                json_pack("{s:s, s:s, s:s}", "key", x->config_diff.key, "run",
                                          x->config_diff.there, "against", x->config_diff.here));
    }
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *compare_json(const struct compared *all) {
    json_t *runs = json_array(), *arms = json_array(), *items = json_array();
    int failed = 0;
    for (int i = 0; i < all->n_runs; i++) {
        failed |= json_array_append_new(runs, run_json(&all->runs[i]));
    }
    for (int i = 0; i < all->n_arms; i++) {
        failed |= json_array_append_new(
            arms, json_pack("{s:s, s:i}", "name", all->arms[i].name, "runs", all->arms[i].n));
    }
    for (int i = 0; i < all->n; i++) {
        failed |= json_array_append_new(items, comparison_json(&all->items[i]));
    }
    json_t *root = json_pack("{s:o, s:o, s:o}", "runs", runs, "arms", arms, "comparisons", items);
    if (failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}

void compare_csv(const struct compared *all, FILE *out) {
    struct nas_csv_line line = {.out = out};
    nas_columns_csv_names(&comparison_columns, NAS_IN_ALL, &line);
    nas_csv_end(&line);
    for (int i = 0; i < all->n; i++) {
        nas_columns_csv(&comparison_columns, NAS_IN_ALL, &all->items[i], &line);
        nas_csv_end(&line);
    }
}
