/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_FOUND_H
#define METANAS_REPORT_FOUND_H

/* Architectures on the page: drawn, in words, and counted. */

#include "page.h"

#include "../genotypes.h"

/* One architecture: a drawing and a list for each cell, or the line itself where it has another
 * form than cells_parse reads. `caption` says whose. */
int found_draw(struct page *page, const char *genotype, const char *caption);

/* How often each operation stayed in the cells of a type: the content of the paper's Figure 4 over
 * all tasks. */
int found_frequencies(struct page *page, const struct genotypes *genotypes);

#endif
