/* SPDX-License-Identifier: MIT */
#include "learn/episode_list.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "learn/configuration.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_IMAGES = 10000 };

static const size_t most_bytes = (size_t)1 << 30;

/* The file's text, line by line, word by word. */
struct reader {
    struct mn_ctx *ctx;
    const char *path;
    char *next;      /* the line after this one; NULL = there is none */
    char *line, *at; /* this line, and what of it is still to be read */
    int64_t number;  /* of this line, from 1 */
};

MN_PRINTF(3, 4) static int wrong(const struct reader *r, const char *at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    nas_service_fail(r->ctx, MN_IO, format, args);
    va_end(args);
    return nas_ctx_where(r->ctx, "%s:%" PRId64 ":%" PRId64, r->path, r->number,
                         (int64_t)(at - r->line) + 1);
}

/* The next line that is neither empty nor a comment. At the end of the file an empty line, which no
 * caller takes for what it wants. */
static void next_line(struct reader *r) {
    do {
        r->number++;
        r->line = r->next != NULL ? r->next : r->line + strlen(r->line);
        char *end = r->next != NULL ? strchr(r->line, '\n') : NULL;
        if (end != NULL) {
            *end = '\0';
            if (end > r->line && end[-1] == '\r') {
                end[-1] = '\0';
            }
        }
        r->next = end != NULL ? end + 1 : NULL;
    } while (r->next != NULL && (r->line[0] == '\0' || r->line[0] == '#'));
    r->at = r->line;
}

/* The next word of the line, cut off behind; "" at its end. */
static const char *word(struct reader *r) {
    r->at += strspn(r->at, " ");
    const char *start = r->at;
    r->at += strcspn(r->at, " ");
    if (*r->at != '\0') {
        *r->at++ = '\0';
    }
    return start;
}

static int keyword(struct reader *r, const char *wanted) {
    const char *got = word(r);
    return strcmp(got, wanted) == 0
               ? MN_OK
               : wrong(r, got, "expected '%s', got '%.40s'", wanted, got[0] ? got : "the end");
}

static int number(struct reader *r, int64_t most, int64_t *out) {
    const char *text = word(r);
    return nas_text_int(text, out) && *out >= 0 && *out <= most
               ? MN_OK
               : wrong(r, text, "expected a number from 0 to %" PRId64 ", got '%.40s'", most, text);
}

static int fingerprint(struct reader *r, uint64_t *out) {
    const char *text = word(r);
    char *end;
    *out = strtoull(text, &end, 16);
    return strlen(text) == NAS_HASH_DIGITS && strspn(text, "0123456789abcdef") == NAS_HASH_DIGITS
               ? MN_OK
               : wrong(r, text, "expected a fingerprint of %d hexadecimal digits, got '%.40s'",
                       NAS_HASH_DIGITS, text);
}

static int line_end(struct reader *r) {
    const char *text = word(r);
    return text[0] == '\0' ? MN_OK : wrong(r, text, "the line goes on with '%.40s'", text);
}

/* Begin a line "KEY ..". */
static int key_line(struct reader *r, const char *key) {
    next_line(r);
    return keyword(r, key);
}

/* A line "KEY N". */
static int count(struct reader *r, const char *key, int64_t least, int64_t most, int64_t *out) {
    TRY(key_line(r, key));
    TRY(number(r, most, out));
    return *out >= least ? line_end(r)
                         : wrong(r, r->line, "%s must be %" PRId64 " or more", key, least);
}

/* ---- header ------------------------------------------------------------------------------- */

static int read_header(struct reader *r, struct nas_episodes *out) {
    int64_t seed, ways, shots, queries;
    next_line(r);
    if (strcmp(r->line, "metanas episodes 1") != 0) {
        return wrong(r, r->line,
                     "expected the line 'metanas episodes 1'; 'metanas episodes' makes such files");
    }
    TRY(key_line(r, "dataset"));
    out->dataset = nas_arena_text(&out->arena, word(r));
    TRY(line_end(r));
    TRY(key_line(r, "data"));
    TRY(fingerprint(r, &out->data));
    TRY(line_end(r));
    TRY(key_line(r, "split"));
    const char *split = word(r);
    while (nas_split_names[out->spec.split] != NULL &&
           strcmp(split, nas_split_names[out->spec.split]) != 0) {
        out->spec.split++;
    }
    if (nas_split_names[out->spec.split] == NULL) {
        return wrong(r, split, "expected train, val or test, got '%.40s'", split);
    }
    TRY(line_end(r));
    TRY(count(r, "seed", 0, INT64_MAX, &seed));
    TRY(count(r, "ways", 1, MOST_IMAGES, &ways));
    TRY(count(r, "shots", 1, MOST_IMAGES, &shots));
    TRY(count(r, "queries", 1, MOST_IMAGES, &queries));
    TRY(count(r, "tasks", 1, 10000000, &out->tasks));
    out->seed = (uint64_t)seed;
    out->spec = (struct mn_episode_spec){.size = sizeof out->spec,
                                         .split = out->spec.split,
                                         .ways = (int32_t)ways,
                                         .support = (int32_t)shots,
                                         .query = (int32_t)queries};
    return MN_OK;
}

