/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 1 << 16 };

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

/* Control characters would reach the terminal. */
static void printable(const char *name, char *out, size_t size) {
    snprintf(out, size, "%s", name);
    for (char *at = out; *at != '\0'; at++) {
        *at = (unsigned char)*at < 32 || *at == 127 ? '?' : *at;
    }
}

static int fail_member(const struct source_reader *r, const char *name, const char *what) {
    char shown[256];
    printable(name, shown, sizeof shown);
    const struct source_file file = {shown, r->path, 1, NULL, 0};
    return source_fail(r->cx, &file, "%s", what);
}

static const char *reason(struct archive *a) {
    const char *text = archive_error_string(a);
    return text != NULL ? text : "damaged";
}

/* The whole member and one read more, at which libarchive compares the checksum. */
static int read_bytes(const struct source_reader *r, struct archive *a, const char *name,
                      uint8_t *bytes, size_t size) {
    size_t got = 0;
    uint8_t beyond;
    for (;;) {
        const size_t left = size - got;
        const la_ssize_t n =
            archive_read_data(a, left > 0 ? bytes + got : &beyond, left > 0 ? left : 1);
        if (n < 0) {
            return fail_member(r, name, reason(a));
        }
        if (n == 0) {
            break;
        }
        if (left == 0) {
            return fail_member(r, name, "more data than its entry says");
        }
        got += (size_t)n;
    }
    return got == size ? MN_OK : fail_member(r, name, "less data than its entry says: truncated");
}

static int read_member(struct source_reader *r, struct archive *a, struct archive_entry *entry) {
    uint8_t *bytes;
    const char *name = archive_entry_pathname_utf8(entry);
    name = name != NULL ? name : archive_entry_pathname(entry);
    if (name == NULL || name[0] == '\0') {
        return mn_fail(r->cx, MN_IO, "%s: a member has no readable name", r->path);
    }
    while (strncmp(name, "./", 2) == 0) {
        name += 2;
    }
    const char *fault = name_fault(name);
    if (fault != NULL) {
        return fail_member(r, name, fault);
    }
    if (archive_entry_filetype(entry) == AE_IFDIR || !source_wants(name)) {
        return MN_OK;
    }
    if (archive_entry_filetype(entry) != AE_IFREG) {
        return fail_member(r, name, "not a regular file");
    }
    if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0) {
        return fail_member(r, name, "the archive does not tell its size");
    }
    const int status = source_enter(r, name, (uint64_t)archive_entry_size(entry), &bytes);
    return status != MN_OK ? status
                           : read_bytes(r, a, name, bytes, (size_t)archive_entry_size(entry));
}

/* Why libarchive does not take the file for a zip archive: it looks for the directory at the end of
 * the file. */
static int fail_open(const struct source_reader *r, const char *text) {
    uint8_t start[4] = {0};
    FILE *file = fopen(r->path, "rb");
    if (file == NULL) {
        return mn_fail(r->cx, MN_IO, "%s: %s", r->path, strerror(errno));
    }
    const size_t n = fread(start, 1, sizeof start, file);
    fclose(file);
    if (n == 0) {
        return mn_fail(r->cx, MN_IO, "%s: the file is empty", r->path);
    }
    if (memcmp(start, "PK\5\6", 4) == 0) {
        return mn_fail(r->cx, MN_IO, "%s: the zip archive is empty", r->path);
    }
    if (memcmp(start, "PK", 2) != 0) {
        return mn_fail(r->cx, MN_IO, "%s: not a zip archive", r->path);
    }
    return mn_fail(r->cx, MN_IO,
                   "%s: the zip archive is truncated or damaged: its directory, at the end of the "
                   "file, cannot be read (%s)",
                   r->path, text);
}

static int read_members(struct source_reader *r, struct archive *a) {
    struct archive_entry *entry;
    for (int64_t n = 0;; n++) {
        const int got = archive_read_next_header(a, &entry);
        if (got == ARCHIVE_EOF) {
            return n > 0 ? MN_OK : mn_fail(r->cx, MN_IO, "%s: the zip archive is empty", r->path);
        }
        if (got < ARCHIVE_WARN) {
            return n == 0 ? fail_open(r, reason(a))
                          : mn_fail(r->cx, MN_IO, "%s: after %lld members: %s", r->path,
                                    (long long)n, reason(a));
        }
        const int status = read_member(r, a, entry);
        if (status != MN_OK) {
            return status;
        }
    }
}

int source_read_zip(struct source_reader *r) {
    struct archive *a = archive_read_new();
    if (a == NULL) {
        return mn_fail(r->cx, MN_NOMEM, "no memory to open %s", r->path);
    }
    /* Not the streaming reader, which would take a truncated archive for a whole one. */
    archive_read_support_format_zip_seekable(a);
    const int status = archive_read_open_filename(a, r->path, BLOCK) != ARCHIVE_OK
                           ? fail_open(r, reason(a))
                           : read_members(r, a);
    archive_read_free(a);
    return status;
}
