/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

/* What is measured. */

enum case_kind {
    STEP,    /* forward and backward, gradients of weights and architecture from one pass */
    FORWARD, /* forward only */
    PRUNED,  /* forward only, one candidate an edge and one combination of inputs a node kept */
    LATE,    /* a step at the end of a task: final temperature, logits apart, threshold skipping */
    LEARNER  /* whole tasks through the task learner: mini-batches, passes, Adam */
};

struct bench_case {
    const char *name;
    enum case_kind kind;
    const char *space; /* section search_space, and others after it */
    int channels, height, width;
    int ways, batch; /* images a step */
    const char *doc;
};

extern const struct bench_case bench_cases[];
extern const int n_bench_cases;

#endif
