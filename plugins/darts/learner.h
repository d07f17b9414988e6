/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_DARTS_LEARNER_H
#define PLUGINS_DARTS_LEARNER_H

/* The task learner of METANAS (Eq. 3): weights and architecture together, each with its Adam. */

#include <metanas/plugin.h>

struct learner {
    int64_t steps, test_steps, batch, test_batch;
    double lr_w, lr_a, test_lr_w, test_lr_a;
    double beta1, beta2, eps;
    double weight_decay_w, weight_decay_a;
    int32_t moments;
    double warm_up, adapt_fraction, test_adapt_fraction;
    int32_t order;
    double unrolled_lr;
    struct {
        int32_t of; /* enum mn_cost_of */
        double weight;
        const char *budget; /* as budget_parse reads it; "" = none */
    } cost;
};

enum { LEARNER_OPTIONS = 22 };

enum { JOINT, ALTERNATING, UNROLLED }; /* order */

extern const struct mn_opt learner_options[LEARNER_OPTIONS];
extern const struct mn_task_learner learner_table;

#define LEARNER_UNIT                                                                               \
    MN_UNIT(MN_TASK_LEARNER, "darts",                                                              \
            "Adam on weights and architecture, in one pass or in turn (Eq. 3)", struct learner,    \
            learner_options, &learner_table)

#endif
