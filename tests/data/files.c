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

struct blob blob_jpeg(int width, int height, int channels, int progressive, const uint8_t *pixels) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long n = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &n);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = channels;
    jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
    if (progressive) {
        jpeg_simple_progression(&jpeg);
    }
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < height; y++) {
        uint8_t row[4096];
        JSAMPROW rows = row;
        memcpy(row, pixels + (size_t)(y * width * channels), (size_t)(width * channels));
        jpeg_write_scanlines(&jpeg, &rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return (struct blob){out, n};
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
