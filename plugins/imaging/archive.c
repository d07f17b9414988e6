/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 16, END_RECORD = 22, COMMENT_MOST = 0xFFFF };

/* An open archive, as libarchive sees it: without the comment at its end. */
struct zip {
    struct mn_ctx *ctx;
    const char *path;
    struct archive *a;
    int fd;
    int64_t at, end;
    uint8_t *block;
};

/* ---- names -------------------------------------------------------------------------------- */

/* What is wrong with a member's name, or NULL. Nothing is unpacked to disk, but an archive with
 * such names was not made by an honest tool. */
static const char *name_fault(const char *name) {
    if (name[0] == '/') {
        return "the name is absolute";
    }
    for (const char *at = name; *at != '\0'; at++) {
        if ((unsigned char)*at < 32 || *at == 127 || *at == '\\') {
            return "the name holds a backslash or a control character";
        }
        if ((at == name || at[-1] == '/') && strncmp(at, "..", 2) == 0 &&
            (at[2] == '/' || at[2] == '\0')) {
            return "the name leads out of the archive";
        }
    }
    return NULL;
}

static int fail_member(const struct zip *z, const char *name, const char *what) {
    const struct source_file file = {name, z->path, 1, NULL, 0};
    const int status = source_stopped(z->ctx, z->path);
    return status != MN_OK ? status : source_fail(z->ctx, &file, "%s", what);
}

static const char *reason(struct archive *a) {
    const char *text = archive_error_string(a);
    return text != NULL ? text : "damaged";
}

/* The name in UTF-8. Old tools wrote names in an encoding of their own and do not say which: their
 * bytes are told as %XX, so that different names stay different. */
static const char *name_of(const struct zip *z, struct archive_entry *entry) {
    const char *name = archive_entry_pathname_utf8(entry);
    if (name == NULL && (name = archive_entry_pathname(entry)) != NULL) {
        const size_t size = 3 * strlen(name) + 1;
        char *text = mn_scratch(z->ctx, size);
        if (text != NULL) {
            source_printable(name, strlen(name), text, size);
        }
        name = text;
    }
    while (name != NULL && strncmp(name, "./", 2) == 0) {
        name += 2;
    }
    return name != NULL ? name : "";
}

/* ---- opening ------------------------------------------------------------------------------ */

/* Why libarchive does not take the file for a zip archive: it looks for the directory at the end of
 * the file. */
static int fail_open(const struct zip *z, const char *text) {
    uint8_t start[4] = {0};
    const int status = source_stopped(z->ctx, z->path);
    if (status != MN_OK) {
        return status;
    }
    if (pread(z->fd, start, sizeof start, 0) <= 0) {
        return mn_fail(z->ctx, MN_IO, "%s: the file is empty", z->path);
    }
    if (memcmp(start, "PK\5\6", 4) == 0) {
        return mn_fail(z->ctx, MN_IO, "%s: the zip archive is empty", z->path);
    }
    if (memcmp(start, "PK", 2) != 0) {
        return mn_fail(z->ctx, MN_IO, "%s: not a zip archive", z->path);
    }
    return mn_fail(z->ctx, MN_IO,
                   "%s: the zip archive is truncated or damaged: its directory, at the end of the "
                   "file, cannot be read (%s)",
                   z->path, text);
}

static la_ssize_t read_at(const struct zip *z, void *to, size_t n, int64_t at) {
    for (;;) {
        const ssize_t got = pread(z->fd, to, n, at);
        if (got >= 0 || errno != EINTR || mn_cancelled(z->ctx)) {
            return got;
        }
    }
}

static la_ssize_t on_read(struct archive *a, void *data, const void **out) {
    struct zip *z = data;
    const int64_t left = z->end - z->at;
    if (mn_cancelled(z->ctx)) {
        archive_set_error(a, EINTR, "stopped");
        return ARCHIVE_FATAL;
    }
    const la_ssize_t n = read_at(z, z->block, (size_t)(left < BLOCK ? left : BLOCK), z->at);
    if (n < 0) {
        archive_set_error(a, errno, "%s", strerror(errno));
        return ARCHIVE_FATAL;
    }
    z->at += n;
    *out = z->block;
    return n;
}

