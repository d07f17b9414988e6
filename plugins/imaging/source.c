/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct source_found {
    struct source_found *next;
    uint64_t size;
    char name[];
};

/* ---- names -------------------------------------------------------------------------------- */

/* Bytes of the character at `at` if it is UTF-8 and no control character, otherwise 0. */
static size_t character(const uint8_t *at, size_t left) {
    static const struct {
        uint8_t mask, lead, first_low, first_high;
    } forms[] = {{0xE0, 0xC0, 0x80, 0xBF}, {0xF0, 0xE0, 0x80, 0xBF}, {0xF8, 0xF0, 0x80, 0xBF}};
    if (at[0] < 0x80) {
        return at[0] >= 32 && at[0] != 127;
    }
    for (size_t n = 2; n <= 4; n++) {
        if ((at[0] & forms[n - 2].mask) != forms[n - 2].lead || left < n) {
            continue;
        }
        uint32_t code = at[0] & (uint8_t)~forms[n - 2].mask;
        for (size_t i = 1; i < n; i++) {
            if ((at[i] & 0xC0) != 0x80) {
                return 0;
            }
            code = code << 6 | (at[i] & 0x3F);
        }
        static const uint32_t least[] = {0xA0, 0x800, 0x10000}; /* below A0 are controls */
        return code >= least[n - 2] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF) ? n : 0;
    }
    return 0;
}

size_t source_printable(const char *name, size_t length, char *out, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < length;) {
        const size_t n = character((const uint8_t *)name + i, length - i);
        char text[8];
        if (n > 0) {
            memcpy(text, name + i, n);
            text[n] = '\0';
        } else {
            snprintf(text, sizeof text, "%%%02X", (unsigned)(uint8_t)name[i]);
        }
        const size_t m = strlen(text);
        if (used + m < size) {
            memcpy(out + used, text, m + 1);
        } else if (used < size) {
            out[used] = '\0';
            size = used + 1; /* nothing follows what was cut off */
        }
        used += m;
        i += n > 0 ? n : 1;
    }
    if (length == 0 && size > 0) {
        out[0] = '\0';
    }
    return used;
}

int source_fail(struct mn_ctx *ctx, const struct source_file *file, const char *format, ...) {
    char text[512], name[512], path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    source_printable(file->name, strlen(file->name), name, sizeof name);
    source_printable(file->path, strlen(file->path), path, sizeof path);
    const char *between = file->path[0] == '\0' ? "" : file->in_zip ? ": " : "/";
    return mn_fail(ctx, MN_IO, "%s%s%s: %s", path, between, name, text);
}

int source_is_image(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Hidden files and folders, and what macOS, Windows and network storage add to a folder. */
static int ignores_part(const char *part, size_t n) {
    static const char *const names[] = {"__MACOSX",    "Thumbs.db",    "ehthumbs.db",
                                        "desktop.ini", "Icon\r",       "@eaDir",
                                        "lost+found",  "$RECYCLE.BIN", "System Volume Information"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == n && strncasecmp(names[i], part, n) == 0) {
            return 1;
        }
    }
    return part[0] == '.' && n > 1 && part[1] != '.';
}

int source_ignores(const char *name) {
    for (const char *at = name; at != NULL && *at != '\0'; at = strchr(at, '/')) {
        at += *at == '/';
        if (ignores_part(at, strcspn(at, "/"))) {
            return 1;
        }
    }
    return 0;
}

/* ---- notes -------------------------------------------------------------------------------- */

void noted_add(struct noted *noted, const char *name, const char *why) {
    enum { NAMES = 3 };
    const size_t used = strlen(noted->names);
    char text[256], shown[160];
    if (noted->n++ >= NAMES) {
        return;
    }
    source_printable(name, strlen(name), shown, sizeof shown);
    snprintf(text, sizeof text, "%s%s%s%.70s%s", used > 0 ? ", " : "", shown,
             why != NULL ? " (" : "", why != NULL ? why : "", why != NULL ? ")" : "");
    snprintf(noted->names + used, sizeof noted->names - used, "%s", text);
}