/* ---- tasks -------------------------------------------------------------------------------- */

static int read_numbers(struct reader *r, const char *key, int64_t n, int64_t *out) {
    TRY(keyword(r, key));
    for (int64_t i = 0; i < n; i++) {
        TRY(number(r, INT64_MAX / 2, &out[i]));
    }
    return MN_OK;
}

static int read_class(struct reader *r, struct nas_episodes *out, int64_t way) {
    const struct mn_episode_spec *spec = &out->spec;
    int64_t *samples = out->samples + way * ((int64_t)spec->support + spec->query);
    next_line(r);
    TRY(read_numbers(r, "class", 1, &out->classes[way]));
    TRY(read_numbers(r, "support", spec->support, samples));
    TRY(read_numbers(r, "query", spec->query, samples + spec->support));
    TRY(keyword(r, "name"));
    out->names[way] = nas_arena_text(&out->arena, r->at);
    return r->at[0] != '\0' ? MN_OK : wrong(r, r->at, "the name of the class is missing");
}

static int read_task(struct reader *r, struct nas_episodes *out, int64_t task) {
    int64_t index = -1;
    next_line(r);
    TRY(read_numbers(r, "task", 1, &index));
    if (index != task) {
        return wrong(r, r->line, "expected task %" PRId64 ", got %" PRId64, task, index);
    }
    TRY(fingerprint(r, &out->hashes[task]));
    TRY(line_end(r));
    for (int32_t w = 0; w < out->spec.ways; w++) {
        TRY(read_class(r, out, task * out->spec.ways + w));
    }
    return MN_OK;
}

/* What stands behind a zero byte would get lost. */
static int check_text(struct reader *r, size_t length) {
    const char *zero = memchr(r->line, '\0', length);
    if (zero == NULL) {
        return MN_OK;
    }
    r->number = 1;
    for (char *end; (end = memchr(r->line, '\n', (size_t)(zero - r->line))) != NULL;) {
        r->line = end + 1;
        r->number++;
    }
    return wrong(r, zero, "the line holds a zero byte");
}

static int read_all(struct reader *r, size_t length, struct nas_episodes *out) {
    TRY(check_text(r, length));
    TRY(read_header(r, out));
    /* A number takes two bytes or more, so what a file can hold bounds what is allocated. */
    const double ways = (double)out->tasks * out->spec.ways;
    const double images = ways * ((double)out->spec.support + out->spec.query);
    if (2 * (images + ways) > (double)length) {
        return wrong(r, r->line,
                     "%" PRId64 " tasks do not fit into a file of %zu bytes: it is truncated",
                     out->tasks, length);
    }
    TRY(nas_episodes_room(out, r->ctx));
    for (int64_t i = 0; i < out->tasks; i++) {
        TRY(read_task(r, out, i));
    }
    if (r->next == NULL) {
        return wrong(r, r->line, "the line does not end with a line feed: the file is truncated");
    }
    next_line(r);
    TRY(line_end(r));
    return out->arena.failed ? mn_fail(r->ctx, MN_NOMEM, "%s: no memory to read it", r->path)
                             : MN_OK;
}

int nas_episodes_read(struct mn_ctx *ctx, const char *path, struct nas_episodes *out) {
    CLEANUP(nas_free) uint8_t *data = NULL;
    size_t length;
    memset(out, 0, sizeof *out);
    TRY(nas_file_read(ctx, path, most_bytes, &data, &length));
    struct reader r = {.ctx = ctx, .path = path};
    r.line = r.next = (char *)data + (nas_text_skip_bom((const char *)data) - (const char *)data);
    length -= (size_t)(r.line - (char *)data);
    out->path = nas_arena_text(&out->arena, path);
    const int status = read_all(&r, length, out);
    if (status != MN_OK) {
        nas_episodes_fini(out);
    }
    return status;
}
