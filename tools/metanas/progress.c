/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "base/clock.h"
#include "base/ctx.h"
#include "base/text.h"
#include "learn/configuration.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

void progress_begin(struct progress *p, const char *what, int64_t first, int64_t total, int quiet) {
    *p = (struct progress){.quiet = quiet,
                           .terminal = isatty(STDERR_FILENO),
                           .what = what,
                           .first = first,
                           .total = total,
                           .begin = nas_now(),
                           .loss = -1};
}

enum { LINE = 256 };

static void bar(const struct progress *p, int64_t done, char *out) {
    enum { WIDTH = 20 };
    const int64_t full = p->total > 0 ? done * WIDTH / p->total : WIDTH;
    for (int i = 0; i < WIDTH; i++) {
        out[i] = i < full ? '#' : '.';
    }
    out[WIDTH] = '\0';
}

/* ---- the line ----------------------------------------------------------------------------- */

/* What a line leaves out, from the first on, where it would not fit. */
enum { ALL, NO_BAR, NO_RATE, NO_LOSS, NO_INTERVAL, NO_VALIDATION, NO_REST, NOTHING_LEFT };

__attribute__((format(printf, 3, 4))) static size_t append(char *out, size_t used,
                                                           const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(out + used, LINE - used, format, args);
    va_end(args);
    return used + (size_t)n < LINE ? used + (size_t)n : LINE - 1;
}

static size_t describe(const struct progress *p, int64_t done, double now, int without,
                       char out[LINE]) {
    const double rate = now > p->begin ? (double)(done - p->first) / (now - p->begin) : 0;
    char left[40] = "?", picture[32], half[32] = "";
    size_t n = 0;
    if (rate > 0) {
        nas_text_duration((double)(p->total - done) / rate, left, sizeof left);
    }
    if (p->terminal && without < NO_BAR) {
        bar(p, done, picture);
        n = append(out, n, "[%s] ", picture);
    }
    n = append(out, n, "%s %" PRId64 "/%" PRId64, p->what, done, p->total);
    if (without < NO_RATE) {
        n = append(out, n, "  %.2f/s", rate);
    }
    if (without < NO_REST) {
        n = append(out, n, "  ETA %s", left);
    }
    if (p->loss >= 0 && without < NO_LOSS) {
        n = append(out, n, "  loss %.3f  train %.1f%%", p->loss, 100 * p->accuracy);
    }
    if (p->have_queries && without < NO_LOSS) {
        n = append(out, n, "  query %.1f%%", 100 * p->queries);
    }
    if (p->have_validation && without < NO_VALIDATION) {
        n = append(out, n, "  val %.1f%%%s", 100 * p->validation,
                   without < NO_INTERVAL
                       ? nas_text_interval(100 * p->interval, 1, "", half, sizeof half)
                       : half);
    }
    return n;
}

/* Of the terminal, now: it may be drawn larger and smaller. */
static size_t columns(void) {
    struct winsize size;
    int64_t n = 0;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    const char *text = getenv("COLUMNS");
    return text != NULL && nas_text_int(text, &n) && n > 0 && n < LINE ? (size_t)n : 80;
}

void progress_show(struct progress *p, int64_t done) {
    const double now = nas_now(), period = p->terminal ? 0.2 : 10;
    char text[LINE];
    if (p->quiet || (now - p->last < period && done < p->total)) {
        return;
    }
    p->last = now;
    if (!p->terminal) {
        describe(p, done, now, ALL, text);
        fprintf(stderr, "%s\n", text);
        return;
    }
    const size_t most = columns() - 1; /* in the last column a terminal goes on to the next line */
    for (int without = ALL; without < NOTHING_LEFT; without++) {
        if (describe(p, done, now, without, text) <= most) {
            break;
        }
    }
    fprintf(stderr, "\r\033[K%.*s", (int)most, text);
    fflush(stderr);
    nas_progress_shown = 1;
}

void progress_note(struct progress *p, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!p->quiet) {
        fprintf(stderr, "%s%s\n", p->terminal ? "\r\033[K" : "", nas_text_clean(text));
        nas_progress_shown = 0;
    }
}

void progress_end(struct progress *p) {
    if (!p->quiet && p->terminal) {
        fputc('\n', stderr);
        nas_progress_shown = 0;
    }
}

/* ---- meta-training ------------------------------------------------------------------------ */

struct training {
    struct progress line;
    const struct nas_experiment *e;
    int quiet;
};

static void begin_training(void *data, int64_t meta_epoch) {
    struct training *t = data;
    progress_begin(&t->line, "meta-epoch", meta_epoch, t->e->run.meta_epochs, t->quiet);
}

static void show_meta_epoch(void *data, int64_t done, double loss, double accuracy) {
    struct training *t = data;
    t->line.loss = loss;
    t->line.accuracy = accuracy;
    progress_show(&t->line, done);
}

static void note_queries(void *data, double accuracy) {
    struct training *t = data;
    t->line.have_queries = 1;
    t->line.queries = accuracy;
}

static void show_validation(void *data, int64_t done, const struct nas_evaluation *v) {
    struct training *t = data;
    char half[32];
    t->line.have_validation = 1;
    t->line.validation = v->record.accuracy_mean;
    t->line.interval = v->record.accuracy_ci95;
    progress_note(&t->line,
                  "meta-epoch %" PRId64 ": validation %.2f%%%s (%" PRId64
                  " tasks, %s batch norm, seed %" PRId64
                  "), prune gap %+.2f points, %.0f parameters",
                  done, 100 * t->line.validation,
                  nas_text_interval(100 * t->line.interval, 2, "", half, sizeof half), v->tasks,
                  nas_batch_norm_name(t->e), t->e->run.seed, 100 * v->record.prune_gap,
                  v->record.parameters_mean);
}

static void end_training(void *data) {
    progress_end(&((struct training *)data)->line);
}

int progress_train(const struct nas_experiment *e, struct mn_ctx *ctx, struct nas_state *state,
                   const char *dir, int64_t stop_after) {
    struct training t = {.e = e, .quiet = nas_ctx_of(ctx)->log_level < MN_LOG_INFO};
    const struct nas_train_observer observer = {.data = &t,
                                                .stop_after = stop_after,
                                                .begin = begin_training,
                                                .meta_epoch = show_meta_epoch,
                                                .queries = note_queries,
                                                .validation = show_validation,
                                                .end = end_training};
    return nas_train(e, ctx, state, dir, &observer);
}
