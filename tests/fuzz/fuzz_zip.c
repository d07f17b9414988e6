/* SPDX-License-Identifier: MIT */
/* An archive of image files. No name that is accepted leads out of it. */
#include "fuzz.h"

#include "../data/read.h"

#include <string.h>

static void check_name(const char *name) {
    fuzz_must(name[0] != '\0' && name[0] != '/' && strchr(name, '\\') == NULL);
    for (const char *at = name; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        fuzz_must(strcmp(at, "..") != 0 && strncmp(at, "../", 3) != 0);
    }
}

FUZZ_TARGET(zip) {
    struct nas_ctx context;
    struct mn_ctx *ctx = fuzz_begin(&context);
    struct source source;
    unsigned sum = 0;
    const int status = read_source(ctx, fuzz_file(0, data, size), &source);
    fuzz_must_explain(ctx, status);
    for (int64_t i = 0; status == MN_OK && i < source.n; i++) {
        check_name(source.files[i].name);
        fuzz_must(i == 0 || strcmp(source.files[i - 1].name, source.files[i].name) < 0);
        for (size_t k = 0; k < source.files[i].size; k++) {
            sum += source.files[i].bytes[k];
        }
    }
    fuzz_accepted += status == MN_OK;
    fuzz_must(status == MN_OK || sum == 0);
    fuzz_end(&context);
    return 0;
}
