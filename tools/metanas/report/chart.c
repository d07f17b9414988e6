/* SPDX-License-Identifier: MIT */
#include "chart.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = CHART_WIDTH,
    HEIGHT = CHART_HEIGHT,
    LEFT = 42,
    RIGHT = 14,
    TOP = 56,
    BOTTOM = 40,
    KEY_ROW = 15
};

/* Data to drawing, along one axis. */
struct scale {
    double low, high, step;
};

struct axes {
    struct scale x, y;
};

/* ---- scales ------------------------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, for about `wanted` steps. */
static double nice_step(double range, int wanted) {
    const double rough = range / wanted;
    const double power = pow(10, floor(log10(rough)));
    const double unit = rough / power;
    return power * (unit <= 1 ? 1 : unit <= 2 ? 2 : unit <= 5 ? 5 : 10);
}

/* Differences of values of this size are finite, and shorter axes than this part of the values
 * would have ticks that are the same number. */
static const double most_value = 1e300, least_range = 1e-9;

static void widen(struct scale *s, double value) {
    if (isfinite(value)) {
        value = fmin(fmax(value, -most_value), most_value);
        s->low = value < s->low ? value : s->low;
        s->high = value > s->high ? value : s->high;
    }
}

static void finish(struct scale *s, int wanted, int to_ticks) {
    const double size = fmax(fabs(s->low), fabs(s->high));
    if (!(s->high - s->low > least_range * size)) {
        const double half = fmax(0.5, 10 * least_range * size);
        s->low -= half;
        s->high += half;
    }
    s->step = nice_step(s->high - s->low, wanted);
    if (to_ticks) {
        s->low = floor(s->low / s->step + 1e-9) * s->step;
        s->high = ceil(s->high / s->step - 1e-9) * s->step;
    }
}

static struct axes axes_of(const struct chart *chart) {
    struct axes a = {{INFINITY, -INFINITY, 1}, {INFINITY, -INFINITY, 1}};
    for (int c = 0; c < chart->n; c++) {
        const struct curve *curve = &chart->curves[c];
        for (int i = 0; i < curve->n; i++) {
            widen(&a.x, curve->x[i]);
            widen(&a.y, curve->y[i]);
            widen(&a.y, curve->low != NULL ? curve->low[i] : (double)NAN);
            widen(&a.y, curve->high != NULL ? curve->high[i] : (double)NAN);
        }
    }
    if (isfinite(a.y.low) && isfinite(a.x.low)) {
        if (chart->percent) { /* intervals may reach beyond what a share can be */
            a.y.low = fmax(a.y.low, 0);
            a.y.high = fmin(a.y.high, 1);
        }
        finish(&a.x, 5, 0);
        finish(&a.y, 5, 1);
    }
    return a;
}

static double at_x(const struct axes *a, double x) {
    const double inside = fmin(fmax(x, a->x.low), a->x.high);
    return LEFT + (inside - a->x.low) / (a->x.high - a->x.low) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct axes *a, double y) {
    const double inside = fmin(fmax(y, a->y.low), a->y.high);
    return HEIGHT - BOTTOM - (inside - a->y.low) / (a->y.high - a->y.low) * (HEIGHT - TOP - BOTTOM);
}

/* A tick's name, which tells it from its neighbours; large and tiny numbers as powers of ten. */
static void label(char *out, size_t size, double value, double step, int percent) {
    enum { DIGITS = 6 };
    const double scale = percent ? 100 : 1;
    const double shown = fabs(value) < step / 1e6 ? 0 : value * scale;
    const int digits = (int)fmax(0, ceil(-log10(step * scale) - 1e-9));
    const int significant = (int)fmax(1, ceil(log10(fmax(fabs(shown) / (step * scale), 1)) + 1));
    const int plain = digits <= DIGITS && fabs(shown) < 1e6;
    snprintf(out, size, plain ? "%.*f%s" : "%.*g%s", plain ? digits : significant, shown,
             percent ? "%" : "");
}

/* How many there are from `first` on: counted, for a sum of steps may stand still. */
static int ticks(double first, const struct scale *s) {
    return (int)fmin(fmax(floor((s->high - first) / s->step + 1e-6), -1), 20) + 1;
}

