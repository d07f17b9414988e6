/* SPDX-License-Identifier: MIT */
#ifndef METANAS_DOCTOR_H
#define METANAS_DOCTOR_H

/* What `metanas doctor` finds: one line each. */

#include "command.h"

enum finding_level { FINDING_OK, FINDING_WARNING, FINDING_FAILURE };

struct finding {
    const char *area, *name; /* "memory", "available" */
    char text[512];
    enum finding_level level;
};

enum { MOST_FINDINGS = 256 };

struct doctor {
    struct mn_ctx *ctx;
    const struct arguments *arguments;
    const char *folder; /* where runs go */
    struct finding findings[MOST_FINDINGS];
    int n, lost;
};

/* Note a finding; one too many is counted as lost. */
__attribute__((format(printf, 5, 6))) void doctor_note(struct doctor *doctor,
                                                       enum finding_level level, const char *area,
                                                       const char *name, const char *format, ...);
/* Note the message recorded in doctor->ctx as a failure, and forget it. */
void doctor_note_message(struct doctor *doctor, const char *area, const char *name);

/* doctor_machine.c: processor, kernels, BLAS, memory, limits, disk. */
void doctor_machine(struct doctor *doctor);
/* doctor_test.c: kernels against plain loops, a network's gradient, a run with one and with two
 * workers in a folder of its own under doctor->folder. */
void doctor_test(struct doctor *doctor);

#endif
