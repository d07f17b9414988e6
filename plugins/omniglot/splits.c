/* SPDX-License-Identifier: MIT */
#include "omniglot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Which characters, and how turned, are classes of a split. */

static const char *const split_files[3] = {"train.txt", "val.txt", "test.txt"};

static int rotates(const struct omniglot *o, int split) {
    return o->rotations == ROTATE_ALL || (o->rotations == ROTATE_TRAIN && split == MN_TRAIN);
}

static void add(struct omniglot *o, int split, int64_t character, int32_t turns) {
    const struct turned class = {(int32_t)character, turns};
    o->classes[split][o->n_classes[split]++] = class;
}

/* Room for every class there can be. */
static int make_room(struct omniglot *o, struct mn_ctx *ctx) {
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        o->n_classes[split] = 0;
        o->classes[split] = mn_keep(ctx, (size_t)o->n_characters * TURNS * sizeof(struct turned));
        if (o->classes[split] == NULL) {
            return MN_NOMEM;
        }
    }
    return MN_OK;
}

/* ---- background and evaluation ------------------------------------------------------------ */

static int divide_sets(struct omniglot *o, struct mn_ctx *ctx) {
    if (o->validation >= o->n_background) {
        return mn_bad_option(ctx, "validation",
                             "%lld characters are to be held out, but the background set has only "
                             "%lld: none would be left to train on",
                             (long long)o->validation, (long long)o->n_background);
    }
    /* The k-th of v held-out characters stands in the middle of the k-th v-th part. */
    const int64_t n = o->n_background, v = o->validation;
    int64_t k = 0;
    for (int64_t i = 0; i < o->n_characters; i++) {
        const int held_out = k < v && i == (2 * k + 1) * n / (2 * v);
        const int split = i >= n ? MN_TEST : held_out ? MN_VAL : MN_TRAIN;
        k += held_out;
        for (int32_t turns = 0; turns < (rotates(o, split) ? TURNS : 1); turns++) {
            add(o, split, i, turns);
        }
    }
    return MN_OK;
}

/* ---- lists -------------------------------------------------------------------------------- */

/* Characters in order of their names, and what the lists have said of them. */
struct index {
    const struct character **by_name;
    uint8_t *taken; /* [n_characters][TURNS] */
};

struct place {
    const char *path;
    int line;
};

