/* SPDX-License-Identifier: MIT */
/* A file of tensors. What is accepted covers the file's data once. */
#include "fuzz.h"

#include "store/safetensors.h"

#include <stdlib.h>

static size_t size_of(enum nas_dtype dtype) {
    switch (dtype) {
    case NAS_U8:
        return 1;
    case NAS_FLOAT16:
    case NAS_BFLOAT16:
        return 2;
    case NAS_F64:
    case NAS_I64:
        return 8;
    default:
        return 4;
    }
}

/* The bytes of a tensor; they are read whole, in either form. */
static size_t convert(struct mn_ctx *ctx, const struct nas_safetensor *t) {
    const int64_t n = nas_safetensor_count(t);
    fuzz_must(n >= 0);
    mn_real *reals = malloc((size_t)n * sizeof *reals + 1);
    int32_t *ints = malloc((size_t)n * sizeof *ints + 1);
    fuzz_must(reals != NULL && ints != NULL);
    const int is_real = nas_safetensor_reals(ctx, t, reals) == MN_OK;
    const int is_int = nas_safetensor_ints(ctx, t, ints) == MN_OK;
    fuzz_must(!(is_real && is_int));
    nas_ctx_clear(ctx);
    free(reals);
    free(ints);
    return (size_t)n * size_of(t->dtype);
}

FUZZ_TARGET(tensors) {
    struct nas_ctx context;
    struct mn_ctx *ctx = fuzz_begin(&context);
    struct nas_safetensors file;
    const int status = nas_safetensors_read(ctx, fuzz_file(0, data, size), &file);
    fuzz_must_explain(ctx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        size_t total = 8, header = 0;
        for (int i = 7; i >= 0; i--) {
            header = header << 8 | data[i];
        }
        for (int i = 0; i < file.n; i++) {
            fuzz_must(nas_safetensors_find(&file, file.tensors[i].name) == &file.tensors[i]);
            total += convert(ctx, &file.tensors[i]);
        }
        fuzz_must(total + header == size);
        nas_safetensors_fini(&file);
    }
    fuzz_end(&context);
    return 0;
}