/* ---- drawing ------------------------------------------------------------------------------ */

static void draw_axes(struct page *page, const struct chart *chart, const struct axes *a) {
    char text[40];
    for (int i = 0; i < ticks(a->y.low, &a->y); i++) {
        const double y = a->y.low + i * a->y.step;
        label(text, sizeof text, y, a->y.step, chart->percent);
        page_markup(page,
                    "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                    "<text class=\"soft\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                    LEFT, WIDTH - RIGHT, at_y(a, y), at_y(a, y), LEFT - 6, at_y(a, y) + 4, text);
    }
    const double first = ceil(a->x.low / a->x.step - 1e-9) * a->x.step;
    for (int i = 0; i < ticks(first, &a->x); i++) {
        const double x = first + i * a->x.step;
        label(text, sizeof text, x, a->x.step, 0);
        page_markup(page,
                    "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                    "<text class=\"soft\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                    at_x(a, x), at_x(a, x), HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4, at_x(a, x),
                    HEIGHT - BOTTOM + 16, text);
    }
    page_markup(page, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", LEFT,
                WIDTH - RIGHT, HEIGHT - BOTTOM, HEIGHT - BOTTOM);
    page_markup(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH - RIGHT) / 2,
                HEIGHT - 6);
    page_text(page, chart->x_name);
    page_markup(page, "</text>\n<text x=\"2\" y=\"11\">");
    page_text(page, chart->y_name);
    page_markup(page, "</text>\n");
}

static void draw_mark(struct page *page, const struct chart *chart, const struct axes *a) {
    if (!(chart->mark >= a->x.low && chart->mark <= a->x.high)) {
        return;
    }
    const double x = at_x(a, chart->mark);
    const int left = x > (LEFT + WIDTH) / 2.0;
    page_markup(page,
                "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                "<text class=\"soft\" x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">",
                x, x, TOP - 12, HEIGHT - BOTTOM, left ? x - 5 : x + 5, TOP - 5,
                left ? "end" : "start");
    page_text(page, chart->mark_name);
    page_markup(page, "</text>\n");
}

static void draw_band(struct page *page, const struct curve *curve, const struct axes *a,
                      int style) {
    const char *command = "M";
    page_markup(page, "<path class=\"band p%d\" d=\"", style);
    for (int i = 0; i < curve->n; i++) {
        if (isfinite(curve->high[i])) {
            page_markup(page, "%s%.1f %.1f", command, at_x(a, curve->x[i]),
                        at_y(a, curve->high[i]));
            command = "L";
        }
    }
    for (int i = curve->n - 1; i >= 0; i--) {
        if (isfinite(curve->low[i])) {
            page_markup(page, "L%.1f %.1f", at_x(a, curve->x[i]), at_y(a, curve->low[i]));
        }
    }
    page_markup(page, "Z\"/>\n");
}

static void draw_line(struct page *page, const struct curve *curve, const struct axes *a,
                      int style) {
    const char *command = "M";
    page_markup(page, "<path class=\"l%d\" d=\"", style);
    for (int i = 0; i < curve->n; i++) {
        if (!isfinite(curve->y[i])) {
            command = "M";
            continue;
        }
        page_markup(page, "%s%.1f %.1f", command, at_x(a, curve->x[i]), at_y(a, curve->y[i]));
        command = "L";
    }
    page_markup(page, "\"/>\n");
}

static void draw_marker(struct page *page, double x, double y, int style) {
    static const char *const shapes[CURVES] = {"M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0Z",
                                               "M-2.7-2.7H2.7V2.7H-2.7Z", "M0-3.4L3.2 2.4H-3.2Z",
                                               "M0-3.6L3.6 0L0 3.6L-3.6 0Z"};
    page_markup(page, "<path class=\"p%d\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>", style, x,
                y, shapes[style]);
}

/* So few points that a marker for each helps. */
enum { MARKED = 30 };

