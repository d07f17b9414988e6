/* SPDX-License-Identifier: MIT */
/* A sweep file: its axes, arms and seeds, what they are called and what they set. */
#include "fuzz.h"

#include "../../tools/metanas/sweep/file.h"

#include <string.h>

static void check(const struct sweep *sweep) {
    struct nas_arena arena = {0};
    fuzz_must(sweep->n_arms >= 1 && sweep->n_seeds >= 1 && sweep->base != NULL);
    for (int64_t arm = 0; arm<sweep->n_arms; arm += sweep->n_arms> 1 ? sweep->n_arms - 1 : 1) {
        int n;
        const char *name = sweep_arm_name(sweep, arm, &arena);
        fuzz_must(name != NULL && name[0] != '\0' && name[0] != '.' && strlen(name) <= 255);
        fuzz_must(strchr(name, '/') == NULL);
        const struct nas_assignment *set = sweep_assignments(sweep, arm, 0, &arena, &n);
        fuzz_must(set != NULL && n >= 1 && strcmp(set[n - 1].key, "run.seed") == 0);
        fuzz_must(sweep->n_rungs == 0 || strcmp(set[n - 2].key, "run.meta_epochs") == 0);
    }
    fuzz_must(sweep->n_rungs == 0 || (sweep->n_rungs >= 2 && sweep->n_rungs <= MOST_RUNGS));
    for (int i = 1; i < sweep->n_rungs; i++) {
        fuzz_must(sweep->rungs[i - 1] >= 1 && sweep->rungs[i] / sweep->eta >= sweep->rungs[i - 1]);
    }
    nas_arena_fini(&arena);
}

FUZZ_TARGET(sweep) {
    static FILE *nowhere;
    struct nas_ctx context;
    struct sweep sweep;
    struct mn_ctx *ctx = fuzz_begin(&context);
    if (nowhere == NULL) {
        nowhere = fopencookie(NULL, "w", (cookie_io_functions_t){0});
        fuzz_must(nowhere != NULL);
    }
    const int status = sweep_read(ctx, fuzz_file(0, data, size), nowhere, &sweep);
    fuzz_must_explain(ctx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        check(&sweep);
    }
    sweep_fini(&sweep);
    fuzz_end(&context);
    return 0;
}
