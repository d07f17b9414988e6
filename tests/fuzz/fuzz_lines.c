/* SPDX-License-Identifier: MIT */
/* metrics.jsonl and timing.jsonl: as a report reads them, and as a run that is resumed cuts them
 * back. */
#include "fuzz.h"

#include "../../tools/metanas/rundir.h"
#include "store/jsonl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sums {
    double seconds;
    int64_t meta_epoch, lines;
};

static int add_line(void *data, struct mn_ctx *ctx, json_t *line) {
    struct sums *sums = data;
    (void)ctx;
    fuzz_must(line != NULL);
    sums->seconds += rundir_seconds(line, &sums->meta_epoch);
    sums->lines++;
    return MN_OK;
}

static void cut_back(const char *text, size_t size) {
    static const int64_t at[][2] = {{0, 0}, {3, 2}, {INT64_MAX, INT64_MAX}};
    int64_t before = 0;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        const int64_t n = nas_jsonl_fitting(text, size, at[i][0], at[i][1]);
        fuzz_must(n >= before && n <= (int64_t)size);
        fuzz_must(n == 0 || text[n - 1] == '\n');
        before = n;
    }
}

FUZZ_TARGET(lines) {
    struct nas_ctx context;
    struct sums sums = {0};
    struct mn_ctx *ctx = fuzz_begin(&context);
    char *text = fuzz_copy(data, size);
    const int status = nas_jsonl_parse(ctx, "m.jsonl", text, size, add_line, &sums);
    fuzz_must_explain(ctx, status);
    fuzz_must(sums.lines <= (int64_t)size);
    fuzz_accepted += status == MN_OK;
    cut_back(text, size);
    free(text);
    fuzz_end(&context);
    return 0;
}
