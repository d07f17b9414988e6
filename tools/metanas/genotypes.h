/* SPDX-License-Identifier: MIT */
#ifndef METANAS_GENOTYPES_H
#define METANAS_GENOTYPES_H

/* The distinct architectures that an evaluation found. */

#include "learn/evaluate.h"

#include <jansson.h>
#include <stdio.h>

struct genotypes {
    size_t n;
    struct genotype {
        const char *text; /* as nas_model_genotype writes it */
        int64_t count;
    } * at; /* most frequent first, equals in the order of their text */
    struct nas_arena arena;
};

/* Empty where nothing is searched. The texts stay those of the evaluation. */
int genotypes_count(struct mn_ctx *ctx, const struct nas_evaluation *evaluation,
                    struct genotypes *out);
/* The same from a test.json that was read (`path` for messages); the texts are copied. MN_IO where
 * its list has another form. */
int genotypes_read(struct mn_ctx *ctx, const char *path, const json_t *test, struct genotypes *out);
/* The first `most` as cells, one node a line. */
void genotypes_print(const struct genotypes *genotypes, size_t most, int64_t tasks, FILE *out);

#endif
