/* SPDX-License-Identifier: MIT */
#include "cases.h"

/* The two inputs of the paper. */
#define OMNIGLOT 1, 28, 28, 20, 20
#define MINI_IMAGENET 3, 84, 84, 5, 20

/* Fixed cells of so many nodes. */
#define FIXED(name, nodes)                                                                         \
    "{use: darts, channels: 28, nodes: " nodes ", affine: true}\n"                                 \
    "genotype: '" BENCH_GENOTYPES "/" name ".yaml'"

const struct bench_case bench_cases[] = {
    {"step-c28", STEP, "{use: darts, channels: 28}", OMNIGLOT, "one-shot network, C = 28"},
    {"step-c14", STEP, "{use: darts, channels: 14}", OMNIGLOT, "the same, C = 14"},
    {"step-c8", STEP, "{use: darts, channels: 8}", OMNIGLOT, "the same, C = 8"},
    {"step-c64", STEP, "{use: darts, channels: 64}", OMNIGLOT, "the same, C = 64"},
    {"forward-c28", FORWARD, "{use: darts, channels: 28}", OMNIGLOT, "forward only"},
    {"pruned-c28", PRUNED, "{use: darts, channels: 28}", OMNIGLOT,
     "forward, one candidate an edge, two inputs a node"},
    {"late-c28", LATE, "{use: darts, channels: 28}", OMNIGLOT,
     "a step at the final temperature, most candidates skipped"},
    {"learner-c28", LEARNER, "{use: darts, channels: 28, drop_path: 0.2}", OMNIGLOT,
     "tasks of 5 steps through the task learner, annealed and skipping"},
    {"conv4-32", STEP, "{use: conv4, channels: 32}", OMNIGLOT, "REPTILE's network, 32 channels"},
    {"conv4-64", STEP, "{use: conv4, channels: 64}", OMNIGLOT, "REPTILE's network, 64 channels"},
    {"autometa-c28", STEP, FIXED("autometa", "5"), OMNIGLOT, "AutoMeta's cell"},
    {"metanas-omniglot-c28", STEP, FIXED("metanas-omniglot", "3"), OMNIGLOT,
     "the paper's cells for Omniglot"},
    {"metanas-miniimagenet-c28", STEP, FIXED("metanas-miniimagenet", "3"), OMNIGLOT,
     "the paper's cells for mini-ImageNet"},
    {"step-c8-84x84", STEP, "{use: darts, channels: 8}", MINI_IMAGENET, "one-shot network, C = 8"},
    {"step-c28-84x84", STEP, "{use: darts, channels: 28}", MINI_IMAGENET, "the same, C = 28"},
    {"conv4-32-84x84", STEP, "{use: conv4, channels: 32}", MINI_IMAGENET,
     "REPTILE's network, 32 channels"},
};

const int n_bench_cases = sizeof bench_cases / sizeof bench_cases[0];
