/* SPDX-License-Identifier: MIT */
#include "chart.h"
#include "heat.h"
#include "sections.h"

#include "../command.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

/* ---- series of metrics.jsonl -------------------------------------------------------------- */

/* Numbers `key` of the lines of a kind, in order: (*what)[*n]; NAN where a line lacks it. */
static int series(struct page *page, const struct record *record, const char *kind, const char *key,
                  double **what, int *n) {
    const struct lines *lines = &record->metrics;
    *what = nas_arena_array(page->arena, lines->n, sizeof **what);
    *n = 0;
    if (*what == NULL) {
        return no_memory(page->ctx);
    }
    for (size_t i = 0; i < lines->n; i++) {
        const char *is = json_string_value(json_object_get(lines->at[i], "kind"));
        const json_t *value = json_object_get(lines->at[i], key);
        if (is != NULL && strcmp(is, kind) == 0) {
            (*what)[(*n)++] = json_is_number(value) ? json_number_value(value) : (double)NAN;
        }
    }
    return MN_OK;
}

/* ---- charts over meta-training ------------------------------------------------------------ */

/* Curves of metrics.jsonl: lines of `kind`, their numbers `key`; `half` is the half width of a band
 * or NULL. */
struct plot {
    const char *title, *y_name;
    int percent, n;
    struct {
        const char *kind, *key, *half, *name;
    } curves[CURVES];
};
static const struct plot loss = {"Loss over meta-training",
                                 "cross entropy (nats)",
                                 0,
                                 3,
                                 {{"train", "loss", NULL, "last task step"},
                                  {"validation", "loss", NULL, "validation, pruned"},
                                  {"train", "query_loss", NULL, "query sets of training"}}};
static const struct plot accuracy = {
    "Accuracy over meta-training",
    "accuracy",
    1,
    4,
    {{"train", "accuracy", NULL, "last task step"},
     {"validation", "accuracy_mean", "accuracy_ci95", "validation, pruned"},
     {"validation", "accuracy_before_prune", NULL, "before pruning"},
     {"train", "query_accuracy", NULL, "query sets of training"}}};
static const struct plot gradient = {
    "Meta-gradient",
    "length",
    0,
    2,
    {{"train", "norm_w", NULL, "weights"}, {"train", "norm_a", NULL, "architecture"}}};
static const struct plot rates = {"Meta learning rate",
                                  "rate",
                                  0,
                                  2,
                                  {{"train", "meta_learner.lr_w", NULL, "weights"},
                                   {"train", "meta_learner.lr_a", NULL, "architecture"}}};
static const struct plot size = {
    "Size of the pruned network",
    "parameters",
    0,
    2,
    {{"train", "parameters", NULL, "meta-architecture"},
     {"validation", "parameters_mean", NULL, "validation, mean over tasks"}}};
static const struct plot entropy = {
    "Mixture entropy over meta-training",
    "entropy (nats)",
    0,
    2,
    {{"train", "entropy_op", NULL, "operations"}, {"train", "entropy_in", NULL, "inputs"}}};

static int has_numbers(int n, const double *x) {
    int i = 0;
    while (i < n && !isfinite(x[i])) {
        i++;
    }
    return i < n;
}

/* The chart, in a figure that is still open; *drawn = 0: there is none, since the run has no such
 * numbers, as a curve without is left out. The mark is where the architecture begins to adapt. */
