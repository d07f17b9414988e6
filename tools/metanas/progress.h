/* SPDX-License-Identifier: MIT */
#ifndef METANAS_PROGRESS_H
#define METANAS_PROGRESS_H

/* Progress on standard error: one line that is rewritten on a terminal, no wider than it, plain
 * lines now and then elsewhere. Failures to write are ignored: a closed terminal does not end a
 * run. */

#include "learn/train.h"

struct progress {
    int quiet, terminal;
    const char *what; /* "meta-epoch", "task" */
    int64_t first, total;
    double begin, last; /* seconds */
    double loss, accuracy;
    int have_queries, have_validation;
    double queries, validation, interval;
};

void progress_begin(struct progress *progress, const char *what, int64_t first, int64_t total,
                    int quiet);
/* `done` of total; shown where enough time has passed, always when it is the last. */
void progress_show(struct progress *progress, int64_t done);
/* A line of its own, above the rewritten one. */
__attribute__((format(printf, 2, 3))) void progress_note(struct progress *progress,
                                                         const char *format, ...);
void progress_end(struct progress *progress);

/* nas_train with its progress shown, up to `stop_after` meta-epochs; 0 = all. */
int progress_train(const struct nas_experiment *experiment, struct mn_ctx *ctx,
                   struct nas_state *state, const char *dir, int64_t stop_after);

#endif
