/* SPDX-License-Identifier: MIT */
/* A file of tensors. What is accepted covers the file's data once. */
#include "fuzz.h"

#include "run/checkpoint.h"

#include <stdlib.h>

static size_t size_of(enum mn__dtype dtype) {
    switch (dtype) {
    case MN__U8:
        return 1;
    case MN__FLOAT16:
    case MN__BFLOAT16:
        return 2;
    case MN__F64:
    case MN__I64:
        return 8;
    default:
        return 4;
    }
}

/* The bytes of a tensor; they are read whole, in either form. */
static size_t convert(struct mn_cx *cx, const struct mn__tensor *t) {
    const int64_t n = mn__tensor_count(t);
    fuzz_must(n >= 0);
    mn_real *reals = malloc((size_t)n * sizeof *reals + 1);
    int32_t *ints = malloc((size_t)n * sizeof *ints + 1);
    fuzz_must(reals != NULL && ints != NULL);
    const int is_real = mn__tensor_reals(cx, t, reals) == MN_OK;
    const int is_int = mn__tensor_ints(cx, t, ints) == MN_OK;
    fuzz_must(!(is_real && is_int));
    mn__cx_clear(cx);
    free(reals);
    free(ints);
    return (size_t)n * size_of(t->dtype);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct mn__cx context;
    struct mn_cx *cx = fuzz_begin(&context);
    struct mn__tensors file;
    const int status = mn__tensors_read(cx, fuzz_file(0, data, size), &file);
    fuzz_must_explain(cx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        size_t total = 8, header = 0;
        for (int i = 7; i >= 0; i--) {
            header = header << 8 | data[i];
        }
        for (int i = 0; i < file.n; i++) {
            fuzz_must(mn__tensors_find(&file, file.tensors[i].name) == &file.tensors[i]);
            total += convert(cx, &file.tensors[i]);
        }
        fuzz_must(total + header == size);
        mn__tensors_fini(&file);
    }
    fuzz_end(&context);
    return 0;
}
