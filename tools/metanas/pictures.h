/* SPDX-License-Identifier: MIT */
#ifndef METANAS_PICTURES_H
#define METANAS_PICTURES_H

/* A person's own pictures: class folders to learn from, pictures to tell apart. */

#include "base/cx.h"
#include "metanas/dataset.h"

struct picture_file {
    const char *name; /* path, for people */
    int32_t label;    /* class of its folder, -1 = unknown */
    const uint8_t *bytes;
    int64_t n_bytes;
};

struct pictures {
    int64_t n;
    struct picture_file *files;
};

struct class_names {
    int32_t n;
    const char **at; /* in the order of their names: the labels */
};

/* All pictures (.png, .jpg, .jpeg) of DIR/CLASS/.., a folder or zip archive, read whole, in cx's
 * scratch. MN_IO for a class folder without pictures and for a picture outside of class folders. */
int pictures_support(struct mn_cx *cx, const char *dir, struct pictures *out,
                     struct class_names *classes);

/* Pictures of files and folders, in the order given, in cx's scratch; those of a folder named like
 * a class get its label. */
int pictures_query(struct mn_cx *cx, const char *const *paths, const struct class_names *classes,
                   struct pictures *out);

/* Prepare them by the data set's `picture` as images[n][channels][height][width] with labels[n]
 * (unknown ones are 0), in cx's scratch. */
struct mn__experiment;
int pictures_prepare(struct mn_cx *cx, const struct mn__experiment *experiment,
                     const struct pictures *pictures, struct mn_set *out);

#endif
