/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_IMAGING_SOURCE_H
#define PLUGINS_IMAGING_SOURCE_H

/* The image files (.png, .jpg, .jpeg) of a folder tree or of a zip archive, read whole. Others, and
 * those with a hidden folder or __MACOSX on their way, are passed over. */

#include <metanas/plugin.h>

enum {
    SOURCE_FILE_MOST = 16 << 20, /* bytes of a file */
    SOURCE_DEPTH_MOST = 8        /* folders inside each other */
};
#define SOURCE_BYTES_MOST ((uint64_t)8 << 30) /* of all files together */
/* Image files are packed already. What unpacks to more than this times the archive, and more than
 * SOURCE_UNPACKED, was made to fill the memory. */
enum { SOURCE_RATIO_MOST = 100, SOURCE_UNPACKED = 64 << 20 };

struct source_file {
    const char *name; /* relative to the source, with '/' */
    const char *path; /* of the source */
    int in_zip;
    const uint8_t *bytes;
    size_t size;
};

struct source {
    int64_t n;
    struct source_file *files; /* in order of their names */
};

/* mn_scratch or mn_keep */
typedef void *(*source_memory)(struct mn_cx *cx, size_t bytes);

/* Read all image files of `path`, which must stay valid as long as `out`; at least one, or it is an
 * error. [setup] MN_IO, MN_NOMEM, MN_CANCELLED. */
int source_read(struct mn_cx *cx, const char *path, source_memory memory, struct source *out);

/* A picture of a user's own as a file of no source. */
static inline struct source_file source_picture(const struct mn_picture *picture) {
    return (struct source_file){picture->name, "", 0, picture->bytes, (size_t)picture->n_bytes};
}

/* Fail with MN_IO, naming the file before the message. */
MN_PRINTF(3, 4)
int source_fail(struct mn_cx *cx, const struct source_file *file, const char *format, ...);

/* ---- for archive.c and tree.c ------------------------------------------------------------- */

struct source_reader {
    struct mn_cx *cx;
    const char *path;
    int in_zip;
    uint64_t size; /* of the archive */
    source_memory memory;
    struct source_found *found;
    int64_t n;
    uint64_t bytes;
};

/* Whether a name is one of an image file to read. */
int source_wants(const char *name);

/* Room for a file of that size, entered among those found; its bytes are still to be read. */
int source_enter(struct source_reader *reader, const char *name, uint64_t size, uint8_t **bytes);

int source_read_zip(struct source_reader *reader);
int source_read_tree(struct source_reader *reader);

#endif
