/* SPDX-License-Identifier: MIT */
#include "files.h"

#include "../units/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>
#include <jpeglib.h>
#include <png.h>
#include <webp/decode.h>
#include <webp/encode.h>
#include <zlib.h>

/* ---- images ------------------------------------------------------------------------------- */

static void append(png_structp png, png_bytep data, size_t n) {
    struct blob *blob = png_get_io_ptr(png);
    blob->at = realloc(blob->at, blob->n + n);
    assert_non_null(blob->at);
    memcpy(blob->at + blob->n, data, n);
    blob->n += n;
}

static void set_palette(png_structp png, png_infop info, int depth) {
    png_color colours[256];
    for (int i = 0; i < 256; i++) {
        colours[i].red = (png_byte)(3 * i);
        colours[i].green = (png_byte)(255 - i);
        colours[i].blue = (png_byte)(7 * i);
    }
    png_set_PLTE(png, info, colours, 1 << depth);
}

struct blob blob_png(int width, int height, int colour_type, int depth, int interlaced,
                     const uint8_t *rows) {
    struct blob blob = {NULL, 0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    assert_non_null(info);
    png_set_write_fn(png, &blob, append, NULL);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, colour_type,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colour_type == PNG_COLOR_TYPE_PALETTE) {
        set_palette(png, info, depth);
    }
    png_write_info(png, info);
    const size_t row = png_get_rowbytes(png, info);
    const int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < height; y++) {
            png_write_row(png, rows + (size_t)y * row);
        }
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return blob;
}

struct blob blob_image(int width, int height, int channels, const uint8_t *pixels) {
    return blob_png(width, height, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, 8, 0,
                    pixels);
}

/* What a JPEG is made of. */
struct jpeg_form {
    int channels, progressive, ycck, plain;
};

static struct blob make_jpeg(int width, int height, const struct jpeg_form *form,
                             const uint8_t *pixels) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long n = 0;
    const int channels = form->channels;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &n);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = channels;
    jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    if (form->ycck) {
        jpeg_set_colorspace(&jpeg, JCS_YCCK);
    }
    if (form->plain) {
        jpeg.write_Adobe_marker = FALSE;
    }
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
    if (channels == 4) {
        jpeg.comp_info[3].h_samp_factor = jpeg.comp_info[3].v_samp_factor = 1;
    }
    if (form->progressive) {
        jpeg_simple_progression(&jpeg);
    }
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < height; y++) {
        uint8_t row[8192];
        JSAMPROW rows = row;
        assert_true((size_t)(width * channels) <= sizeof row);
        memcpy(row, pixels + (size_t)(y * width * channels), (size_t)(width * channels));
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (struct blob){out, n};
}

struct blob blob_jpeg(int width, int height, int channels, int progressive, const uint8_t *pixels) {
    const struct jpeg_form form = {.channels = channels, .progressive = progressive};
    return make_jpeg(width, height, &form, pixels);
}

struct blob blob_cmyk(int width, int height, int ycck, int adobe, const uint8_t *inks) {
    const struct jpeg_form form = {.channels = 4, .ycck = ycck, .plain = !adobe};
    return make_jpeg(width, height, &form, inks);
}

struct blob blob_webp(int width, int height, int channels, int quality, const uint8_t *pixels) {
    const int row = channels * width;
    uint8_t *out = NULL;
    size_t n;
    if (channels == 4) {
        n = quality > 0 ? WebPEncodeRGBA(pixels, width, height, row, (float)quality, &out)
                        : WebPEncodeLosslessRGBA(pixels, width, height, row, &out);
    } else {
        n = quality > 0 ? WebPEncodeRGB(pixels, width, height, row, (float)quality, &out)
                        : WebPEncodeLosslessRGB(pixels, width, height, row, &out);
    }
    struct blob blob = {malloc(n), n};
    assert_true(n > 0 && blob.at != NULL);
    memcpy(blob.at, out, n);
    WebPFree(out);
    return blob;
}

/* ---- EXIF --------------------------------------------------------------------------------- */

enum { EXIF_BYTES = 38 };

static void put_number(uint8_t **to, uint32_t value, int n, int big_endian) {
    for (int i = 0; i < n; i++) {
        *(*to)++ = (uint8_t)(value >> 8 * (big_endian ? n - 1 - i : i));
    }
}

/* A directory of two entries: the resolution's unit and the orientation. */
static void put_exif(uint8_t *at, int orientation, int big_endian) {
    const uint32_t entries[2][2] = {{0x0128, 2}, {0x0112, (uint32_t)orientation}};
    uint8_t *to = at;
    memcpy(to, big_endian ? "MM" : "II", 2);
    to += 2;
    put_number(&to, 42, 2, big_endian);
    put_number(&to, 8, 4, big_endian);
    put_number(&to, 2, 2, big_endian);
    for (int i = 0; i < 2; i++) {
        put_number(&to, entries[i][0], 2, big_endian);
        put_number(&to, 3, 2, big_endian);
        put_number(&to, 1, 4, big_endian);
        put_number(&to, entries[i][1], 2, big_endian);
        put_number(&to, 0, 2, big_endian);
    }
    put_number(&to, 0, 4, big_endian);
    assert_int_equal(to - at, EXIF_BYTES);
}

