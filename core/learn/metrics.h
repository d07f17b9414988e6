/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_METRICS_H
#define NAS_LEARN_METRICS_H

/* Numbers that units report of themselves, on their way to metrics.jsonl. */

#include "base/ctx.h"

enum { NAS_MOST_METRICS = 16 };

/* By name, "op_mixer.temperature"; plain bytes, since tasks send them between ranks. */
struct nas_metrics {
    int64_t n;
    struct {
        char name[64];
        double value;
    } at[NAS_MOST_METRICS];
};

/* Service of struct mn_host. */
int nas_service_metric(struct mn_ctx *ctx, const char *name, double value);

/* Add what `more` reports, each value times `share`. What does not fit is left out. */
void nas_metrics_add(struct nas_metrics *to, const struct nas_metrics *more, double share);

#endif
