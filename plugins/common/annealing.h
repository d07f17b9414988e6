/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_COMMON_ANNEALING_H
#define PLUGINS_COMMON_ANNEALING_H

/* The temperature that falls from t_max to t_min within each task. */

#include <metanas/plugin.h>

static const char *const annealing_choices[] = {"linear", NULL};

#define ANNEALING_OPTIONS(s)                                                                       \
    MN_REAL_OPEN(s, t_max, 1.0, 0, 1e6, MN_OPT_OPEN_MIN, "temperature of the first task step"),    \
        MN_REAL_OPEN(s, t_min, 0.05, 0, 1e6, MN_OPT_OPEN_MIN,                                      \
                     "temperature of the last architecture step and of evaluation"),               \
        MN_CHOICE(s, anneal, 0, annealing_choices,                                                 \
                  "course of the temperature over the task steps")

static inline int annealing_check(struct mn_cx *cx, double t_max, double t_min) {
    if (t_min > t_max) {
        return mn_bad_option(cx, "t_min", "t_min %g is over t_max %g; the temperature must fall",
                             t_min, t_max);
    }
    return MN_OK;
}

static inline double annealing_tau(double t_max, double t_min, double progress) {
    return t_max - progress * (t_max - t_min);
}

#endif