static int by_name(const void *a, const void *b) {
    const struct character *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int index_make(const struct omniglot *o, struct mn_ctx *ctx, struct index *out) {
    const size_t n = (size_t)o->n_characters;
    out->by_name = mn_scratch(ctx, n * sizeof *out->by_name);
    out->taken = mn_scratch(ctx, n * TURNS);
    if (out->by_name == NULL || out->taken == NULL) {
        return MN_NOMEM;
    }
    memset(out->taken, 0, n * TURNS);
    for (size_t i = 0; i < n; i++) {
        out->by_name[i] = &o->characters[i];
    }
    qsort(out->by_name, n, sizeof *out->by_name, by_name);
    for (size_t i = 1; i < n; i++) {
        if (by_name(&out->by_name[i - 1], &out->by_name[i]) == 0) {
            return mn_fail(ctx, MN_IO,
                           "%s: character %s lies in both the background and the "
                           "evaluation set",
                           o->path, out->by_name[i]->name);
        }
    }
    return MN_OK;
}

/* ALPHABET/characterNN/rotRRR; cuts the line behind the character. -1 = another form. */
static int32_t parse_turns(char *line) {
    static const char *const names[TURNS] = {"rot000", "rot090", "rot180", "rot270"};
    char *slash = strrchr(line, '/');
    for (int32_t turns = 0; slash != NULL && turns < TURNS; turns++) {
        if (strcmp(slash + 1, names[turns]) == 0) {
            *slash = '\0';
            return turns;
        }
    }
    return -1;
}

static int add_line(struct omniglot *o, struct mn_ctx *ctx, const struct index *index, int split,
                    const struct place *at, char *line) {
    const int32_t turns = parse_turns(line);
    if (turns < 0) {
        return mn_fail(ctx, MN_IO,
                       "%s:%d: '%.100s': expected ALPHABET/CHARACTER/rotRRR with RRR one of 000, "
                       "090, 180, 270",
                       at->path, at->line, line);
    }
    const struct character wanted = {.name = line}, *key = &wanted;
    const struct character **found =
        bsearch(&key, index->by_name, (size_t)o->n_characters, sizeof *index->by_name, by_name);
    if (found == NULL) {
        return mn_fail(ctx, MN_IO, "%s:%d: there is no character '%.100s' in %s", at->path,
                       at->line, line, o->path);
    }
    const int64_t character = *found - o->characters;
    uint8_t *taken = &index->taken[character * TURNS + turns];
    if (*taken != 0) {
        return mn_fail(ctx, MN_IO, "%s:%d: class %.100s/rot%03d was listed before, in %s", at->path,
                       at->line, line, 90 * (int)turns, split_files[*taken - 1]);
    }
    *taken = (uint8_t)(split + 1);
    if (turns == 0 || rotates(o, split)) {
        add(o, split, character, turns);
    }
    return MN_OK;
}

/* Editors on Windows put a byte order mark in front. */
static void skip_mark(FILE *file) {
    char start[3];
    if (fread(start, 1, sizeof start, file) != sizeof start ||
        memcmp(start, "\xEF\xBB\xBF", sizeof start) != 0) {
        rewind(file);
    }
}

/* The next line without its end, and what is wrong with it or NULL. 0 = the file has ended. */
static int next_line(FILE *file, char *line, size_t size, const char **fault) {
    size_t n = 0;
    int byte;
    *fault = NULL;
    while ((byte = getc(file)) != EOF && byte != '\n') {
        if (byte == '\0' || n + 1 == size) {
            *fault = byte == '\0' ? "the line holds a zero byte" : "the line is too long";
            return 1;
        }
        line[n++] = (char)byte;
    }
    const int ended = n == 0 && byte == EOF;
    n -= n > 0 && line[n - 1] == '\r';
    line[n] = '\0';
    return !ended;
}

static int read_lines(struct omniglot *o, struct mn_ctx *ctx, const struct index *index, int split,
                      FILE *file, struct place *at) {
    char line[512];
    const char *fault;
    skip_mark(file);
    for (at->line = 1; next_line(file, line, sizeof line, &fault); at->line++) {
        if (fault != NULL) {
            return mn_fail(ctx, MN_IO, "%s:%d: %s", at->path, at->line, fault);
        }
        const int status = line[0] != '\0' ? add_line(o, ctx, index, split, at, line) : MN_OK;
        if (status != MN_OK) {
            return status;
        }
    }
    return ferror(file) ? mn_fail(ctx, MN_IO, "%s: %s", at->path, strerror(errno)) : MN_OK;
}

/* Opened without waiting for the other end of a pipe, which has no place here. */
static FILE *open_list(const char *path) {
    struct stat about;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = NULL;
    if (fd >= 0 && fstat(fd, &about) == 0) {
        errno = S_ISDIR(about.st_mode) ? EISDIR : ENXIO;
        file = S_ISREG(about.st_mode) ? fdopen(fd, "rb") : NULL;
    }
    if (fd >= 0 && file == NULL) {
        const int error = errno;
        close(fd);
        errno = error;
    }
    return file;
}

static int read_list(struct omniglot *o, struct mn_ctx *ctx, const struct index *index, int split) {
    char path[4096];
    const int given = o->splits[0] != '\0';
    const int n = snprintf(path, sizeof path, "%s%s/%s", given ? o->splits : o->path,
                           given ? "" : "/splits_vinyals", split_files[split]);
    FILE *file = n < (int)sizeof path ? open_list(path) : NULL;
    if (file == NULL) {
        return mn_bad_option(ctx, given ? "splits" : "split",
                             "%s: %s; the Vinyals split is read from train.txt, val.txt and "
                             "test.txt in the folder that splits names; the split "
                             "background_evaluation needs no lists",
                             path, strerror(n < (int)sizeof path ? errno : ENAMETOOLONG));
    }
    struct place at = {path, 0};
    const int status = read_lines(o, ctx, index, split, file, &at);
    fclose(file);
    return status;
}

int omniglot_divide(struct omniglot *o, struct mn_ctx *ctx) {
    struct index index;
    int status = make_room(o, ctx);
    status = status == MN_OK ? index_make(o, ctx, &index) : status;
    if (status != MN_OK) {
        return status;
    }
    if (o->split == SPLIT_BACKGROUND_EVALUATION) {
        return divide_sets(o, ctx);
    }
    for (int split = MN_TRAIN; status == MN_OK && split <= MN_TEST; split++) {
        status = read_list(o, ctx, &index, split);
    }
    return status;
}