static void say(struct mn_ctx *ctx, const struct source *source, const struct noted *noted,
                const char *one, const char *many) {
    char path[512];
    if (noted->n > 0) {
        source_printable(source->path, strlen(source->path), path, sizeof path);
        mn_log(ctx, MN_LOG_WARN, "%s%s%lld %s: %s%s", path, path[0] != '\0' ? ": " : "",
               (long long)noted->n, noted->n == 1 ? one : many, noted->names,
               noted->n > 3 ? ", .." : "");
    }
}

void source_say(struct mn_ctx *ctx, const struct source *source) {
    say(ctx, source, &source->other_endings,
        "file is left out, its name does not end in " SOURCE_ENDINGS,
        "files are left out, their names do not end in " SOURCE_ENDINGS);
    say(ctx, source, &source->empty_folders, "folder without an image is left out",
        "folders without an image are left out");
    say(ctx, source, &source->unreadable, "file is left out, it cannot be read",
        "files are left out, they cannot be read");
    say(ctx, source, &source->unended,
        "JPEG file lacks its end, but no row of pixels, and is taken",
        "JPEG files lack their end, but no row of pixels, and are taken");
}

/* ---- lists -------------------------------------------------------------------------------- */

int source_stopped(struct mn_ctx *ctx, const char *path) {
    return mn_cancelled(ctx) ? mn_fail(ctx, MN_CANCELLED, "stopped while reading %s", path) : MN_OK;
}

void *room_need(struct mn_ctx *ctx, struct room *room, size_t bytes) {
    if (bytes > room->bytes || room->at == NULL) {
        /* Half more than before, so that what earlier rooms took stays in proportion. */
        const size_t more = room->bytes + room->bytes / 2;
        room->bytes = bytes > more ? bytes : more;
        room->at = mn_scratch(ctx, room->bytes);
        room->bytes = room->at != NULL ? room->bytes : 0;
    }
    return room->at;
}

/* Small pieces of the reader's memory, which gives large ones. */
static void *take_chunk(struct source_reader *reader, size_t bytes) {
    enum { CHUNK = 1 << 16 };
    bytes = (bytes + 15) / 16 * 16;
    if (bytes > reader->chunk_left) {
        const size_t size = bytes > CHUNK ? bytes : CHUNK;
        reader->chunk = reader->memory(reader->ctx, size);
        reader->chunk_left = reader->chunk != NULL ? size : 0;
    }
    if (reader->chunk == NULL) {
        return NULL;
    }
    void *at = reader->chunk;
    reader->chunk += bytes;
    reader->chunk_left -= bytes;
    return at;
}

static int enter(struct source_reader *reader, const char *name, uint64_t size,
                 struct source_found **list) {
    const size_t length = strlen(name) + 1;
    struct source_found *found = take_chunk(reader, sizeof *found + length);
    if (found == NULL) {
        return MN_NOMEM;
    }
    *found = (struct source_found){*list, size};
    memcpy(found->name, name, length);
    *list = found;
    return MN_OK;
}

int source_enter_folder(struct source_reader *reader, const char *name) {
    reader->n_folders++;
    return enter(reader, name, 0, &reader->folders);
}

static int check_ratio(const struct source_reader *reader, uint64_t sum) {
    if (reader->source->in_zip && sum > SOURCE_UNPACKED &&
        sum / SOURCE_RATIO_MOST > reader->archive_bytes) {
        return mn_fail(reader->ctx, MN_IO,
                       "%s: an archive of %llu bytes with %llu bytes and more in it, which image "
                       "files do not pack to",
                       reader->source->path, (unsigned long long)reader->archive_bytes,
                       (unsigned long long)sum);
    }
    return MN_OK;
}

int source_enter(struct source_reader *reader, const char *name, uint64_t size) {
    if (size > SOURCE_FILE_MOST) {
        char why[100];
        snprintf(why, sizeof why, "%llu bytes; the most is %d", (unsigned long long)size,
                 (int)SOURCE_FILE_MOST);
        noted_add(&reader->source->unreadable, name, why);
        return MN_OK;
    }
    reader->n++;
    reader->bytes += size;
    const int status = check_ratio(reader, reader->bytes);
    return status == MN_OK ? enter(reader, name, size, &reader->found) : status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct source_file *)a)->name, ((const struct source_file *)b)->name);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first file whose name is not before `name`. */
