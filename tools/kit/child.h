/* SPDX-License-Identifier: MIT */
#ifndef KIT_CHILD_H
#define KIT_CHILD_H

#include "run.h"

/* Run one case in a new process and fill the report, also where that process crashed, hung or ended
 * early. MN_IO where none could be started; MN_CANCELLED after a signal to this process. */
int kit_child(struct mn_ctx *ctx, const struct kit_plan *plan, const char *name,
              struct kit_report *report);

/* The report behind a descriptor given by kit_child; NULL = there is none. */
struct kit_report *kit_child_report(int descriptor);

#endif
