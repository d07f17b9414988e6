/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_REFERENCE_H
#define TESTS_MODEL_REFERENCE_H

/* The network once more, in plain loops in double on NCHW arrays, written from the definitions and
 * sharing nothing with the core but the names of the weights. */

#include "net.h"

#ifdef MN_REAL_DOUBLE
#define REFERENCE_TOLERANCE 1e-10
#else
#define REFERENCE_TOLERANCE 2e-3 /* batch norm over few pixels magnifies rounding */
#endif

/* What the one-shot network is made of; the fields of the configuration that the test wrote. */
struct reference_space {
    int channels, cells, nodes, n_ops;
    const char *const *ops;
    int reduction[8];                 /* of each cell */
    double tau_op, tau_in, threshold; /* at the pass's progress; threshold of both mixtures */
    int k;                            /* inputs of a combination, Eq. 7 */
    int partial; /* 1/partial of the channels go through the candidates; 0 = all (PC-DARTS) */
    /* Weights of the candidates instead of tau_op's, by reduction, node, edge; NULL = by tau_op. */
    double (*op_weights)[4][8][16];
};

/* Logits [n][ways] and loss of the one-shot network at net's point on its images. */
void reference_one_shot(const struct net *net, const struct reference_space *space, double *logits,
                        double *loss);
/* The same for conv4 with `blocks` blocks. */
void reference_conv4(const struct net *net, int channels, int blocks, double *logits, double *loss);

/* The logits and the loss of net's last pass are these; `what` is for the message. */
void reference_check(const struct net *net, const double *logits, double loss, const char *what);

#endif
