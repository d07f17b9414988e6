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

static const char truncated[] = "it ends too early: truncated";

static void on_error(j_common_ptr jpeg) {
    struct image_decoder *d = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    give_up(d, d->unended ? truncated : text);
}

/* libjpeg goes on with gray where data is missing; here that is an error. Bytes between the
 * segments and odd headers harm nothing and are common. Of a missing end `pixels` decides. */
static void on_message(j_common_ptr jpeg, int level) {
    struct image_decoder *d = jpeg->client_data;
    const int code = jpeg->err->msg_code;
    if (code == JWRN_JPEG_EOF) {
        d->unended = 1;
        return;
    }
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
    if (mn_cancelled(d->ctx)) {
        give_up(d, "stopped");
    }
}

/* An eighth, a quarter or half of the size, which spares most of the work, as long as each side
 * stays some times that wanted: then resizing decides how the image looks. */
static void set_scale(struct image_decoder *d) {
    enum { EIGHTHS = 8, MORE = 8 };
    struct state *s = d->state;
    const int turned = d->orientation >= 5;
    const int64_t width = turned ? d->wanted_height : d->wanted_width;
    const int64_t height = turned ? d->wanted_width : d->wanted_height;
    s->jpeg.scale_num = s->jpeg.scale_denom = EIGHTHS;
    for (unsigned n = 1; width > 0 && height > 0 && n < EIGHTHS; n *= 2) {
        if (d->width * (int64_t)n >= MORE * EIGHTHS * width &&
            d->height * (int64_t)n >= MORE * EIGHTHS * height) {
            s->jpeg.scale_num = n;
            break;
        }
    }
    jpeg_calc_output_dimensions(&s->jpeg);
    d->image.width = (int32_t)s->jpeg.output_width;
    d->image.height = (int32_t)s->jpeg.output_height;
}

static void set_form(struct image_decoder *d) {
    struct state *s = d->state;
    const J_COLOR_SPACE from = s->jpeg.jpeg_color_space;
    switch (from) {
    case JCS_GRAYSCALE:
        s->jpeg.out_color_space = JCS_GRAYSCALE;
        break;
    case JCS_YCbCr:
    case JCS_RGB:
        s->jpeg.out_color_space = JCS_RGB;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        s->jpeg.out_color_space = JCS_CMYK;
        break;
    default:
        give_up(d, "its colours are neither gray, nor RGB, nor CMYK");
    }
    d->depth = d->image.channels = from == JCS_GRAYSCALE ? 1 : 3;
}

static void find_orientation(struct image_decoder *d) {
    const struct state *s = d->state;
    for (jpeg_saved_marker_ptr at = s->jpeg.marker_list; at != NULL; at = at->next) {
        if (at->data_length >= 6 && memcmp(at->data, "Exif\0", 6) == 0) {
            d->orientation = exif_orientation(at->data, at->data_length);
            return;
        }
    }
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
    jpeg_save_markers(&s->jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&s->jpeg, TRUE);
    d->width = (int32_t)s->jpeg.image_width;
    d->height = (int32_t)s->jpeg.image_height;
    set_form(d);
    find_orientation(d);
    set_scale(d);
    return 1;
}

/* Inks to light, as they print on white. Adobe's programs store how much ink is not there. */
static void put_inks(const struct state *s, const uint8_t *inks, size_t n, uint8_t *out) {
    const unsigned flip = s->jpeg.saw_Adobe_marker ? 0 : 255;
    for (size_t i = 0; i < n; i++) {
        const unsigned black = inks[4 * i + 3] ^ flip;
        for (size_t c = 0; c < 3; c++) {
            *out++ = (uint8_t)(((inks[4 * i + c] ^ flip) * black + 127) / 255);
        }
    }
}

/* Whether what was read before the file ended is all there is. The decoder complains of missing
 * data by itself, but not of missing scans; nor does it in arithmetic coding. */
static int is_whole(struct state *s) {
    const struct jpeg_decompress_struct *jpeg = &s->jpeg;
    if (!jpeg->progressive_mode) {
        return !jpeg_has_multiple_scans(&s->jpeg) && !jpeg->arith_code;
    }
    for (int c = 0; c < jpeg->num_components; c++) {
        for (int i = 0; i < DCTSIZE2; i++) {
            if (jpeg->coef_bits[c][i] != 0) { /* bits of this coefficient that are still to come */
                return 0;
            }
        }
    }
    return 1;
}

static int pixels(struct image_decoder *d) {
    struct state *s = d->state;
    const size_t row = (size_t)d->image.width * (size_t)d->image.channels;
    if (setjmp(s->failed) != 0) {
        return 0;
    }
    jpeg_start_decompress(&s->jpeg);
    const int inks = s->jpeg.out_color_space == JCS_CMYK;
    JSAMPARRAY line = s->jpeg.mem->alloc_sarray((j_common_ptr)&s->jpeg, JPOOL_IMAGE,
                                                inks ? s->jpeg.output_width * 4 : 1, 1);
    while (s->jpeg.output_scanline < s->jpeg.output_height) {
        JSAMPROW to = d->image.pixels + (size_t)s->jpeg.output_scanline * row;
        jpeg_read_scanlines(&s->jpeg, inks ? line : &to, 1);
        if (inks) {
            put_inks(s, line[0], s->jpeg.output_width, to);
        }
    }
    const int whole = is_whole(s);
    jpeg_finish_decompress(&s->jpeg);
    if (d->unended && !whole) {
        give_up(d, truncated);
    }
    return 1;
}

static void end(struct image_decoder *d) {
    struct state *s = d->state;
    jpeg_destroy_decompress(&s->jpeg);
}

const struct image_format image_jpeg = {"JPEG", sizeof(struct state), begin, pixels, end};