static la_int64_t on_seek(struct archive *a, void *data, la_int64_t offset, int whence) {
    struct zip *z = data;
    const int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? z->at : z->end;
    int64_t to;
    if (__builtin_add_overflow(from, (int64_t)offset, &to) || to < 0) {
        archive_set_error(a, EINVAL, "a place before the begin of the file");
        return ARCHIVE_FATAL;
    }
    z->at = to < z->end ? to : z->end;
    return z->at;
}

/* Where the record at the end stops and the archive's comment begins. libarchive looks for it in
 * the last 16 KiB alone, while a comment has up to 64. The whole file where there is no record. */
static int find_end(struct zip *z) {
    const int64_t size = z->end;
    const size_t most = END_RECORD + COMMENT_MOST;
    const size_t n = size < (int64_t)most ? (size_t)size : most;
    uint8_t *tail = mn_scratch(z->ctx, n + 1);
    if (tail == NULL) {
        return MN_NOMEM;
    }
    if (read_at(z, tail, n, size - (int64_t)n) != (la_ssize_t)n) {
        return mn_fail(z->ctx, MN_IO, "%s: %s", z->path, strerror(errno));
    }
    for (size_t i = n < END_RECORD ? 0 : n - END_RECORD + 1; i-- > 0;) {
        const size_t comment = (size_t)tail[i + 20] | (size_t)tail[i + 21] << 8;
        if (memcmp(tail + i, "PK\5\6", 4) != 0 || i + END_RECORD + comment > n) {
            continue;
        }
        z->end = z->end == size ? size - (int64_t)(n - i - END_RECORD) : z->end;
        if (i + END_RECORD + comment == n) { /* no chance bytes of a comment */
            z->end = size - (int64_t)comment;
            break;
        }
    }
    return MN_OK;
}

static int zip_open(struct zip *z) {
    struct stat about;
    z->fd = open(z->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (z->fd < 0 || fstat(z->fd, &about) != 0) {
        return mn_fail(z->ctx, MN_IO, "%s: %s", z->path, strerror(errno));
    }
    z->end = about.st_size;
    z->block = mn_scratch(z->ctx, BLOCK);
    const int status = z->block != NULL ? find_end(z) : MN_NOMEM;
    if (status != MN_OK) {
        return status;
    }
    z->a = archive_read_new();
    if (z->a == NULL) {
        return mn_fail(z->ctx, MN_NOMEM, "no memory to open %s", z->path);
    }
    /* Not the streaming reader, which would take a truncated archive for a whole one. */
    archive_read_support_format_zip_seekable(z->a);
    archive_read_set_callback_data(z->a, z);
    archive_read_set_read_callback(z->a, on_read);
    archive_read_set_seek_callback(z->a, on_seek);
    return archive_read_open1(z->a) == ARCHIVE_OK ? MN_OK : fail_open(z, reason(z->a));
}

static void zip_close(struct zip *z) {
    archive_read_free(z->a);
    if (z->fd >= 0) {
        close(z->fd);
    }
}

/* ---- members ------------------------------------------------------------------------------ */

typedef int (*visit_member)(void *data, struct zip *z, struct archive_entry *entry,
                            const char *name);

static int visit_members(struct zip *z, visit_member visit, void *data) {
    struct archive_entry *entry;
    for (int64_t n = 0;; n++) {
        const int got = archive_read_next_header(z->a, &entry);
        if (got == ARCHIVE_EOF) {
            return n > 0 ? MN_OK : mn_fail(z->ctx, MN_IO, "%s: the zip archive is empty", z->path);
        }
        int status = source_stopped(z->ctx, z->path);
        if (status == MN_OK && got < ARCHIVE_WARN) {
            status = n == 0 ? fail_open(z, reason(z->a))
                            : mn_fail(z->ctx, MN_IO, "%s: after %lld members: %s", z->path,
                                      (long long)n, reason(z->a));
        }
        status = status == MN_OK ? visit(data, z, entry, name_of(z, entry)) : status;
        if (status != MN_OK) {
            return status;
        }
    }
}

/* libarchive gives names in the encoding of the locale, and none that it lacks: in the locale C
 * only ASCII. */
static int visit_zip(struct mn_ctx *ctx, const char *path, visit_member visit, void *data) {
    struct zip z = {.ctx = ctx, .path = path, .fd = -1};
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    int status = zip_open(&z);
    status = status == MN_OK ? visit_members(&z, visit, data) : status;
    zip_close(&z);
    if (utf8 != (locale_t)0) {
        uselocale(before);
        freelocale(utf8);
    }
    return status;
}

static int list_member(void *data, struct zip *z, struct archive_entry *entry, const char *name) {
    struct source_reader *r = data;
    const size_t length = strlen(name);
    if (source_ignores(name)) {
        return MN_OK;
    }
    if (archive_entry_filetype(entry) == AE_IFDIR || (length > 0 && name[length - 1] == '/')) {
        return source_enter_folder(r, name);
    }
    if (!source_is_image(name)) {
        noted_add(&r->source->other_endings, length > 0 ? name : "a file without a name", NULL);
        return MN_OK;
    }
    const char *fault = name_fault(name);
    if (fault != NULL) {
        return fail_member(z, name, fault);
    }
    if (archive_entry_filetype(entry) != AE_IFREG) {
        return fail_member(z, name, "not a regular file");
    }
    if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0) {
        return fail_member(z, name, "the archive does not tell its size");
    }
    return source_enter(r, name, (uint64_t)archive_entry_size(entry));
}

