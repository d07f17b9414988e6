/* SPDX-License-Identifier: MIT */
#ifndef KIT_REPORT_H
#define KIT_REPORT_H

/* What becomes of one case. The report lies in memory that the process which runs the case shares
 * with the one that started it, so that it can be read after a crash. */

#include "mock.h"

enum kit_verdict { KIT_NONE, KIT_PASSED, KIT_FAILED, KIT_SKIPPED };

struct kit_report {
    int32_t verdict; /* enum kit_verdict; KIT_NONE = the case did not end */
    char rule[32];   /* that is broken: a name of rules.c */
    char doing[64];  /* function of the plugin that was running */
    char at[256];    /* circumstances: sizes, progress, seed */
    char text[2048]; /* what was seen, or why it was skipped */
    int32_t seeded;  /* 1: `seed` repeats the failure */
    uint64_t seed;
    char units[65536]; /* of the case "load": "KIND NAME" lines */
};

/* Run a case and fill the report. A failure ends the case at once; in a process of its own
 * (`alone`) it ends the process. */
void kit_report_run(struct kit_report *report, int alone, void (*run)(void *data), void *data);

/* Where the case stands, for the report: what will be called, and under which circumstances. */
void kit_doing(const char *function);
MN_PRINTF(1, 2) void kit_at(const char *format, ...);

/* Tell something of a case that passes. */
MN_PRINTF(1, 2) void kit_note(const char *format, ...);

/* End the case. The name of a rule is one of rules.c. */
#define kit_fail mock_fail
MN_PRINTF(1, 2) _Noreturn void kit_skip(const char *format, ...);

/* Seconds of a clock that only goes forward. */
double kit_seconds(void);

/* The report that is being written. */
struct kit_report *kit_report_current(void);

#endif
