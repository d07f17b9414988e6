/* SPDX-License-Identifier: MIT */
#ifndef PLUGINS_IMAGING_SOURCE_H
#define PLUGINS_IMAGING_SOURCE_H

/* The image files (SOURCE_ENDINGS) of a folder tree or of a zip archive: first all their names,
 * then the bytes of one after the other. Hidden files and what operating systems put beside
 * (__MACOSX, Thumbs.db) are passed over; everything else that is left out is noted. */

#include <metanas/plugin.h>

#define SOURCE_ENDINGS ".png, .jpg, .jpeg, .webp"

enum {
    SOURCE_FILE_MOST = 256 << 20, /* bytes of a file */
    SOURCE_DEPTH_MOST = 8         /* folders inside each other */
};
/* Image files are packed already. What unpacks to more than this times the archive, and more than
 * SOURCE_UNPACKED, was made to fill the memory. */
enum { SOURCE_RATIO_MOST = 100, SOURCE_UNPACKED = 64 << 20 };

struct source_file {
    const char *name; /* relative to the source, with '/' */
    const char *path; /* of the source, "" = none */
    int in_zip;
    const uint8_t *bytes; /* NULL in a list */
    size_t size;
};

/* Files with something in common, and the names of the first. */
struct noted {
    int64_t n;
    char names[768];
};

struct source {
    int64_t n;
    struct source_file *files; /* in order of their names */
    const char *path;
    int in_zip;
    struct noted other_endings, empty_folders, unreadable, unended;
};

/* mn_scratch or mn_keep */
typedef void *(*source_memory)(struct mn_ctx *ctx, size_t bytes);

/* List the image files of `path`, which must stay valid as long as `out`; at least one, or it is an
 * error. Their size is what the folder or the archive tells. [setup] MN_IO, MN_NOMEM, MN_CANCELLED.
 */
int source_list(struct mn_ctx *ctx, const char *path, source_memory memory, struct source *out);
/* The same of a single file, whatever its name. */
int source_list_file(struct mn_ctx *ctx, const char *path, source_memory memory,
                     struct source *out);

/* Read every file of the list, in any order, and give it to `take` with its place in the list. Its
 * bytes are valid until take returns; where they cannot be read they are NULL and `fault` says why.
 * A status of take other than MN_OK ends it. [setup] MN_IO, MN_NOMEM, MN_CANCELLED. */
typedef int (*source_take)(void *data, struct mn_ctx *ctx, int64_t i,
                           const struct source_file *file, const char *fault);
int source_each(struct mn_ctx *ctx, const struct source *source, source_take take, void *data);

/* Write a warning line for each kind of what was noted. */
void source_say(struct mn_ctx *ctx, const struct source *source);

/* Note a file; `why` is put in parentheses, or NULL. */
void noted_add(struct noted *noted, const char *name, const char *why);

/* A picture of a user's own as a file of no source. */
static inline struct source_file source_picture(const struct mn_picture *picture) {
    return (struct source_file){picture->name, "", 0, picture->bytes, (size_t)picture->n_bytes};
}

/* Fail with MN_IO, naming the file before the message. */
MN_PRINTF(3, 4)
int source_fail(struct mn_ctx *ctx, const struct source_file *file, const char *format, ...);

/* A name for people, in one line: control characters and what is not UTF-8 become %XX. As snprintf.
 */
size_t source_printable(const char *name, size_t length, char *out, size_t size);

/* Memory that grows with need and serves one file after the other. */
struct room {
    void *at;
    size_t bytes;
};
/* At least that many bytes; what was in it is lost. NULL as of mn_scratch. */
void *room_need(struct mn_ctx *ctx, struct room *room, size_t bytes);

/* ---- for archive.c and tree.c ------------------------------------------------------------- */

struct source_reader {
    struct mn_ctx *ctx;
    struct source *source;
    source_memory memory;
    uint64_t archive_bytes, bytes; /* of the archive; of all files */
    char *chunk;                   /* where the next name goes */
    size_t chunk_left;
    struct source_found *found;
    int64_t n;
    struct source_found *folders; /* of an archive */
    int64_t n_folders;
};

/* Whether something is passed over in silence; whether a name is one of an image file. */
int source_ignores(const char *name);
int source_is_image(const char *name);

/* Enter a file, or a folder of an archive. */
int source_enter(struct source_reader *reader, const char *name, uint64_t size);
int source_enter_folder(struct source_reader *reader, const char *name);

/* MN_CANCELLED with a message once the user asked to stop. */
int source_stopped(struct mn_ctx *ctx, const char *path);

int source_list_zip(struct source_reader *reader);
int source_each_zip(struct mn_ctx *ctx, const struct source *source, source_take take, void *data);
int source_list_tree(struct source_reader *reader);
int source_each_tree(struct mn_ctx *ctx, const struct source *source, source_take take, void *data);

#endif
