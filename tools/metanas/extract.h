/* SPDX-License-Identifier: MIT */
#ifndef METANAS_EXTRACT_H
#define METANAS_EXTRACT_H

/* The small network that pruning left, as a network of its own. */

#include "cells.h"
#include "command.h"
#include "learn/evaluate.h"

/* What was found for a task. */
struct extract {
    const struct nas_experiment *experiment; /* may be one in which nothing is searched */
    const char *config;                      /* its file */
    const struct mn_task *task;
    const struct nas_solution *solution; /* with logits */
    const struct cells *cells;           /* weighed */
    const mn_real *mixture; /* its mixture weights, of a pass; NULL where nothing is searched */
};

/* Make the fixed network and compute the query set with it; write DIR/network.yaml, a configuration
 * with the section genotype, and DIR/network.safetensors, its weights. Where nothing is searched
 * they are the run's own configuration and the adapted weights. *difference is the largest
 * difference of a probability to those of the solution. */
int extract_write(struct mn_ctx *ctx, const struct arguments *arguments,
                  const struct extract *extract, const char *dir, double *difference);

/* probabilities[n] from logits[n]. */
void extract_probabilities(int32_t n, const mn_real *logits, double *probabilities);

#endif
