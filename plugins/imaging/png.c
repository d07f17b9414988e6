/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* All that changes after setjmp lives in here, not in locals. */
struct state {
    png_structp png;
    png_infop info;
    size_t read;
    jmp_buf failed;
};

static struct state *state_of(struct image_decoder *d) {
    return d->state;
}

static void on_error(png_structp png, png_const_charp text) {
    struct image_decoder *d = png_get_error_ptr(png);
    snprintf(d->fault, sizeof d->fault, "%s", text);
    longjmp(state_of(d)->failed, 1);
}

/* Warnings are about chunks that do not touch the pixels. */
static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep out, size_t n) {
    struct image_decoder *d = png_get_io_ptr(png);
    struct state *s = d->state;
    if (n > d->size - s->read) {
        png_error(png, "it ends too early: truncated");
    }
    memcpy(out, d->bytes + s->read, n);
    s->read += n;
}

static int begin(struct image_decoder *d) {
    struct state *s = d->state;
    if (setjmp(s->failed) != 0) {
        return 0;
    }
    s->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    s->info = s->png != NULL ? png_create_info_struct(s->png) : NULL;
    if (s->info == NULL) {
        snprintf(d->fault, sizeof d->fault, "no memory to read it");
        return 0;
    }
    png_set_read_fn(s->png, d, on_read);
    png_read_info(s->png, s->info);
    d->width = d->image.width = (int32_t)png_get_image_width(s->png, s->info);
    d->height = d->image.height = (int32_t)png_get_image_height(s->png, s->info);
    d->depth = d->image.channels =
        (png_get_color_type(s->png, s->info) & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1;
    png_bytep exif;
    png_uint_32 n;
    if (png_get_eXIf_1(s->png, s->info, &n, &exif) != 0) {
        d->orientation = exif_orientation(exif, n);
    }
    return 1;
}

/* What is transparent is on white, as on the screen of a drawing program. */
static void ask_for_bytes(struct state *s) {
    const png_uint_16 full = png_get_bit_depth(s->png, s->info) == 16 ? 65535 : 255;
    const png_color_16 white = {.red = full, .green = full, .blue = full, .gray = full};
    png_set_palette_to_rgb(s->png);
    png_set_expand_gray_1_2_4_to_8(s->png);
    png_set_tRNS_to_alpha(s->png);
    png_set_background_fixed(s->png, &white, PNG_BACKGROUND_GAMMA_SCREEN, 0, PNG_FP_1);
    png_set_scale_16(s->png);
    png_set_strip_alpha(s->png);
}

static int pixels(struct image_decoder *d) {
    struct state *s = d->state;
    const size_t row = (size_t)d->image.width * (size_t)d->image.channels;
    if (setjmp(s->failed) != 0) {
        return 0;
    }
    ask_for_bytes(s);
    const int passes = png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    if (png_get_rowbytes(s->png, s->info) != row) {
        png_error(s->png, "the form of its pixels is not known");
    }
    for (int pass = 0; pass < passes; pass++) {
        for (int32_t y = 0; y < d->image.height; y++) {
            if (y % 256 == 0 && mn_cancelled(d->ctx)) {
                return 0;
            }
            png_read_row(s->png, d->image.pixels + (size_t)y * row, NULL);
        }
    }
    png_read_end(s->png, NULL);
    return 1;
}

static void end(struct image_decoder *d) {
    struct state *s = d->state;
    png_destroy_read_struct(&s->png, &s->info, NULL);
}

const struct image_format image_png = {"PNG", sizeof(struct state), begin, pixels, end};