static int64_t place_of(const struct source *source, const char *name) {
    int64_t low = 0, high = source->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (strcmp(source->files[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Folders of an archive with nothing in them, but not those around these. */
static int note_folders(const struct source_reader *reader) {
    struct source *source = reader->source;
    const char **names = mn_scratch(reader->ctx, (size_t)(reader->n_folders + 1) * sizeof *names);
    int64_t n = 0;
    if (names == NULL) {
        return MN_NOMEM;
    }
    for (const struct source_found *at = reader->folders; at != NULL; at = at->next) {
        names[n++] = at->name;
    }
    qsort(names, (size_t)n, sizeof *names, by_text);
    for (int64_t i = 0; i < n; i++) {
        const size_t length = strlen(names[i]);
        const int64_t at = place_of(source, names[i]);
        const int around = i + 1 < n && strncmp(names[i], names[i + 1], length) == 0;
        if (!around &&
            (at == source->n || strncmp(source->files[at].name, names[i], length) != 0)) {
            char text[256];
            snprintf(text, sizeof text, "%.*s", (int)length - 1, names[i]);
            noted_add(&source->empty_folders, text, NULL);
        }
    }
    return MN_OK;
}

static int sort(const struct source_reader *reader) {
    struct source *source = reader->source;
    source->files = reader->memory(reader->ctx, (size_t)reader->n * sizeof *source->files);
    if (source->files == NULL) {
        return MN_NOMEM;
    }
    for (const struct source_found *at = reader->found; at != NULL; at = at->next) {
        source->files[source->n++] =
            (struct source_file){at->name, source->path, source->in_zip, NULL, (size_t)at->size};
    }
    qsort(source->files, (size_t)source->n, sizeof *source->files, by_name);
    for (int64_t i = 1; i < source->n; i++) {
        if (by_name(&source->files[i - 1], &source->files[i]) == 0) {
            return source_fail(reader->ctx, &source->files[i],
                               "the archive holds two files of this name");
        }
    }
    return note_folders(reader);
}

static int fail_empty(struct mn_ctx *ctx, const struct source *source) {
    const struct noted *others =
        source->unreadable.n > 0 ? &source->unreadable : &source->other_endings;
    return mn_fail(ctx, MN_IO, "%s: no image file (" SOURCE_ENDINGS ") in this %s%s%s%s",
                   source->path, source->in_zip ? "archive" : "folder",
                   others->n > 0 ? "; there are " : "", others->names, others->n > 3 ? ", .." : "");
}

int source_list(struct mn_ctx *ctx, const char *path, source_memory memory, struct source *out) {
    struct stat about;
    struct source_reader reader = {.ctx = ctx, .source = out, .memory = memory};
    *out = (struct source){.path = path};
    if (stat(path, &about) != 0) {
        return mn_fail(ctx, MN_IO, "%s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(about.st_mode) && !S_ISREG(about.st_mode)) {
        return mn_fail(ctx, MN_IO, "%s: neither a folder nor a zip archive", path);
    }
    out->in_zip = S_ISREG(about.st_mode);
    reader.archive_bytes = (uint64_t)about.st_size;
    const int status = out->in_zip ? source_list_zip(&reader) : source_list_tree(&reader);
    if (status != MN_OK) {
        return status;
    }
    return reader.n > 0 ? sort(&reader) : fail_empty(ctx, out);
}

int source_list_file(struct mn_ctx *ctx, const char *path, source_memory memory,
                     struct source *out) {
    *out = (struct source){.n = 1, .path = "", .files = memory(ctx, sizeof *out->files)};
    if (out->files == NULL) {
        return MN_NOMEM;
    }
    *out->files = (struct source_file){.name = path, .path = ""};
    return MN_OK;
}

int source_each(struct mn_ctx *ctx, const struct source *source, source_take take, void *data) {
    return source->in_zip ? source_each_zip(ctx, source, take, data)
                          : source_each_tree(ctx, source, take, data);
}
