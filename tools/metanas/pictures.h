/* SPDX-License-Identifier: MIT */
#ifndef METANAS_PICTURES_H
#define METANAS_PICTURES_H

/* A person's own pictures: class folders to learn from, pictures to tell apart. */

#include "base/ctx.h"
#include "metanas/dataset.h"

struct picture_file {
    const char *name; /* path, for people */
    int32_t label;    /* class of its folder, -1 = unknown */
};

struct source;

struct pictures {
    int64_t n;
    struct picture_file *files; /* those of a source follow each other */
    int64_t unreadable;         /* that pictures_prepare has left out */
    int n_sources;
    struct source *sources; /* folders, archives and single files */
};

struct class_names {
    int32_t n;
    const char **at;      /* for people, in the order of their folders: the labels */
    const char **folders; /* the names of these */
};

/* List all pictures of DIR/CLASS/.., a folder or zip archive, in ctx's scratch. MN_IO for a class
 * folder without pictures and for a picture outside of class folders. */
int pictures_support(struct mn_ctx *ctx, const char *dir, struct pictures *out,
                     struct class_names *classes);

/* List the pictures of files, folders and archives, in the order given, in ctx's scratch; those of
 * a folder named like a class get its label. */
int pictures_query(struct mn_ctx *ctx, const char *const *paths, const struct class_names *classes,
                   struct pictures *out);

/* Read them one after the other and prepare them by the data set's `picture` as
 * images[n][channels][height][width] with labels[n] (unknown ones are 0), in ctx's scratch. Those
 * that cannot be read are told of by a warning each, and leave the list. MN_IO where none is left.
 */
struct nas_experiment;
int pictures_prepare(struct mn_ctx *ctx, const struct nas_experiment *experiment,
                     struct pictures *pictures, struct mn_set *out);

#endif
