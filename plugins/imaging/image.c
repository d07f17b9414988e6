/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <stdio.h>
#include <string.h>

/* ---- formats ------------------------------------------------------------------------------ */

struct magic {
    size_t at, n;
    const char *bytes;
    const char *name;                  /* with its article */
    const struct image_format *format; /* NULL = not read */
};

/* By content: names are often wrong. The first that fits. */
static const struct magic magics[] = {
    {0, 8, "\x89PNG\r\n\x1a\n", "a PNG file", &image_png},
    {0, 3, "\xFF\xD8\xFF", "a JPEG file", &image_jpeg},
    {8, 4, "WEBP", "a WebP file", &image_webp},
    {0, 4, "GIF8", "a GIF file", NULL},
    {0, 4, "II*\0", "a TIFF file", NULL},
    {0, 4, "MM\0*", "a TIFF file", NULL},
    {4, 8, "ftypheic", "a HEIC file", NULL},
    {4, 8, "ftypheix", "a HEIC file", NULL},
    {4, 8, "ftypmif1", "a HEIF file", NULL},
    {4, 8, "ftypmsf1", "a HEIF file", NULL},
    {4, 8, "ftyphevc", "a HEIC file", NULL},
    {4, 8, "ftypavif", "an AVIF file", NULL},
    {4, 8, "ftypavis", "an AVIF file", NULL},
    {4, 4, "ftyp", "a film", NULL},
    {4, 4, "jP  ", "a JPEG 2000 file", NULL},
    {4, 4, "JXL ", "a JPEG XL file", NULL},
    {0, 2, "\xFF\x0A", "a JPEG XL file", NULL},
    {0, 4, "8BPS", "a Photoshop file", NULL},
    {0, 5, "%PDF-", "a PDF file", NULL},
    {0, 4, "PK\3\4", "a zip archive", NULL},
    {0, 2, "\x1F\x8B", "a gzip file", NULL},
    {0, 26, "version https://git-lfs.gi", "a pointer of Git LFS, whose file was not fetched", NULL},
    {0, 4, "\0\0\1\0", "an icon file", NULL},
    {0, 2, "BM", "a BMP file", NULL},
    {0, 5, "<?xml", "an XML file (SVG?)", NULL},
    {0, 4, "<svg", "an SVG file", NULL},
    {0, 5, "<html", "a web page", NULL},
    {0, 9, "<!DOCTYPE", "a web page", NULL},
    {0, 9, "<!doctype", "a web page", NULL},
};

static const struct magic *magic_of(const struct source_file *file) {
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        const struct magic *m = &magics[i];
        if (file->size >= m->at + m->n && memcmp(file->bytes + m->at, m->bytes, m->n) == 0) {
            return m;
        }
    }
    return NULL;
}

static int unreadable(struct image_work *work, const char *before, const char *text) {
    snprintf(work->fault, sizeof work->fault, "%s%s", before, text);
    return IMAGE_UNREADABLE;
}

/* ---- shape -------------------------------------------------------------------------------- */

static int turned(const struct image_decoder *d) {
    return d->orientation >= 5;
}

static int check_shape(struct image_work *work, const struct image_decoder *d) {
    if ((int64_t)d->width * d->height > IMAGE_PIXELS_MOST) {
        char text[100];
        snprintf(text, sizeof text, "the image has %dx%d pixels; the most is %d million",
                 (int)d->width, (int)d->height, IMAGE_PIXELS_MOST / 1000000);
        return unreadable(work, "", text);
    }
    return MN_OK;
}

/* The order of pixels allows one buffer: the narrower form never overtakes the wider. */
static void convert(struct image *image, int32_t channels) {
    const int64_t n = (int64_t)image->width * image->height;
    uint8_t *p = image->pixels;
    if (image->channels == 3 && channels == 1) {
        for (int64_t i = 0; i < n; i++) {
            p[i] =
                (uint8_t)((19595 * p[3 * i] + 38470 * p[3 * i + 1] + 7471 * p[3 * i + 2] + 32768) >>
                          16);
        }
    } else if (image->channels == 1 && channels == 3) {
        for (int64_t i = n - 1; i >= 0; i--) {
            p[3 * i + 2] = p[3 * i + 1] = p[3 * i] = p[i];
        }
    }
    image->channels = channels;
}

/* From the way it is stored to the way it is seen: orientations from 5 exchange rows and columns;
 * before that, some mirror. */
