/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_PROGRESS_H
#define NAS_LEARN_PROGRESS_H

/* Progress on standard error: one line that is rewritten on a terminal, no wider than it, plain
 * lines now and then elsewhere. Failures to write are ignored: a closed terminal does not end a
 * run. */

#include "learn/evaluate.h"

struct nas_progress {
    int quiet, terminal;
    const char *what; /* "meta-epoch", "task" */
    int64_t first, total;
    double begin, last; /* seconds */
    double loss, accuracy;
    int have_validation;
    double validation, interval;
};

void nas_progress_begin(struct nas_progress *progress, const char *what, int64_t first,
                        int64_t total, int quiet);
/* `done` of total; shown where enough time has passed, always when it is the last. */
void nas_progress_show(struct nas_progress *progress, int64_t done);
/* A line of its own, above the rewritten one. */
__attribute__((format(printf, 2, 3))) void nas_progress_note(struct nas_progress *progress,
                                                             const char *format, ...);
void nas_progress_end(struct nas_progress *progress);

#endif