static int draw(struct page *page, const struct record *record, const struct plot *plot,
                int *drawn) {
    const double warm_up = record_number(record, "task_learner", "warm_up");
    const double end = record_number(record, "run", "meta_epochs");
    struct chart chart = {.title = plot->title,
                          .x_name = "meta-epoch",
                          .y_name = plot->y_name,
                          .mark = warm_up > 0 && record->architecture != NULL ? round(warm_up * end)
                                                                              : (double)NAN,
                          .mark_name = "architecture adapts",
                          .percent = plot->percent};
    for (int c = 0; c < plot->n; c++) {
        struct curve *curve = &chart.curves[chart.n];
        const char *kind = plot->curves[c].kind, *half_key = plot->curves[c].half;
        double *x, *y, *half;
        TRY(series(page, record, kind, "meta_epoch", &x, &curve->n));
        TRY(series(page, record, kind, plot->curves[c].key, &y, &curve->n));
        *curve = (struct curve){.name = plot->curves[c].name, .n = curve->n, .x = x, .y = y};
        if (half_key != NULL) {
            TRY(series(page, record, kind, half_key, &half, &curve->n));
            double *low = nas_arena_array(page->arena, (size_t)curve->n, sizeof *low);
            double *high = nas_arena_array(page->arena, (size_t)curve->n, sizeof *high);
            if (low == NULL || high == NULL) {
                return no_memory(page->ctx);
            }
            for (int i = 0; i < curve->n; i++) {
                low[i] = y[i] - half[i];
                high[i] = y[i] + half[i];
            }
            curve->low = low;
            curve->high = high;
        }
        chart.n += has_numbers(curve->n, y);
    }
    *drawn = chart.n > 0;
    if (*drawn) {
        page_figure(page);
        chart_write(page, &chart);
    }
    return MN_OK;
}

int section_training(struct page *page, const struct record *record) {
    int drawn;
    page_section(page, "training", "Meta-training");
    if (record->metrics.n == 0) {
        page_missing(page, "metrics.jsonl has no lines yet.");
        page_section_end(page);
        return MN_OK;
    }
    page_markup(page, "<div class=\"pair\">\n");
    TRY(draw(page, record, &loss, &drawn));
    if (drawn) {
        page_figure_end(page,
                        "Loss: of the last task step on its mini-batch, mean since the point "
                        "before; of adapted networks on the query sets of training tasks; and of "
                        "pruned networks on those of validation tasks.");
    }
    TRY(draw(page, record, &accuracy, &drawn));
    if (drawn) {
        page_figure_end(page,
                        "Accuracy. The band is the 95%% interval over %s validation tasks; batch "
                        "norm %s, seed %s.",
                        record_option(record, "evaluation", "validation_tasks"),
                        record_option(record, "evaluation", "batch_norm"),
                        record_option(record, "run", "seed"));
    }
    page_markup(page, "</div>\n<div class=\"pair\">\n");
    TRY(draw(page, record, &gradient, &drawn));
    if (drawn) {
        page_figure_end(page, "Length of the mean direction of the tasks, of the meta-epoch of the "
                              "point.");
    }
    TRY(draw(page, record, &rates, &drawn));
    if (drawn) {
        page_figure_end(page, "Rate of the outer update, as the meta learner reports it.");
    }
    page_markup(page, "</div>\n");
    page_section_end(page);
    return MN_OK;
}

/* ---- temperature -------------------------------------------------------------------------- */

/* Temperature of the mixer of a section over `steps` task steps, of which the architecture adapts
 * in the first `adapted` (Eq. 5); n = 0 where the mixer has none. */
static int temperature(struct page *page, const struct record *record, const char *mixer,
                       double steps, double adapted, const char *name, struct curve *out) {
    const double high = record_number(record, mixer, "t_max");
    const double low = record_number(record, mixer, "t_min");
    const char *course = record_option(record, mixer, "anneal");
    *out = (struct curve){.name = name};
    if (!(steps >= 1 && steps < 1e6) || !(adapted >= 1) || !isfinite(high) || !isfinite(low) ||
        course == NULL || strcmp(course, "linear") != 0) {
        return MN_OK;
    }
    const int n = (int)steps;
    double *x = nas_arena_array(page->arena, (size_t)n, sizeof *x);
    double *y = nas_arena_array(page->arena, (size_t)n, sizeof *y);
    if (x == NULL || y == NULL) {
        return no_memory(page->ctx);
    }
    for (int i = 0; i < n; i++) {
        const double done = i >= adapted ? 1 : adapted > 1 ? i / (adapted - 1) : 0;
        x[i] = i + 1;
        y[i] = high - done * (high - low);
    }
    out->x = x;
    out->y = y;
    out->n = n;
    return MN_OK;
}

