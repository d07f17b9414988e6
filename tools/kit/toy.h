/* SPDX-License-Identifier: MIT */
#ifndef KIT_TOY_H
#define KIT_TOY_H

/* A model whose loss and gradients are short formulas, and a task over it. Learners that run on it
 * leave a record of every call. An image is one number b; with p the progress of a pass,
 *   L = sum_i (i+1)/2 (w_i - sin(b+i))^2 + sum_j (a_j - cos(b+2j))^2 + (0.2+p) sum_j a_j w_j. */

#include "mock.h"

enum { TOY_W = 5, TOY_BODY = 3, TOY_A = 3, TOY_CALLS = 1024, TOY_SUPPORT = 7, TOY_FEATURES = 2 };

struct toy {
    struct mock *mock;
    struct mn_dims dims;
    struct mn_task task;
    int64_t prescribed;  /* steps that the host prescribes; -1 = none */
    int fail_pass;       /* number of the pass that fails with MN_NUMERIC; -1 = none */
    int fail_done;       /* number of the step_done that returns MN_CANCELLED; -1 = none */
    int32_t most_images; /* of a pass; 0 = any number */
    int64_t one_image;   /* mini-batch whose image all others have too; -1 = each has its own */
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
        int passes, batches; /* so far */
    } dones[TOY_CALLS];
    int n_passes, n_batches, n_dones;
    const struct mn_point *rates; /* of each step, what mn_step_rates gives; NULL = ones */
    uint32_t shapes;              /* what mn_shapes gives; updates are then those of toy_shape */
    struct toy_tape {
        int on;               /* tasks are recorded */
        mn_real *rows;        /* w, a, state after step i go to row i + 1 */
        const mn_real *state; /* [n_state] of the task learner */
        int64_t n_state;
    } tape;
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

/* A shape of updates, after = S(x, u), and the gradients of x and u where d is that of after. */
double toy_shape(double x, double u);
void toy_shape_back(double x, double u, double d, double *d_x, double *d_u);

#endif
