/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <math.h>

/* Where the filter of each output place begins, and its weights. Those of one place sum to 1. */
struct taps {
    int32_t n;    /* output places */
    int32_t most; /* weights of a place */
    int32_t *first, *count;
    float *weight; /* [n][most] */
};

static size_t taps_most(int32_t in, int32_t out) {
    const double scale = (double)in / out;
    return 2 * (size_t)ceil(scale > 1 ? scale : 1) + 1;
}

/* Bytes of the taps for one direction. */
static size_t taps_bytes(int32_t in, int32_t out) {
    return (size_t)out * (2 * sizeof(int32_t) + taps_most(in, out) * sizeof(float));
}

static void place_filter(struct taps *t, int32_t at, int32_t in) {
    const double scale = (double)in / t->n, radius = scale > 1 ? scale : 1;
    const double centre = (at + 0.5) * scale;
    const double low = floor(centre - radius + 0.5), high = floor(centre + radius + 0.5);
    const int32_t first = low > 0 ? (int32_t)low : 0, last = high < in ? (int32_t)high : in;
    float *weight = t->weight + (size_t)at * (size_t)t->most;
    double sum = 0;
    for (int32_t i = first; i < last; i++) {
        const double w = 1 - fabs(i + 0.5 - centre) / radius;
        weight[i - first] = w > 0 ? (float)w : 0;
        sum += w > 0 ? w : 0;
    }
    for (int32_t i = first; i < last; i++) {
        weight[i - first] = (float)((double)weight[i - first] / sum);
    }
    t->first[at] = first;
    t->count[at] = last - first;
}

static struct taps taps_make(void *memory, int32_t in, int32_t out) {
    struct taps t = {.n = out, .most = (int32_t)taps_most(in, out)};
    t.first = memory;
    t.count = t.first + out;
    t.weight = (float *)(void *)(t.count + out);
    for (int32_t i = 0; i < out; i++) {
        place_filter(&t, i, in);
    }
    return t;
}

/* One row of `in` to t->n places. */
static void filter_row(const struct taps *t, const uint8_t *in, int32_t channels, float *out) {
    for (int32_t x = 0; x < t->n; x++) {
        const float *weight = t->weight + (size_t)x * (size_t)t->most;
        const uint8_t *from = in + (size_t)t->first[x] * (size_t)channels;
        for (int32_t c = 0; c < channels; c++) {
            float sum = 0;
            for (int32_t k = 0; k < t->count[x]; k++) {
                sum += weight[k] * (float)from[(size_t)k * (size_t)channels + (size_t)c];
            }
            *out++ = sum;
        }
    }
}

/* Output row y from the rows of the first pass; `sum` holds one row. */
static void filter_column(const struct taps *t, int32_t y, const float *rows, size_t row,
                          float *sum, uint8_t *out) {
    const float *weight = t->weight + (size_t)y * (size_t)t->most;
    for (size_t i = 0; i < row; i++) {
        sum[i] = 0.5f;
    }
    for (int32_t k = 0; k < t->count[y]; k++) {
        const float *from = rows + (size_t)(t->first[y] + k) * row;
        for (size_t i = 0; i < row; i++) {
            sum[i] += weight[k] * from[i];
        }
    }
    for (size_t i = 0; i < row; i++) {
        out[i] = sum[i] < 0 ? 0 : sum[i] > 255 ? 255 : (uint8_t)sum[i];
    }
}

int image_resize(struct mn_ctx *ctx, struct image_work *work, const struct image *in, int32_t width,
                 int32_t height, struct image *out) {
    const size_t row = (size_t)width * (size_t)in->channels;
    *out = (struct image){width, height, in->channels, NULL};
    if (width == in->width && height == in->height) {
        out->pixels = in->pixels;
        return MN_OK;
    }
    const size_t across = taps_bytes(in->width, width), down = taps_bytes(in->height, height);
    char *memory = room_need(ctx, &work->taps, across + down);
    float *rows = room_need(ctx, &work->rows, ((size_t)in->height + 1) * row * sizeof(float));
    out->pixels = room_need(ctx, &work->resized, row * (size_t)height);
    if (memory == NULL || rows == NULL || out->pixels == NULL) {
        return MN_NOMEM;
    }
    const struct taps x = taps_make(memory, in->width, width);
    const struct taps y = taps_make(memory + across, in->height, height);
    for (int32_t i = 0; i < in->height; i++) {
        filter_row(&x, in->pixels + (size_t)i * (size_t)in->width * (size_t)in->channels,
                   in->channels, rows + (size_t)i * row);
    }
    for (int32_t i = 0; i < height; i++) {
        filter_column(&y, i, rows, row, rows + (size_t)in->height * row,
                      out->pixels + (size_t)i * row);
    }
    return MN_OK;
}
