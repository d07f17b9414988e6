/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_FOREST_H
#define METANAS_REPORT_FOREST_H

/* Forest plots as SVG: a line for each of several means, with its interval. */

#include "page.h"

enum { FOREST_FEW = 8 };

struct forest_row {
    const char *label;
    double mean, ends[2];   /* shares or differences of them, shown in per cent; NAN = not known */
    int n_few;              /* so many values are shown one by one, in place of the interval */
    double few[FOREST_FEW]; /* [n_few] */
};

struct forest {
    const char *title;
    int from_zero; /* differences: zero has a line */
    int n;
    const struct forest_row *rows;
};

/* Its size; what it takes where it is drawn. */
int forest_width(const struct forest *forest);
int forest_height(const struct forest *forest);
/* Whether a row has a value; otherwise there is nothing to draw. */
int forest_has_values(const struct forest *forest);
void forest_write(struct page *page, const struct forest *forest);

#endif
