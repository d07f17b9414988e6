/* SPDX-License-Identifier: MIT */
#ifndef METANAS_TEST_READ_H
#define METANAS_TEST_READ_H

/* Reading what a test has written: untrusted input, as all files. */

#include "command.h"

#include "learn/evaluate.h"
#include "store/csv.h"

/* test-tasks.csv, which lies at `path`: the result of every task, without genotypes, in arena.
 * `record` is that of test.json beside it. MN_IO with the line where one is no result, and with
 * `advice` where the two files do not fit each other. */
int test_read_tasks(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                    const struct nas_csv *table, const struct nas_record *record,
                    const char *advice, struct nas_task_result **out);

#endif
