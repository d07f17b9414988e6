/* SPDX-License-Identifier: MIT */
#ifndef METANAS_EXTRA_SCHEDULE_H
#define METANAS_EXTRA_SCHEDULE_H

/* Course of a meta learning rate over the meta-epochs: 1 in the first, towards 0 after the last. */

#include "../plugin.h"

enum { MN_SCHEDULE_CONSTANT, MN_SCHEDULE_LINEAR, MN_SCHEDULE_COSINE };

static const char *const mn_schedule_choices[] = {"constant", "linear", "cosine", NULL};

#define MN_SCHEDULE_OPTION(s)                                                                      \
    MN_CHOICE(s, schedule, MN_SCHEDULE_CONSTANT, mn_schedule_choices,                              \
              "course of both rates over the meta-epochs; linear and cosine fall to 0")

static inline double mn_schedule_factor(int32_t schedule, const struct mn_where *where) {
    if (schedule == MN_SCHEDULE_CONSTANT || where->meta_epochs <= 0) {
        return 1;
    }
    const double done = (double)where->meta_epoch / (double)where->meta_epochs;
    return schedule == MN_SCHEDULE_LINEAR ? 1 - done
                                          : 0.5 * (1 + cos(3.14159265358979323846 * done));
}

/* Tell metrics.jsonl the rates of an update, of what there is to update. */
static inline int mn_schedule_report(struct mn_ctx *ctx, double lr_w, int64_t n_w, double lr_a,
                                     int64_t n_a) {
    const int status = n_w > 0 ? mn_metric(ctx, "lr_w", lr_w) : MN_OK;
    return status != MN_OK || n_a == 0 ? status : mn_metric(ctx, "lr_a", lr_a);
}

#endif