static int turn(struct mn_ctx *ctx, struct image_work *work, const struct image_decoder *d,
                struct image *image) {
    static const struct {
        uint8_t mirror_x, mirror_y;
    } mirrors[9] = {
        [2] = {1, 0}, [3] = {1, 1}, [4] = {0, 1}, [6] = {0, 1}, [7] = {1, 1}, [8] = {1, 0}};
    const int32_t w = image->width, h = image->height, c = image->channels;
    const int swap = turned(d), mx = mirrors[d->orientation].mirror_x,
              my = mirrors[d->orientation].mirror_y;
    const size_t bytes = (size_t)w * (size_t)h * (size_t)c;
    uint8_t *out = d->orientation > 1 ? room_need(ctx, &work->turned, bytes) : image->pixels;
    if (out == NULL || d->orientation == 1) {
        return out != NULL ? MN_OK : MN_NOMEM;
    }
    uint8_t *to = out;
    for (int32_t y = 0; y < (swap ? w : h); y++) {
        for (int32_t x = 0; x < (swap ? h : w); x++) {
            const int32_t along = swap ? y : x, down = swap ? x : y;
            const int32_t sx = mx ? w - 1 - along : along, sy = my ? h - 1 - down : down;
            memcpy(to, image->pixels + ((size_t)sy * (size_t)w + (size_t)sx) * (size_t)c,
                   (size_t)c);
            to += c;
        }
    }
    *image = (struct image){swap ? h : w, swap ? w : h, c, out};
    return MN_OK;
}

/* ---- decoding ----------------------------------------------------------------------------- */

static int failed(struct mn_ctx *ctx, struct image_work *work, const struct image_format *format,
                  const struct image_decoder *d) {
    char before[32];
    if (mn_cancelled(ctx)) {
        return mn_fail(ctx, MN_CANCELLED, "stopped while decoding an image");
    }
    snprintf(before, sizeof before, "broken %s file: ", format->name);
    return unreadable(work, before, d->fault);
}

/* channels = 0: only the shape. */
static int run(struct mn_ctx *ctx, struct image_work *work, const struct image_format *format,
               struct image_decoder *d, int32_t channels) {
    if (!format->begin(d)) {
        return failed(ctx, work, format, d);
    }
    const int status = check_shape(work, d);
    if (status != MN_OK || channels == 0) {
        return status;
    }
    struct image *image = &d->image;
    const int32_t depth = d->depth > channels ? d->depth : channels;
    image->pixels = room_need(ctx, &work->decoded,
                              (size_t)image->width * (size_t)image->height * (size_t)depth);
    if (image->pixels == NULL) {
        return MN_NOMEM;
    }
    if (!format->pixels(d)) {
        return failed(ctx, work, format, d);
    }
    work->unended = d->unended;
    convert(image, channels);
    return turn(ctx, work, d, image);
}

static int decode(struct mn_ctx *ctx, struct image_work *work, const struct source_file *file,
                  struct image_decoder *d, int32_t channels) {
    const struct magic *magic = magic_of(file);
    work->unended = 0;
    if (file->size == 0) {
        return unreadable(work, "", "the file is empty");
    }
    if (magic == NULL || magic->format == NULL) {
        return unreadable(
            work, magic != NULL ? magic->name : "neither a PNG, nor a JPEG, nor a WebP file",
            magic != NULL ? "; PNG, JPEG and WebP are read" : "");
    }
    *d = (struct image_decoder){.ctx = ctx,
                                .bytes = file->bytes,
                                .size = file->size,
                                .wanted_width = d->wanted_width,
                                .wanted_height = d->wanted_height,
                                .orientation = 1};
    d->state = room_need(ctx, &work->state, magic->format->state_bytes);
    if (d->state == NULL) {
        return MN_NOMEM;
    }
    memset(d->state, 0, magic->format->state_bytes);
    const int status = run(ctx, work, magic->format, d, channels);
    magic->format->end(d);
    return status;
}

int image_shape(struct mn_ctx *ctx, struct image_work *work, const struct source_file *file,
                int32_t *width, int32_t *height) {
    struct image_decoder d = {0};
    const int status = decode(ctx, work, file, &d, 0);
    if (status == MN_OK) {
        *width = turned(&d) ? d.height : d.width;
        *height = turned(&d) ? d.width : d.height;
    }
    return status;
}

int image_read(struct mn_ctx *ctx, struct image_work *work, const struct source_file *file,
               struct image *out) {
    struct image_decoder d = {.wanted_width = out->width, .wanted_height = out->height};
    const int status = decode(ctx, work, file, &d, out->channels);
    if (status != MN_OK) {
        return status;
    }
    return image_resize(ctx, work, &d.image, out->width > 0 ? out->width : d.image.width,
                        out->height > 0 ? out->height : d.image.height, out);
}

int image_of_user(struct mn_ctx *ctx, const struct image_work *work, const struct source_file *file,
                  int status) {
    char name[512];
    if (status == IMAGE_UNREADABLE) {
        return source_fail(ctx, file, "%s", work->fault);
    }
    if (status == MN_OK && work->unended) {
        source_printable(file->name, strlen(file->name), name, sizeof name);
        mn_log(ctx, MN_LOG_WARN, "%s: the JPEG file lacks its end, but no row of pixels", name);
    }
    return status;
}
