/* SPDX-License-Identifier: MIT */
#include "run/progress.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

double mn__seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void mn__progress_begin(struct mn__progress *p, const char *what, int64_t first, int64_t total,
                        int quiet) {
    *p = (struct mn__progress){.quiet = quiet,
                               .terminal = isatty(STDERR_FILENO),
                               .what = what,
                               .first = first,
                               .total = total,
                               .begin = mn__seconds(),
                               .loss = -1};
}

static void bar(const struct mn__progress *p, int64_t done, char *out) {
    enum { WIDTH = 20 };
    const int64_t full = p->total > 0 ? done * WIDTH / p->total : WIDTH;
    for (int i = 0; i < WIDTH; i++) {
        out[i] = i < full ? '#' : '.';
    }
    out[WIDTH] = '\0';
}

static size_t describe(const struct mn__progress *p, int64_t done, double now, char *out,
                       size_t size) {
    const double rate = now > p->begin ? (double)(done - p->first) / (now - p->begin) : 0;
    char left[40] = "?";
    if (rate > 0) {
        mn__text_duration((double)(p->total - done) / rate, left, sizeof left);
    }
    size_t n = (size_t)snprintf(out, size, "%s %" PRId64 "/%" PRId64 "  %.2f/s  ETA %s", p->what,
                                done, p->total, rate, left);
    if (p->loss >= 0 && n < size) {
        n += (size_t)snprintf(out + n, size - n, "  loss %.3f  train %.1f%%", p->loss,
                              100 * p->accuracy);
    }
    if (p->have_validation && n < size) {
        char half[32];
        n += (size_t)snprintf(out + n, size - n, "  val %.1f%%%s", 100 * p->validation,
                              mn__text_interval(100 * p->interval, 1, "", half, sizeof half));
    }
    return n;
}

void mn__progress_show(struct mn__progress *p, int64_t done) {
    const double now = mn__seconds(), period = p->terminal ? 0.2 : 10;
    char text[256], picture[32];
    if (p->quiet || (now - p->last < period && done < p->total)) {
        return;
    }
    p->last = now;
    describe(p, done, now, text, sizeof text);
    if (p->terminal) {
        bar(p, done, picture);
        fprintf(stderr, "\r\033[K[%s] %s", picture, text);
        fflush(stderr);
    } else {
        fprintf(stderr, "%s\n", text);
    }
}

void mn__progress_note(struct mn__progress *p, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!p->quiet) {
        fprintf(stderr, "%s%s\n", p->terminal ? "\r\033[K" : "", text);
    }
}

void mn__progress_end(struct mn__progress *p) {
    if (!p->quiet && p->terminal) {
        fputc('\n', stderr);
    }
}