static int draw_temperature(struct page *page, const struct record *record) {
    static const struct {
        const char *mixer, *steps, *fraction, *name, *shared;
    } of[CURVES] = {
        {"op_mixer", "steps", "adapt_fraction", "operations, training", "in training"},
        {"op_mixer", "test_steps", "test_adapt_fraction", "operations, test", "in evaluation"},
        {"input_mixer", "steps", "adapt_fraction", "inputs, training", NULL},
        {"input_mixer", "test_steps", "test_adapt_fraction", "inputs, test", NULL}};
    const int same =
        record_number(record, "op_mixer", "t_max") ==
            record_number(record, "input_mixer", "t_max") &&
        record_number(record, "op_mixer", "t_min") == record_number(record, "input_mixer", "t_min");
    struct chart chart = {.title = "Temperature over a task",
                          .x_name = "task step",
                          .y_name = "temperature",
                          .mark = (double)NAN,
                          .n = same ? 2 : CURVES};
    int points = 0;
    for (int c = 0; c < chart.n; c++) {
        const double steps = record_number(record, "task_learner", of[c].steps);
        const double fraction = record_number(record, "task_learner", of[c].fraction);
        TRY(temperature(page, record, of[c].mixer, steps, floor(fraction * steps + 0.5),
                        same ? of[c].shared : of[c].name, &chart.curves[c]));
        points += chart.curves[c].n;
    }
    if (points > 0) {
        page_figure(page);
        chart_write(page, &chart);
        page_figure_end(page,
                        "Temperature %swithin a task, as configured, the same in every meta-epoch "
                        "after the warm-up: it falls while the architecture adapts and stays at "
                        "its lowest after that.",
                        same ? "of both mixtures " : "");
    }
    return MN_OK;
}

/* ---- the section -------------------------------------------------------------------------- */

static int draw_heat(struct page *page, const struct record *record) {
    struct heat *heat;
    int left_out;
    TRY(heat_find(page->ctx, page->arena, record->architecture, &heat, &left_out));
    if (heat == NULL || record->architecture->n_rows == 0) {
        return MN_OK;
    }
    page_markup(page, "<h3>Weights by edge</h3>\n");
    for (; heat != NULL; heat = heat->next) {
        page_figure(page);
        page_markup(page, "<div class=\"scroll\">");
        heat_draw(page, heat, record->architecture);
        page_markup(page, "</div>");
        page_figure_end(page,
                        "Weights of the operations on each edge of the %s cell over meta-training, "
                        "at the final temperature; under them the weight of the edge in its node.",
                        heat->type);
        heat_table(page, heat, record->architecture);
    }
    if (left_out > 0) {
        page_missing(page, "Not drawn: %d more column%s of architecture.csv.", left_out,
                     nas_text_s(left_out));
    }
    return MN_OK;
}

int section_mixtures(struct page *page, const struct record *record) {
    if (record->architecture == NULL) {
        return MN_OK; /* nothing is searched */
    }
    int drawn;
    page_section(page, "mixtures", "Mixtures");
    page_markup(page, "<div class=\"pair\">\n");
    TRY(draw(page, record, &entropy, &drawn));
    if (drawn) {
        page_figure_end(page, "Mean entropy of the mixtures of the meta-architecture at the final "
                              "temperature; 0 is a decided mixture.");
    }
    TRY(draw_temperature(page, record));
    page_markup(page, "</div>\n");
    TRY(draw(page, record, &size, &drawn));
    if (drawn) {
        page_figure_end(page,
                        "Weights of the network that a prune of the meta-architecture leaves, "
                        "and of those that the validation tasks found.");
    }
    TRY(draw_heat(page, record));
    page_section_end(page);
    return MN_OK;
}
