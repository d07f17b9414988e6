/* SPDX-License-Identifier: MIT */
#ifndef METANAS_REPORT_CHART_H
#define METANAS_REPORT_CHART_H

/* Charts of lines or points as SVG. */

#include "page.h"

struct curve {
    const char *name;
    int n;
    const double *x, *y;      /* [n]; a y that is not finite interrupts the line */
    const double *low, *high; /* [n] a band, or NULL */
    const char *const *names; /* [n]: points with these names and bars, no line; or NULL */
};

enum { CURVES = 4 }; /* styles there are */
enum { CHART_WIDTH = 400, CHART_HEIGHT = 264 };

struct chart {
    const char *title, *x_name, *y_name;
    int percent; /* y is a share: labelled in per cent */
    double mark; /* a vertical line; NAN = none */
    const char *mark_name;
    int n; /* at most CURVES */
    struct curve curves[CURVES];
};

/* Draw; where no curve has a point, nothing. The description names first, last and extreme values,
 * for readers who do not see the drawing. */
void chart_write(struct page *page, const struct chart *chart);

#endif
