/* SPDX-License-Identifier: MIT */
/* A configuration file up to the point where data and network are made: YAML, option tables, the
 * units' own checks. One that is accepted is written and read again. */
#include "fuzz.h"

#include "learn/configuration.h"
#include "learn/experiment.h"

#include <stdlib.h>
#include <string.h>

/* NULL = refused, and something was said about it. */
static char *read_config(struct mn_ctx *ctx, const char *path) {
    struct nas_experiment e;
    char *said = NULL, *text = NULL;
    size_t n_said = 0, length = 0;
    int faults = -1;
    FILE *out = open_memstream(&said, &n_said);
    fuzz_must(out != NULL);
    const struct nas_open open = {
        .config = path, .flags = NAS_OPEN_NO_DATA, .faults = out, .n_faults = &faults};
    const int status = nas_experiment_open(&e, ctx, &open);
    fuzz_must(fclose(out) == 0);
    fuzz_must_explain(ctx, status);
    fuzz_must(status != MN_OK || faults <= 0);
    if (status == MN_OK) {
        out = open_memstream(&text, &length);
        fuzz_must(out != NULL);
        fuzz_must(nas_configuration_write(&e, out) == MN_OK);
        fuzz_must(fclose(out) == 0);
        nas_experiment_close(&e);
    }
    free(said);
    return text;
}

FUZZ_TARGET(config) {
    struct nas_ctx context;
    struct mn_ctx *ctx = fuzz_begin(&context);
    char *first = read_config(ctx, fuzz_file(0, data, size));
    if (first != NULL) {
        char *second = read_config(ctx, fuzz_file(1, first, strlen(first)));
        fuzz_accepted++;
        fuzz_must(second != NULL && strcmp(first, second) == 0);
        free(second);
    }
    free(first);
    fuzz_end(&context);
    return 0;
}
