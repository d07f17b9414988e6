/* SPDX-License-Identifier: MIT */
#ifndef KIT_RUN_H
#define KIT_RUN_H

/* All cases of a plugin, each in a process of its own: the program starts itself again for every
 * case, so that a crash or a hang is one result among the others. */

#include "kit.h"

#include "base/ctx.h"

struct kit_plan {
    const char *file;           /* absolute */
    const char *const *only;    /* patterns of names, as in fnmatch; NULL-terminated, empty = all */
    const char *const *folders; /* of --plugin-dir, NULL-terminated or NULL */
    const char *const *sets;
    int n_sets;
    uint64_t seed;
    int64_t rounds;
    double timeout; /* seconds for a case */
    int in_process; /* one after the other in this process, for a debugger */
};

struct kit_result {
    char name[160]; /* "load", "op_mixer/softmax.gradient" */
    const char *doc;
    struct kit_report report;
    double seconds;
};

/* Called for every case: number from 1, of n. */
typedef void (*kit_told)(void *data, const struct kit_result *result, int number, int n);

/* Run the chosen cases. A plugin that does not load has one. MN_CONFIG where no case is chosen.
 * Results are valid during the call of `told`. */
int kit_run(struct mn_ctx *ctx, const struct kit_plan *plan, kit_told told, void *data);
/* Tell the names instead of running: reports are empty. */
int kit_list(struct mn_ctx *ctx, const struct kit_plan *plan, kit_told told, void *data);

/* In the process of one case: run `name` and leave the result in the memory behind `descriptor`.
 */
int kit_run_one(struct mn_ctx *ctx, const struct kit_plan *plan, const char *name, int descriptor);

/* The command line that repeats a case. */
void kit_repeat(const struct kit_plan *plan, const struct kit_result *result, char *out,
                size_t size);

#endif
