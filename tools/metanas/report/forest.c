/* SPDX-License-Identifier: MIT */
#include "forest.h"

#include "base/text.h"

#include <math.h>

enum { LABELS = 240, MOST_LABELS = 600, PLOT = 370, ROW = 20, HEAD = 26, VALUES = 190, LETTER = 6 };

/* Long labels make their column wider. */
static int labels(const struct forest *f) {
    int width = LABELS;
    for (int i = 0; i < f->n; i++) {
        const int needed = 16 + LETTER * nas_text_width(f->rows[i].label);
        width = needed > width ? needed : width;
    }
    return width < MOST_LABELS ? width : MOST_LABELS;
}

int forest_width(const struct forest *f) {
    return labels(f) + PLOT + VALUES;
}

int forest_height(const struct forest *f) {
    return HEAD + f->n * ROW + 8;
}

/* How far a row reaches; NAN where it is not known. */
static void reach(const struct forest_row *row, double ends[2]) {
    ends[0] = isfinite(row->ends[0]) ? row->ends[0] : row->mean;
    ends[1] = isfinite(row->ends[1]) ? row->ends[1] : row->mean;
    for (int i = 0; i < row->n_few; i++) {
        ends[0] = i == 0 ? row->few[i] : fmin(ends[0], row->few[i]);
        ends[1] = i == 0 ? row->few[i] : fmax(ends[1], row->few[i]);
    }
}

static void range_of(const struct forest *f, double range[2]) {
    range[0] = f->from_zero ? 0 : INFINITY;
    range[1] = f->from_zero ? 0 : -INFINITY;
    for (int i = 0; i < f->n; i++) {
        double ends[2];
        reach(&f->rows[i], ends);
        range[0] = fmin(range[0], ends[0]);
        range[1] = fmax(range[1], ends[1]);
    }
    const double margin = range[1] > range[0] ? 0.04 * (range[1] - range[0]) : 0.01;
    range[0] -= margin;
    range[1] += margin;
}

int forest_has_values(const struct forest *f) {
    double range[2];
    range_of(f, range);
    return isfinite(range[0]) && isfinite(range[1]);
}

static void draw_row(struct page *page, const struct forest_row *row, double y, int left,
                     const double range[2]) {
    const double scale = PLOT / (range[1] - range[0]);
    const double low = left + (row->ends[0] - range[0]) * scale;
    const double high = left + (row->ends[1] - range[0]) * scale;
    const int has_interval = row->n_few == 0 && isfinite(row->ends[0]) && isfinite(row->ends[1]);
    page_markup(page, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", left - 10, y + 4);
    page_text(page, row->label);
    page_markup(page,
                "</text>\n<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                left, left + PLOT, y, y);
    if (!isfinite(row->mean)) {
        return;
    }
    for (int i = 0; i < row->n_few; i++) {
        page_markup(page, "<circle class=\"l0\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>",
                    left + (row->few[i] - range[0]) * scale, y);
    }
    if (has_interval) {
        page_markup(page, "<path class=\"l0\" d=\"M%.1f %.1fH%.1fM%.1f %.1fv6M%.1f %.1fv6\"/>", low,
                    y, high, low, y - 3, high, y - 3);
    }
    page_markup(page,
                "<path class=\"p0\" transform=\"translate(%.1f %.1f)\" "
                "d=\"M0-4L4 0L0 4L-4 0Z\"/><text x=\"%d\" y=\"%.1f\">%.2f%%",
                left + (row->mean - range[0]) * scale, y, left + PLOT + 10, y + 4, 100 * row->mean);
    for (int i = 0; i < row->n_few; i++) {
        page_markup(page, "%s%.2f%%", i > 0 ? ", " : " (", 100 * row->few[i]);
    }
    if (has_interval) {
        page_markup(page, " (%.1f to %.1f)", 100 * row->ends[0], 100 * row->ends[1]);
    }
    page_markup(page, "%s</text>\n", row->n_few > 0 ? ")" : "");
}

void forest_write(struct page *page, const struct forest *f) {
    const int left = labels(f);
    double range[2];
    range_of(f, range);
    page_markup(page,
                "<svg viewBox=\"0 0 %d %d\" width=\"%d\" class=\"chart\" role=\"img\"><title>",
                forest_width(f), forest_height(f), forest_width(f));
    page_text(page, f->title);
    page_markup(page,
                "</title><desc>Every row ends with its numbers.</desc>\n"
                "<text class=\"soft\" x=\"%d\" y=\"14\">%.1f%%</text>"
                "<text class=\"soft\" x=\"%d\" y=\"14\" text-anchor=\"end\">%.1f%%</text>\n",
                left, 100 * range[0], left + PLOT, 100 * range[1]);
    if (f->from_zero) {
        const double zero = left - range[0] * PLOT / (range[1] - range[0]);
        page_markup(page, "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n",
                    zero, zero, HEAD - 6, HEAD + f->n * ROW);
    }
    for (int i = 0; i < f->n; i++) {
        draw_row(page, &f->rows[i], HEAD + (double)i * ROW + ROW / 2.0, left, range);
    }
    page_markup(page, "</svg>\n");
}
