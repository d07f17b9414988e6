/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <stdio.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

struct state {
    WebPDecoderConfig config;
};

static int fail(struct image_decoder *d, VP8StatusCode code) {
    snprintf(d->fault, sizeof d->fault, "%s",
             code == VP8_STATUS_NOT_ENOUGH_DATA       ? "it ends too early: truncated"
             : code == VP8_STATUS_OUT_OF_MEMORY       ? "no memory to read it"
             : code == VP8_STATUS_UNSUPPORTED_FEATURE ? "it has a feature that is not known"
                                                      : "its data is damaged");
    return 0;
}

static int orientation(const struct image_decoder *d) {
    const WebPData data = {d->bytes, d->size};
    WebPChunkIterator chunk;
    int found = 1;
    if (d->size < 16 || memcmp(d->bytes + 12, "VP8X", 4) != 0) {
        return 1; /* the simple form has no room for EXIF */
    }
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (demuxer != NULL && WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        found = exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
    return found;
}

static int begin(struct image_decoder *d) {
    struct state *s = d->state;
    WebPInitDecoderConfig(&s->config);
    const VP8StatusCode code = WebPGetFeatures(d->bytes, d->size, &s->config.input);
    if (code != VP8_STATUS_OK) {
        return fail(d, code);
    }
    if (s->config.input.has_animation) {
        snprintf(d->fault, sizeof d->fault, "it is an animation; only still images are read");
        return 0;
    }
    d->width = d->image.width = s->config.input.width;
    d->height = d->image.height = s->config.input.height;
    d->image.channels = 3;
    d->depth = s->config.input.has_alpha ? 4 : 3;
    d->orientation = orientation(d);
    return 1;
}

/* The order of pixels allows one buffer. Alpha is that of paint on white. */
static void put_on_white(struct image_decoder *d) {
    const size_t n = (size_t)d->width * (size_t)d->height;
    uint8_t *p = d->image.pixels;
    for (size_t i = 0; i < n; i++) {
        const unsigned alpha = p[4 * i + 3];
        for (size_t c = 0; c < 3; c++) {
            p[3 * i + c] = (uint8_t)((p[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
        }
    }
}

static int pixels(struct image_decoder *d) {
    struct state *s = d->state;
    WebPDecBuffer *out = &s->config.output;
    const size_t row = (size_t)d->width * (size_t)d->depth;
    out->colorspace = d->depth == 4 ? MODE_RGBA : MODE_RGB;
    out->is_external_memory = 1;
    out->u.RGBA.rgba = d->image.pixels;
    out->u.RGBA.stride = (int)row;
    out->u.RGBA.size = row * (size_t)d->height;
    const VP8StatusCode code = WebPDecode(d->bytes, d->size, &s->config);
    if (code != VP8_STATUS_OK) {
        return fail(d, code == VP8_STATUS_SUSPENDED ? VP8_STATUS_NOT_ENOUGH_DATA : code);
    }
    if (d->depth == 4) {
        put_on_white(d);
    }
    return 1;
}

static void end(struct image_decoder *d) {
    struct state *s = d->state;
    WebPFreeDecBuffer(&s->config.output);
}

const struct image_format image_webp = {"WebP", sizeof(struct state), begin, pixels, end};
