/* SPDX-License-Identifier: MIT */
/* A sweep file: its axes, arms and seeds, what they are called and what they set. */
#include "fuzz.h"

#include "run/sweep.h"

#include <string.h>

static void check(const struct mn__sweep *sweep) {
    struct mn__arena arena = {0};
    fuzz_must(sweep->n_arms >= 1 && sweep->n_seeds >= 1 && sweep->base != NULL);
    for (int64_t arm = 0; arm<sweep->n_arms; arm += sweep->n_arms> 1 ? sweep->n_arms - 1 : 1) {
        int n;
        const char *name = mn__sweep_name(sweep, arm, &arena);
        fuzz_must(name != NULL && name[0] != '\0' && name[0] != '.' && strlen(name) <= 255);
        fuzz_must(strchr(name, '/') == NULL);
        const struct mn__assignment *set = mn__sweep_assignments(sweep, arm, 0, &arena, &n);
        fuzz_must(set != NULL && n >= 1 && strcmp(set[n - 1].key, "run.seed") == 0);
    }
    mn__arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static FILE *nowhere;
    struct mn__cx context;
    struct mn__sweep sweep;
    struct mn_cx *cx = fuzz_begin(&context);
    if (nowhere == NULL) {
        nowhere = fopencookie(NULL, "w", (cookie_io_functions_t){0});
        fuzz_must(nowhere != NULL);
    }
    const int status = mn__sweep_read(cx, fuzz_file(0, data, size), nowhere, &sweep);
    fuzz_must_explain(cx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        check(&sweep);
    }
    mn__sweep_fini(&sweep);
    fuzz_end(&context);
    return 0;
}
