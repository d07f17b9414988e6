/* SPDX-License-Identifier: MIT */
#ifndef METANAS_PROCESS_H
#define METANAS_PROCESS_H

/* What the programs have in common as processes. */

#include "command.h"

/* Standard streams that can be written to, and signals that ask to stop (nas_cancel). First of all.
 */
void process_begin(void);
/* -q and -v. */
void process_log_level(struct nas_ctx *ctx, const struct arguments *arguments);
/* Write out what was printed. MN_IO where that fails for another reason than a reader that went
 * away. */
int process_flush(struct mn_ctx *ctx);
/* The same, and print the message of a failure. Returns the status. */
int process_end(struct mn_ctx *ctx, int status);

#endif
