/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_LATENCIES_H
#define NAS_LEARN_LATENCIES_H

/* The file of run.latency: CSV with the columns operation, stride, channels, height, width, ns. */

#include "network/latency.h"

int nas_latencies_read(struct mn_ctx *ctx, struct nas_arena *arena, const char *path,
                       struct nas_latencies *out);
int nas_latencies_write(struct mn_ctx *ctx, const char *path, const struct nas_latencies *all);

#endif
