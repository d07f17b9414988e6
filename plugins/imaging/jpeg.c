/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* An honest progressive file has about ten; each costs a walk over the whole image. */
enum { SCANS_MOST = 200 };

/* All that changes after setjmp lives in here, not in locals. */
struct state {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
};

static void give_up(struct image_decoder *d, const char *text) {
    struct state *s = d->state;
    snprintf(d->fault, sizeof d->fault, "%s", text);
    longjmp(s->failed, 1);
}

static void on_error(j_common_ptr jpeg) {
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    give_up(jpeg->client_data, text);
}

/* libjpeg goes on with gray where data is missing; here that is an error. Bytes between the
 * segments and odd headers harm nothing and are common. */
static void on_message(j_common_ptr jpeg, int level) {
    const int code = jpeg->err->msg_code;
    const int harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
                         code == JWRN_JFIF_MAJOR || code == JWRN_TOO_MUCH_DATA;
    if (level < 0 && !harmless) {
        on_error(jpeg);
    }
}

static void on_output(j_common_ptr jpeg) {
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg) {
    struct image_decoder *d = jpeg->client_data;
    const struct state *s = d->state;
    if (s->jpeg.input_scan_number > SCANS_MOST) {
        give_up(d, "it has too many scans");
    }
}

static void set_form(struct image_decoder *d) {
    struct state *s = d->state;
    const J_COLOR_SPACE from = s->jpeg.jpeg_color_space;
    if (from != JCS_GRAYSCALE && from != JCS_YCbCr && from != JCS_RGB) {
        give_up(d, "only gray and RGB images are read, not CMYK and others");
    }
    s->jpeg.out_color_space = from == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    d->image.width = (int32_t)s->jpeg.image_width;
    d->image.height = (int32_t)s->jpeg.image_height;
    d->image.channels = from == JCS_GRAYSCALE ? 1 : 3;
}

static int begin(struct image_decoder *d) {
    struct state *s = d->state;
    s->jpeg.err = jpeg_std_error(&s->errors);
    s->errors.error_exit = on_error;
    s->errors.emit_message = on_message;
    s->errors.output_message = on_output;
    s->jpeg.client_data = d;
    if (setjmp(s->failed) != 0) {
        return 0;
    }
    jpeg_create_decompress(&s->jpeg);
    s->progress.progress_monitor = on_progress;
    s->jpeg.progress = &s->progress;
    jpeg_mem_src(&s->jpeg, d->bytes, d->size);
    jpeg_read_header(&s->jpeg, TRUE);
    set_form(d);
    return 1;
}

static int pixels(struct image_decoder *d) {
    struct state *s = d->state;
    const size_t row = (size_t)d->image.width * (size_t)d->image.channels;
    if (setjmp(s->failed) != 0) {
        return 0;
    }
    jpeg_start_decompress(&s->jpeg);
    while (s->jpeg.output_scanline < s->jpeg.output_height) {
        JSAMPROW to = d->image.pixels + (size_t)s->jpeg.output_scanline * row;
        jpeg_read_scanlines(&s->jpeg, &to, 1);
    }
    jpeg_finish_decompress(&s->jpeg);
    return 1;
}

static void end(struct image_decoder *d) {
    struct state *s = d->state;
    jpeg_destroy_decompress(&s->jpeg);
}

const struct image_format image_jpeg = {"JPEG", sizeof(struct state), begin, pixels, end};
