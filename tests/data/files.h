/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DATA_FILES_H
#define TESTS_DATA_FILES_H

/* Images, folder trees and archives made for a test. */

#include "../support/folder.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of a file; at is malloc'ed. */
struct blob {
    uint8_t *at;
    size_t n;
};

/* A PNG of this libpng colour type and depth; rows are bytes as in the file. A palette image gets
 * the colours (3i, 255-i, 7i mod 256). */
struct blob blob_png(int width, int height, int colour_type, int depth, int interlaced,
                     const uint8_t *rows);
/* An 8-bit gray (channels = 1) or RGB (3) PNG. */
struct blob blob_image(int width, int height, int channels, const uint8_t *pixels);
/* A JPEG of quality 100 without colour subsampling; channels 1, 3, or 4 (CMYK). */
struct blob blob_jpeg(int width, int height, int channels, int progressive, const uint8_t *pixels);
/* A CMYK JPEG, the inks as they are stored; as YCCK, without the mark of Adobe's programs. */
struct blob blob_cmyk(int width, int height, int ycck, int adobe, const uint8_t *inks);
/* A WebP of RGB (channels = 3) or RGBA (4); quality 0 = lossless, else 1 to 100. */
struct blob blob_webp(int width, int height, int channels, int quality, const uint8_t *pixels);
/* The same PNG, JPEG or WebP with an orientation in EXIF data of either byte order. Takes the blob.
 */
struct blob blob_turned(struct blob blob, int orientation, int big_endian);
struct blob blob_text(const char *text);
void blob_free(struct blob *blob);

/* Files with names and contents, to be written as a tree or as an archive. */
struct files {
    int n, room;
    struct {
        char name[128];
        struct blob blob;
    } * at;
};

/* Takes the blob. */
void files_add(struct files *files, const char *name, struct blob blob);
void files_free(struct files *files);
/* Under `root`/`prefix`, which is made. */
void files_tree(const struct files *files, const char *root, const char *prefix);
/* The archive `path` with names prefix + name; options as in archive_write_set_options or NULL. */
void files_zip(const struct files *files, const char *path, const char *prefix,
               const char *options);

#endif
