/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct source_found {
    struct source_file file;
    struct source_found *next;
};

int source_fail(struct mn_cx *cx, const struct source_file *file, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *between = file->path[0] == '\0' ? "" : file->in_zip ? ": " : "/";
    return mn_fail(cx, MN_IO, "%s%s%s: %s", file->path, between, file->name, text);
}

static int is_image(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

int source_wants(const char *name) {
    for (const char *at = name; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        if (*at == '.' || strncmp(at, "__MACOSX/", 9) == 0) {
            return 0;
        }
    }
    return is_image(name);
}

static int check_sum(const struct source_reader *reader, uint64_t sum) {
    if (sum > SOURCE_BYTES_MOST) {
        return mn_fail(reader->cx, MN_IO, "%s: the image files have more than %llu bytes together",
                       reader->path, (unsigned long long)SOURCE_BYTES_MOST);
    }
    if (reader->in_zip && sum > SOURCE_UNPACKED && sum / SOURCE_RATIO_MOST > reader->size) {
        return mn_fail(reader->cx, MN_IO,
                       "%s: an archive of %llu bytes with %llu bytes and more in it, which image "
                       "files do not pack to",
                       reader->path, (unsigned long long)reader->size, (unsigned long long)sum);
    }
    return MN_OK;
}

int source_enter(struct source_reader *reader, const char *name, uint64_t size, uint8_t **bytes) {
    struct mn_cx *cx = reader->cx;
    const struct source_file named = {name, reader->path, reader->in_zip, NULL, 0};
    if (mn_cancelled(cx)) {
        return mn_fail(cx, MN_CANCELLED, "stopped while reading %s", reader->path);
    }
    if (size > SOURCE_FILE_MOST) {
        return source_fail(cx, &named, "the file has %llu bytes; the most is %d",
                           (unsigned long long)size, (int)SOURCE_FILE_MOST);
    }
    const int status = check_sum(reader, reader->bytes + size);
    if (status != MN_OK) {
        return status;
    }
    const size_t length = strlen(name) + 1;
    struct source_found *found = mn_scratch(cx, sizeof *found);
    char *text = reader->memory(cx, length);
    *bytes = reader->memory(cx, (size_t)size);
    if (found == NULL || text == NULL || *bytes == NULL) {
        return MN_NOMEM;
    }
    memcpy(text, name, length);
    found->file = named;
    found->file.name = text;
    found->file.bytes = *bytes;
    found->file.size = (size_t)size;
    found->next = reader->found;
    reader->found = found;
    reader->n++;
    reader->bytes += size;
    return MN_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct source_file *)a)->name, ((const struct source_file *)b)->name);
}

static int sort(const struct source_reader *reader, struct source *out) {
    struct source_file *files = reader->memory(reader->cx, (size_t)reader->n * sizeof *files);
    if (files == NULL) {
        return MN_NOMEM;
    }
    int64_t n = 0;
    for (const struct source_found *at = reader->found; at != NULL; at = at->next) {
        files[n++] = at->file;
    }
    qsort(files, (size_t)n, sizeof *files, by_name);
    for (int64_t i = 1; i < n; i++) {
        if (by_name(&files[i - 1], &files[i]) == 0) {
            return source_fail(reader->cx, &files[i], "the archive holds two files of this name");
        }
    }
    *out = (struct source){n, files};
    return MN_OK;
}

int source_read(struct mn_cx *cx, const char *path, source_memory memory, struct source *out) {
    struct stat about;
    struct source_reader reader = {.cx = cx, .path = path, .memory = memory};
    if (stat(path, &about) != 0) {
        return mn_fail(cx, MN_IO, "%s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(about.st_mode) && !S_ISREG(about.st_mode)) {
        return mn_fail(cx, MN_IO, "%s: neither a folder nor a zip archive", path);
    }
    reader.in_zip = S_ISREG(about.st_mode);
    reader.size = (uint64_t)about.st_size;
    const int status = reader.in_zip ? source_read_zip(&reader) : source_read_tree(&reader);
    if (status != MN_OK) {
        return status;
    }
    if (reader.n == 0) {
        return mn_fail(cx, MN_IO, "%s: no image file (.png, .jpg, .jpeg) in this %s", path,
                       reader.in_zip ? "archive" : "folder");
    }
    return sort(&reader, out);
}
