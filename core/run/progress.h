/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_PROGRESS_H
#define MN__RUN_PROGRESS_H

/* Progress on standard error: one line that is rewritten on a terminal, no wider than it, plain
 * lines now and then elsewhere. Failures to write are ignored: a closed terminal does not end a
 * run. */

#include "run/evaluate.h"

struct mn__progress {
    int quiet, terminal;
    const char *what; /* "meta-epoch", "task" */
    int64_t first, total;
    double begin, last; /* seconds */
    double loss, accuracy;
    int have_validation;
    double validation, interval;
};

void mn__progress_begin(struct mn__progress *progress, const char *what, int64_t first,
                        int64_t total, int quiet);
/* `done` of total; shown where enough time has passed, always when it is the last. */
void mn__progress_show(struct mn__progress *progress, int64_t done);
/* A line of its own, above the rewritten one. */
__attribute__((format(printf, 2, 3))) void mn__progress_note(struct mn__progress *progress,
                                                             const char *format, ...);
void mn__progress_end(struct mn__progress *progress);

/* Seconds on a clock that never goes back. */
double mn__seconds(void);

#endif