int source_list_zip(struct source_reader *r) {
    return visit_zip(r->ctx, r->source->path, list_member, r);
}

/* The whole member and one read more, at which libarchive compares the checksum. */
static int read_bytes(const struct zip *z, const struct source_file *file, uint8_t *bytes) {
    size_t got = 0;
    uint8_t beyond;
    for (;;) {
        const size_t left = file->size - got;
        const la_ssize_t n =
            archive_read_data(z->a, left > 0 ? bytes + got : &beyond, left > 0 ? left : 1);
        if (n < 0) {
            return fail_member(z, file->name, reason(z->a));
        }
        if (n == 0) {
            break;
        }
        if (left == 0) {
            return fail_member(z, file->name, "more data than its entry says");
        }
        got += (size_t)n;
    }
    return got == file->size
               ? MN_OK
               : fail_member(z, file->name, "less data than its entry says: truncated");
}

struct each {
    const struct source *source;
    source_take take;
    void *data;
    struct room room;
    int64_t n;
};

static int by_name(const void *name, const void *file) {
    return strcmp(name, ((const struct source_file *)file)->name);
}

static int take_member(void *data, struct zip *z, struct archive_entry *entry, const char *name) {
    struct each *each = data;
    const struct source_file *listed =
        bsearch(name, each->source->files, (size_t)each->source->n, sizeof *listed, by_name);
    if (listed == NULL) {
        return MN_OK;
    }
    struct source_file file = *listed;
    uint8_t *bytes = room_need(z->ctx, &each->room, file.size);
    int status = bytes != NULL ? read_bytes(z, &file, bytes) : MN_NOMEM;
    if (status == MN_OK) {
        file.bytes = bytes;
        each->n++;
        status = each->take(each->data, z->ctx, listed - each->source->files, &file, NULL);
    }
    return status;
}

int source_each_zip(struct mn_ctx *ctx, const struct source *source, source_take take, void *data) {
    struct each each = {.source = source, .take = take, .data = data};
    const int status = visit_zip(ctx, source->path, take_member, &each);
    return status == MN_OK && each.n != source->n
               ? mn_fail(ctx, MN_IO, "%s: the archive changed while it was read", source->path)
               : status;
}
