/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNITS_MIXTURE_H
#define TESTS_UNITS_MIXTURE_H

/* What the tests of op mixers and input mixers share. */

#include "check.h"
#include "mock.h"
#include "unit.h"

enum { MIXTURE_MOST = 64 };

/* A mixer, its host, and where its next call happens. */
struct mixture {
    struct mock mock;
    struct unit unit;
    const struct mn_mixer *table;
    struct mn_when when;
    struct mn_mixture about;
    mn_real weights[MIXTURE_MOST], saved[MIXTURE_MOST];
};

void mixture_open(struct mixture *mixture, const char *plugin, int kind);
void mixture_close(struct mixture *mixture);

/* forward into weights and saved, with the random stream `stream`; the weights must sum to 1. */
void mixture_forward(struct mixture *mixture, int64_t n, const mn_real *logits, double progress,
                     uint32_t stream);

/* backward after that forward: d_logits[n] for given d_weights[n]. */
void mixture_backward(struct mixture *mixture, int64_t n, const mn_real *logits,
                      const mn_real *d_weights, mn_real *d_logits);

/* The stream that mixture_forward hands out. */
struct mn_rng mixture_rng(uint32_t stream);

/* The gradient of sum_i c_i weight_i against central differences, at progress 0, 0.3 and 1. */
void mixture_gradient(struct mixture *mixture, int64_t n, const mn_real *logits);

/* Which choices select keeps, as bits. */
unsigned mixture_select(struct mixture *mixture, int64_t n, const mn_real *weights,
                        const mn_real *strength);

/* Softmax at a temperature, the plain way. */
void naive_softmax(int64_t n, const mn_real *logits, double tau, double *out);

#endif
