/* SPDX-License-Identifier: MIT */
#ifndef METANAS_DRAW_H
#define METANAS_DRAW_H

/* Drawing cells: Graphviz lays them out. */

#include "cells.h"

/* The cells as an SVG element without XML head, in arena. Runs the program `dot`. MN_UNSUPPORTED
 * where it is not installed, MN_IO where it fails. */
int draw_cells(struct mn_ctx *ctx, struct nas_arena *arena, const struct cells *cells,
               const char *id, const char **svg);

#endif
