/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNITS_TOY_H
#define TESTS_UNITS_TOY_H

/* A model whose loss and gradients are short formulas, and a task over it. Learners that run on it
 * leave a record of every call. An image is one number b; with p the progress of a pass,
 *   L = sum_i (i+1)/2 (w_i - sin(b+i))^2 + sum_j (a_j - cos(b+2j))^2 + (0.2+p) sum_j a_j w_j. */

#include "mock.h"

enum { TOY_W = 5, TOY_A = 3, TOY_CALLS = 256, TOY_SUPPORT = 7 };

struct toy {
    struct mock *mock;
    struct mn_dims dims;
    struct mn_task task;
    int64_t prescribed; /* steps that the host prescribes; -1 = none */
    int fail_pass;      /* number of the pass that fails with MN_NUMERIC; -1 = none */
    int fail_done;      /* number of the step_done that returns MN_CANCELLED; -1 = none */
    struct toy_pass {
        uint32_t flags;
        double progress, image;
        int64_t step;
        double w[TOY_W]; /* where */
    } passes[TOY_CALLS];
    struct toy_batch {
        int64_t step;
        int32_t n;
    } batches[TOY_CALLS];
    struct toy_done {
        int64_t step;
        double loss, accuracy, skip_share;
        double w[TOY_W], a[TOY_A];
    } dones[TOY_CALLS];
    int n_passes, n_batches, n_dones;
    struct mn_point rates; /* what mn_step_rates gives */
    mn_real images[TOY_SUPPORT];
    int32_t labels[TOY_SUPPORT];
    mn_real query;
};

/* Put the model into the table of the mock; n_a = TOY_A, or 0 for a model without architecture. */
void toy_install(struct toy *toy, struct mock *mock, int64_t n_a);
void toy_forget_calls(struct toy *toy);

/* The image of mini-batch `step`, and of the query set. */
double toy_image(int64_t step);
enum { TOY_QUERY = 3 };

/* The formulas. a is NULL for a model without architecture; dw, da may be NULL. */
double toy_loss(const double *w, const double *a, double image, double progress, double *dw,
                double *da);

#endif
