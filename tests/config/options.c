/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <math.h>

static const char *const anneals[] = {"none", "linear", "cosine", NULL};

static const struct mn_opt everything_table[] = {
    MN_INT(struct everything, steps, 5, 1, 100, "task steps"),
    MN_REAL(struct everything, rate, 0.005, 0, 1000, "step size"),
    MN_REAL_OPEN(struct everything, share, 0.5, 0, 1, MN_OPT_OPEN_MIN | MN_OPT_OPEN_MAX, "share"),
    MN_BOOL(struct everything, fast, true, "take the short way"),
    MN_TEXT(struct everything, title, "none: yet", "name of the run"),
    MN_PATH(struct everything, path, "", 0, "data"),
    MN_CHOICE(struct everything, anneal, 1, anneals, "schedule"),
    MN_INTS(struct everything, sizes, "8, 16,32", 1, 64, "channels"),
    MN_REALS(struct everything, rates, "", 0, 1, "rates of the layers"),
    MN_TEXTS(struct everything, ops, "skip, conv_3x3", "candidates"),
    {"old", "use steps", NULL, MN_OPT_INT, MN_OPT_DEPRECATED,
     MN_FIELD(struct everything, old, int64_t), 0, 3, 0, 9, NULL, NULL},
    MN_INT(struct everything, low, 0, -9007199254740992.0, INFINITY, "no upper end"),
    MN_INT(struct everything, cost.budget, 7, 0, 1e9, "what it may cost"),
    MN_REAL(struct everything, cost.weight, 0.5, 0, 1, "weight of the cost"),
    MN_REAL_OPEN(struct everything, high, 0, -INFINITY, 7, MN_OPT_OPEN_MAX, "no lower end"),
};

const struct nas_options everything_options = {everything_table, sizeof everything_table /
                                                                     sizeof everything_table[0]};

static const struct mn_opt strict_table[] = {
    {"cells", "how many cells", "cells", MN_OPT_INT, MN_OPT_REQUIRED,
     MN_FIELD(struct strict, cells, int64_t), 0, 0, 1, 20, NULL, NULL},
    MN_PATH(struct strict, file, "", MN_OPT_MERGE, "keys from a file"),
    MN_PATH(struct strict, data, "", 0, "images"),
    MN_TEXTS(struct strict, ops, "skip", "candidates"),
};

const struct nas_options strict_options = {strict_table,
                                           sizeof strict_table / sizeof strict_table[0]};