/* `n` bytes of `what` before byte `place` of the blob. */
static struct blob spliced(struct blob blob, size_t place, const uint8_t *what, size_t n) {
    struct blob out = {malloc(blob.n + n), blob.n + n};
    assert_non_null(out.at);
    memcpy(out.at, blob.at, place);
    memcpy(out.at + place, what, n);
    memcpy(out.at + place + n, blob.at + place, blob.n - place);
    blob_free(&blob);
    return out;
}

static struct blob turned_png(struct blob blob, const uint8_t *exif) {
    uint8_t chunk[EXIF_BYTES + 12], *to = chunk;
    put_number(&to, EXIF_BYTES, 4, 1);
    memcpy(to, "eXIf", 4);
    memcpy(to + 4, exif, EXIF_BYTES);
    to += 4 + EXIF_BYTES;
    put_number(&to, (uint32_t)crc32_z(0, chunk + 4, EXIF_BYTES + 4), 4, 1);
    return spliced(blob, 33, chunk, sizeof chunk); /* behind IHDR */
}

static struct blob turned_jpeg(struct blob blob, const uint8_t *exif) {
    uint8_t segment[EXIF_BYTES + 10] = {0xFF, 0xE1, 0, EXIF_BYTES + 8, 'E', 'x', 'i', 'f'};
    memcpy(segment + 10, exif, EXIF_BYTES);
    return spliced(blob, 2, segment, sizeof segment);
}

static void put_size(uint8_t *at, size_t size) {
    put_number(&at, (uint32_t)size, 4, 0);
}

/* The extended form: a header with the shape, the image, the data. */
static struct blob turned_webp(struct blob blob, const uint8_t *exif) {
    enum { EXIF = 8 };
    uint8_t head[18] = {'V', 'P', '8', 'X', 10, 0, 0, 0, EXIF}, tail[EXIF_BYTES + 8] = "EXIF", *to;
    int width, height;
    assert_true(WebPGetInfo(blob.at, blob.n, &width, &height));
    to = head + 12;
    put_number(&to, (uint32_t)width - 1, 3, 0);
    put_number(&to, (uint32_t)height - 1, 3, 0);
    put_size(tail + 4, EXIF_BYTES);
    memcpy(tail + 8, exif, EXIF_BYTES);
    const size_t end = blob.n;
    blob = spliced(spliced(blob, end, tail, sizeof tail), 12, head, sizeof head);
    put_size(blob.at + 4, blob.n - 8);
    return blob;
}

struct blob blob_turned(struct blob blob, int orientation, int big_endian) {
    uint8_t exif[EXIF_BYTES];
    put_exif(exif, orientation, big_endian);
    return blob.at[0] == 0x89   ? turned_png(blob, exif)
           : blob.at[0] == 0xFF ? turned_jpeg(blob, exif)
                                : turned_webp(blob, exif);
}

struct blob blob_text(const char *text) {
    struct blob blob = {malloc(strlen(text) + 1), strlen(text)};
    assert_non_null(blob.at);
    memcpy(blob.at, text, blob.n + 1);
    return blob;
}

void blob_free(struct blob *blob) {
    free(blob->at);
    *blob = (struct blob){NULL, 0};
}

/* ---- trees and archives ------------------------------------------------------------------- */

void files_add(struct files *files, const char *name, struct blob blob) {
    if (files->n == files->room) {
        files->room = 2 * files->room + 16;
        files->at = realloc(files->at, (size_t)files->room * sizeof *files->at);
        assert_non_null(files->at);
    }
    assert_true(strlen(name) < sizeof files->at->name);
    strcpy(files->at[files->n].name, name);
    files->at[files->n++].blob = blob;
}

void files_free(struct files *files) {
    for (int i = 0; i < files->n; i++) {
        blob_free(&files->at[i].blob);
    }
    free(files->at);
    *files = (struct files){0};
}

static void make_parents(char *path) {
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0755);
        *at = '/';
    }
}

void files_tree(const struct files *files, const char *root, const char *prefix) {
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/", root, prefix);
    make_parents(path);
    for (int i = 0; i < files->n; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", root, prefix, files->at[i].name);
        make_parents(path);
        file_put(path, files->at[i].blob.at, files->at[i].blob.n);
    }
}

void files_zip(const struct files *files, const char *path, const char *prefix,
               const char *options) {
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
    assert_int_equal(archive_write_set_options(a, options), ARCHIVE_OK);
    assert_int_equal(archive_write_set_bytes_in_last_block(a, 1), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (int i = 0; i < files->n; i++) {
        char name[256];
        struct archive_entry *entry = archive_entry_new();
        snprintf(name, sizeof name, "%s%s", prefix, files->at[i].name);
        archive_entry_set_pathname(entry, name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)files->at[i].blob.n);
        assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, files->at[i].blob.at, files->at[i].blob.n),
                         files->at[i].blob.n);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}
