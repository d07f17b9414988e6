/* SPDX-License-Identifier: MIT */
/* test.json, a zero byte, test-tasks.csv: as a sweep gathers them. */
#include "fuzz.h"

#include "../../tools/metanas/genotypes.h"
#include "../../tools/metanas/sweep/results.h"

#include <stdlib.h>
#include <string.h>

static void check(const struct sweep_result *result) {
    const int64_t tasks = result->now.test.tasks;
    fuzz_must(tasks >= 1);
    for (int64_t i = 0; i < tasks; i++) {
        const double accuracy = result->values[SWEEP_ACCURACY][i];
        const double before = result->values[SWEEP_BEFORE][i];
        fuzz_must(accuracy >= 0 && accuracy <= 1 && before >= 0 && before <= 1);
        fuzz_must(result->values[SWEEP_GAP][i] == before - accuracy);
    }
    for (int m = 0; m < SWEEP_DIFFERENCE; m++) {
        fuzz_must(result->means[m].n == tasks);
    }
}

static int take(struct mn_ctx *ctx, struct nas_arena *arena, const json_t *test,
                const char *tasks) {
    struct nas_csv table;
    struct sweep_result result = {0};
    int status = nas_csv_parse(ctx, arena, "test-tasks.csv", tasks, strlen(tasks), &table);
    fuzz_must(nas_columns_read(&nas_record_columns, NAS_IN_TEST, test, arena, &result.now.test));
    if (status == MN_OK) {
        status = sweep_take_tasks(ctx, arena, "test-tasks.csv", &table, &result);
    }
    fuzz_must_explain(ctx, status);
    if (status == MN_OK) {
        check(&result);
    }
    nas_ctx_clear(ctx);
    return status == MN_OK;
}

static void genotypes(struct mn_ctx *ctx, const json_t *test) {
    struct genotypes genotypes = {0};
    const int status = genotypes_read(ctx, "test.json", test, &genotypes);
    fuzz_must_explain(ctx, status);
    for (size_t i = 0; status == MN_OK && i < genotypes.n; i++) {
        fuzz_must(genotypes.at[i].text != NULL && genotypes.at[i].count >= 1);
    }
    nas_arena_fini(&genotypes.arena);
}

FUZZ_TARGET(test) {
    static struct nas_arena arena;
    struct nas_ctx context;
    struct mn_ctx *ctx = fuzz_begin(&context);
    char *text = fuzz_text(&data, &size), *tasks = fuzz_text(&data, &size);
    json_t *test = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (test != NULL) {
        fuzz_accepted += take(ctx, &arena, test, tasks != NULL ? tasks : "");
        genotypes(ctx, test);
    }
    json_decref(test);
    free(text);
    free(tasks);
    nas_arena_release(&arena, 0);
    fuzz_end(&context);
    return 0;
}