static void draw_points(struct page *page, const struct curve *curve, const struct axes *a,
                        int style) {
    for (int i = 0; i < curve->n; i++) {
        const double x = at_x(a, curve->x[i]), y = at_y(a, curve->y[i]);
        const int left = x > (LEFT + WIDTH) / 2.0;
        if (!isfinite(curve->y[i])) {
            continue;
        }
        if (curve->low != NULL && isfinite(curve->low[i]) && isfinite(curve->high[i])) {
            page_markup(page, "<path class=\"l%d\" d=\"M%.1f %.1fV%.1f\"/>", style, x,
                        at_y(a, curve->low[i]), at_y(a, curve->high[i]));
        }
        draw_marker(page, x, y, style);
        page_markup(page, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", left ? x - 6 : x + 6,
                    y - 4, left ? "end" : "start");
        page_text(page, curve->names[i]);
        page_markup(page, "</text>\n");
    }
}

static void draw_curve(struct page *page, const struct curve *curve, const struct axes *a,
                       int style) {
    if (curve->names != NULL) {
        draw_points(page, curve, a, style);
        return;
    }
    if (curve->low != NULL && curve->high != NULL && curve->n > 1) {
        draw_band(page, curve, a, style);
    }
    draw_line(page, curve, a, style);
    for (int i = 0; i < curve->n && curve->n <= MARKED; i++) {
        if (isfinite(curve->y[i])) {
            draw_marker(page, at_x(a, curve->x[i]), at_y(a, curve->y[i]), style);
        }
    }
    page_markup(page, "\n");
}

/* At the top, in as many rows as the names need. */
static void draw_legend(struct page *page, const struct chart *chart) {
    double x = LEFT, y = 24;
    for (int c = 0; c < chart->n; c++) {
        const double width = 46 + 5.6 * (double)strlen(chart->curves[c].name);
        if (chart->curves[c].n == 0) {
            continue;
        }
        if (x > LEFT && x + width > WIDTH) {
            x = LEFT;
            y += KEY_ROW;
        }
        if (chart->curves[c].names == NULL) {
            page_markup(page, "<path class=\"l%d\" d=\"M%.0f %.0fh26\"/>", c, x, y);
        }
        if (chart->curves[c].n <= MARKED || chart->curves[c].names != NULL) {
            draw_marker(page, x + 13, y, c);
        }
        page_markup(page, "<text x=\"%.0f\" y=\"%.0f\">", x + 31, y + 4);
        page_text(page, chart->curves[c].name);
        page_markup(page, "</text>\n");
        x += width;
    }
}

/* ---- words -------------------------------------------------------------------------------- */

static void describe_curve(struct page *page, const struct chart *chart, const struct curve *c) {
    int first = -1, last = -1, top = -1, bottom = -1;
    for (int i = 0; i < c->n; i++) {
        if (isfinite(c->y[i])) {
            first = first < 0 ? i : first;
            last = i;
            top = top < 0 || c->y[i] > c->y[top] ? i : top;
            bottom = bottom < 0 || c->y[i] < c->y[bottom] ? i : bottom;
        }
    }
    if (first < 0) {
        return;
    }
    const double scale = chart->percent ? 100 : 1;
    const char *unit = chart->percent ? "%" : "";
    page_print(
        page, "%s: %.4g%s at %s %g, %.4g%s at %g; lowest %.4g%s at %g, highest %.4g%s at %g. ",
        c->name, scale * c->y[first], unit, chart->x_name, c->x[first], scale * c->y[last], unit,
        c->x[last], scale * c->y[bottom], unit, c->x[bottom], scale * c->y[top], unit, c->x[top]);
}

static void describe(struct page *page, const struct chart *chart) {
    page_markup(page, "<title>");
    page_text(page, chart->title);
    page_markup(page, "</title><desc>");
    for (int c = 0; c < chart->n; c++) {
        describe_curve(page, chart, &chart->curves[c]);
    }
    page_markup(page, "</desc>\n");
}

void chart_write(struct page *page, const struct chart *chart) {
    const struct axes axes = axes_of(chart);
    if (!isfinite(axes.y.low) || !isfinite(axes.x.low)) {
        return;
    }
    page_markup(page, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" class=\"chart\" role=\"img\">\n",
                WIDTH, HEIGHT, WIDTH);
    describe(page, chart);
    draw_axes(page, chart, &axes);
    draw_mark(page, chart, &axes);
    for (int c = 0; c < chart->n; c++) {
        draw_curve(page, &chart->curves[c], &axes, c);
    }
    draw_legend(page, chart);
    page_markup(page, "</svg>\n");
}
